//! The container runtime's configuration (OCI runtime-spec, config.json): what `docker run`
//! writes, with the agent in the command's place.

use crate::AGENT_ROLE;
use crate::handoff::AGENT_FD;
use c2w_guest_abi::capability::NAMES;
use serde_json::{Value, json};

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
            },
            "resources": { "devices": allowed_devices() },
            "maskedPaths": [
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
            ],
            "readonlyPaths": [
                "/proc/bus",
                "/proc/fs",
                "/proc/irq",
                "/proc/sys",
                "/proc/sysrq-trigger",
            ],
        },
    })
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
        mount("/sys", "sysfs", "sysfs", &read_only),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &read_only),
        mount("/dev/mqueue", "mqueue", "mqueue", &safe),
        mount("/dev/shm", "tmpfs", "shm", &shm),
    ]
}

/// Docker's rules: any node may be made, only the harmless ones opened. The runtime adds its own
/// default devices.
fn allowed_devices() -> Value {
    let open = |major: u32, minor: u32| json!({ "allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm" });
    json!([
        { "allow": false, "access": "rwm" },
        open(1, 5),
        open(1, 3),
        open(1, 9),
        open(1, 8),
        open(5, 0),
        open(5, 1),
        { "allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm" },
    ])
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
        let kinds: Vec<_> = config["linux"]["namespaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|namespace| namespace["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["pid", "mount", "uts", "ipc", "cgroup", "network"]);
    }
}
