//! A checksum over the machine in a module: a damaged one would run, and do anything.

use xxhash_rust::xxh3::xxh3_64;

/// XXH3 (64 bits) of what a module carries of its machine: the index of its units, the same checksum
/// of what is stored of RAM and of the root image, the state. It is against accidents; an attacker
/// can make another. As [`super::Provenance`] has it.
pub(super) fn checksum(index: &[u8], units: [u64; 2], state: &[u8]) -> String {
    let sums = [xxh3_64(index), units[0], units[1], xxh3_64(state)];
    let bytes: Vec<u8> = sums.into_iter().flat_map(u64::to_le_bytes).collect();
    format!("xxh3:{:016x}", xxh3_64(&bytes))
}
