//! CRC-32C as ext4 uses it: no inversion at the end, seeds chained from the filesystem's UUID.

/// Tables for eight bytes at a time (slicing-by-8).
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut slice = 1;
    while slice < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

/// The checksum of `bytes` that continues from `seed`.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let value = words.iter().fold(seed, |value, word| {
        let word = u64::from_le_bytes(*word) ^ u64::from(value);
        (0..8).fold(0, |sum, index| sum ^ TABLES[7 - index][(word >> (8 * index)) as usize & 0xff])
    });
    rest.iter().fold(value, |value, &byte| {
        value >> 8 ^ TABLES[0][((value ^ u32::from(byte)) & 0xff) as usize]
    })
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
