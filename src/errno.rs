//! The system's errors, for people.

use rustix::io::Errno;

/// An error without its number.
pub fn words(error: Errno) -> String {
    let text = std::io::Error::from(error).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
