//! The module's options, as `docker run` has them.

use crate::case::{Case, case, shell};
use crate::container::Engine;
use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    let cases =
        [surroundings(), root(), capabilities(), privileges(), process_1(), refusals(), troubles()];
    cases.into_iter().flatten().flat_map(Case::trials).collect()
}

/// A shell line after options.
fn with(name: &'static str, options: &[&str], line: &str) -> Case {
    case(name, [options, &["sh", "-c", line]].concat())
}

fn surroundings() -> Vec<Case> {
    vec![
        with("env", &["-e", "A=x y", "--env=B=", "-e", "PATH=/bin"], "echo \"$A|$B|$PATH\"")
            .stdout("x y||/bin\n"),
        with("env_from_outside", &["-e", "SEEN", "-e", "UNSET"], "echo $SEEN ${UNSET-none}")
            .environment(&[("SEEN", "outside"), ("HIDDEN", "1")])
            .stdout("outside none\n"),
        case("env_taken_away", ["-e", "HOSTNAME", "env"]).stdout(
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/root\n",
        ),
        with("env_is_not_handed_on_natively", &[], "echo ${HIDDEN-none}")
            .environment(&[("HIDDEN", "1")])
            .only([Engine::Native])
            .stdout("none\n"),
        with("workdir", &["-w", "/etc"], "pwd").stdout("/etc\n"),
        with("workdir_is_made", &["--workdir", "/new/one"], "pwd; stat -c %a .")
            .stdout("/new/one\n755\n"),
        case("workdir_is_a_file", ["-w", "/etc/passwd", "true"])
            .status(126)
            .complaint("/etc/passwd: not a directory"),
        case("workdir_is_relative", ["-w", "etc", "true"]).status(125).complaint("absolute path"),
        with("user_by_number", &["-u", "7:8"], "id; echo $HOME; touch /x")
            .stdout("uid=7 gid=8 groups=8\n/\n")
            .stderr("touch: /x: Permission denied\n")
            .status(1),
        with("user_writes_its_streams", &["-u", "7"], "echo o > /dev/stdout; echo e > /dev/stderr")
            .stdout("o\n")
            .stderr("e\n"),
        case("user_unknown", ["--user", "ghost", "true"]).status(125).complaint("user ghost"),
        with("hostname", &["--hostname", "boxy"], "hostname; cat /etc/hostname; echo $HOSTNAME")
            .stdout("boxy\nboxy\nboxy\n"),
    ]
}

fn root() -> Vec<Case> {
    let writes = "for f in /x /etc/hosts /etc/hostname; do touch $f 2>/dev/null || echo no; done
touch /dev/shm/x && echo yes";
    let tmpfs = "echo kept > /t/x; cat /t/x; stat -c %a /t; cp /bin/busybox /t/sh && /t/sh -c :";
    let full = "dd if=/dev/zero of=/t/x bs=64k count=64 2>&1 | grep -o 'No space.*'; wc -c < /t/x";
    vec![
        with("read_only", &["--read-only"], writes).stdout("no\nno\nno\nyes\n"),
        with("read_only_with_a_new_workdir", &["--read-only", "-w", "/new"], "pwd; touch x")
            .stdout("/new\n")
            .stderr("touch: x: Read-only file system\n")
            .status(1),
        with("tmpfs", &["--tmpfs", "/t:mode=700"], tmpfs)
            .stdout("kept\n700\n")
            .stderr("sh: /t/sh: Permission denied\n")
            .status(126),
        with("tmpfs_of_programs", &["--tmpfs", "/t:exec"], tmpfs).stdout("kept\n1777\n"),
        with("tmpfs_that_fills_up", &["--tmpfs=/t:size=1m"], full)
            .stdout("No space left on device\n1048576\n"),
        // As Docker has it: a directory that is there keeps its mode.
        with("tmpfs_on_a_directory", &["--tmpfs", "/etc"], "stat -c %a /etc").stdout("755\n"),
        with("mount_points_leave_no_trace", &["--tmpfs", "/t"], "stat -c '%a %Y' /")
            .stdout("755 0\n"),
        with("tmpfs_on_a_read_only_root", &["--read-only", "--tmpfs", "/a/b"], "touch /a/b/c"),
        with(
            "tmpfs_of_dockers",
            &["--tmpfs", "/t:defaults,noatime,rprivate"],
            "grep ' /t ' /proc/mounts",
        )
        .stdout("tmpfs /t tmpfs rw,nosuid,nodev,noexec,noatime 0 0\n"),
        case("tmpfs_unknown_option", ["--tmpfs", "/t:size=1m,volume", "true"])
            .status(125)
            .complaint("no such option: 'volume'"),
        case("mount_twice", ["--tmpfs", "/t", "--tmpfs", "/t/", "true"])
            .status(125)
            .complaint("two mounts at /t"),
        case("tmpfs_with_nonsense", ["--tmpfs", "/t:size=green", "true"])
            .status(125)
            .complaint("/t with options 'size=green'"),
        case("tmpfs_on_a_file", ["--tmpfs", "/etc/passwd", "true"])
            .status(126)
            .complaint("/etc/passwd"),
    ]
}

fn capabilities() -> Vec<Case> {
    let effective = "grep CapEff /proc/self/status | cut -f 2";
    let mount = "mkdir /m && mount -t tmpfs none /m && grep -c ' /m ' /proc/mounts";
    vec![
        with("capabilities", &[], effective).stdout("00000000a80425fb\n"),
        with("cap_drop_all", &["--cap-drop", "ALL"], effective).stdout("0000000000000000\n"),
        with("cap_drop_one", &["--cap-drop=CAP_CHOWN"], "touch /x; chown 7 /x")
            .stderr("chown: /x: Operation not permitted\n")
            .status(1),
        with("cap_add", &["--cap-add", "sys_admin"], mount).stdout("1\n"),
        with("cap_not_added", &[], mount)
            .stderr("mount: permission denied (are you root?)\n")
            .status(1),
        with("cap_add_all", &["--cap-add", "ALL"], effective).stdout("000001ffffffffff\n"),
    ]
}

