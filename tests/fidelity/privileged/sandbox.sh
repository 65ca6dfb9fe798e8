# title: bubblewrap, unshare
# what: sandboxes with a /proc of their own, as root and as a user; network and cgroup namespaces
# options: --privileged
# judge: expected
bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all sh -c 'echo $$; ls /proc | grep -c ^[0-9]'
useradd -m alice
runuser -u alice -- bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all --uid 7 id -u
mkdir /tmp/p
unshare -p -f -m sh -c 'mount -t proc p /tmp/p && ls /tmp/p | grep -c ^[0-9]'
runuser -u alice -- unshare -Urpf --mount-proc sh -c 'id -u; ls /proc | grep -c ^[0-9]'
unshare -n sh -c 'ip link add name v0 type veth peer name v1 && ip link add name br0 type bridge &&
    ip link set v0 master br0 && ip addr add 10.0.0.1/24 dev br0 && ip link set br0 up &&
    ip link add name d0 type dummy && ip tuntap add dev t0 mode tap && ip -br link | cut -d " " -f 1'
mkdir /sys/fs/cgroup/inner && echo $$ > /sys/fs/cgroup/inner/cgroup.procs && cat /proc/self/cgroup
echo sandbox > /proc/sys/kernel/hostname && hostname
grep CapEff /proc/self/status
