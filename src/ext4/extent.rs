//! Extents: which blocks of a file are where, and the tree of index blocks over them.

use super::checksum::crc32c;
use super::format::{BLOCK_SIZE, put_u16, put_u32};

/// Blocks in one extent at most: 128 MiB.
const MAX_LENGTH: u32 = 1 << 15;
/// Bytes in the inode for the root of the tree.
pub(super) const ROOT_SIZE: usize = 60;

const MAGIC: u16 = 0xf30a;
const HEADER_SIZE: usize = 12;
const ENTRY_SIZE: usize = 12;
const ROOT_CAPACITY: usize = (ROOT_SIZE - HEADER_SIZE) / ENTRY_SIZE;
/// A checksum takes the bytes after the last entry of an index block.
const BLOCK_CAPACITY: usize = (BLOCK_SIZE - HEADER_SIZE - 4) / ENTRY_SIZE;

/// A run of blocks of a file that lie one after the other in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// First block in the file.
    pub(super) logical: u32,
    /// First block in the image.
    pub(super) physical: u64,
    /// Number of blocks, at most 32,768.
    pub(super) length: u32,
}

/// A run of blocks that a file has data in; runs of one file are ascending and do not touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// First block in the file.
    pub(super) logical: u32,
    /// Number of blocks, not 0.
    pub(super) length: u32,
}

/// Extents for `runs`, which lie one after the other in the image from block `physical` on.
pub(super) fn extents(runs: &[Run], mut physical: u64) -> Vec<Extent> {
    let mut extents = Vec::new();
    for run in runs {
        let mut done = 0;
        while done < run.length {
            let length = (run.length - done).min(MAX_LENGTH);
            extents.push(Extent { logical: run.logical + done, physical, length });
            physical += u64::from(length);
            done += length;
        }
    }
    extents
}

/// How many index blocks the extents of `runs` need outside of the inode.
pub(super) fn index_block_count(runs: &[Run]) -> u64 {
    let mut entries: usize = runs.iter().map(|run| run.length.div_ceil(MAX_LENGTH) as usize).sum();
    let mut blocks = 0;
    while entries > ROOT_CAPACITY {
        entries = entries.div_ceil(BLOCK_CAPACITY);
        blocks += entries as u64;
    }
    blocks
}

/// An extent tree on disk: the root for the inode, and the index blocks in their order.
pub(super) struct ExtentTree {
    pub(super) root: [u8; ROOT_SIZE],
    pub(super) blocks: Vec<[u8; BLOCK_SIZE]>,
}

/// Builds the tree over `extents`; its index blocks, as many as [`index_block_count`] says, lie
/// from `first_block` on. `seed` is the inode's checksum seed.
pub(super) fn extent_tree(extents: &[Extent], first_block: u64, seed: u32) -> ExtentTree {
    let mut entries: Vec<(u32, [u8; ENTRY_SIZE])> =
        extents.iter().map(|extent| (extent.logical, leaf_entry(extent))).collect();
    let mut blocks = Vec::new();
    let mut depth = 0;
    while entries.len() > ROOT_CAPACITY {
        let mut parents = Vec::new();
        for node in entries.chunks(BLOCK_CAPACITY) {
            let number = first_block + blocks.len() as u64;
            parents.push((node[0].0, index_entry(node[0].0, number)));
            let mut block = [0; BLOCK_SIZE];
            put_node(&mut block, node, BLOCK_CAPACITY, depth);
            let end = HEADER_SIZE + BLOCK_CAPACITY * ENTRY_SIZE;
            let checksum = crc32c(seed, &block[..end]);
            put_u32(&mut block, end, checksum);
            blocks.push(block);
        }
        entries = parents;
        depth += 1;
    }
    let mut root = [0; ROOT_SIZE];
    put_node(&mut root, &entries, ROOT_CAPACITY, depth);
    ExtentTree { root, blocks }
}

fn put_node(bytes: &mut [u8], entries: &[(u32, [u8; ENTRY_SIZE])], capacity: usize, depth: u16) {
    put_u16(bytes, 0, MAGIC);
    put_u16(bytes, 2, entries.len() as u16);
    put_u16(bytes, 4, capacity as u16);
    put_u16(bytes, 6, depth);
    for (slot, (_, entry)) in bytes[HEADER_SIZE..].chunks_exact_mut(ENTRY_SIZE).zip(entries) {
        slot.copy_from_slice(entry);
    }
}

fn leaf_entry(extent: &Extent) -> [u8; ENTRY_SIZE] {
    let mut entry = [0; ENTRY_SIZE];
    put_u32(&mut entry, 0, extent.logical);
    put_u16(&mut entry, 4, extent.length as u16);
    put_u16(&mut entry, 6, (extent.physical >> 32) as u16);
    put_u32(&mut entry, 8, extent.physical as u32);
    entry
}

fn index_entry(logical: u32, block: u64) -> [u8; ENTRY_SIZE] {
    let mut entry = [0; ENTRY_SIZE];
    put_u32(&mut entry, 0, logical);
    put_u32(&mut entry, 4, block as u32);
    put_u16(&mut entry, 8, (block >> 32) as u16);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_split_and_stay_together() {
        let runs = [Run { logical: 0, length: 32769 }, Run { logical: 40_000, length: 1 }];
        let extents = extents(&runs, 100);
        let parts: Vec<_> = extents.iter().map(|e| (e.logical, e.physical, e.length)).collect();
        assert_eq!(parts, [(0, 100, 32768), (32768, 32868, 1), (40_000, 32869, 1)]);
    }

    #[test]
    fn the_planned_number_of_index_blocks_is_built() {
        for count in [0, 1, 4, 5, 340, 341, 340 * 4, 340 * 4 + 1, 120_000] {
            let runs: Vec<_> = (0..count).map(|i| Run { logical: 2 * i, length: 1 }).collect();
            let tree = extent_tree(&extents(&runs, 7), 1000, 0);
            assert_eq!(tree.blocks.len() as u64, index_block_count(&runs), "{count} runs");
        }
    }
}
