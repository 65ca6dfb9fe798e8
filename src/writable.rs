//! Waiting for what does not block.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// Waits until something that takes nothing for the moment (`EAGAIN`) takes more: whoever made such
/// a pipe shares it with us, so it stays as it is.
///
/// # Errors
/// When it cannot be waited for.
pub fn wait(out: BorrowedFd<'_>) -> rustix::io::Result<()> {
    match poll(&mut [PollFd::from_borrowed_fd(out, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}
