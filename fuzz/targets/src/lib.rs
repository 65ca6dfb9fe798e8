//! What the fuzzers of `fuzz/` run, as plain functions: each takes the bytes of one input and
//! panics when the code under test did what it must never do. `tests/corpus.rs` replays the
//! committed inputs with them.
#![forbid(unsafe_code)]

pub mod driver;
pub mod ext4;
pub mod guest;
pub mod guest_abi;
pub mod layers;
pub mod link;
pub mod machine;
pub mod manifest;
pub mod mmio;
pub mod nat;
pub mod p9;
pub mod p9_server;
pub mod pax;
pub mod reference;
pub mod rings;
pub mod snapshot;
pub mod tar;
pub mod units;
pub mod virtqueue;
pub mod world;

use arbitrary::{Arbitrary, Unstructured};

/// A fuzzer's body.
pub type Check = fn(&[u8]);

/// All of them, by the names of their binaries and corpora.
pub const TARGETS: [(&str, Check); 17] = [
    ("ext4", ext4::check),
    ("guest_abi", guest_abi::check),
    ("layers", layers::check),
    ("link", link::check),
    ("machine", machine::check),
    ("manifest", manifest::check),
    ("mmio", mmio::check),
    ("nat", nat::check),
    ("p9", p9::check),
    ("p9_server", p9_server::check),
    ("pax", pax::check),
    ("reference", reference::check),
    ("rings", rings::check),
    ("snapshot", snapshot::check),
    ("tar", tar::check),
    ("units", units::check),
    ("virtqueue", virtqueue::check),
];

/// Up to `MAX` of something: a byte says how many. (A `Vec` tosses a coin for each further element,
/// so that random bytes hardly ever make more than a few.)
#[derive(Debug)]
struct UpTo<T, const MAX: usize>(Vec<T>);

impl<'a, T: Arbitrary<'a>, const MAX: usize> Arbitrary<'a> for UpTo<T, MAX> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let count = usize::from(u8::arbitrary(bytes)?) % (MAX + 1);
        let mut all = Vec::new();
        while all.len() < count && !bytes.is_empty() {
            all.push(T::arbitrary(bytes)?);
        }
        Ok(Self(all))
    }
}

/// The input of a fuzzer, if the bytes are enough for one.
fn parse<'a, T: Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

/// `length` bytes that differ with `seed` and in nothing else (xorshift64*).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}
