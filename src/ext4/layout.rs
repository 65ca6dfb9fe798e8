//! The plan of an image: which inode gets which number, and which blocks are whose. Nothing is
//! written here, and the same tree always gets the same plan.
//!
//! ```text
//! block 0     1             ...            ...           ...           ...
//! superblock  descriptors   block bitmaps  inode         inode tables  content
//!                           of all groups  bitmaps                     directories, attributes,
//!                                                                      symlinks and files
//! ```
//!
//! Every block is in use, so the image is as small as it can be.

use std::collections::HashMap;

use super::directory::{self, Shape};
use super::extent::{Run, index_block_count};
use super::format::*;
use super::inode::MAX_FAST_SYMLINK;
use super::xattr::{self, EncodedXattrs, MAX_SHARES};
use super::{Ext4Error, ImageSummary, LOST_AND_FOUND};
use crate::rootfs::tree::{DataExtent, InodeId, Metadata, Node, Tree, Xattrs};

/// Largest file in bytes: the last block number of a file is reserved.
pub(super) const MAX_FILE_SIZE: u64 = (u32::MAX as u64 - 1) * BLOCK_SIZE as u64;
/// Most names of one file.
pub(super) const MAX_LINKS: u32 = 65_000;

/// How the image is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Blocks in the image.
    pub(super) blocks: u64,
    pub(super) blocks_per_group: u32,
    pub(super) groups: u32,
    /// A multiple of the inodes in a block.
    pub(super) inodes_per_group: u32,
    /// Inodes in use, reserved ones included: all numbers up to this one.
    pub(super) used_inodes: u32,
}

impl Geometry {
    /// The smallest image for this many inodes and blocks of content; `None` when there is none.
    fn new(used_inodes: u32, content: u64) -> Option<Self> {
        let mut groups = used_inodes.div_ceil(BITS_PER_BLOCK);
        loop {
            let inodes_per_group = used_inodes.div_ceil(groups).next_multiple_of(INODES_PER_BLOCK);
            let mut geometry =
                Self { blocks: 0, blocks_per_group: 0, groups, inodes_per_group, used_inodes };
            let blocks = geometry.first_content_block() + content;
            geometry.blocks = blocks;
            let needed = u32::try_from(blocks.div_ceil(BITS_PER_BLOCK.into())).ok()?;
            if needed > groups {
                groups = needed;
                continue;
            }
            // With many inodes and little content the groups are smaller than they could be.
            geometry.blocks_per_group = if needed == groups {
                BITS_PER_BLOCK
            } else {
                blocks.div_ceil(groups.into()).next_multiple_of(8) as u32
            };
            let fits = blocks.div_ceil(geometry.blocks_per_group.into()) == u64::from(groups);
            return fits.then_some(geometry);
        }
    }

    fn descriptor_blocks(&self) -> u64 {
        blocks(u64::from(self.groups) * DESCRIPTOR_SIZE as u64)
    }

    pub(super) fn block_bitmap(&self, group: u32) -> u64 {
        1 + self.descriptor_blocks() + u64::from(group)
    }

    pub(super) fn inode_bitmap(&self, group: u32) -> u64 {
        self.block_bitmap(self.groups) + u64::from(group)
    }

    pub(super) fn inode_table(&self, group: u32) -> u64 {
        let table = u64::from(self.inodes_per_group / INODES_PER_BLOCK);
        self.inode_bitmap(self.groups) + u64::from(group) * table
    }

    /// Where the inode tables end and the content starts.
    pub(super) fn first_content_block(&self) -> u64 {
        self.inode_table(self.groups)
    }

    pub(super) fn inode_count(&self) -> u32 {
        self.groups * self.inodes_per_group
    }

    pub(super) fn used_inodes_in(&self, group: u32) -> u32 {
        self.used_inodes.saturating_sub(group * self.inodes_per_group).min(self.inodes_per_group)
    }

    pub(super) fn group_of(&self, inode: u32) -> u32 {
        (inode - 1) / self.inodes_per_group
    }
}

/// What an inode's blocks hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// None: the inode says it all.
    Inline,
    /// A directory.
    Directory(Shape),
    /// A long symlink or a file.
    Data,
}

/// One inode with its place.
#[derive(Debug)]
pub(super) struct PlannedInode {
    /// The inode in the tree; `None` for the lost+found that the image did not bring.
    pub(super) id: Option<InodeId>,
    /// The directory that has its first name; the root is its own.
    pub(super) parent: u32,
    pub(super) content: Content,
    /// Blocks of the file that hold content.
    pub(super) runs: Vec<Run>,
    /// Index blocks of the extent tree, which lie in front of the content.
    pub(super) index_blocks: u64,
    /// Where its blocks start.
    pub(super) first_block: u64,
    pub(super) in_inode_xattrs: Vec<u8>,
    /// Position in [`Layout::xattr_blocks`].
    pub(super) xattr_block: Option<usize>,
}

