//! Applies layers given as tar archives, and shows what comes of them.

use std::error::Error;

use c2w::ext4::LIMITS;
use c2w::rootfs::apply::{AppliedLayer, apply_layer};
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::{Metadata, Node, Tree};

/// What layers have become.
pub struct Merged {
    pub tree: Tree,
    pub spool: Spool,
    pub layers: Vec<AppliedLayer>,
}

/// Applies layers, the base first. The error is the whole chain, as users see it.
pub fn apply(layers: &[Vec<u8>]) -> Result<Merged, String> {
    let (mut tree, mut spool) = (Tree::new(), Spool::new().unwrap());
    let mut applied = Vec::new();
    for layer in layers {
        applied
            .push(apply_layer(&mut tree, &mut spool, &LIMITS, &layer[..]).map_err(|e| chain(&e))?);
    }
    Ok(Merged { tree, spool, layers: applied })
}

/// An error with its causes, as `{:#}` of anyhow shows it.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

impl Merged {
    /// The metadata of what is at `path`.
    pub fn metadata(&self, path: &str) -> &Metadata {
        let id = self.tree.lookup(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"));
        &self.tree.inode(id).metadata
    }

    /// A line for each path: "dir/", "file=content", "link->target", "pipe|", "c1:3" and "b7:0"
    /// behind the name of a device; "==first" behind other names of a file.
    pub fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut first = std::collections::BTreeMap::new();
        let mut pending = vec![(String::new(), self.tree.root())];
        while let Some((path, id)) = pending.pop() {
            let entries: Vec<_> = self.tree.entries(id).collect();
            for (name, id) in entries.into_iter().rev() {
                pending.push((format!("{path}/{}", name.escape_ascii()), id));
            }
            if path.is_empty() {
                continue;
            }
            let known = first.entry(id).or_insert_with(|| path.clone());
            let what = match &self.tree.inode(id).node {
                _ if *known != path => format!("=={}", &known[1..]),
                Node::Directory(_) => "/".to_owned(),
                Node::File(_) => format!("={}", self.content(id).escape_ascii()),
                Node::Symlink(target) => format!("->{}", target.escape_ascii()),
                Node::CharDevice(device) => format!(" c{}:{}", device.major, device.minor),
                Node::BlockDevice(device) => format!(" b{}:{}", device.major, device.minor),
                Node::Fifo => "|".to_owned(),
                Node::Socket => "=".to_owned(),
            };
            lines.push(format!("{}{what}", &path[1..]));
        }
        lines
    }

    fn content(&self, id: c2w::rootfs::tree::InodeId) -> Vec<u8> {
        let Node::File(content) = &self.tree.inode(id).node else { return Vec::new() };
        let mut bytes = vec![0; content.size as usize];
        for extent in &content.extents {
            let start = extent.file_offset as usize;
            let end = start + extent.length as usize;
            self.spool.read_at(extent.spool_offset, &mut bytes[start..end]).unwrap();
        }
        bytes
    }
}
