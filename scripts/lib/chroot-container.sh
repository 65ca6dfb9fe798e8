# chroot-container.sh ROOT USER COMMAND...: COMMAND in a copy of ROOT, with what a container finds
# there. Runs as PID 1 of namespaces of its own (unshare); what it writes is thrown away.
set -euo pipefail
root=$1 user=$2
shift 2

mount --make-rprivate /
scratch=$(mktemp -d)
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" \
    "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,size=64m shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "dev/${stream#*:}"; done
while read -r name major minor; do
    mknod -m 666 "dev/$name" c "$major" "$minor"
done << E
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
E
hostname box
: > etc/resolv.conf
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' > etc/hosts
ip link set lo up
ulimit -c 0
ulimit -Sn 1024
home=$(awk -F : -v user="$user" '$1 == user { print $6 }' etc/passwd)
command=("$@")
# After `env -i`, where the command's variables begin.
command=("${command[@]:0:2}" "HOME=$home" HOSTNAME=box "${command[@]:2}")
exec chroot --userspec="$user" --groups="$(awk -F : -v user="$user" \
    '$4 ~ "(^|,)" user "(,|$)" { printf "%s%s", separator, $3; separator = "," }' etc/group)" \
    . "${command[@]}"
