//! Constants and byte layouts of ext4, named as in the kernel's documentation ("ext4 Data
//! Structures and Algorithms"). All numbers on disk are little-endian.

/// Bytes in a block: the page size, as DAX wants it.
pub(super) const BLOCK_SIZE: usize = 4096;
/// Bytes in an inode on disk.
pub(super) const INODE_SIZE: usize = 256;
/// Inodes in a block.
pub(super) const INODES_PER_BLOCK: u32 = (BLOCK_SIZE / INODE_SIZE) as u32;
/// Bytes in a group descriptor (with the feature `64bit`).
pub(super) const DESCRIPTOR_SIZE: usize = 64;
/// Blocks, and inodes, that one bitmap block can track.
pub(super) const BITS_PER_BLOCK: u32 = 8 * BLOCK_SIZE as u32;

/// The root directory's inode.
pub(super) const ROOT_INODE: u32 = 2;
/// The first inode that is not reserved.
pub(super) const FIRST_INODE: u32 = 11;

/// Extended attributes.
pub(super) const COMPAT_EXT_ATTR: u32 = 0x8;
/// Hashed directories.
pub(super) const COMPAT_DIR_INDEX: u32 = 0x20;
/// Copies of the superblock only in the groups that it names: none here, since an image that is
/// never written needs no copies, and data stays in one piece without them.
pub(super) const COMPAT_SPARSE_SUPER2: u32 = 0x200;

/// Directory entries know file types.
pub(super) const INCOMPAT_FILETYPE: u32 = 0x2;
/// Extents.
pub(super) const INCOMPAT_EXTENTS: u32 = 0x40;
/// Block numbers of 64 bits, and group descriptors with room for whole checksums.
pub(super) const INCOMPAT_64BIT: u32 = 0x80;
/// Bitmaps and inode tables may be anywhere: here, all at the front.
pub(super) const INCOMPAT_FLEX_BG: u32 = 0x200;

/// Files over 2 GiB.
pub(super) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
/// Block counts of 48 bits.
pub(super) const RO_COMPAT_HUGE_FILE: u32 = 0x8;
/// Directories with more than 64,998 subdirectories.
pub(super) const RO_COMPAT_DIR_NLINK: u32 = 0x20;
/// Inodes larger than 128 bytes.
pub(super) const RO_COMPAT_EXTRA_ISIZE: u32 = 0x40;
/// Checksums over all metadata.
pub(super) const RO_COMPAT_METADATA_CSUM: u32 = 0x400;

/// The inode maps its blocks with extents.
pub(super) const EXTENTS_FL: u32 = 0x8_0000;
/// The directory has a hash tree.
pub(super) const INDEX_FL: u32 = 0x1000;

/// `st_mode` type bits.
pub(super) mod file_type {
    pub(in super::super) const FIFO: u16 = 0o010000;
    pub(in super::super) const CHAR_DEVICE: u16 = 0o020000;
    pub(in super::super) const DIRECTORY: u16 = 0o040000;
    pub(in super::super) const BLOCK_DEVICE: u16 = 0o060000;
    pub(in super::super) const REGULAR: u16 = 0o100000;
    pub(in super::super) const SYMLINK: u16 = 0o120000;
    pub(in super::super) const SOCKET: u16 = 0o140000;
}

/// Puts `value` at `offset`.
pub(super) fn put_u16(bytes: &mut [u8], offset: usize, value: u16) {
    bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
}

/// Puts `value` at `offset`.
pub(super) fn put_u32(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// Puts the low half of `value` at `low` and the high half at `high`, as fields are that grew.
pub(super) fn put_split_u32(bytes: &mut [u8], low: usize, high: usize, value: u32) {
    put_u16(bytes, low, value as u16);
    put_u16(bytes, high, (value >> 16) as u16);
}

/// Puts the low half of `value` at `low` and the high half at `high`, as fields are that grew.
pub(super) fn put_split_u64(bytes: &mut [u8], low: usize, high: usize, value: u64) {
    put_u32(bytes, low, value as u32);
    put_u32(bytes, high, (value >> 32) as u32);
}

/// The number of blocks that `bytes` bytes take.
pub(super) fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_SIZE as u64)
}
