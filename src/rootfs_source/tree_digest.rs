//! One digest for a tree and its contents, whatever it was read from.

use crate::oci::digest::{Algorithm, Digest, Hasher};
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::{FileContent, Inode, InodeId, Node, Tree};
use std::collections::HashMap;
use std::io;

/// What the digest is of; a change of the format changes it.
const FORMAT: &[u8] = b"c2w tree 1\n";

/// The digest of all names in order, with what each stands for. Equal trees have equal digests;
/// nothing of the host, such as inode numbers or the times of last access, is in it.
pub(super) fn of(tree: &Tree, spool: &Spool) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(FORMAT);
    // Inodes by the order of their first names: this distinguishes hard links from copies.
    let mut seen: HashMap<InodeId, u64> = HashMap::new();
    let mut walks = vec![tree.entries(tree.root())];
    inode(&mut hasher, tree.inode(tree.root()), spool)?;
    while let Some(entries) = walks.last_mut() {
        let Some((name, id)) = entries.next() else {
            hasher.update(b"up");
            walks.pop();
            continue;
        };
        bytes(&mut hasher, name);
        let count = seen.len() as u64;
        let number = *seen.entry(id).or_insert(count);
        hasher.update(&number.to_le_bytes());
        if number == count {
            inode(&mut hasher, tree.inode(id), spool)?;
        }
        if tree.inode(id).node.is_directory() {
            walks.push(tree.entries(id));
        }
    }
    Ok(hasher.digest())
}

/// With its length in front, so that no two lists of texts look the same.
fn bytes(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn inode(hasher: &mut Hasher, inode: &Inode, spool: &Spool) -> io::Result<()> {
    let metadata = &inode.metadata;
    for number in [u32::from(metadata.mode), metadata.uid, metadata.gid] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&metadata.mtime.seconds.to_le_bytes());
    hasher.update(&metadata.mtime.nanoseconds.to_le_bytes());
    hasher.update(&(metadata.xattrs.len() as u64).to_le_bytes());
    for (name, value) in &metadata.xattrs {
        bytes(hasher, name);
        bytes(hasher, value);
    }
    match &inode.node {
        Node::Directory(_) => hasher.update(b"d"),
        Node::Fifo => hasher.update(b"p"),
        Node::Socket => hasher.update(b"s"),
        Node::Symlink(target) => {
            hasher.update(b"l");
            bytes(hasher, target);
        }
        Node::CharDevice(device) | Node::BlockDevice(device) => {
            let kind = if matches!(inode.node, Node::CharDevice(_)) { b"c" } else { b"b" };
            hasher.update(kind);
            hasher.update(&device.major.to_le_bytes());
            hasher.update(&device.minor.to_le_bytes());
        }
        Node::File(file) => content(hasher, file, spool)?,
    }
    Ok(())
}

/// Where data lies in the file, and the data: holes are not hashed byte for byte.
fn content(hasher: &mut Hasher, file: &FileContent, spool: &Spool) -> io::Result<()> {
    hasher.update(b"f");
    hasher.update(&file.size.to_le_bytes());
    hasher.update(&(file.extents.len() as u64).to_le_bytes());
    let mut buffer = vec![0; 64 << 10];
    for extent in &file.extents {
        hasher.update(&extent.file_offset.to_le_bytes());
        hasher.update(&extent.length.to_le_bytes());
        let mut done = 0;
        while done < extent.length {
            let count = (extent.length - done).min(buffer.len() as u64) as usize;
            spool.read_at(extent.spool_offset + done, &mut buffer[..count])?;
            hasher.update(&buffer[..count]);
            done += count as u64;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tree::{Metadata, Timestamp};

    fn file(spool: &mut Spool, bytes: &[u8], metadata: Metadata) -> Inode {
        let mut extents = Vec::new();
        spool.store(&mut &*bytes, 0, bytes.len() as u64, &mut extents).unwrap();
        Inode::new(metadata, Node::File(FileContent { size: bytes.len() as u64, extents }))
    }

    /// The digest of a tree that `change` has changed.
    fn digest(change: impl FnOnce(&mut Tree, &mut Spool)) -> Digest {
        let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
        let a = file(&mut spool, b"content", Metadata::default());
        let a = tree.insert(tree.root(), b"a", a).unwrap();
        tree.link(tree.root(), b"b", a).unwrap();
        change(&mut tree, &mut spool);
        of(&tree, &spool).unwrap()
    }

    #[test]
    fn equal_trees_only_have_equal_digests() {
        let same = digest(|_, _| {});
        assert_eq!(same, digest(|_, _| {}));
        // Another way to the same tree, and other places in the spool.
        let detour = digest(|tree, spool| {
            tree.remove(tree.root(), b"a");
            tree.remove(tree.root(), b"b");
            let again = file(spool, b"content", Metadata::default());
            let b = tree.insert(tree.root(), b"b", again).unwrap();
            tree.link(tree.root(), b"a", b).unwrap();
        });
        assert_eq!(same, detour);
        let replace = |bytes: &'static [u8], metadata: Metadata| {
            digest(move |tree, spool| {
                let inode = file(spool, bytes, metadata);
                let id = tree.insert(tree.root(), b"a", inode).unwrap();
                tree.link(tree.root(), b"b", id).unwrap();
            })
        };
        let mtime = Timestamp { seconds: 0, nanoseconds: 1 };
        let xattrs = [(b"user.x"[..].into(), b""[..].into())].into();
        let others = [
            digest(|tree, spool| {
                let copy = file(spool, b"content", Metadata::default());
                tree.insert(tree.root(), b"b", copy).unwrap();
            }),
            digest(|tree, _| tree.remove(tree.root(), b"b")),
            replace(b"Content", Metadata::default()),
            replace(b"content", Metadata { mode: 1, ..Metadata::default() }),
            replace(b"content", Metadata { uid: 1, ..Metadata::default() }),
            replace(b"content", Metadata { gid: 1, ..Metadata::default() }),
            replace(b"content", Metadata { mtime, ..Metadata::default() }),
            replace(b"content", Metadata { xattrs, ..Metadata::default() }),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(same, *other, "{index}");
            assert!(!others[..index].contains(other), "{index}");
        }
    }
}