impl PlannedInode {
    fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory(_))
    }

    /// Blocks of its own: content and index.
    pub(super) fn block_count(&self) -> u64 {
        self.index_blocks + self.runs.iter().map(|run| u64::from(run.length)).sum::<u64>()
    }
}

/// An attribute block: whose attributes it has, and how many inodes share it. Its bytes are made
/// when it is written, since a hostile image can have a block for each of millions of files.
#[derive(Debug)]
pub(super) struct XattrBlock {
    pub(super) owner: InodeId,
    pub(super) shares: u32,
}

/// The whole plan.
#[derive(Debug)]
pub(super) struct Layout<'t> {
    pub(super) tree: &'t Tree,
    pub(super) geometry: Geometry,
    /// The root, then the inodes from [`FIRST_INODE`] on; see [`inode_number`].
    pub(super) inodes: Vec<PlannedInode>,
    pub(super) xattr_blocks: Vec<XattrBlock>,
    pub(super) first_xattr_block: u64,
    /// Inode number by position in the tree's table; 0 for what is not in the tree.
    numbers: Vec<u32>,
}

/// The number of the inode at `index` in [`Layout::inodes`].
pub(super) fn inode_number(index: usize) -> u32 {
    if index == 0 { ROOT_INODE } else { FIRST_INODE + index as u32 - 1 }
}

impl<'t> Layout<'t> {
    /// Plans the image of `tree`.
    pub(super) fn new(tree: &'t Tree) -> Result<Self, Ext4Error> {
        let mut planner = Planner {
            tree,
            inodes: Vec::new(),
            numbers: vec![0; tree.inode_bound()],
            xattr_blocks: Vec::new(),
            by_content: HashMap::new(),
        };
        planner.plan_tree()?;
        let Planner { mut inodes, numbers, xattr_blocks, .. } = planner;
        let content = inodes.iter().map(PlannedInode::block_count).sum::<u64>();
        let used_inodes = inode_number(inodes.len() - 1);
        let geometry = Geometry::new(used_inodes, content + xattr_blocks.len() as u64)
            .ok_or(Ext4Error::TooLarge)?;
        let first = geometry.first_content_block();
        let first_xattr_block = place(&mut inodes, first, PlannedInode::is_directory);
        let first_data_block = first_xattr_block + xattr_blocks.len() as u64;
        place(&mut inodes, first_data_block, |inode| !inode.is_directory());
        Ok(Self { tree, geometry, inodes, xattr_blocks, first_xattr_block, numbers })
    }

    /// The number of a tree's inode.
    pub(super) fn number(&self, id: InodeId) -> u32 {
        self.numbers[id.index()]
    }

    /// Number and name of what a planned directory holds.
    pub(super) fn names(&self, inode: &PlannedInode) -> Vec<directory::Name<'_>> {
        let Some(id) = inode.id else { return Vec::new() };
        let entries = self.tree.entries(id).map(|(name, id)| directory::Name {
            name,
            inode: self.number(id),
            file_type: super::inode::entry_type(&self.tree.inode(id).node),
        });
        let mut names: Vec<_> = entries.collect();
        if adds_lost_and_found(self.tree, id) {
            let at = names.partition_point(|name| name.name < LOST_AND_FOUND);
            let name = directory::Name { name: LOST_AND_FOUND, inode: FIRST_INODE, file_type: 2 };
            names.insert(at, name);
        }
        names
    }

    /// What the image will be.
    pub(super) fn summary(&self) -> ImageSummary {
        let files = self.inodes.iter().filter(|inode| inode.content == Content::Data);
        let content: u64 = files.map(|inode| inode.block_count() - inode.index_blocks).sum();
        ImageSummary {
            size: self.geometry.blocks * BLOCK_SIZE as u64,
            inodes: self.inodes.len() as u32,
            overhead: (self.geometry.blocks - content) * BLOCK_SIZE as u64,
        }
    }

    /// How many links a planned inode has.
    pub(super) fn links(&self, inode: &PlannedInode) -> u16 {
        let Some(id) = inode.id else { return 2 };
        if !self.tree.inode(id).node.is_directory() {
            return self.tree.inode(id).name_count() as u16;
        }
        let is_directory = |id| self.tree.inode(id).node.is_directory();
        let children = self.tree.entries(id).filter(|(_, id)| is_directory(*id)).count();
        let links = 2 + children + usize::from(adds_lost_and_found(self.tree, id));
        // One link says: more than can be counted (the feature `dir_nlink`).
        if links > MAX_LINKS as usize { 1 } else { links as u16 }
    }
}

