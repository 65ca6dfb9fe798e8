//! The 256 bytes of an inode.

use super::checksum::{crc32c, inode_seed};
use super::extent::ROOT_SIZE;
use super::format::{
    BLOCK_SIZE, EXTENTS_FL, INDEX_FL, INODE_SIZE, file_type, put_split_u32, put_split_u64, put_u16,
    put_u32,
};
use crate::rootfs::tree::{Device, Metadata, Node, Timestamp};

/// Bytes of inode fields beyond the first 128.
pub(super) const EXTRA_SIZE: u16 = 32;
/// Longest symlink target that is kept in the inode, with a NUL behind it.
pub(super) const MAX_FAST_SYMLINK: usize = ROOT_SIZE - 1;

/// What an inode says, apart from its checksum.
pub(super) struct InodeFields<'a> {
    pub(super) metadata: &'a Metadata,
    /// Type bits of the mode.
    pub(super) file_type: u16,
    /// Size in bytes.
    pub(super) size: u64,
    /// Number of names (for directories, of links to them).
    pub(super) links: u16,
    /// Blocks that belong to the inode, with index and attribute blocks.
    pub(super) blocks: u64,
    /// [`EXTENTS_FL`] and [`INDEX_FL`].
    pub(super) flags: u32,
    /// Extent tree, symlink target or device number.
    pub(super) root: [u8; ROOT_SIZE],
    /// The attribute block, or 0.
    pub(super) xattr_block: u64,
    /// What goes behind the fields.
    pub(super) in_inode_xattrs: &'a [u8],
    /// When the image was made: changed and created.
    pub(super) created: Timestamp,
}

impl InodeFields<'_> {
    /// Writes inode `number`.
    pub(super) fn encode(&self, number: u32, filesystem_seed: u32) -> [u8; INODE_SIZE] {
        let mut inode = [0; INODE_SIZE];
        put_u16(&mut inode, 0x00, self.file_type | self.metadata.mode & 0o7777);
        put_split_u32(&mut inode, 0x02, 0x78, self.metadata.uid);
        put_split_u32(&mut inode, 0x18, 0x7a, self.metadata.gid);
        put_split_u64(&mut inode, 0x04, 0x6c, self.size);
        put_u16(&mut inode, 0x1a, self.links);
        let sectors = self.blocks * (BLOCK_SIZE as u64 / 512);
        put_u32(&mut inode, 0x1c, sectors as u32);
        put_u16(&mut inode, 0x74, (sectors >> 32) as u16);
        put_u32(&mut inode, 0x20, self.flags);
        inode[0x28..0x28 + ROOT_SIZE].copy_from_slice(&self.root);
        put_u32(&mut inode, 0x68, self.xattr_block as u32);
        put_u16(&mut inode, 0x76, (self.xattr_block >> 32) as u16);
        put_u16(&mut inode, 0x80, EXTRA_SIZE);
        put_time(&mut inode, 0x08, 0x8c, self.metadata.mtime);
        put_time(&mut inode, 0x10, 0x88, self.metadata.mtime);
        put_time(&mut inode, 0x0c, 0x84, self.created);
        put_time(&mut inode, 0x90, 0x94, self.created);
        let xattrs = 128 + usize::from(EXTRA_SIZE);
        inode[xattrs..xattrs + self.in_inode_xattrs.len()].copy_from_slice(self.in_inode_xattrs);
        let checksum = crc32c(inode_seed(filesystem_seed, number), &inode);
        put_split_u32(&mut inode, 0x7c, 0x82, checksum);
        inode
    }
}

/// Seconds in 32 bits, signed, and elsewhere two more bits that count 136-year epochs, with the
/// nanoseconds. Times that do not fit become the closest that does, as in the kernel.
fn put_time(inode: &mut [u8; INODE_SIZE], offset: usize, extra_offset: usize, time: Timestamp) {
    const FIRST: i64 = i32::MIN as i64;
    const LAST: i64 = FIRST + (1 << 34) - 1;
    let seconds = time.seconds.clamp(FIRST, LAST);
    let nanoseconds = if seconds == time.seconds { time.nanoseconds } else { 0 };
    let epoch = ((seconds - FIRST) >> 32) as u32;
    put_u32(inode, offset, seconds as u32);
    put_u32(inode, extra_offset, nanoseconds << 2 | epoch);
}

/// The type bits of the mode.
pub(super) fn mode_type(node: &Node) -> u16 {
    match node {
        Node::Directory(_) => file_type::DIRECTORY,
        Node::File(_) => file_type::REGULAR,
        Node::Symlink(_) => file_type::SYMLINK,
        Node::CharDevice(_) => file_type::CHAR_DEVICE,
        Node::BlockDevice(_) => file_type::BLOCK_DEVICE,
        Node::Fifo => file_type::FIFO,
        Node::Socket => file_type::SOCKET,
    }
}

/// The type as directory entries number it.
pub(super) fn entry_type(node: &Node) -> u8 {
    match node {
        Node::File(_) => 1,
        Node::Directory(_) => 2,
        Node::CharDevice(_) => 3,
        Node::BlockDevice(_) => 4,
        Node::Fifo => 5,
        Node::Socket => 6,
        Node::Symlink(_) => 7,
    }
}

/// Flags of an inode whose blocks are mapped with extents.
pub(super) fn extent_flags(hashed: bool) -> u32 {
    EXTENTS_FL | if hashed { INDEX_FL } else { 0 }
}

/// A device number where the extents would be: the old 16-bit form when it fits, else the new.
pub(super) fn device_root(device: Device) -> [u8; ROOT_SIZE] {
    let Device { major, minor } = device;
    let mut root = [0; ROOT_SIZE];
    if major < 256 && minor < 256 {
        put_u32(&mut root, 0, major << 8 | minor);
    } else {
        put_u32(&mut root, 4, (minor & 0xff) | major << 8 | (minor & !0xff) << 12);
    }
    root
}

/// A short symlink target where the extents would be.
pub(super) fn symlink_root(target: &[u8]) -> [u8; ROOT_SIZE] {
    let mut root = [0; ROOT_SIZE];
    root[..target.len()].copy_from_slice(target);
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(seconds: i64) -> (u32, u32) {
        let mut inode = [0; INODE_SIZE];
        put_time(&mut inode, 0, 4, Timestamp { seconds, nanoseconds: 5 });
        let word = |at| u32::from_le_bytes(*inode[at..].first_chunk().unwrap());
        (word(0), word(4))
    }

    #[test]
    fn times_have_epochs_and_are_clamped() {
        assert_eq!(encoded(-1), (u32::MAX, 5 << 2));
        assert_eq!(encoded(i32::MAX.into()), (i32::MAX as u32, 5 << 2));
        assert_eq!(encoded(1 << 31), (1 << 31, 5 << 2 | 1));
        assert_eq!(encoded(15_000_000_000), (2_115_098_112, 5 << 2 | 3));
        assert_eq!(encoded(i64::MAX), (i32::MAX as u32, 3));
        assert_eq!(encoded(i64::MIN), (1 << 31, 0));
    }
}
