//! The ext4 writer on any tree: what the crate ext4-view reads must be what was written.

use crate::{UpTo, layers};
use arbitrary::Arbitrary;
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::{Device, FileContent, Inode, InodeId, Metadata, Node, Timestamp, Tree};
use ext4_view::Ext4;
use std::io::Read;

#[derive(Arbitrary, Debug)]
struct Input {
    nodes: UpTo<RandomNode, 40>,
}

#[derive(Arbitrary, Debug)]
struct RandomNode {
    parent: u8,
    name: UpTo<u8, 255>,
    kind: u8,
    mode: u16,
    owner: (u32, u32),
    /// ext4-view takes others for corruption.
    seconds: i32,
    nanoseconds: u32,
    xattrs: UpTo<(u8, UpTo<u8, 64>), 4>,
    /// Gaps and lengths of what a file stores.
    pieces: UpTo<(u16, u16), 12>,
}

/// A name that a directory can have.
fn name_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let name: Vec<u8> =
        bytes.iter().map(|&byte| if matches!(byte, 0 | b'/') { b'_' } else { byte }).collect();
    let is_name = !matches!(&name[..], b"" | b"." | b".." | b"lost+found");
    is_name.then_some(name)
}

impl RandomNode {
    fn metadata(&self) -> Metadata {
        let xattrs = self.xattrs.0.iter().map(|(name, value)| {
            let prefix = [&b"user."[..], b"trusted.", b"security."][usize::from(name % 3)];
            let name = [prefix, &vec![b'n'; usize::from(name / 3) + 1]].concat();
            (name.into(), value.0.clone().into())
        });
        Metadata {
            mode: self.mode & 0o7777,
            uid: self.owner.0,
            gid: self.owner.1,
            mtime: Timestamp {
                seconds: i64::from(self.seconds).abs().min(i32::MAX.into()),
                nanoseconds: self.nanoseconds % 1_000_000_000,
            },
            xattrs: xattrs.collect(),
        }
    }

    fn content(&self, spool: &mut Spool) -> FileContent {
        let mut content = FileContent::default();
        for (index, (gap, length)) in self.pieces.0.iter().enumerate() {
            let (gap, length) = (u64::from(*gap) * 3, u64::from(*length));
            let offset = content.size + gap;
            let mut bytes = std::io::repeat(index as u8).take(length);
            let stored = spool.store(&mut bytes, offset, length, &mut content.extents);
            stored.expect("a repeated byte never ends");
            content.size = offset + length;
        }
        content
    }

    /// Anything but a hard link.
    fn node(&self, spool: &mut Spool) -> Node {
        let device = Device { major: self.owner.0 % 4096, minor: self.owner.1 % (1 << 20) };
        match self.kind % 8 {
            0 | 1 => Node::empty_directory(),
            2 | 3 => Node::File(self.content(spool)),
            4 => Node::Symlink(name_of(&self.name.0).unwrap_or(vec![b'x'; 61]).into()),
            5 => Node::CharDevice(device),
            6 => Node::BlockDevice(device),
            _ => Node::Fifo,
        }
    }
}

/// Builds the tree; some inputs have hard links.
fn build(input: &Input, spool: &mut Spool) -> Tree {
    let mut tree = Tree::new();
    let mut directories = vec![tree.root()];
    let mut others: Vec<InodeId> = Vec::new();
    for node in &input.nodes.0 {
        let parent = directories[usize::from(node.parent) % directories.len()];
        let Some(name) = name_of(&node.name.0) else { continue };
        if tree.child(parent, &name).is_some() {
            continue;
        }
        if node.kind >= 240 && !others.is_empty() {
            let target = others[usize::from(node.kind) % others.len()];
            tree.link(parent, &name, target).expect("a small tree");
            continue;
        }
        let inode = Inode::new(node.metadata(), node.node(spool));
        let is_directory = inode.node.is_directory();
        let id = tree.insert(parent, &name, inode).expect("a small tree");
        if is_directory { directories.push(id) } else { others.push(id) }
    }
    tree
}

/// The image of a random tree, with the tree.
pub fn image(bytes: &[u8]) -> Option<Vec<u8>> {
    let input: Input = crate::parse(bytes)?;
    let mut spool = Spool::new().expect("a temporary file");
    let tree = build(&input, &mut spool);
    let image = layers::write(&tree, &spool);
    compare(&tree, &spool, &image);
    Some(image)
}

/// Runs one input.
///
/// # Panics
/// When ext4-view reads another tree.
pub fn check(bytes: &[u8]) {
    image(bytes);
}

fn compare(tree: &Tree, spool: &Spool, image: &[u8]) {
    let ext4 = Ext4::load(Box::new(image.to_vec())).expect("a good image");
    let mut pending = vec![(Vec::new(), tree.root())];
    while let Some((path, id)) = pending.pop() {
        let shown = path.escape_ascii().to_string();
        let path = if path.is_empty() { b"/".to_vec() } else { path };
        let inode = tree.inode(id);
        let metadata = ext4.symlink_metadata(&path[..]).expect(&shown);
        let found = (metadata.mode(), metadata.uid(), metadata.gid());
        let Metadata { mode, uid, gid, mtime, .. } = &inode.metadata;
        assert_eq!(found, (*mode, *uid, *gid), "{shown}");
        let time = metadata.modified();
        assert_eq!((time.seconds(), time.nanoseconds()), (mtime.seconds, mtime.nanoseconds));
        match &inode.node {
            Node::Directory(_) => {
                let extra = 2 + usize::from(id == tree.root());
                let names = ext4.read_dir(&path[..]).expect(&shown).count();
                assert_eq!(names, tree.entries(id).len() + extra, "{shown}");
                let base = path.strip_suffix(b"/").unwrap_or(&path);
                pending
                    .extend(tree.entries(id).map(|(name, id)| ([base, b"/", name].concat(), id)));
            }
            Node::File(content) => {
                assert!(ext4.read(&path[..]).expect(&shown) == stored(content, spool), "{shown}");
            }
            Node::Symlink(target) => {
                assert_eq!(ext4.read_link(&path[..]).expect(&shown).as_ref(), &target[..]);
            }
            _ => {}
        }
    }
}

fn stored(content: &FileContent, spool: &Spool) -> Vec<u8> {
    let mut bytes = vec![0; content.size as usize];
    for extent in &content.extents {
        let start = extent.file_offset as usize;
        let range = start..start + extent.length as usize;
        spool.read_at(extent.spool_offset, &mut bytes[range]).expect("what was stored");
    }
    bytes
}
