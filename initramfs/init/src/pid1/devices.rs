//! What a run gives the container of the machine's devices, beside those that every one has.

use super::device_cgroup::{self, Kind, Rule};
use crate::agent::allowed_capabilities;
use crate::failure::{MACHINE, OrFail, Result, failure};
use crate::handoff::DeviceNode;
use c2w_guest_abi::{Device, DeviceAccess, RunRequest, place};
use rustix::fs::{FileType, Mode, OFlags, Stat, major, minor};
use rustix::thread::CapabilitySet;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where this kernel keeps all of them (devtmpfs).
const ALL: &str = "/dev";
/// Names in it that a container has of its own.
const OWN: [&str; 8] = ["console", "full", "null", "ptmx", "random", "tty", "urandom", "zero"];
/// For file systems in user space: a container that may mount may use it.
const FUSE: &[u8] = b"/dev/fuse";
/// What udev opens to everybody: they give no rights by themselves.
const OPEN_TO_ALL: [&str; 2] = ["/dev/fuse", "/dev/net/tun"];
/// Whose devices exist only when somebody has asked for them.
const LOOP_CONTROL: &str = "/dev/loop-control";
/// As many as most machines have from the beginning.
const LOOP_DEVICES: libc::c_ulong = 8;
/// <linux/loop.h>
const LOOP_CTL_ADD: libc::c_ulong = 0x4c80;

/// Finds the devices that a run asks for, and lets the container's control group use them. The
/// agent is to make the nodes.
pub fn grant(run: &RunRequest) -> Result<Vec<DeviceNode>> {
    let mut wanted = run.devices.clone();
    if run.privileged || wanted.iter().any(names_loop_devices) {
        make_loop_devices()?;
    }
    if !run.privileged
        && allowed_capabilities(run.capabilities) & CapabilitySet::SYS_ADMIN.bits() != 0
    {
        let (source, target) = (FUSE.to_vec(), FUSE.to_vec());
        wanted.push(Device { source, target, access: DeviceAccess::ALL });
    }
    let mut found = Vec::new();
    for device in &wanted {
        let nodes = find(device)?;
        found.extend(nodes.into_iter().map(|node| (node, device.access)));
    }
    if run.privileged {
        device_cgroup::allow_all()?;
        let all = walk(Path::new(ALL), ALL.as_bytes())?;
        let all = all.into_iter().filter(|node| !is_own(&node.path));
        return Ok(found.into_iter().map(|(node, _)| node).chain(all).collect());
    }
    if !found.is_empty() {
        device_cgroup::allow(found.iter().map(|(node, access)| rule(node, *access)))?;
    }
    Ok(found.into_iter().map(|(node, _)| node).collect())
}

/// Whether loop devices are asked for, by their names or as a part of all.
fn names_loop_devices(wanted: &Device) -> bool {
    let source = place::lexical(&wanted.source);
    source == ALL.as_bytes() || source.starts_with(b"/dev/loop")
}

fn is_own(path: &[u8]) -> bool {
    OWN.iter().any(|name| path.strip_prefix(b"/dev/") == Some(name.as_bytes()))
}

fn rule(node: &DeviceNode, access: DeviceAccess) -> Rule {
    let kind = match FileType::from_raw_mode(node.mode) {
        FileType::BlockDevice => Kind::Block,
        _ => Kind::Character,
    };
    Rule { kind, major: Some(major(node.device)), minor: Some(minor(node.device)), access }
}

/// The nodes of one device, or of all in a directory.
fn find(wanted: &Device) -> Result<Vec<DeviceNode>> {
    let source = Path::new(std::ffi::OsStr::from_bytes(&wanted.source));
    let name = source.display();
    let missing = || failure(MACHINE, format!("the machine has no device {name}"));
    // A link stands for what it leads to.
    let source = match fs::canonicalize(source) {
        Ok(source) => source,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(error).or_fail(&format!("looking for device {name}")),
    };
    if !source.starts_with(ALL) {
        return Err(missing());
    }
    let mut nodes = walk(&source, &wanted.target)?;
    if source.is_dir() {
        nodes.retain(|node| !is_own(&node.path));
    }
    match nodes.is_empty() {
        true => Err(failure(MACHINE, format!("{name} of the machine is not a device"))),
        false => Ok(nodes),
    }
}

