//! The terminal that `c2w run` is run in.

use crate::interrupt::Guard;
use c2w_guest_abi::{TerminalMode, TerminalSize};
use c2w_session::terminal::HostTerminal;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, Read, stdin, stdout};
use std::os::unix::net::UnixStream;

/// The terminal that standard input and output are, if both are. It can be made raw, so that is
/// what suits it.
pub fn find() -> Option<HostTerminal> {
    let both = isatty(stdin()) && isatty(stdout());
    both.then(|| HostTerminal { size: size(), mode: TerminalMode::Raw })
}

fn size() -> Option<TerminalSize> {
    let window = tcgetwinsize(stdout()).ok()?;
    let known = window.ws_col > 0 && window.ws_row > 0;
    known.then_some(TerminalSize { columns: window.ws_col, rows: window.ws_row })
}

/// A terminal that passes every key and shows every byte, until this is dropped.
pub struct Raw {
    before: Termios,
    _interrupts: Guard,
}

impl Raw {
    /// Makes the terminal raw.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn new() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let interrupts = Guard::terminal(before.clone());
        let mut settings = before.clone();
        settings.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &settings)?;
        Ok(Self { before, _interrupts: interrupts })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Hears when the terminal's size changes.
pub struct Resizes(UnixStream);

impl Resizes {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the signal cannot be handled.
    pub fn new() -> io::Result<Self> {
        let (heard, told) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGWINCH, told)?;
        Ok(Self(heard))
    }

    /// Readable when there is a new size.
    pub fn stream(&self) -> &UnixStream {
        &self.0
    }

    /// The new size, if there is one.
    pub fn next(&mut self) -> Option<TerminalSize> {
        let heard = self.0.read(&mut [0; 64]).is_ok_and(|length| length > 0);
        if heard { size() } else { None }
    }
}
