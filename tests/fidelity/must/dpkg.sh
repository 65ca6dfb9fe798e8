# title: dpkg
# what: `dpkg -l`, `dpkg -V`, owner of a file, unpacking a package that was just built
dpkg -l | sha256sum
dpkg -S /usr/bin/bash
dpkg --verify bash coreutils && echo verified
cd /tmp && mkdir -p pack/DEBIAN pack/opt
printf 'Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: none <none@example.test>\nDescription: tiny\n' > pack/DEBIAN/control
echo content > pack/opt/tiny
dpkg-deb --root-owner-group -b pack tiny.deb
dpkg -i tiny.deb 2>&1 | tail -2
dpkg -L tiny && cat /opt/tiny
dpkg -r tiny | tail -1
ls /opt
