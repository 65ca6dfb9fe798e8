//! Linux's capabilities by name (capabilities(7)).

/// Every capability of Linux 6.12, each at its number, without `CAP_`.
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// All of them, as a set of bits.
pub const ALL: u64 = (1 << NAMES.len()) - 1;

/// The set that a name stands for, as Docker reads it: `NET_ADMIN`, `cap_net_admin` or `ALL`.
pub fn parse(name: &[u8]) -> Option<u64> {
    if name.eq_ignore_ascii_case(b"ALL") {
        return Some(ALL);
    }
    let short = match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case(b"CAP_") => &name[4..],
        _ => name,
    };
    let number = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(short))?;
    Some(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        for name in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"] {
            assert_eq!(parse(name.as_bytes()), Some(1 << 12), "{name}");
        }
        assert_eq!(parse(b"all"), Some(ALL));
        for name in ["", "CAP_", "NET", "NET_ADMIN "] {
            assert_eq!(parse(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn numbers_are_linuxs() {
        // <linux/capability.h>
        for (name, number) in [("CHOWN", 0), ("SYS_ADMIN", 21), ("SETFCAP", 31), ("BPF", 39)] {
            assert_eq!(parse(name.as_bytes()), Some(1 << number), "{name}");
        }
    }
}
