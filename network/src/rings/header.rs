//! The first bytes of a file: who writes it, whom it answers, and how far both have come.

/// How many bytes there are of it.
pub const LENGTH: usize = 64;
/// What each file begins with; the last byte is the version.
const MAGIC: [u8; 8] = *b"c2wring\x01";
/// Its part that is the same in all versions.
pub const NAME: &[u8] = b"c2wring";
const CHECK: usize = 56;

/// The fields that have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub generation: u64,
    pub answers: u64,
    pub written: u64,
    pub read: u64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Connecting = 1,
    Connected = 2,
    Closed = 3,
}

impl Header {
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let state = self.state as u64;
        let words = [self.generation, self.answers, self.written, self.read, state];
        bytes[..8].copy_from_slice(&MAGIC);
        for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let check = hash(&bytes[..CHECK]);
        bytes[CHECK..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// What the bytes say. `None` when nothing has been written yet, or not all of it: the other
    /// side may be writing right now.
    ///
    /// # Errors
    /// When somebody else has written them: the reason for people.
    pub fn decode(bytes: &[u8; LENGTH]) -> Result<Option<Self>, &'static str> {
        // Where a file has just grown, zeros can be seen for what is to come.
        let is_ours =
            bytes.iter().zip(MAGIC).all(|(&byte, of_magic)| [0, of_magic].contains(&byte));
        if !is_ours {
            return Err(match bytes.starts_with(NAME) {
                true => "the other side is of another version of c2w",
                false => "the other side's file is not one of c2w",
            });
        }
        if bytes[..8] != MAGIC || word(bytes, CHECK) != hash(&bytes[..CHECK]) {
            return Ok(None);
        }
        let state = match word(bytes, 40) {
            1 => State::Connecting,
            2 => State::Connected,
            3 => State::Closed,
            _ => return Err("the other side is in a state that there is not"),
        };
        if word(bytes, 8) == 0 {
            return Err("the other side has no generation");
        }
        Ok(Some(Self {
            generation: word(bytes, 8),
            answers: word(bytes, 16),
            written: word(bytes, 24),
            read: word(bytes, 32),
            state,
        }))
    }
}

fn word(bytes: &[u8; LENGTH], at: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|index| bytes[at + index]))
}

/// FNV-1a, of 64 bits.
pub fn hash(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}