/// The nodes at `source` and below it, as they are to appear at `target` and below.
fn walk(source: &Path, target: &[u8]) -> Result<Vec<DeviceNode>> {
    let mut nodes = Vec::new();
    let mut rest = vec![(source.to_path_buf(), target.to_vec())];
    while let Some((source, target)) = rest.pop() {
        let what = || format!("examining device {}", source.display());
        let stat = rustix::fs::lstat(&source).or_fail(&what())?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => rest.extend(entries(&source, &target).or_fail(&what())?),
            FileType::CharacterDevice | FileType::BlockDevice => {
                nodes.push(node(&source, &stat, target));
            }
            _ => {}
        }
    }
    nodes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(nodes)
}

fn entries(source: &Path, target: &[u8]) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    fs::read_dir(source)?
        .map(|entry| {
            let entry = entry?;
            let target = [target, b"/", entry.file_name().as_bytes()].concat();
            Ok((entry.path(), target))
        })
        .collect()
}

fn node(source: &Path, stat: &Stat, path: Vec<u8>) -> DeviceNode {
    let open_to_all = OPEN_TO_ALL.iter().any(|name| source == Path::new(name));
    DeviceNode {
        path,
        mode: if open_to_all { stat.st_mode | 0o666 } else { stat.st_mode },
        device: stat.st_rdev,
        uid: stat.st_uid,
        gid: stat.st_gid,
    }
}

/// The kernel starts without loop devices, each of which takes memory.
#[allow(unsafe_code)]
fn make_loop_devices() -> Result<()> {
    let control = rustix::fs::open(LOOP_CONTROL, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .or_fail(LOOP_CONTROL)?;
    for number in 0..LOOP_DEVICES {
        // SAFETY: takes a number and touches no memory of this process.
        if unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_ADD, number) } < 0 {
            return Err(std::io::Error::last_os_error()).or_fail("making a loop device");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(source: &str, target: &str) -> Device {
        Device { source: source.into(), target: target.into(), access: DeviceAccess::ALL }
    }

    #[test]
    fn a_device_is_found_and_gets_its_new_name() {
        let [null] = &find(&device("/dev/null", "/dev/x")).unwrap()[..] else { panic!("one node") };
        assert_eq!(null.path, b"/dev/x");
        assert_eq!((major(null.device), minor(null.device)), (1, 3));
        assert_eq!(rule(null, DeviceAccess::ALL).kind, Kind::Character);
    }

    #[test]
    fn a_directory_stands_for_the_devices_in_it() {
        let nodes = find(&device("/dev", "/d")).unwrap();
        assert!(nodes.iter().any(|node| node.path == b"/d/null"));
        assert!(nodes.iter().all(|node| node.path.starts_with(b"/d/")));
        let nodes = find(&device("/dev", "/dev")).unwrap();
        assert!(nodes.iter().all(|node| !is_own(&node.path)));
    }

    #[test]
    fn loop_devices_are_made_for_who_names_them() {
        let names = |source| names_loop_devices(&device(source, "/dev/x"));
        assert!(names("/dev/loop0") && names("/dev//loop-control") && names("/dev/"));
        assert!(!names("/dev/fuse") && !names("/dev/net"));
    }

    #[test]
    fn what_is_not_a_device_is_named() {
        for (source, said) in [
            ("/dev/c2w-ghost", "the machine has no device /dev/c2w-ghost"),
            ("/dev/../etc/passwd", "the machine has no device /dev/../etc/passwd"),
            ("/etc", "the machine has no device /etc"),
        ] {
            assert_eq!(find(&device(source, "/dev/x")).unwrap_err().message, said);
        }
    }

    #[test]
    fn what_every_container_has_is_not_made_again() {
        assert!(is_own(b"/dev/null") && !is_own(b"/dev/fuse") && !is_own(b"/dev/net/tun"));
    }
}
