//! How state is kept in a snapshot.

use alloc::vec::Vec;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// As bytes.
///
/// # Panics
/// Never: no state has a form that cannot be encoded.
pub fn encode(state: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(state).expect("plain data")
}

/// From bytes; `None` if they are not all of what [`encode`] makes, and nothing else.
pub fn decode<S: DeserializeOwned>(bytes: &[u8]) -> Option<S> {
    let (state, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(state)
}
