//! Bare root filesystems, which are not images: a tar archive as `docker export` writes it, or a
//! directory of the host. They have no manifest, no configuration and no layers.

mod directory;
mod tarball;
mod tree_digest;

use crate::input::Input;
use crate::oci::Platform;
use crate::oci::digest::Digest;
use crate::oci::image_config::{ImageConfig, RunConfig};
use crate::rootfs::limits::Limits;
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::{Node, Tree};
use crate::target;
use anyhow::{Context, Result};
use std::io;
use std::path::PathBuf;

/// Where a bare root filesystem is: transport and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootfsRef {
    /// A tar archive, maybe compressed: `tarball:FILE`.
    Tarball(Input),
    /// A directory: `rootfs:DIR`.
    Directory(PathBuf),
}

/// A bare root filesystem, read.
pub struct Contents {
    /// Its files.
    pub tree: Tree,
    /// Their contents.
    pub spool: Spool,
    /// In place of a manifest's digest: of an archive that of the file, of a directory one over all
    /// that a module can see of it.
    pub digest: Digest,
    /// What was left out, for the user to read.
    pub notes: Vec<String>,
}

/// Most notes that are kept; the rest is only counted.
const MAX_NOTES: usize = 50;

/// Reads all of a bare root filesystem into a tree of these `limits`; contents go to `spool`.
///
/// # Errors
/// When it cannot be read, names the file in question.
pub fn read(reference: &RootfsRef, mut spool: Spool, limits: &Limits) -> Result<Contents> {
    let mut tree = Tree::new();
    let (digest, notes) = match reference {
        RootfsRef::Tarball(input) => tarball::read(input, &mut tree, &mut spool, limits)
            .with_context(|| format!("tarball:{input}"))?,
        RootfsRef::Directory(path) => {
            let notes = directory::read(path, &mut tree, &mut spool, limits)
                .with_context(|| format!("rootfs:{}", path.display()))?;
            let digest = tree_digest::of(&tree, &spool).context("cannot read a temporary file")?;
            (digest, notes)
        }
    };
    Ok(Contents { tree, spool, digest, notes })
}

/// The CPU, in Go's words, of the first executable in the tree that is for one that we run: the
/// system's own before others.
///
/// # Errors
/// When the spool cannot be read.
pub fn architecture(tree: &Tree, spool: &Spool) -> io::Result<Option<&'static str>> {
    const SYSTEM: [&[u8]; 4] = [b"bin", b"usr/bin", b"sbin", b"usr"];
    let mut left = vec![tree.root()];
    left.extend(SYSTEM.iter().rev().filter_map(|path| tree.lookup(path)));
    while let Some(id) = left.pop() {
        let inode = tree.inode(id);
        match &inode.node {
            Node::Directory(_) => {
                let names: Vec<_> = tree.entries(id).map(|(_, child)| child).collect();
                left.extend(names.into_iter().rev());
            }
            Node::File(content) if inode.metadata.mode & 0o111 != 0 => {
                let Some(first) = content.extents.first().filter(|run| run.file_offset == 0) else {
                    continue;
                };
                let mut header = [0; 64];
                let length = first.length.min(header.len() as u64) as usize;
                spool.read_at(first.spool_offset, &mut header[..length])?;
                if let Some(architecture) = target::architecture_of(&header[..length]) {
                    return Ok(Some(architecture));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// What stands in for the configuration: a shell. As after `docker import`, there is no
/// environment, no user and no directory.
pub fn config(platform: Platform) -> ImageConfig {
    let run = RunConfig { cmd: vec!["/bin/sh".into()], ..RunConfig::default() };
    ImageConfig { platform, run, ..ImageConfig::default() }
}
