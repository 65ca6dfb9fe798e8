//! Extended attributes: in the inode first, the rest in one block that equal inodes share.

use super::checksum::crc32c;
use super::format::{BLOCK_SIZE, put_u16, put_u32};
use crate::rootfs::tree::Xattrs;

const MAGIC: u32 = 0xea02_0000;
const ENTRY_SIZE: usize = 16;
const BLOCK_HEADER_SIZE: usize = 32;
/// After the 128 bytes of old and the 32 bytes of new inode fields.
pub(super) const INODE_SPACE: usize = 256 - 160;
/// Inodes that may share a block.
pub(super) const MAX_SHARES: u32 = 1024;

/// An attribute as ext4 names it: a number for the namespace, and the rest of the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    // In this order blocks are sorted, and searched by the kernel.
    index: u8,
    name_length: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Attribute {
    fn entry_size(&self) -> usize {
        (ENTRY_SIZE + self.name.len()).next_multiple_of(4)
    }

    fn size(&self) -> usize {
        self.entry_size() + self.value.len().next_multiple_of(4)
    }

    /// The hash in a block's entry.
    fn hash(&self) -> u32 {
        let name =
            self.name.iter().fold(0_u32, |hash, &byte| hash.rotate_left(5) ^ u32::from(byte));
        self.value.chunks(4).fold(name, |hash, bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// The attributes of an inode, ready for the disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct EncodedXattrs {
    /// What goes behind the inode's fields; empty when there are none.
    pub(super) in_inode: Vec<u8>,
    /// A block without its checksum and its number of sharers; equal ones can be shared.
    pub(super) block: Option<Box<[u8; BLOCK_SIZE]>>,
}

/// Why attributes have no place in ext4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XattrError {
    /// They are too long together.
    #[error("its extended attributes do not fit the inode and one block of {BLOCK_SIZE} bytes")]
    TooLarge,
    /// The name is of no namespace that ext4 has.
    #[error("ext4 has no extended attribute of that name")]
    Name,
    /// An access control list that is malformed.
    #[error("a POSIX access control list is malformed")]
    Acl,
}

/// Encodes attributes given by full name.
pub(super) fn encode(xattrs: &Xattrs) -> Result<EncodedXattrs, XattrError> {
    let mut attributes =
        xattrs.iter().map(|(name, value)| attribute(name, value)).collect::<Result<Vec<_>, _>>()?;
    attributes.sort();
    let mut in_inode = Vec::new();
    let mut in_block = Vec::new();
    let mut inode_left = INODE_SPACE - 8;
    let mut block_left = BLOCK_SIZE - BLOCK_HEADER_SIZE - 4;
    for attribute in attributes {
        let size = attribute.size();
        let (list, left) = if size <= inode_left {
            (&mut in_inode, &mut inode_left)
        } else {
            (&mut in_block, &mut block_left)
        };
        *left = left.checked_sub(size).ok_or(XattrError::TooLarge)?;
        list.push(attribute);
    }
    let block = if in_block.is_empty() { None } else { Some(block(&in_block)) };
    Ok(EncodedXattrs { in_inode: inode_area(&in_inode), block })
}

fn attribute(name: &[u8], value: &[u8]) -> Result<Attribute, XattrError> {
    const NAMESPACES: [(u8, &[u8]); 3] = [(1, b"user."), (4, b"trusted."), (6, b"security.")];
    let (index, name, value) = match name {
        b"system.posix_acl_access" => (2, &[][..], disk_acl(value)?),
        b"system.posix_acl_default" => (3, &[][..], disk_acl(value)?),
        _ => NAMESPACES
            .iter()
            .find_map(|(index, prefix)| Some((*index, name.strip_prefix(*prefix)?, value.to_vec())))
            .filter(|(_, name, _)| (1..=255).contains(&name.len()))
            .ok_or(XattrError::Name)?,
    };
    Ok(Attribute { index, name_length: name.len(), name: name.to_vec(), value })
}

/// Access control lists have a shorter form on disk than in system calls (and in archives): the
/// version is 1 and not 2, and only entries for named users and groups have an id.
fn disk_acl(value: &[u8]) -> Result<Vec<u8>, XattrError> {
    const NAMED_USER: u8 = 2;
    const NAMED_GROUP: u8 = 8;
    let entries = value.strip_prefix(&2_u32.to_le_bytes()).ok_or(XattrError::Acl)?;
    let (entries, []) = entries.as_chunks::<8>() else { return Err(XattrError::Acl) };
    let mut acl = 1_u32.to_le_bytes().to_vec();
    for entry in entries {
        let named = matches!(entry[..2], [NAMED_USER | NAMED_GROUP, 0]);
        acl.extend(&entry[..if named { 8 } else { 4 }]);
    }
    Ok(acl)
}

/// Writes entries from `first` on and values from the end towards them; offsets of values count
/// from `base`.
fn put_attributes(
    bytes: &mut [u8],
    first: usize,
    base: usize,
    attributes: &[Attribute],
    hash: bool,
) {
    let (mut entry, mut values) = (first, bytes.len());
    for attribute in attributes {
        let Attribute { index, name, value, .. } = attribute;
        bytes[entry] = name.len() as u8;
        bytes[entry + 1] = *index;
        if !value.is_empty() {
            values -= value.len().next_multiple_of(4);
            bytes[values..values + value.len()].copy_from_slice(value);
            put_u16(bytes, entry + 2, (values - base) as u16);
        }
        put_u32(bytes, entry + 8, value.len() as u32);
        if hash {
            put_u32(bytes, entry + 12, attribute.hash());
        }
        bytes[entry + ENTRY_SIZE..entry + ENTRY_SIZE + name.len()].copy_from_slice(name);
        entry += attribute.entry_size();
    }
}

fn inode_area(attributes: &[Attribute]) -> Vec<u8> {
    if attributes.is_empty() {
        return Vec::new();
    }
    let mut area = vec![0; INODE_SPACE];
    put_u32(&mut area, 0, MAGIC);
    put_attributes(&mut area, 4, 4, attributes, false);
    area
}

fn block(attributes: &[Attribute]) -> Box<[u8; BLOCK_SIZE]> {
    let mut block = Box::new([0; BLOCK_SIZE]);
    put_u32(&mut *block, 0, MAGIC);
    put_u32(&mut *block, 8, 1); // Number of blocks.
    let hash =
        attributes.iter().fold(0_u32, |hash, attribute| hash.rotate_left(16) ^ attribute.hash());
    put_u32(&mut *block, 12, hash);
    put_attributes(&mut *block, BLOCK_HEADER_SIZE, 0, attributes, true);
    block
}

/// Puts into an attribute block how many inodes share it, and its checksum, which depends on the
/// block's `number`.
pub(super) fn finish_block(block: &mut [u8; BLOCK_SIZE], shares: u32, number: u64, seed: u32) {
    put_u32(block, 4, shares);
    let checksum = crc32c(crc32c(seed, &number.to_le_bytes()), &*block);
    put_u32(block, 16, checksum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn encode_one(name: &[u8], value: &[u8]) -> Result<EncodedXattrs, XattrError> {
        encode(&BTreeMap::from([(name.into(), value.into())]))
    }

    #[test]
    fn small_ones_live_in_the_inode_and_large_ones_in_a_block() {
        let small = encode_one(b"user.a", b"b").unwrap();
        assert_eq!((small.in_inode.len(), small.block), (INODE_SPACE, None));
        let large = encode_one(b"user.a", &[1; 4000]).unwrap();
        assert!(large.in_inode.is_empty() && large.block.is_some());
        assert_eq!(encode_one(b"user.a", &[1; 4080]), Err(XattrError::TooLarge));
        assert_eq!(encode(&BTreeMap::new()), Ok(EncodedXattrs::default()));
    }

    #[test]
    fn access_control_lists_lose_the_ids_that_mean_nothing() {
        let mut acl = 2_u32.to_le_bytes().to_vec();
        acl.extend([1, 0, 7, 0, 255, 255, 255, 255]);
        acl.extend([2, 0, 6, 0, 0xe8, 3, 0, 0]);
        let disk = disk_acl(&acl).unwrap();
        assert_eq!(disk, [1, 0, 0, 0, 1, 0, 7, 0, 2, 0, 6, 0, 0xe8, 3, 0, 0]);
        assert_eq!(disk_acl(&acl[..9]), Err(XattrError::Acl));
        assert_eq!(encode_one(b"system.posix_acl_access", b""), Err(XattrError::Acl));
    }

    #[test]
    fn names_outside_of_the_namespaces_are_refused() {
        assert_eq!(encode_one(b"bogus.a", b""), Err(XattrError::Name));
        assert_eq!(encode_one(b"user.", b""), Err(XattrError::Name));
    }
}
