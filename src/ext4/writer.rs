//! Streams a planned image, from the first byte to the last.

use std::io::{self, Write};

use super::checksum::{filesystem_seed, inode_seed};
use super::directory;
use super::extent::{ROOT_SIZE, Run, extent_tree, extents};
use super::format::*;
use super::inode::{self, InodeFields};
use super::layout::{Content, Layout, PlannedInode, inode_number};
use super::superblock::{block_bitmap, descriptor, inode_bitmap, superblock};
use super::{Ext4Error, Options, xattr};
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::{DataExtent, FileContent, InodeId, Metadata, Node};

/// Bytes gathered before they are written.
const BUFFER: usize = 1 << 20;

/// Writes the image of `layout` to `out`.
pub(super) fn write(
    layout: &Layout,
    spool: &Spool,
    options: &Options,
    out: &mut impl Write,
) -> Result<(), Ext4Error> {
    let out = Output { out, buffer: Vec::with_capacity(BUFFER), position: 0 };
    let seed = filesystem_seed(&options.uuid);
    let mut writer = Writer { layout, spool, options, seed, out };
    writer.write_metadata()?;
    writer.write_content()?;
    writer.out.flush()?;
    debug_assert_eq!(writer.out.position, layout.geometry.blocks * BLOCK_SIZE as u64);
    Ok(())
}

struct Output<'a, W> {
    out: &'a mut W,
    buffer: Vec<u8>,
    position: u64,
}

