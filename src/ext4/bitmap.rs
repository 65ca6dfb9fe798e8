//! Bitmap blocks: all bits up to a count are in use, since images are filled from the front.

use super::format::{BITS_PER_BLOCK, BLOCK_SIZE};

/// A bitmap of `valid` things of which the first `used` are in use; bits that stand for nothing
/// are set, as the format wants.
pub(super) fn prefix_bitmap(used: u32, valid: u32) -> [u8; BLOCK_SIZE] {
    let mut bitmap = [0; BLOCK_SIZE];
    set_range(&mut bitmap, 0, used);
    set_range(&mut bitmap, valid, BITS_PER_BLOCK);
    bitmap
}

/// Sets the bits from `start` to before `end`.
fn set_range(bitmap: &mut [u8; BLOCK_SIZE], start: u32, end: u32) {
    let mut bit = start;
    while bit < end {
        if bit.is_multiple_of(8) && end - bit >= 8 {
            bitmap[bit as usize / 8] = 0xff;
            bit += 8;
        } else {
            bitmap[bit as usize / 8] |= 1 << (bit % 8);
            bit += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_what_is_used_and_what_does_not_exist() {
        let bitmap = prefix_bitmap(11, 20);
        assert_eq!(bitmap[..4], [0xff, 0b111, 0b1111_0000, 0xff]);
        assert!(prefix_bitmap(BITS_PER_BLOCK, BITS_PER_BLOCK).iter().all(|&byte| byte == 0xff));
        assert!(prefix_bitmap(0, BITS_PER_BLOCK).iter().all(|&byte| byte == 0));
    }
}
