//! Directory blocks: linear for small directories, with a hash tree for large ones.

use super::checksum::crc32c;
use super::format::{BLOCK_SIZE, put_u16, put_u32};
use super::hash::{HALF_MD4, half_md4};

type Block = [u8; BLOCK_SIZE];

/// A checksum takes the last bytes of a block, in the form of an entry that is not in use.
const TAIL_SIZE: usize = 12;
const LEAF_SPACE: usize = BLOCK_SIZE - TAIL_SIZE;
/// "." and ".." at the start of the first block.
const DOTS_SIZE: usize = 24;
/// Directories of more blocks get a hash tree.
const MAX_LINEAR_BLOCKS: usize = 2;

/// Where the hash tree's entries start in the first block, and in its other blocks.
const ROOT_ENTRIES: usize = 32;
const NODE_ENTRIES: usize = 8;
/// Entries in each: 8 bytes, and as much for the checksum.
const ROOT_CAPACITY: usize = (BLOCK_SIZE - ROOT_ENTRIES - 8) / 8;
const NODE_CAPACITY: usize = (BLOCK_SIZE - NODE_ENTRIES - 8) / 8;

const DIRECTORY_TYPE: u8 = 2;
const TAIL_TYPE: u8 = 0xde;

/// A name to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: u32,
    /// The type as directory entries number it.
    pub(super) file_type: u8,
}

/// How a directory is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Number of blocks.
    pub(super) blocks: u32,
    /// Whether there is a hash tree.
    pub(super) hashed: bool,
}

/// The blocks of a directory with these names; `None` when no directory can hold that many.
pub(super) fn shape<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Shape> {
    let linear = pack(names.clone().map(entry_size), DOTS_SIZE).count();
    if linear <= MAX_LINEAR_BLOCKS {
        return Some(Shape { blocks: linear as u32, hashed: false });
    }
    let leaves = pack(by_hash(names).iter().map(|(_, _, name)| entry_size(name)), 0).count();
    let nodes = node_count(leaves);
    (nodes <= ROOT_CAPACITY).then(|| Shape { blocks: (1 + nodes + leaves) as u32, hashed: true })
}

/// Builds the blocks of directory `inode` as `shape` planned them. `names` are in byte order.
pub(super) fn build(
    shape: Shape,
    inode: u32,
    parent: u32,
    names: &[Name],
    seed: u32,
) -> Vec<Block> {
    let dots = [
        Name { name: b".", inode, file_type: DIRECTORY_TYPE },
        Name { name: b"..", inode: parent, file_type: DIRECTORY_TYPE },
    ];
    if shape.hashed {
        return hashed(&dots, names, seed);
    }
    let sizes = names.iter().map(|name| entry_size(name.name));
    let mut blocks = Vec::new();
    let mut done = 0;
    for count in pack(sizes, DOTS_SIZE) {
        let dots = if done == 0 { &dots[..] } else { &[] };
        blocks.push(leaf(dots.iter().chain(&names[done..done + count]), seed));
        done += count;
    }
    blocks
}

fn entry_size(name: &[u8]) -> usize {
    (8 + name.len()).next_multiple_of(4)
}

/// Fills blocks in order with entries of these sizes, the first behind `taken` bytes; returns how
/// many entries each holds. There is always a first block.
fn pack(sizes: impl Iterator<Item = usize>, taken: usize) -> impl Iterator<Item = usize> {
    let mut sizes = sizes.peekable();
    let mut taken = Some(taken);
    std::iter::from_fn(move || {
        let mut used = match taken.take() {
            Some(taken) => taken,
            None => sizes.peek().map(|_| 0)?,
        };
        let mut count = 0;
        while let Some(size) = sizes.next_if(|size| used + size <= LEAF_SPACE) {
            used += size;
            count += 1;
        }
        Some(count)
    })
}

/// A block of entries; the last one reaches to the checksum.
fn leaf<'a>(names: impl Iterator<Item = &'a Name<'a>>, seed: u32) -> Block {
    let mut block = [0; BLOCK_SIZE];
    let (mut last, mut end) = (0, 0);
    for name in names {
        let size = entry_size(name.name);
        put_entry(&mut block[end..], name, size);
        (last, end) = (end, end + size);
    }
    put_u16(&mut block, last + 4, (LEAF_SPACE - last) as u16);
    put_u16(&mut block, LEAF_SPACE + 4, TAIL_SIZE as u16);
    block[LEAF_SPACE + 7] = TAIL_TYPE;
    let checksum = crc32c(seed, &block[..LEAF_SPACE]);
    put_u32(&mut block, LEAF_SPACE + 8, checksum);
    block
}

fn put_entry(bytes: &mut [u8], name: &Name, size: usize) {
    put_u32(bytes, 0, name.inode);
    put_u16(bytes, 4, size as u16);
    bytes[6] = name.name.len() as u8;
    bytes[7] = name.file_type;
    bytes[8..8 + name.name.len()].copy_from_slice(name.name);
}

/// Blocks of the hash tree between its root and its leaves.
fn node_count(leaves: usize) -> usize {
    if leaves <= ROOT_CAPACITY { 0 } else { leaves.div_ceil(NODE_CAPACITY) }
}

