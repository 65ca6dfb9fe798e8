//! The superblock and the group descriptors.

use super::bitmap::prefix_bitmap;
use super::checksum::{crc32c, filesystem_seed};
use super::format::*;
use super::hash;
use super::inode::EXTRA_SIZE;
use super::layout::Geometry;
use super::{Options, Timestamp};

/// The superblock with its checksum, 1024 bytes from byte 1024 on.
pub(super) fn superblock(geometry: &Geometry, options: &Options) -> [u8; 1024] {
    let mut sb = [0; 1024];
    let free_inodes = geometry.inode_count() - geometry.used_inodes;
    put_u32(&mut sb, 0x00, geometry.inode_count());
    put_split_u64(&mut sb, 0x04, 0x150, geometry.blocks);
    put_u32(&mut sb, 0x10, free_inodes);
    put_u32(&mut sb, 0x18, 2); // Blocks, and clusters, of 1024 << 2 bytes.
    put_u32(&mut sb, 0x1c, 2);
    put_u32(&mut sb, 0x20, geometry.blocks_per_group);
    put_u32(&mut sb, 0x24, geometry.blocks_per_group);
    put_u32(&mut sb, 0x28, geometry.inodes_per_group);
    put_u16(&mut sb, 0x36, u16::MAX); // No check by the number of mounts.
    put_u16(&mut sb, 0x38, 0xef53);
    put_u16(&mut sb, 0x3a, 1); // Cleanly unmounted.
    put_u16(&mut sb, 0x3c, 1); // Go on after errors.
    put_u32(&mut sb, 0x4c, 1); // The dynamic revision: the fields below count.
    put_u32(&mut sb, 0x54, FIRST_INODE);
    put_u16(&mut sb, 0x58, INODE_SIZE as u16);
    put_u32(&mut sb, 0x5c, COMPAT_EXT_ATTR | COMPAT_DIR_INDEX | COMPAT_SPARSE_SUPER2);
    let incompat = INCOMPAT_FILETYPE | INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_FLEX_BG;
    put_u32(&mut sb, 0x60, incompat);
    let ro_compat = RO_COMPAT_LARGE_FILE
        | RO_COMPAT_HUGE_FILE
        | RO_COMPAT_DIR_NLINK
        | RO_COMPAT_EXTRA_ISIZE
        | RO_COMPAT_METADATA_CSUM;
    put_u32(&mut sb, 0x64, ro_compat);
    sb[0x68..0x78].copy_from_slice(&options.uuid);
    for (index, word) in hash::SEED.into_iter().enumerate() {
        put_u32(&mut sb, 0xec + 4 * index, word);
    }
    sb[0xfc] = hash::HALF_MD4;
    put_u16(&mut sb, 0xfe, DESCRIPTOR_SIZE as u16);
    put_u32(&mut sb, 0x100, 0xc); // Default mount options: user_xattr, acl.
    put_u16(&mut sb, 0x15c, EXTRA_SIZE);
    put_u16(&mut sb, 0x15e, EXTRA_SIZE);
    put_u32(&mut sb, 0x160, 1); // Names are hashed as signed bytes.
    sb[0x174] = 4; // 16 groups in a flexible group; nothing depends on it.
    sb[0x175] = 1; // Checksums are CRC-32C.
    put_u32(&mut sb, 0x248, geometry.first_content_block() as u32); // Blocks of overhead.
    put_times(&mut sb, options.created);
    let checksum = crc32c(!0, &sb[..0x3fc]);
    put_u32(&mut sb, 0x3fc, checksum);
    sb
}

/// When the filesystem was written, made and checked: the same time, in 40 bits.
fn put_times(sb: &mut [u8; 1024], created: Timestamp) {
    let seconds = created.seconds.clamp(0, (1 << 40) - 1) as u64;
    for (low, high) in [(0x30, 0x274), (0x108, 0x276), (0x40, 0x277)] {
        put_u32(sb, low, seconds as u32);
        sb[high] = (seconds >> 32) as u8;
    }
}

/// The descriptor of group `group`, which has `directories` directories.
pub(super) fn descriptor(
    geometry: &Geometry,
    options: &Options,
    group: u32,
    directories: u32,
) -> [u8; DESCRIPTOR_SIZE] {
    const ITABLE_ZEROED: u16 = 4;
    let seed = filesystem_seed(&options.uuid);
    let used = geometry.used_inodes_in(group);
    let free = geometry.inodes_per_group - used;
    let mut descriptor = [0; DESCRIPTOR_SIZE];
    let bytes = &mut descriptor;
    put_split_u64(bytes, 0x00, 0x20, geometry.block_bitmap(group));
    put_split_u64(bytes, 0x04, 0x24, geometry.inode_bitmap(group));
    put_split_u64(bytes, 0x08, 0x28, geometry.inode_table(group));
    put_split_u32(bytes, 0x0e, 0x2e, free);
    put_split_u32(bytes, 0x10, 0x30, directories);
    put_u16(bytes, 0x12, ITABLE_ZEROED);
    let blocks = crc32c(seed, &block_bitmap()[..geometry.blocks_per_group as usize / 8]);
    put_split_u32(bytes, 0x18, 0x38, blocks);
    let inodes = &inode_bitmap(geometry, group)[..geometry.inodes_per_group as usize / 8];
    put_split_u32(bytes, 0x1a, 0x3a, crc32c(seed, inodes));
    put_split_u32(bytes, 0x1c, 0x32, free); // All free inodes are at the table's end.
    let checksum = crc32c(crc32c(seed, &group.to_le_bytes()), &*bytes);
    put_u16(bytes, 0x1e, checksum as u16);
    descriptor
}

/// The block bitmap of every group: there are no free blocks.
pub(super) fn block_bitmap() -> [u8; BLOCK_SIZE] {
    prefix_bitmap(BITS_PER_BLOCK, BITS_PER_BLOCK)
}

/// The inode bitmap of group `group`.
pub(super) fn inode_bitmap(geometry: &Geometry, group: u32) -> [u8; BLOCK_SIZE] {
    prefix_bitmap(geometry.used_inodes_in(group), geometry.inodes_per_group)
}
