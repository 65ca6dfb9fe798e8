# title: apt
# what: `apt-get --version`, `apt-cache`, `apt-get check`, `apt update` without a network fails within a minute
# note: with apt's own three retries it gives up after 8 s
apt-get --version
apt-cache policy bash
apt-cache show python3 | grep ^Package
apt-get check && echo checked
apt-get -s remove sqlite3 | grep ^Remv
# One attempt: what is compared is that it ends and what it says.
SECONDS=0
apt -o Acquire::Retries=0 -o APT::Update::Error-Mode=any update 2>&1 | grep -c 'resolving'
echo "${PIPESTATUS[0]}"
[ "$SECONDS" -lt 60 ] && echo soon
