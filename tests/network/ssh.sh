# title: ssh
# what: key login at an sshd, 5 MB to `cat` there and back, exit status
port=$(free_port)
ssh-keygen -q -t ed25519 -N '' -f "$place/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$place/key"
cat > "$place/sshd_config" << C
ListenAddress 127.0.0.1:$port
HostKey $place/host_key
AuthorizedKeysFile $place/key.pub
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
C
# It takes no other folder.
mkdir -p /run/sshd
server /usr/sbin/sshd -D -e -f "$place/sshd_config"
listening "$port"
found=$(container -- bash -ec '
    umask 077
    mkdir -p ~/.ssh
    echo "$2" > ~/.ssh/id_ed25519
    echo "[host]:$1 $3" > ~/.ssh/known_hosts
    there() { ssh -p "$1" -o BatchMode=yes -o StrictHostKeyChecking=yes root@host "$2"; }
    head -c 5000000 /dev/urandom > /tmp/bytes
    there "$1" cat < /tmp/bytes | cmp - /tmp/bytes && echo same
    there "$1" "exit 7" || echo "status $?"' \
    bash "$port" "$(cat "$place/key")" "$(cut -d ' ' -f 1,2 "$place/host_key.pub")")
expect "what it said" $'same\nstatus 7' "$found"
