//! A machine that waits shall not wake up for nothing: each time costs the host a system call.

use crate::failure::{OrFail, Result};
use rustix::fs::{Mode, OFlags, open};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs;

/// What a console shows that shows everything but debugging messages.
const INFO: &str = "7";

/// Has the kernel say all it has to say on its console, which most machines do without.
pub fn leave_quiet() -> Result<()> {
    fs::write("/proc/sys/kernel/printk", INFO).or_fail("setting the log level")
}

/// Leaves what the kernel would do twice a second: moving pages about, in case that somebody
/// wants huge ones.
pub fn stop_background_work() -> Result<()> {
    fs::write("/proc/sys/vm/compaction_proactiveness", "0").or_fail("stopping compaction")
}

/// Closes the console. While it is open, the kernel asks it for input up to a hundred times a
/// second. What this process says goes to the kernel's log, which is shown on the console too.
pub fn leave_console() -> Result<()> {
    let flags = OFlags::CLOEXEC;
    let null = open("/dev/null", OFlags::RDONLY | flags, Mode::empty()).or_fail("/dev/null")?;
    let log = open("/dev/kmsg", OFlags::WRONLY | flags, Mode::empty()).or_fail("/dev/kmsg")?;
    dup2_stdin(&null).or_fail("leaving the console")?;
    dup2_stdout(&log).or_fail("leaving the console")?;
    dup2_stderr(&log).or_fail("leaving the console")
}
