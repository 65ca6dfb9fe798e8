//! `--init`: process 1 of the container as Docker's `--init` has it. It reaps what others leave
//! behind, passes signals on to the command and ends as the command does.

use super::Link;
use crate::failure::{OrFail, Result};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use std::io::Error;
use std::os::fd::{AsFd, AsRawFd};

/// Signals that are about the process itself: it keeps what they do to it.
const OWN: [i32; 7] = [
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Makes two processes of this one. It returns in the new one, which is to become the command.
#[allow(unsafe_code)]
pub fn split(link: &Link) -> Result<()> {
    const WHAT: &str = "starting the container's process 1";
    let signals = Signals::blocked().or_fail(WHAT)?;
    // SAFETY: this process has one thread, so the child has all of it.
    match unsafe { libc::fork() } {
        0 => {
            lead_terminal();
            signals.unblock().or_fail(WHAT)
        }
        child => {
            let child = Pid::from_raw(child).ok_or_else(Error::last_os_error).or_fail(WHAT)?;
            // A reader of the other ends of these is to see what the command does to them.
            // SAFETY: nothing uses the socket from here on, not even to close it.
            unsafe { libc::close(link.as_fd().as_raw_fd()) };
            let _ = leave_streams();
            let _ = rustix::thread::set_name(c"init");
            std::process::exit(signals.reap_until(child))
        }
    }
}

/// The command's process group is the terminal's, if there is one, so that keys reach it.
fn lead_terminal() {
    let group = rustix::process::getpid();
    if rustix::process::setpgid(None, None).is_ok() {
        // Standard input need not be a terminal.
        let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), group);
    }
}

fn leave_streams() -> rustix::io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)
}

/// The signals that are waited for, and not delivered meanwhile.
struct Signals {
    waited: libc::sigset_t,
    before: libc::sigset_t,
}

impl Signals {
    #[allow(unsafe_code)]
    fn blocked() -> std::io::Result<Self> {
        // SAFETY: signal sets are plain bytes, initialised by sigfillset and sigprocmask.
        let (result, signals) = unsafe {
            let mut signals: Self = std::mem::zeroed();
            libc::sigfillset(&raw mut signals.waited);
            for own in OWN {
                libc::sigdelset(&raw mut signals.waited, own);
            }
            let (waited, before) = (&raw const signals.waited, &raw mut signals.before);
            (libc::sigprocmask(libc::SIG_BLOCK, waited, before), signals)
        };
        if result < 0 { Err(Error::last_os_error()) } else { Ok(signals) }
    }

    #[allow(unsafe_code)]
    fn unblock(&self) -> std::io::Result<()> {
        // SAFETY: a set that sigprocmask has filled.
        let result = unsafe {
            let before = &raw const self.before;
            libc::sigprocmask(libc::SIG_SETMASK, before, std::ptr::null_mut())
        };
        if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
    }

    /// The exit status of `child`, with 128 and the signal that killed it.
    #[allow(unsafe_code)]
    fn reap_until(&self, child: Pid) -> i32 {
        loop {
            // SAFETY: a set that was filled; null asks for no details of the signal.
            match unsafe { libc::sigwaitinfo(&raw const self.waited, std::ptr::null_mut()) } {
                libc::SIGCHLD => {
                    if let Some(status) = reap(child) {
                        return status;
                    }
                }
                // SAFETY: kill(2) of a child that was not reaped yet. It may have another user.
                signal @ 1.. => drop(unsafe { libc::kill(child.as_raw_nonzero().get(), signal) }),
                // Stopped and continued.
                _ => {}
            }
        }
    }
}

/// Reaps all that have ended; gives the status of `child` if it has.
fn reap(child: Pid) -> Option<i32> {
    let mut status = None;
    while let Ok(Some((pid, ended))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            status = Some(status_of(ended));
        }
    }
    status
}

fn status_of(ended: WaitStatus) -> i32 {
    ended
        .exit_status()
        .or_else(|| ended.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    // Reaped by its number.
    #[allow(clippy::zombie_processes)]
    fn the_status_is_the_commands_or_says_the_signal() {
        for (line, status) in [("exit 7", 7), ("kill -TERM $$", 128 + 15), ("exit 0", 0)] {
            let child = Command::new("sh").args(["-c", line]).spawn().unwrap();
            let child = Pid::from_child(&child);
            let (_, ended) =
                rustix::process::waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
            assert_eq!(status_of(ended), status, "{line}");
        }
    }
}
