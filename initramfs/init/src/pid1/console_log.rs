//! What this process and the kernel write to the console, which most runs do without.

use crate::failure::{OrFail, Result};
use rustix::fs::{Mode, OFlags, open};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs;

/// The log level that shows everything but debugging messages.
const INFO: &str = "7";

/// Has the kernel write all its messages to its console.
pub fn show_kernel_messages() -> Result<()> {
    fs::write("/proc/sys/kernel/printk", INFO).or_fail("setting the log level")
}

/// Closes the console: while it is open, the kernel polls it for input up to a hundred times a
/// second, and each time costs the host a system call. What this process writes goes to the
/// kernel's log, which is shown on the console too.
pub fn leave_console() -> Result<()> {
    let flags = OFlags::CLOEXEC;
    let null = open("/dev/null", OFlags::RDONLY | flags, Mode::empty()).or_fail("/dev/null")?;
    let log = open("/dev/kmsg", OFlags::WRONLY | flags, Mode::empty()).or_fail("/dev/kmsg")?;
    dup2_stdin(&null).or_fail("leaving the console")?;
    dup2_stdout(&log).or_fail("leaving the console")?;
    dup2_stderr(&log).or_fail("leaving the console")
}
