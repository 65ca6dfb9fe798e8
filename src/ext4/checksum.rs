//! CRC-32C as ext4 uses it: no inversion at the end, seeds chained from the filesystem's UUID.

/// The checksum of `bytes` that continues from `seed`.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    // The crate inverts before and after.
    !crc32c::crc32c_append(!seed, bytes)
}

/// The seed of all checksums but the superblock's.
pub(super) fn filesystem_seed(uuid: &[u8; 16]) -> u32 {
    crc32c(!0, uuid)
}

/// The seed of checksums over the inode `number`, whose generation is 0, and over its blocks.
pub(super) fn inode_seed(filesystem: u32, number: u32) -> u32 {
    crc32c(crc32c(filesystem, &number.to_le_bytes()), &[0; 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_check_value() {
        // The CRC catalogue's check value is of the inverted form.
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        let bytes: Vec<u8> = (0..100).collect();
        assert_eq!(crc32c(crc32c(!0, &bytes[..37]), &bytes[37..]), crc32c(!0, &bytes));
    }
}
