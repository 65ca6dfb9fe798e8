//! Layers: any sequence of entries in any sequence of layers, then the image of what they become.

use crate::{UpTo, pax};
use arbitrary::Arbitrary;
use c2w::ext4::{self, LIMITS, Options};
use c2w::rootfs::apply::apply_layer;
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::{InodeId, Node, Timestamp, Tree};
use std::collections::HashMap;

#[derive(Arbitrary, Debug)]
struct Input {
    layers: UpTo<Layer, 4>,
}

#[derive(Arbitrary, Debug)]
struct Layer(UpTo<Entry, 24>);

#[derive(Arbitrary, Debug)]
struct Entry {
    kind: u8,
    path: Path,
    target: Path,
    content: UpTo<u8, 40>,
}

/// A few names, so that entries meet.
#[derive(Arbitrary, Debug)]
struct Path(UpTo<u8, 5>);

impl Path {
    fn bytes(&self) -> Vec<u8> {
        const NAMES: [&[u8]; 16] = [
            b"a",
            b"b",
            b"c",
            b"d",
            b".",
            b"..",
            b"",
            b".wh.a",
            b".wh.b",
            b".wh..wh..opq",
            b".wh.",
            b".wh..wh.plnk",
            b"\xff",
            b"lost+found",
            b"a\nb",
            b".wh...",
        ];
        let names: Vec<_> = self.0.0.iter().map(|byte| NAMES[usize::from(byte % 16)]).collect();
        names.join(&b'/')
    }
}

impl Layer {
    fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        for entry in &self.0.0 {
            let kind = b"0123456755000122"[usize::from(entry.kind % 16)];
            let content = if matches!(kind, b'0' | b'7') { &entry.content.0[..] } else { &[] };
            let mut header = pax::header(kind, &entry.path.bytes(), content.len());
            let target = entry.target.bytes();
            header[157..157 + target.len()].copy_from_slice(&target);
            header[336] = b'0' + entry.kind / 16 % 2;
            crate::tar::fix_checksum(&mut header);
            tar.extend(header);
            tar.extend(content);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar
    }
}

/// The image of what the layers become, unless one is refused.
///
/// # Panics
/// When the tree is inconsistent, or cannot be written.
pub fn image(bytes: &[u8]) -> Option<Vec<u8>> {
    let input: Input = crate::parse(bytes)?;
    let (mut tree, mut spool) = (Tree::new(), Spool::new().expect("a temporary file"));
    for layer in &input.layers.0 {
        let applied = apply_layer(&mut tree, &mut spool, &LIMITS, &layer.tar()[..]);
        check_tree(&tree, &spool);
        applied.ok()?;
    }
    Some(write(&tree, &spool))
}

/// The ext4 image of a tree that layers have become.
pub(crate) fn write(tree: &Tree, spool: &Spool) -> Vec<u8> {
    let created = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
    let options = Options { uuid: *b"c2w fuzzes trees", created };
    let mut image = Vec::new();
    let summary = ext4::write_image(tree, spool, &options, &mut image).expect("a good tree");
    assert_eq!(summary.size, image.len() as u64);
    image
}

/// Runs one input.
///
/// # Panics
/// As [`image`].
pub fn check(bytes: &[u8]) {
    image(bytes);
}

/// Names are counted, no whiteout is left, and all that files have stored can be read.
fn check_tree(tree: &Tree, spool: &Spool) {
    let mut names: HashMap<InodeId, u32> = HashMap::new();
    let mut pending = vec![tree.root()];
    while let Some(directory) = pending.pop() {
        for (name, id) in tree.entries(directory) {
            assert!(!name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/'));
            let count = names.entry(id).or_default();
            *count += 1;
            match &tree.inode(id).node {
                Node::Directory(_) => {
                    assert_eq!(*count, 1, "a directory with two names");
                    pending.push(id);
                }
                Node::File(content) => {
                    for extent in &content.extents {
                        assert!(extent.file_offset + extent.length <= content.size);
                        let mut bytes = vec![0; extent.length as usize];
                        spool.read_at(extent.spool_offset, &mut bytes).expect("what is stored");
                    }
                }
                _ => {}
            }
        }
    }
    for (id, count) in names {
        assert_eq!(tree.inode(id).name_count(), count);
    }
}