impl<W: Write> Output<'_, W> {
    fn flush(&mut self) -> Result<(), Ext4Error> {
        self.out.write_all(&self.buffer).map_err(Ext4Error::Write)?;
        self.buffer.clear();
        Ok(())
    }

    /// Room for the next `length` bytes, which are zeros, to be filled in.
    fn room(&mut self, length: usize) -> Result<&mut [u8], Ext4Error> {
        if self.buffer.len() + length > BUFFER {
            self.flush()?;
        }
        let start = self.buffer.len();
        self.buffer.resize(start + length, 0);
        self.position += length as u64;
        Ok(&mut self.buffer[start..])
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Ext4Error> {
        self.room(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Zeros up to the start of a block.
    fn fill_to(&mut self, block: u64) -> Result<(), Ext4Error> {
        let mut left = block * BLOCK_SIZE as u64 - self.position;
        while left > 0 {
            let length = left.min(BLOCK_SIZE as u64);
            self.room(length as usize)?;
            left -= length;
        }
        Ok(())
    }
}

struct Writer<'a, W> {
    layout: &'a Layout<'a>,
    spool: &'a Spool,
    options: &'a Options,
    seed: u32,
    out: Output<'a, W>,
}

impl<W: Write> Writer<'_, W> {
    /// All in front of the content.
    fn write_metadata(&mut self) -> Result<(), Ext4Error> {
        let geometry = &self.layout.geometry;
        self.out.put(&[0; 1024])?;
        self.out.put(&superblock(geometry, self.options))?;
        self.out.fill_to(1)?;
        let directories = self.directories_by_group();
        for group in 0..geometry.groups {
            let directories = directories[group as usize];
            self.out.put(&descriptor(geometry, self.options, group, directories))?;
        }
        self.out.fill_to(geometry.block_bitmap(0))?;
        for _ in 0..geometry.groups {
            self.out.put(&block_bitmap())?;
        }
        for group in 0..geometry.groups {
            self.out.put(&inode_bitmap(geometry, group))?;
        }
        let mut number = 1;
        for (index, planned) in self.layout.inodes.iter().enumerate() {
            while number < inode_number(index) {
                self.out.room(INODE_SIZE)?;
                number += 1;
            }
            let inode = self.encode_inode(number, planned);
            self.out.put(&inode)?;
            number += 1;
        }
        self.out.fill_to(geometry.first_content_block())
    }

    fn directories_by_group(&self) -> Vec<u32> {
        let geometry = &self.layout.geometry;
        let mut counts = vec![0; geometry.groups as usize];
        for (index, inode) in self.layout.inodes.iter().enumerate() {
            if matches!(inode.content, Content::Directory(_)) {
                counts[geometry.group_of(inode_number(index)) as usize] += 1;
            }
        }
        counts
    }

    fn encode_inode(&self, number: u32, planned: &PlannedInode) -> [u8; INODE_SIZE] {
        let lost_and_found =
            Metadata { mode: 0o700, mtime: self.options.created, ..Metadata::default() };
        let inode = planned.id.map(|id| self.layout.tree.inode(id));
        let node = inode.map(|inode| &inode.node);
        let hashed = matches!(planned.content, Content::Directory(shape) if shape.hashed);
        let mut flags = inode::extent_flags(hashed);
        let mut inline = |root: [u8; ROOT_SIZE]| {
            flags = 0;
            root
        };
        let (size, root) = match node {
            Some(Node::CharDevice(device) | Node::BlockDevice(device)) => {
                (0, inline(inode::device_root(*device)))
            }
            Some(Node::Fifo | Node::Socket) => (0, inline([0; ROOT_SIZE])),
            Some(Node::Symlink(target)) if planned.content == Content::Inline => {
                (target.len() as u64, inline(inode::symlink_root(target)))
            }
            Some(Node::Symlink(target)) => (target.len() as u64, self.extent_root(number, planned)),
            Some(Node::File(content)) => (content.size, self.extent_root(number, planned)),
            Some(Node::Directory(_)) | None => {
                let size = planned.block_count() - planned.index_blocks;
                (size * BLOCK_SIZE as u64, self.extent_root(number, planned))
            }
        };
        let shared = u64::from(planned.xattr_block.is_some());
        InodeFields {
            metadata: inode.map_or(&lost_and_found, |inode| &inode.metadata),
            file_type: node.map_or(file_type::DIRECTORY, inode::mode_type),
            size,
            links: self.layout.links(planned),
            blocks: planned.block_count() + shared,
            flags,
            root,
            xattr_block: planned
                .xattr_block
                .map_or(0, |index| self.layout.first_xattr_block + index as u64),
            in_inode_xattrs: &planned.in_inode_xattrs,
            created: self.options.created,
        }
        .encode(number, self.seed)
    }

    fn extent_root(&self, number: u32, planned: &PlannedInode) -> [u8; ROOT_SIZE] {
        self.extent_tree(number, planned).root
    }

    fn extent_tree(&self, number: u32, planned: &PlannedInode) -> super::extent::ExtentTree {
        let extents = extents(&planned.runs, planned.first_block + planned.index_blocks);
        extent_tree(&extents, planned.first_block, inode_seed(self.seed, number))
    }

    /// Directories, attribute blocks, then files, in the order that the plan put them.
    fn write_content(&mut self) -> Result<(), Ext4Error> {
        for (index, planned) in self.layout.inodes.iter().enumerate() {
            if let Content::Directory(shape) = planned.content {
                let number = inode_number(index);
                self.write_index(number, planned)?;
                let names = self.layout.names(planned);
                let seed = inode_seed(self.seed, number);
                for block in directory::build(shape, number, planned.parent, &names, seed) {
                    self.out.put(&block)?;
                }
            }
        }
        for (index, block) in self.layout.xattr_blocks.iter().enumerate() {
            let xattrs = &self.layout.tree.inode(block.owner).metadata.xattrs;
            let encoded = xattr::encode(xattrs).ok().and_then(|xattrs| xattrs.block);
            let mut bytes = encoded.expect("planned, so it can be encoded");
            let number = self.layout.first_xattr_block + index as u64;
            xattr::finish_block(&mut bytes, block.shares, number, self.seed);
            self.out.put(&*bytes)?;
        }
        for (index, planned) in self.layout.inodes.iter().enumerate() {
            if let (Content::Data, Some(id)) = (planned.content, planned.id) {
                self.write_index(inode_number(index), planned)?;
                self.write_data(id, planned)?;
            }
        }
        Ok(())
    }

    fn write_index(&mut self, number: u32, planned: &PlannedInode) -> Result<(), Ext4Error> {
        debug_assert_eq!(self.out.position, planned.first_block * BLOCK_SIZE as u64);
        if planned.index_blocks > 0 {
            for block in self.extent_tree(number, planned).blocks {
                self.out.put(&block)?;
            }
        }
        Ok(())
    }

    fn write_data(&mut self, id: InodeId, planned: &PlannedInode) -> Result<(), Ext4Error> {
        match &self.layout.tree.inode(id).node {
            Node::Symlink(target) => {
                self.out.room(BLOCK_SIZE)?[..target.len()].copy_from_slice(target);
                Ok(())
            }
            Node::File(content) => self.write_file(content, &planned.runs),
            _ => Ok(()),
        }
    }

    /// The blocks of a file, run by run; where no extent stores bytes they are zeros.
    fn write_file(&mut self, content: &FileContent, runs: &[Run]) -> Result<(), Ext4Error> {
        let mut extents = &content.extents[..];
        for run in runs {
            let mut at = u64::from(run.logical) * BLOCK_SIZE as u64;
            let end = at + u64::from(run.length) * BLOCK_SIZE as u64;
            while at < end {
                let length = (end - at).min(BUFFER as u64);
                let spool = self.spool;
                let room = self.out.room(length as usize)?;
                extents = fill(room, at, extents, spool).map_err(Ext4Error::Spool)?;
                at += length;
            }
        }
        Ok(())
    }
}

/// Fills `bytes`, which lie at `at` in a file, from the first of `extents`; returns those that
/// reach further.
fn fill<'e>(
    bytes: &mut [u8],
    at: u64,
    mut extents: &'e [DataExtent],
    spool: &Spool,
) -> io::Result<&'e [DataExtent]> {
    let end = at + bytes.len() as u64;
    while let Some((extent, rest)) = extents.split_first() {
        let extent_end = extent.file_offset + extent.length;
        let (from, to) = (extent.file_offset.max(at), extent_end.min(end));
        if from < to {
            let stored = extent.spool_offset + (from - extent.file_offset);
            spool.read_at(stored, &mut bytes[(from - at) as usize..(to - at) as usize])?;
        }
        if extent_end > end {
            break;
        }
        extents = rest;
    }
    Ok(extents)
}
