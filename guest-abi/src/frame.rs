//! Framing on the control port: a little-endian `u32` length, then that many bytes of
//! [postcard](https://postcard.jamesmunns.com/wire-format) for one message.

use alloc::vec::Vec;
use serde::{Serialize, de::DeserializeOwned};

/// The longest message, in bytes: arguments and environment are at most 2 MiB on Linux
/// (`ARG_MAX` at the default stack limit); the rest is small.
pub const MAX_MESSAGE: usize = 8 << 20;

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message, or the length that announces it, is over [`MAX_MESSAGE`] bytes.
    #[error("control message of {0} bytes, at most {MAX_MESSAGE} are allowed")]
    TooLong(usize),
    /// The bytes do not decode to the expected message.
    #[error("malformed control message")]
    Malformed,
}

/// Encodes one message with its length in front.
///
/// # Errors
/// [`FrameError::TooLong`] when the message does not fit.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = postcard::to_allocvec(message).map_err(|_| FrameError::Malformed)?;
    if body.len() > MAX_MESSAGE {
        return Err(FrameError::TooLong(body.len()));
    }
    let mut framed = Vec::with_capacity(4 + body.len());
    framed.extend_from_slice(&(body.len() as u32).to_le_bytes());
    framed.extend_from_slice(&body);
    Ok(framed)
}

/// Collects bytes until they make a message.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    /// How many bytes at the start of `pending` are messages that were taken.
    taken: usize,
}

impl Decoder {
    /// Takes more bytes as they came from the port.
    pub fn push(&mut self, bytes: &[u8]) {
        // Not with each message: many short ones would move the rest again and again.
        self.pending.drain(..core::mem::take(&mut self.taken));
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` while bytes are missing.
    ///
    /// # Errors
    /// [`FrameError`] when the bytes can never become a message; the stream is then lost.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.pending[self.taken..];
        let Some(header) = rest.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_MESSAGE {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = rest.get(4..4 + length) else { return Ok(None) };
        let message = postcard::from_bytes(body).map_err(|_| FrameError::Malformed)?;
        self.taken += 4 + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromGuest, RunRequest, ToGuest};
    use alloc::vec;

    #[test]
    fn a_message_survives_any_split() {
        let message = ToGuest::Run(RunRequest {
            args: vec![b"sh".to_vec(), b"".to_vec(), b"\xff\n".to_vec()],
            ..RunRequest::default()
        });
        let bytes = encode(&message).unwrap();
        for split in 0..bytes.len() {
            let mut decoder = Decoder::default();
            decoder.push(&bytes[..split]);
            assert_eq!(decoder.message::<ToGuest>(), Ok(None));
            decoder.push(&bytes[split..]);
            assert_eq!(decoder.message(), Ok(Some(message.clone())));
            assert_eq!(decoder.message::<ToGuest>(), Ok(None));
        }
    }

    #[test]
    fn two_messages_in_one_read_both_arrive() {
        let mut decoder = Decoder::default();
        decoder.push(&encode(&FromGuest::Hello).unwrap());
        decoder.push(&encode(&FromGuest::Exited(7)).unwrap());
        assert_eq!(decoder.message(), Ok(Some(FromGuest::Hello)));
        assert_eq!(decoder.message(), Ok(Some(FromGuest::Exited(7))));
    }

    #[test]
    fn a_million_messages_in_one_read_are_not_moved_a_million_times() {
        const COUNT: usize = 1 << 20;
        let mut decoder = Decoder::default();
        decoder.push(&encode(&FromGuest::StdinClosed).unwrap().repeat(COUNT));
        // Each move would be of some megabytes: terabytes in all.
        for _ in 0..COUNT {
            assert_eq!(decoder.message(), Ok(Some(FromGuest::StdinClosed)));
        }
        assert_eq!(decoder.message::<FromGuest>(), Ok(None));
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_arrive() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert_eq!(decoder.message::<FromGuest>(), Err(FrameError::TooLong(u32::MAX as usize)));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        let mut decoder = Decoder::default();
        decoder.push(&[1, 0, 0, 0, 0x7f]);
        assert_eq!(decoder.message::<FromGuest>(), Err(FrameError::Malformed));
    }
}
