//! A terminal for the command, from the container's own devpts.

use crate::failure::{OrFail, Result};
use crate::handoff::{FromAgent, Link};
use c2w_guest_abi::{Terminal, TerminalMode, TerminalSize};
use rustix::fs::{Mode, OFlags, Uid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};
use std::os::fd::{AsFd, OwnedFd};

/// Opens a terminal, passes its master to PID 1 and makes it this session's controlling terminal
/// and standard streams. The container runtime has already made the session.
pub fn attach(link: &Link, wanted: Terminal, uid: u32) -> Result<()> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master =
        rustix::fs::open("/dev/pts/ptmx", flags, Mode::empty()).or_fail("opening a terminal")?;
    unlockpt(&master).or_fail("unlocking the terminal")?;
    let slave =
        ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .or_fail("opening the terminal")?;
    if wanted.mode == TerminalMode::Cooked {
        leave_to_host(&slave)?;
    }
    tcsetwinsize(&slave, window(wanted.size)).or_fail("setting the terminal's size")?;
    rustix::fs::fchown(&slave, Some(Uid::from_raw(uid)), None).or_fail("terminal's owner")?;
    rustix::process::ioctl_tiocsctty(&slave).or_fail("taking the terminal")?;
    link.send(&FromAgent::Terminal, &[master.as_fd()])?;
    rustix::stdio::dup2_stdin(&slave).or_fail("standard input")?;
    rustix::stdio::dup2_stdout(&slave).or_fail("standard output")?;
    rustix::stdio::dup2_stderr(&slave).or_fail("standard error")
}

/// Turns off what the host's terminal does already. Lines are still lines: a read returns one, and
/// readline, which sees that nothing is echoed, does not echo either.
fn leave_to_host(terminal: &OwnedFd) -> Result<()> {
    let mut settings = tcgetattr(terminal).or_fail("reading the terminal's settings")?;
    settings.local_modes.remove(LocalModes::ECHO | LocalModes::ECHOCTL | LocalModes::ECHOKE);
    settings.output_modes.remove(OutputModes::OPOST);
    tcsetattr(terminal, OptionalActions::Now, &settings).or_fail("setting the terminal")
}

/// A size as the kernel has it.
pub fn window(size: TerminalSize) -> Winsize {
    Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
}
