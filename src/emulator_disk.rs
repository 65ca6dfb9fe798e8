//! The disk beside the root image that holds a user-mode emulator. It depends on nothing but the
//! program, so all modules with the same emulator have the same.

use crate::ext4;
use crate::rootfs::spool::Spool;
use crate::rootfs::tar::Archive;
use crate::rootfs::tree::{FileContent, Inode, Metadata, Node, Timestamp, Tree};
use crate::target::UserEmulator;
use anyhow::{Context, Result, bail};
use std::io::Write;

/// log2 of the window in bytes that decompressing the archive takes: the code of one emulator is
/// mostly that of the one before.
const WINDOW_LOG: u32 = 25;

/// Its files.
pub struct EmulatorDisk {
    tree: Tree,
    spool: Spool,
}

impl EmulatorDisk {
    /// With the program of `emulator` out of `archive`, a tar that zstd has compressed.
    ///
    /// # Errors
    /// When it is not there, or there is no room for temporary files.
    pub fn new(emulator: UserEmulator, archive: &[u8]) -> Result<Self> {
        let mut decoder = zstd::Decoder::with_buffer(archive)?;
        decoder.window_log_max(WINDOW_LOG)?;
        let mut archive = Archive::new(decoder);
        let name = emulator.program.as_bytes();
        while let Some(entry) = archive.next_entry()? {
            if entry.path != name {
                continue;
            }
            let mut spool = Spool::new()?;
            let mut content = FileContent { size: entry.stored, extents: Vec::new() };
            spool.store(&mut archive, 0, entry.stored, &mut content.extents)?;
            let mut tree = Tree::new();
            let metadata = Metadata { mode: 0o755, ..Metadata::default() };
            tree.insert(tree.root(), name, Inode::new(metadata, Node::File(content)))?;
            return Ok(Self { tree, spool });
        }
        bail!("there is no {} in it", emulator.program)
    }

    /// Its layout.
    ///
    /// # Errors
    /// When ext4 cannot hold it.
    pub fn plan(&self) -> Result<ext4::Plan<'_>> {
        ext4::plan(&self.tree).context("the emulator")
    }

    /// Writes it.
    ///
    /// # Errors
    /// When that fails.
    pub fn write(&self, plan: &ext4::Plan<'_>, out: &mut impl Write) -> Result<()> {
        let options = ext4::Options { uuid: [0; 16], created: Timestamp::default() };
        Ok(plan.write(&self.spool, &options, out)?)
    }
}