/// Gives blocks from `next` on to the `chosen` inodes; returns the first block after them.
fn place(inodes: &mut [PlannedInode], next: u64, chosen: fn(&PlannedInode) -> bool) -> u64 {
    inodes.iter_mut().filter(|inode| chosen(inode)).fold(next, |next, inode| {
        inode.first_block = next;
        next + inode.block_count()
    })
}

/// Whether directory `id` is a root without lost+found, which e2fsck wants.
fn adds_lost_and_found(tree: &Tree, id: InodeId) -> bool {
    id == tree.root() && tree.child(id, LOST_AND_FOUND).is_none()
}

struct Planner<'t> {
    tree: &'t Tree,
    inodes: Vec<PlannedInode>,
    numbers: Vec<u32>,
    xattr_blocks: Vec<XattrBlock>,
    /// The last of `xattr_blocks` for these attributes.
    by_content: HashMap<&'t Xattrs, usize>,
}

impl<'t> Planner<'t> {
    /// Numbers inodes in the order of a walk from the root, names in byte order.
    fn plan_tree(&mut self) -> Result<(), Ext4Error> {
        self.plan(self.tree.root(), ROOT_INODE)?;
        if adds_lost_and_found(self.tree, self.tree.root()) {
            let shape = Shape { blocks: 1, hashed: false };
            self.push(None, ROOT_INODE, Content::Directory(shape), EncodedXattrs::default());
        }
        let mut walks = vec![(ROOT_INODE, self.tree.entries(self.tree.root()))];
        while let Some((parent, entries)) = walks.last_mut() {
            let Some((_, id)) = entries.next() else {
                walks.pop();
                continue;
            };
            if self.numbers[id.index()] != 0 {
                continue;
            }
            let parent = *parent;
            self.plan(id, parent)?;
            if self.tree.inode(id).node.is_directory() {
                walks.push((self.numbers[id.index()], self.tree.entries(id)));
            }
        }
        Ok(())
    }

    fn plan(&mut self, id: InodeId, parent: u32) -> Result<(), Ext4Error> {
        let inode = self.tree.inode(id);
        let path = || path_of(self.tree, id);
        let xattrs = self.encode_xattrs(id, &inode.metadata)?;
        if inode.name_count() > MAX_LINKS {
            return Err(Ext4Error::TooManyLinks { path: path() });
        }
        let content = match &inode.node {
            Node::Directory(_) => {
                let shape = self.directory_shape(id);
                Content::Directory(
                    shape.ok_or_else(|| Ext4Error::DirectoryTooLarge { path: path() })?,
                )
            }
            Node::File(content) if content.size > MAX_FILE_SIZE => {
                return Err(Ext4Error::FileTooLarge { path: path(), size: content.size });
            }
            Node::Symlink(target) if target.len() >= BLOCK_SIZE => {
                return Err(Ext4Error::SymlinkTooLong { path: path() });
            }
            Node::File(content) if !content.extents.is_empty() => Content::Data,
            Node::Symlink(target) if target.len() > MAX_FAST_SYMLINK => Content::Data,
            _ => Content::Inline,
        };
        let number = self.push(Some(id), parent, content, xattrs);
        self.numbers[id.index()] = number;
        Ok(())
    }

    fn directory_shape(&self, id: InodeId) -> Option<Shape> {
        let names = self.tree.entries(id).map(|(name, _)| name);
        if adds_lost_and_found(self.tree, id) {
            // Linear blocks depend on the order, so the name must be in its place.
            let mut names: Vec<_> = names.chain([LOST_AND_FOUND]).collect();
            names.sort_unstable();
            return directory::shape(names.into_iter());
        }
        let names: Vec<_> = names.collect();
        directory::shape(names.into_iter())
    }

    fn push(
        &mut self,
        id: Option<InodeId>,
        parent: u32,
        content: Content,
        xattrs: EncodedXattrs,
    ) -> u32 {
        let runs = match (content, id.map(|id| &self.tree.inode(id).node)) {
            (Content::Inline, _) => Vec::new(),
            (Content::Directory(shape), _) => vec![Run { logical: 0, length: shape.blocks }],
            (Content::Data, Some(Node::File(content))) => cheapest(data_runs(&content.extents)),
            (Content::Data, _) => vec![Run { logical: 0, length: 1 }],
        };
        let index_blocks = index_block_count(&runs);
        let owner = id.filter(|_| xattrs.block.is_some());
        let xattr_block = owner.map(|owner| self.share_xattr_block(owner));
        let in_inode_xattrs = xattrs.in_inode;
        let first_block = 0;
        self.inodes.push(PlannedInode {
            id,
            parent,
            content,
            runs,
            index_blocks,
            first_block,
            in_inode_xattrs,
            xattr_block,
        });
        inode_number(self.inodes.len() - 1)
    }

