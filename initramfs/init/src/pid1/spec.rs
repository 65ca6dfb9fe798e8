//! The container runtime's configuration (OCI runtime-spec, config.json): what `docker run`
//! writes, with the agent in the command's place.

use super::device_cgroup::{self, Kind};
use crate::AGENT_ROLE;
use crate::handoff::AGENT_FD;
use c2w_guest_abi::DeviceAccess;
use c2w_guest_abi::capability::NAMES;
use serde_json::{Value, json};

/// What of the system a container does not see.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
/// What of it a container cannot change.
pub const READ_ONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// File systems that a container cannot change.
pub const READ_ONLY_MOUNTS: [&str; 2] = ["/sys", "/sys/fs/cgroup"];

/// The configuration of a container in `root`. `network_files` holds `hosts`, `hostname` and
/// `resolv.conf`, which appear in /etc. `hostname` must be UTF-8 here; the command's real one is
/// set later, byte for byte.
pub fn config(root: &str, network_files: &str, hostname: &str) -> Value {
    // For the agent; the command's come from its run.
    let capabilities: Vec<_> = NAMES.iter().map(|name| format!("CAP_{name}")).collect();
    let mut mounts = file_systems();
    mounts.extend(["resolv.conf", "hostname", "hosts"].map(|name| {
        json!({
            "destination": format!("/etc/{name}"),
            "type": "bind",
            "source": format!("{network_files}/{name}"),
            "options": ["rbind", "rprivate"],
        })
    }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            // An open descriptor: the image needs to hold nothing of ours.
            "args": [format!("/proc/self/fd/{AGENT_FD}"), AGENT_ROLE],
            "cwd": "/",
            "capabilities": {
                "bounding": &capabilities,
                "effective": &capabilities,
                "permitted": &capabilities,
            },
        },
        "root": { "path": root },
        "hostname": hostname,
        "mounts": mounts,
        "linux": {
            "cgroupsPath": "/c2w",
            "namespaces": [
                { "type": "pid" },
                { "type": "mount" },
                { "type": "uts" },
                { "type": "ipc" },
                { "type": "cgroup" },
                { "type": "network" },
            ],
            "sysctl": {
                "net.ipv4.ip_unprivileged_port_start": "0",
                "net.ipv4.ping_group_range": "0 2147483647",
                // Its addresses come from us, and nobody else is on its wire.
                "net.ipv6.conf.default.accept_dad": "0",
                "net.ipv6.conf.default.accept_ra": "0",
                "net.ipv6.conf.default.autoconf": "0",
            },
            "resources": { "devices": allowed_devices() },
            "maskedPaths": MASKED_PATHS,
            "readonlyPaths": READ_ONLY_PATHS,
        },
    })
}

/// Puts the file at `source` in the place of the kernel's /proc/cpuinfo.
pub fn show_cpuinfo(config: &mut Value, source: &str) {
    let options = ["bind", "ro", "rprivate"];
    let mount = json!({ "destination": "/proc/cpuinfo", "type": "bind", "source": source, "options": options });
    config["mounts"].as_array_mut().expect("of `config`").push(mount);
}

fn file_systems() -> Vec<Value> {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
    let safe = ["nosuid", "noexec", "nodev"];
    let read_only = ["nosuid", "noexec", "nodev", "ro"];
    let shm = ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"];
    let dev = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    vec![
        mount("/proc", "proc", "proc", &safe),
        mount("/dev", "tmpfs", "tmpfs", &dev),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount(READ_ONLY_MOUNTS[0], "sysfs", "sysfs", &read_only),
        mount(READ_ONLY_MOUNTS[1], "cgroup", "cgroup", &read_only),
        mount("/dev/mqueue", "mqueue", "mqueue", &safe),
        mount("/dev/shm", "tmpfs", "shm", &shm),
    ]
}

/// All but what the rules allow is refused.
fn allowed_devices() -> Value {
    let mut devices = vec![json!({ "allow": false, "access": "rwm" })];
    devices.extend(device_cgroup::DEFAULT.map(|rule| {
        let kind = match rule.kind {
            Kind::Block => "b",
            Kind::Character => "c",
        };
        let DeviceAccess { read, write, mknod } = rule.access;
        let letters = [("r", read), ("w", write), ("m", mknod)];
        let access: String = letters.map(|(letter, on)| if on { letter } else { "" }).concat();
        json!({ "allow": true, "type": kind, "major": rule.major, "minor": rule.minor, "access": access })
    }));
    devices.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_is_dockers_but_for_the_agent() {
        let config = config("/run/root", "/run/etc", "box");
        assert_eq!(config["process"]["args"], json!(["/proc/self/fd/3", "agent"]));
        assert_eq!(config["process"]["terminal"], json!(false));
        assert!(config["process"].get("noNewPrivileges").is_none());
        assert_eq!(config["root"], json!({ "path": "/run/root" }));
        assert_eq!(config["hostname"], json!("box"));
        let mounts = config["mounts"].as_array().unwrap();
        let places: Vec<_> =
            mounts.iter().map(|mount| mount["destination"].as_str().unwrap()).collect();
        assert_eq!(
            places,
            [
                "/proc",
                "/dev",
                "/dev/pts",
                "/sys",
                "/sys/fs/cgroup",
                "/dev/mqueue",
                "/dev/shm",
                "/etc/resolv.conf",
                "/etc/hostname",
                "/etc/hosts",
            ]
        );
        let sys = &mounts[3]["options"];
        assert!(sys.as_array().unwrap().contains(&json!("ro")));
        let devices = config["linux"]["resources"]["devices"].as_array().unwrap();
        assert_eq!(devices[0], json!({ "allow": false, "access": "rwm" }));
        let any =
            json!({ "allow": true, "type": "b", "major": null, "minor": null, "access": "m" });
        assert!(devices.contains(&any));
        let kinds: Vec<_> = config["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|namespace| namespace["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["pid", "mount", "uts", "ipc", "cgroup", "network"]);
    }
}
