//! What the values of options mean.

use super::{TerminalChoice, UsageError, text, usage};
use alloc::vec::Vec;
use c2w_guest_abi::{Device, DeviceAccess, TerminalMode, Tmpfs, capability, place, tmpfs};

/// Docker's spellings of true and false, Go's `strconv.ParseBool`.
pub(super) fn boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Some(false),
        _ => None,
    }
}

pub(super) fn terminal(value: Option<&[u8]>) -> Result<TerminalChoice, UsageError> {
    match value {
        None => Ok(TerminalChoice::Always(None)),
        Some(b"cooked") => Ok(TerminalChoice::Always(Some(TerminalMode::Cooked))),
        Some(b"raw") => Ok(TerminalChoice::Always(Some(TerminalMode::Raw))),
        Some(value) => match boolean(value) {
            Some(true) => Ok(TerminalChoice::Always(None)),
            Some(false) => Ok(TerminalChoice::Never),
            None => Err(usage(format_args!("--tty={}: the modes are cooked and raw", text(value)))),
        },
    }
}

/// `NAME=value`, or what `NAME` is outside; when it is not set there the name alone: it is not to
/// be set in the container either, as Docker has it.
pub(super) fn variable(given: Vec<u8>, outside: &[Vec<u8>]) -> Result<Vec<u8>, UsageError> {
    let length = given.iter().position(|&byte| byte == b'=').unwrap_or(given.len());
    if length == 0 {
        return Err(usage(format_args!("--env {}: write NAME=VALUE", text(&given))));
    }
    if length < given.len() {
        return Ok(given);
    }
    let named = |known: &&Vec<u8>| known.starts_with(&given) && known.get(length) == Some(&b'=');
    Ok(outside.iter().find(named).cloned().unwrap_or(given))
}

/// An empty name is Docker's for the default.
pub(super) fn hostname(name: Vec<u8>) -> Result<Option<Vec<u8>>, UsageError> {
    // Linux's __NEW_UTS_LEN.
    const LONGEST: usize = 64;
    match name.len() {
        0 => Ok(None),
        1..=LONGEST => Ok(Some(name)),
        _ => Err(usage(format_args!(
            "--hostname {}: a host name has at most {LONGEST} bytes",
            text(&name)
        ))),
    }
}

pub(super) fn tmpfs_mount(value: &[u8]) -> Result<Tmpfs, UsageError> {
    let mut parts = value.splitn(2, |&byte| byte == b':');
    let target = parts.next().unwrap_or_default().to_vec();
    if target.first() != Some(&b'/') {
        return Err(usage(format_args!("--tmpfs {}: an absolute path is needed", text(value))));
    }
    if let Some(system) = place::system(&target) {
        return Err(usage(format_args!("--tmpfs {}: {}", text(value), place::refusal(system))));
    }
    let options = parts.next().unwrap_or_default();
    if let Some((unknown, _)) = tmpfs::options(options).find(|(_, option)| option.is_none()) {
        return Err(usage(format_args!(
            "--tmpfs {}: no such option: '{}'; those of tmpfs(5) and flags of mount(8) can stand there",
            text(value),
            text(unknown)
        )));
    }
    Ok(Tmpfs { target, options: options.to_vec() })
}

/// `SOURCE[:TARGET][:ACCESS]`, as Docker reads it: a second part that looks like an access is one.
pub(super) fn device(value: &[u8]) -> Result<Device, UsageError> {
    let mut parts: Vec<&[u8]> = value.split(|&byte| byte == b':').collect();
    let mut access = DeviceAccess::ALL;
    if let [_, .., last] = parts[..]
        && (parts.len() == 3 || last.first() != Some(&b'/'))
    {
        access = device_access(last).ok_or_else(|| {
            usage(format_args!(
                "--device {}: '{}' is not made of r, w and m",
                text(value),
                text(last)
            ))
        })?;
        parts.pop();
    }
    let (source, target) = match parts[..] {
        [source] => (source, source),
        [source, target] => (source, target),
        _ => return Err(usage(format_args!("--device {}: write DEV[:AT[:rwm]]", text(value)))),
    };
    if source.first() != Some(&b'/') || target.first() != Some(&b'/') {
        return Err(usage(format_args!("--device {}: an absolute path is needed", text(value))));
    }
    Ok(Device { source: source.to_vec(), target: target.to_vec(), access })
}

/// Each letter at most once, and at least one.
fn device_access(letters: &[u8]) -> Option<DeviceAccess> {
    let mut access = DeviceAccess { read: false, write: false, mknod: false };
    for letter in letters {
        let one = match letter {
            b'r' => &mut access.read,
            b'w' => &mut access.write,
            b'm' => &mut access.mknod,
            _ => return None,
        };
        if core::mem::replace(one, true) {
            return None;
        }
    }
    (!letters.is_empty()).then_some(access)
}

pub(super) fn capabilities(name: &[u8]) -> Result<u64, UsageError> {
    capability::parse(name)
        .ok_or_else(|| usage(format_args!("{}: no such capability (capabilities(7))", text(name))))
}
