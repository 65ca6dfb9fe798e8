# title: apt
# what: `apt-get --version`, `apt-cache policy`, `apt-get check`, dpkg
# image: tools
apt-get --version
apt-cache policy bash 2> /dev/null | head -n 3
apt-get check && echo checked
apt-get -s remove sqlite3 | grep ^Remv
dpkg -S /bin/ls; dpkg --print-architecture
