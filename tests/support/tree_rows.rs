//! The rows of a tree in memory, to compare with what comes back from an image.

use std::collections::BTreeMap;

use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::{FileContent, InodeId, Node, Tree};

use crate::row::{Row, Rows, join, sha256};

/// The rows of a tree, as it should come back from an image.
pub fn rows_of(tree: &Tree, spool: &Spool) -> Rows {
    let mut rows = Rows::new();
    let mut first_paths = BTreeMap::new();
    let mut pending = vec![(b"/".to_vec(), tree.root())];
    while let Some((path, id)) = pending.pop() {
        let row = row_of(tree, spool, id);
        let same_as = first_paths.entry(id).or_insert_with(|| path.clone()).clone();
        let same_as = row.names.is_some_and(|names| names > 1).then_some(same_as);
        let below = tree.entries(id).map(|(name, id)| (join(&path, name), id));
        // Turned around: a stack gives the last one first.
        pending.extend(below.collect::<Vec<_>>().into_iter().rev());
        rows.insert(path, Row { same_as, ..row });
    }
    rows
}

fn row_of(tree: &Tree, spool: &Spool, id: InodeId) -> Row {
    let inode = tree.inode(id);
    let (mut content, mut link, mut device) = (None, None, None);
    let kind = match &inode.node {
        Node::Directory(_) => "dir",
        Node::File(file) => {
            let bytes = read_content(file, spool);
            content = Some((file.size, sha256(&bytes)));
            "file"
        }
        Node::Symlink(target) => {
            link = Some(target.to_vec());
            "symlink"
        }
        Node::CharDevice(number) => {
            device = Some((number.major, number.minor));
            "chr"
        }
        Node::BlockDevice(number) => {
            device = Some((number.major, number.minor));
            "blk"
        }
        Node::Fifo => "fifo",
        Node::Socket => "sock",
    };
    let metadata = &inode.metadata;
    Row {
        kind: kind.to_owned(),
        mode: metadata.mode.into(),
        uid: metadata.uid,
        gid: metadata.gid,
        mtime: (metadata.mtime.seconds, metadata.mtime.nanoseconds),
        content,
        link,
        device,
        names: (kind != "dir").then_some(inode.name_count()),
        same_as: None,
        xattrs: metadata.xattrs.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect(),
    }
}

fn read_content(file: &FileContent, spool: &Spool) -> Vec<u8> {
    let mut bytes = vec![0; file.size as usize];
    for extent in &file.extents {
        let start = extent.file_offset as usize;
        let range = start..start + extent.length as usize;
        spool.read_at(extent.spool_offset, &mut bytes[range]).unwrap();
    }
    bytes
}