    fn share_xattr_block(&mut self, owner: InodeId) -> usize {
        let tree = self.tree;
        let content = &tree.inode(owner).metadata.xattrs;
        if let Some(&index) = self.by_content.get(content)
            && self.xattr_blocks[index].shares < MAX_SHARES
        {
            self.xattr_blocks[index].shares += 1;
            return index;
        }
        let index = self.xattr_blocks.len();
        self.by_content.insert(content, index);
        self.xattr_blocks.push(XattrBlock { owner, shares: 1 });
        index
    }

    fn encode_xattrs(&self, id: InodeId, metadata: &Metadata) -> Result<EncodedXattrs, Ext4Error> {
        xattr::encode(&metadata.xattrs)
            .map_err(|problem| Ext4Error::Xattrs { path: path_of(self.tree, id), problem })
    }
}

/// The blocks that stored runs of bytes touch.
fn data_runs(extents: &[DataExtent]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for extent in extents {
        let start = (extent.file_offset / BLOCK_SIZE as u64) as u32;
        let end = blocks(extent.file_offset + extent.length) as u32;
        match runs.last_mut() {
            Some(run) if run.logical + run.length >= start => {
                run.length = run.length.max(end - run.logical);
            }
            _ => runs.push(Run { logical: start, length: end - start }),
        }
    }
    runs
}

/// The runs with as many of the holes filled in as save more blocks of the extent tree than they
/// cost: the smallest ones go first.
fn cheapest(runs: Vec<Run>) -> Vec<Run> {
    const FILLED: [u32; 5] = [1, 2, 4, 8, 16];
    if index_block_count(&runs) == 0 {
        return runs;
    }
    let cost = |runs: &[Run]| {
        index_block_count(runs) + runs.iter().map(|run| u64::from(run.length)).sum::<u64>()
    };
    let filled = FILLED.map(|largest| fill_holes(&runs, largest));
    // Of equal ones the last: fewer runs.
    filled.into_iter().fold(runs, |best, runs| if cost(&runs) <= cost(&best) { runs } else { best })
}

/// Joins runs with at most `largest` blocks between them.
fn fill_holes(runs: &[Run], largest: u32) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if run.logical - (last.logical + last.length) <= largest => {
                last.length = run.logical + run.length - last.logical;
            }
            _ => joined.push(*run),
        }
    }
    joined
}

/// The first path of an inode, for messages. The walk keeps names and joins them only once: a path
/// can be as long as the tree is large.
fn path_of(tree: &Tree, wanted: InodeId) -> Vec<u8> {
    let mut path: Vec<&[u8]> = Vec::new();
    let mut walks = vec![tree.entries(tree.root())];
    while let Some(entries) = walks.last_mut() {
        let Some((name, id)) = entries.next() else {
            walks.pop();
            path.pop();
            continue;
        };
        path.push(name);
        if id == wanted {
            return path.iter().flat_map(|name| [b"/", *name]).flatten().copied().collect();
        }
        walks.push(tree.entries(id));
    }
    b"/".to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_has_room_for_all_and_no_more() {
        for used in [11, 12, 32_768, 32_769, 100_000, 1_000_000] {
            for content in [2, 32_000, 32_768, 100_000, 5_000_000] {
                let geometry = Geometry::new(used, content).unwrap();
                let Geometry { blocks, blocks_per_group, groups, inodes_per_group, .. } = geometry;
                assert!(geometry.inode_count() >= used);
                assert!(inodes_per_group <= BITS_PER_BLOCK && blocks_per_group <= BITS_PER_BLOCK);
                assert_eq!(blocks.div_ceil(blocks_per_group.into()), u64::from(groups));
                assert_eq!(blocks - geometry.first_content_block(), content);
            }
        }
    }

    #[test]
    fn runs_cover_every_stored_byte() {
        let extent = |file_offset, length| DataExtent { file_offset, spool_offset: 0, length };
        let extents = [extent(10, 4090), extent(4100, 1), extent(12_288, 1), extent(40_000, 9000)];
        let runs: Vec<_> =
            data_runs(&extents).iter().map(|run| (run.logical, run.length)).collect();
        assert_eq!(runs, [(0, 2), (3, 1), (9, 3)]);
    }

    #[test]
    fn holes_are_kept_where_they_save_blocks() {
        let every = |count: u32, step: u32| -> Vec<Run> {
            (0..count).map(|i| Run { logical: step * i, length: 1 }).collect()
        };
        // The inode has room for four.
        assert_eq!(cheapest(every(4, 2)).len(), 4);
        // Five holes of a block are more than the block that maps the runs.
        assert_eq!(cheapest(every(6, 2)).len(), 6);
        // Here one hole less is one block less.
        let mut mixed = every(4, 100);
        mixed.push(Run { logical: 302, length: 1 });
        assert_eq!(cheapest(mixed).len(), 4);
        assert_eq!(cheapest(every(1000, 20)).len(), 1000);
    }
}
