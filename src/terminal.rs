//! The terminal that `c2w run` is run in.

use crate::interrupt::Guard;
use c2w_guest_abi::{TerminalMode, TerminalSize};
use c2w_session::terminal::HostTerminal;
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, stdin, stdout};

/// The terminal that standard input and output are, if both are. It can be made raw, so that is
/// what suits it.
pub fn find() -> Option<HostTerminal> {
    let both = isatty(stdin()) && isatty(stdout());
    both.then(|| HostTerminal { size: size(), mode: TerminalMode::Raw })
}

/// The terminal's size now.
pub fn size() -> Option<TerminalSize> {
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
    /// When standard input is not a terminal.
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