/// Names in the order of a hashed directory: hash, tie-breaker, name.
fn by_hash<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<(u32, u32, &'a [u8])> {
    let hashed = names.map(|name| {
        let (major, minor) = half_md4(name);
        (major, minor, name)
    });
    let mut hashed: Vec<_> = hashed.collect();
    hashed.sort_unstable();
    hashed
}

/// The root of the tree, its other nodes, then the leaves.
fn hashed(dots: &[Name; 2], names: &[Name], seed: u32) -> Vec<Block> {
    let mut entries: Vec<_> = names.iter().map(|name| (half_md4(name.name), name)).collect();
    entries.sort_unstable_by_key(|(hash, name)| (*hash, name.name));
    let mut leaves = Vec::new();
    let mut hashes = Vec::new();
    let mut done = 0;
    for count in pack(entries.iter().map(|(_, name)| entry_size(name.name)), 0) {
        let first = entries[done].0.0;
        // An odd hash says that names of the same hash start in the leaf before.
        let continued = done > 0 && entries[done - 1].0.0 == first;
        hashes.push(first | u32::from(continued));
        leaves.push(leaf(entries[done..done + count].iter().map(|(_, name)| *name), seed));
        done += count;
    }
    let nodes = node_count(leaves.len());
    let first_leaf = 1 + nodes;
    let children: Vec<_> = hashes.into_iter().zip(first_leaf as u32..).collect();
    let mut blocks = Vec::with_capacity(first_leaf + leaves.len());
    if nodes == 0 {
        blocks.push(root(dots, 0, &children, seed));
    } else {
        let tops: Vec<_> =
            children.chunks(NODE_CAPACITY).map(|chunk| chunk[0].0).zip(1..).collect();
        blocks.push(root(dots, 1, &tops, seed));
        blocks.extend(children.chunks(NODE_CAPACITY).map(|chunk| node(chunk, seed)));
    }
    blocks.append(&mut leaves);
    blocks
}

/// The first block: to a reader that knows no hash trees, ".." takes all the space after ".".
fn root(dots: &[Name; 2], levels: u8, children: &[(u32, u32)], seed: u32) -> Block {
    let mut block = [0; BLOCK_SIZE];
    put_entry(&mut block, &dots[0], 12);
    put_entry(&mut block[12..], &dots[1], BLOCK_SIZE - 12);
    block[28] = HALF_MD4;
    block[29] = 8; // Length of this header.
    block[30] = levels;
    put_children(&mut block, ROOT_ENTRIES, ROOT_CAPACITY, children, seed);
    block
}

/// A block between root and leaves: to others, one empty entry.
fn node(children: &[(u32, u32)], seed: u32) -> Block {
    let mut block = [0; BLOCK_SIZE];
    put_u16(&mut block, 4, BLOCK_SIZE as u16);
    put_children(&mut block, NODE_ENTRIES, NODE_CAPACITY, children, seed);
    block
}

/// Hash and block of each child. The first needs no hash; capacity and count are in its place.
fn put_children(
    block: &mut Block,
    start: usize,
    capacity: usize,
    children: &[(u32, u32)],
    seed: u32,
) {
    for (index, (hash, child)) in children.iter().enumerate() {
        put_u32(block, start + 8 * index, *hash);
        put_u32(block, start + 8 * index + 4, *child);
    }
    put_u16(block, start, capacity as u16);
    put_u16(block, start + 2, children.len() as u16);
    // Over the entries in use, then over the 8 bytes of the tail with no checksum yet.
    let checksum = crc32c(crc32c(seed, &block[..start + 8 * children.len()]), &[0; 8]);
    put_u32(block, start + 8 * capacity + 4, checksum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(names: &[Vec<u8>]) -> (Shape, Vec<Block>) {
        let shape = shape(names.iter().map(|name| &name[..])).unwrap();
        let names: Vec<_> =
            names.iter().map(|name| Name { name, inode: 12, file_type: 1 }).collect();
        (shape, build(shape, 2, 2, &names, 0))
    }

    #[test]
    fn as_many_blocks_are_built_as_were_planned() {
        for count in [0, 1, 14, 15, 30, 31, 32, 500, 9000] {
            for length in [8, 255] {
                let name = |i| format!("{i:0length$}").into_bytes();
                let names: Vec<_> = (0..count).map(name).collect();
                let (shape, blocks) = built(&names);
                assert_eq!(blocks.len(), shape.blocks as usize, "{count} names of {length} bytes");
                assert_eq!(shape.hashed, blocks.len() > MAX_LINEAR_BLOCKS);
            }
        }
    }

    #[test]
    fn names_fill_a_block_to_its_last_byte() {
        // 4096 - 12 for the checksum - 24 for the dots = 15 * 264 + 100.
        let mut names = vec![vec![b'a'; 92]];
        names.extend((0..15).map(|i| format!("{i:b>255}").into_bytes()));
        assert_eq!(built(&names).0.blocks, 1);
        names[0].push(b'a');
        assert_eq!(built(&names).0.blocks, 2);
    }
}