fn process_1() -> Vec<Case> {
    let parent = "test $$ -gt 1 && grep PPid /proc/$$/status";
    // What loses its parent is process 1's to reap.
    let orphan = "p=$(sh -c 'sleep 0.1 > /dev/null & echo $!'); while test -e /proc/$p; do :; done";
    vec![
        with("init", &["--init", "--rm"], &format!("{parent}; exit 7"))
            .stdout("PPid:\t1\n")
            .status(7),
        with("init_reaps", &["--init"], &format!("{orphan}; echo reaped")).stdout("reaped\n"),
        with("init_ends_as_a_signal_did", &["--init"], "kill -KILL $$").status(137),
        case("init_without_a_command", ["--init", "ghost"]).status(127).complaint("ghost"),
    ]
}

fn privileges() -> Vec<Case> {
    let fuse = "true <> /dev/fuse && stat -c '%a %t:%T' /dev/fuse";
    let no_fuse = "ls /dev/fuse 2>/dev/null; mknod /fuse c 10 229; true <> /fuse || echo refused";
    // In namespaces of an unprivileged user, so that the kernel checks what covers /proc.
    let own_proc = "mkdir /p && unshare -Urpfm sh -c 'mount -t proc p /p && ls -d /p/1'";
    let elsewhere = "true < /x/f && true <> /x/f || echo refused; ls /dev/fuse";
    let system = "grep CapEff /proc/self/status | cut -f 2
echo 42 > /proc/sys/vm/swappiness && cat /proc/sys/vm/swappiness
mkdir /sys/fs/cgroup/inner && echo $$ > /sys/fs/cgroup/inner/cgroup.procs && cat /proc/self/cgroup
echo never > /sys/kernel/mm/transparent_hugepage/enabled; true <> /dev/loop7 && ls -d /dev/net/tun";
    vec![
        with("no_device", &[], no_fuse)
            .stdout("refused\n")
            .stderr("sh: can't create /fuse: Operation not permitted\n"),
        with("device", &["--device", "/dev/fuse"], fuse).stdout("666 a:e5\n"),
        with("device_elsewhere_to_read", &["--device=/dev/fuse:/x/f:r"], elsewhere)
            .stdout("refused\n")
            .stderr(
                "sh: can't create /x/f: Operation not permitted\n\
                ls: /dev/fuse: No such file or directory\n",
            )
            .status(1),
        with("device_directory", &["--device", "/dev"], "ls -1 /dev/fuse /dev/loop0 /dev/null")
            .stdout("/dev/fuse\n/dev/loop0\n/dev/null\n"),
        with("device_with_sys_admin", &["--cap-add=SYS_ADMIN"], fuse).stdout("666 a:e5\n"),
        with("privileged", &["--privileged"], system)
            .stdout("000001ffffffffff\n42\n0::/inner\n/dev/net/tun\n"),
        with("privileged_proc", &["--privileged"], own_proc).stdout("/p/1\n"),
        with("no_privileged_proc", &["--cap-add=ALL"], own_proc)
            .stderr("mount: permission denied (are you root?)\n")
            .status(1),
        case("device_missing", ["--device", "/dev/ghost", "true"])
            .status(125)
            .complaint("the machine has no device /dev/ghost"),
        case("device_on_a_file", ["--device", "/dev/fuse:/etc/passwd", "true"])
            .status(125)
            .complaint("/etc/passwd: something else has that name"),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        case("unknown_capability", ["--cap-add", "FLY", "true"]).status(125).complaint("FLY"),
        case("memory_at_run_time", ["--memory", "1g", "true"])
            .status(125)
            .complaint("c2w --memory MIB"),
        case("tmpfs_on_the_system", ["--tmpfs", "/proc/x:size=1m", "true"])
            .status(125)
            .complaint("--tmpfs /proc/x:size=1m: /proc belongs to the container's system"),
        case("relative_tmpfs", ["--tmpfs", "t", "true"]).status(125).complaint("absolute path"),
        case("device_access", ["--device", "/dev/fuse:rx", "true"]).status(125).complaint("'rx'"),
        case("unknown_tty_mode", ["--tty=green", "true"]).status(125).complaint("cooked and raw"),
    ]
}

fn troubles() -> Vec<Case> {
    // Only a container that may mount can make the kernel this strict.
    let strict = "mkdir /p; mount -t proc proc /p; echo 1 > /p/sys/vm/panic_on_oom; tail /dev/zero";
    let lookup = "nslookup c2w.invalid > /dev/null; nslookup c2w.invalid > /dev/null; exit 3";
    vec![
        with("no_network", &["--network", "none"], lookup).status(3).complaint("no network"),
        with("no_route", &["--network=none"], "wget -q http://192.0.2.1/")
            .stderr("wget: can't connect to remote host (192.0.2.1): Network is unreachable\n")
            .status(1),
        // The one process of the container that asks for memory without end.
        case("out_of_memory", ["tail", "/dev/zero"]).status(137).complaint("out of memory"),
        with("kernel_panic", &["--cap-add", "ALL"], strict)
            .status(125)
            .complaint("the guest kernel stopped: Kernel panic - not syncing: Out of memory"),
        shell("fork_bomb_stays_inside", "ulimit -u 50; f() { f | f & }; f 2>/dev/null; echo up")
            .stdout("up\n"),
        shell("open_files", "ulimit -n 20000 && ulimit -n").stdout("20000\n"),
    ]
}
