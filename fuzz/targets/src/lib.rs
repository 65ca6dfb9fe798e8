//! What the fuzzers of `fuzz/` run, as plain functions: each takes the bytes of one input and
//! panics when the code under test did what it must never do. `tests/corpus.rs` replays the
//! committed inputs with them.
#![forbid(unsafe_code)]

pub mod driver;
pub mod guest;
pub mod guest_abi;
pub mod machine;
pub mod mmio;
pub mod p9;
pub mod snapshot;
pub mod virtqueue;
pub mod world;

/// A fuzzer's body.
pub type Check = fn(&[u8]);

/// All of them, by the names of their binaries and corpora.
pub const TARGETS: [(&str, Check); 6] = [
    ("guest_abi", guest_abi::check),
    ("machine", machine::check),
    ("mmio", mmio::check),
    ("p9", p9::check),
    ("snapshot", snapshot::check),
    ("virtqueue", virtqueue::check),
];

/// The input of a fuzzer, if the bytes are enough for one.
fn parse<'a, T: arbitrary::Arbitrary<'a>>(bytes: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(arbitrary::Unstructured::new(bytes)).ok()
}
