# title: apt
# what: `apt-get update` and `apt-get install` with a signed repository over HTTP; the program runs
repository=$place/repository
mkdir -p "$repository" "$place/package/DEBIAN" "$place/package/usr/bin"

# The repository: one package, its lists, and a key that nobody else has.
cat > "$place/package/DEBIAN/control" << 'C'
Package: hello-c2w
Version: 1.0
Architecture: riscv64
Maintainer: nobody <nobody@example.invalid>
Description: says hello
C
printf '#!/bin/sh\necho "hello, $(uname -m)"\n' > "$place/package/usr/bin/hello-c2w"
chmod 755 "$place/package/usr/bin/hello-c2w"
dpkg-deb --build --root-owner-group "$place/package" "$repository" > /dev/null
(
    cd "$repository"
    apt-ftparchive packages . > Packages
    gzip -k Packages
    apt-ftparchive -o APT::FTPArchive::Release::Suite=stable release . > ../Release
    mv ../Release Release
)
export GNUPGHOME=$place/gnupg
mkdir -m 700 "$GNUPGHOME"
gpg -q --batch --passphrase '' --quick-generate-key nobody@example.invalid ed25519 sign never
gpg -q --batch --armor --export > "$repository/key.asc"
gpg -q --batch --clearsign --output "$repository/InRelease" "$repository/Release"
gpgconf --kill all

port=$(free_port)
server "$PYTHON" -m http.server --bind 127.0.0.1 --directory "$repository" "$port"
listening "$port"
found=$(container -- bash -ec '
    rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*
    curl -sSf -o /etc/apt/keyrings/c2w.asc "http://host:$1/key.asc"
    echo "deb [signed-by=/etc/apt/keyrings/c2w.asc] http://host:$1 ./" > /etc/apt/sources.list.d/c2w.list
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update > /tmp/said 2>&1 || { cat /tmp/said; exit 1; }
    ! grep -E "^(E|W|Err|Ign)" /tmp/said
    apt-get -q install -y hello-c2w > /tmp/said 2>&1 || { cat /tmp/said; exit 1; }
    hello-c2w
    dpkg-query -W -f "\${db:Status-Status}\n" hello-c2w' bash "$port")
expect "what it said" $'hello, riscv64\ninstalled' "$found"
grep -q 'GET /./hello-c2w_1.0_riscv64.deb HTTP/1.1" 200' "$place/server-0.log"
