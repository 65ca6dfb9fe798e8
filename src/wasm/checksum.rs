//! A checksum over the machine in a module: a damaged one would run, and do anything.

use xxhash_rust::xxh3::Xxh3;

/// XXH3 (64 bits) of what a module carries of its machine, in this order: the runs of RAM's pages,
/// those pages, the root image, the state. It is against accidents; an attacker can make
/// another.
#[derive(Clone, Default)]
pub(super) struct Checksum(Xxh3);

impl Checksum {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As [`super::Provenance`] has it.
    pub(super) fn finish(&self) -> String {
        format!("xxh3:{:016x}", self.0.digest())
    }
}
