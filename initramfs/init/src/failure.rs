//! Errors: every one ends as a [`Failure`] that the host shows, with `docker run`'s status.

use c2w_guest_abi::Failure;
use std::fmt::Display;

/// The machine or the request is at fault.
pub const MACHINE: u8 = 125;
/// The command exists but cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command does not exist.
pub const NOT_FOUND: u8 = 127;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Failure>;

/// A failure with a status of `docker run`.
pub fn failure(status: u8, message: impl Into<String>) -> Failure {
    Failure { status, message: message.into() }
}

/// Turns foreign errors into failures of the machine that name what was being done.
pub trait OrFail<T> {
    /// `what` reads "mounting /proc".
    fn or_fail(self, what: &str) -> Result<T>;
}

impl<T, E: Display> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self, what: &str) -> Result<T> {
        self.map_err(|error| failure(MACHINE, format!("{what}: {error}")))
    }
}
