# title: bubblewrap, unshare
# what: sandboxes with a /proc of their own, as root and as a user; network and cgroup namespaces
# options: --privileged
# judge: expected
bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all sh -c 'echo $$; ls /proc | grep -c ^[0-9]'
useradd -m alice
runuser -u alice -- bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all --uid 7 id -u
mkdir /tmp/p
unshare -p -f -m sh -c 'mount -t proc p /tmp/p && ls /tmp/p | grep -c ^[0-9]'
runuser -u alice -- unshare -Urpf --mount-proc sh -c 'id -u; ps -e | wc -l' 2>&1
unshare -n sh -c 'ip link add a type veth peer name b && ip link add c type bridge && ip link set a master c &&
    ip addr add 10.0.0.1/24 dev c && ip link set c up && ip link add d type dummy && ip tuntap add e mode tap
    ip -br link | cut -d " " -f 1'
mkdir /sys/fs/cgroup/inner && echo $$ > /sys/fs/cgroup/inner/cgroup.procs && cat /proc/self/cgroup
sysctl -n kernel.hostname=sandbox; hostname
grep CapEff /proc/self/status
