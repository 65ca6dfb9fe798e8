//! What the command inherits: capabilities, signals, limits, ids.

use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::user::Account;
use c2w_guest_abi::capability::ALL;
use c2w_guest_abi::{Capabilities, Rlimit};
use rustix::fs::{Gid, Uid};
use rustix::process::{Resource, setrlimit};
use rustix::thread::{
    CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// The capabilities that Docker leaves to a container.
const DOCKER_DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);

/// What a command may have: `docker run --cap-add --cap-drop`. What is added stays, whatever is
/// dropped, except that from all of them single ones can be dropped.
pub fn allowed(wanted: Capabilities) -> u64 {
    match wanted.add {
        ALL if wanted.drop == ALL => ALL,
        ALL => ALL & !wanted.drop,
        add => DOCKER_DEFAULT.bits() & !wanted.drop | add,
    }
}

/// Drops all others from the bounding set. The agent itself keeps what it has; `execve` gives root
/// exactly the bounding set and everybody else nothing (capabilities(7)).
pub fn limit_capabilities(wanted: Capabilities) -> Result<()> {
    let allowed = allowed(wanted);
    // The kernel may know capabilities that this program does not, so count by number.
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if allowed & capability.bits() != 0 {
            continue;
        }
        // Numbers past the kernel's last one are an error.
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability).or_fail("dropping a capability")?;
        }
    }
    Ok(())
}

/// Default dispositions and an empty mask, whatever this program's own start made of them.
#[allow(unsafe_code)]
pub fn reset_signals() -> Result<()> {
    for number in 1..=64 {
        // SAFETY: sets no handler. Refused for SIGKILL, SIGSTOP and the two of the C library.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // SAFETY: a signal set is plain bytes, initialised by sigemptyset before its use.
    let result = unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    if result < 0 {
        return Err(std::io::Error::last_os_error()).or_fail("clearing the signal mask");
    }
    Ok(())
}

/// Sets resource limits.
pub fn set_limits(limits: &[Rlimit]) -> Result<()> {
    for limit in limits {
        let resource = RESOURCES.get(limit.resource as usize).ok_or_else(|| {
            failure(MACHINE, format!("unknown resource limit {}", limit.resource))
        })?;
        let bound = |value: u64| (value != u64::MAX).then_some(value);
        let new =
            rustix::process::Rlimit { current: bound(limit.soft), maximum: bound(limit.hard) };
        setrlimit(*resource, new).or_fail(&format!("setting resource limit {}", limit.resource))?;
    }
    Ok(())
}

/// Linux's numbers (<asm-generic/resource.h>), in order.
const RESOURCES: [Resource; 16] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

/// Takes on the ids; for a user other than root that empties the effective and permitted
/// capabilities.
pub fn become_user(account: &Account) -> Result<()> {
    let groups: Vec<Gid> = account.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    set_thread_groups(&groups).or_fail("setting groups")?;
    set_thread_res_gid(gid, gid, gid).or_fail("setting the group")?;
    set_thread_res_uid(uid, uid, uid).or_fail("setting the user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_are_the_ones_docker_shows() {
        assert_eq!(DOCKER_DEFAULT.bits(), 0xa80425fb);
    }

    #[test]
    fn capabilities_are_added_and_dropped_as_docker_does() {
        let docker = DOCKER_DEFAULT.bits();
        let of = |add, drop| allowed(Capabilities { add, drop });
        assert_eq!(of(0, 0), docker);
        assert_eq!(of(1 << 21, 0), docker | 1 << 21);
        assert_eq!(of(0, ALL), 0);
        assert_eq!(of(1, ALL), 1);
        assert_eq!(of(ALL, 0), ALL);
        assert_eq!(of(ALL, 1), ALL & !1);
        assert_eq!(of(1, 1), docker);
    }

    #[test]
    fn resources_are_in_linux_order() {
        for (number, resource) in RESOURCES.iter().enumerate() {
            assert_eq!(*resource as usize, number);
        }
    }
}
