//! Making, moving and removing names.

use super::Server;
use crate::attributes::PERMISSIONS;
use crate::codec::{Qid, Reader, Writer};
use crate::errno::{Errno, Result};
use crate::host::{HostDirectories, HostPath, Kind, OpenHow, Stat, Target};
use crate::nodes::NodeId;
use alloc::vec::Vec;

/// Tunlinkat's flag: remove a directory.
const REMOVE_DIRECTORY: u32 = 0x200;
/// Linux's longest path with its final zero, for what a symbolic link says.
const MAX_LINK: usize = 4095;

impl<H: HostDirectories> Server<H> {
    pub(super) fn make_directory(
        &mut self,
        body: &mut Reader<'_>,
        to: &mut Writer<'_>,
    ) -> Result<()> {
        let (parent, name, mode) = (self.directory(body.u32()?)?, body.new_name()?, body.u32()?);
        let permissions = mode & PERMISSIONS;
        self.at_entry(parent, name, |host, path| host.make_directory(path, permissions))?;
        let qid = self.made_at(parent, name, mode, None)?;
        to.qid(qid);
        Ok(())
    }

    pub(super) fn symlink(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (parent, name) = (self.directory(body.u32()?)?, body.new_name()?);
        let target = body.string()?;
        if target.is_empty() || target.contains(&0) {
            return Err(Errno::NOENT);
        }
        if target.len() > MAX_LINK {
            return Err(Errno::NAMETOOLONG);
        }
        self.at_entry(parent, name, |host, path| host.symlink(target, path))?;
        let stat = self.at_entry(parent, name, |host, path| host.stat(Target::Path(path)))?;
        let qid = self.qid(&stat);
        to.qid(qid);
        Ok(())
    }

    /// A regular file, or one that stands for a pipe or a socket as long as this run lasts. A
    /// device would be none: these mounts have `nodev`.
    pub(super) fn make_node(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (parent, name, mode) = (self.directory(body.u32()?)?, body.new_name()?, body.u32()?);
        let stands_for = match Kind::from_mode(mode) {
            Some(Kind::File) => None,
            Some(kind @ (Kind::Fifo | Kind::Socket)) => Some(kind),
            _ => return Err(Errno::PERM),
        };
        let how =
            OpenHow { write: true, create: Some(mode), exclusive: true, ..OpenHow::default() };
        self.at_entry(parent, name, |host, path| host.open(path, &how).map(drop))?;
        let qid = self.made_at(parent, name, mode, stands_for)?;
        to.qid(qid);
        Ok(())
    }

    /// Gives the file that was just made at an entry its mode; returns its qid.
    fn made_at(
        &mut self,
        parent: NodeId,
        name: &[u8],
        mode: u32,
        stands_for: Option<Kind>,
    ) -> Result<Qid> {
        let node = self.nodes.child(parent, name)?;
        let made = self.at(node, |host, path| {
            let stat = host.stat(Target::Path(path))?;
            give_mode(host, Target::Path(path), &stat, mode);
            Ok(stat)
        });
        self.nodes.release(node);
        let stat = made?;
        self.attributes.created(&stat, mode, stands_for);
        Ok(self.qid(&stat))
    }

    pub(super) fn link(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let (parent, fid, name) = (self.directory(body.u32()?)?, body.u32()?, body.new_name()?);
        let from = self.host_path(self.fid(fid)?.node)?;
        self.at_entry(parent, name, |host, to| host.link(same_directory(&from, to)?, to))
    }

    pub(super) fn rename(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let (fid, parent, name) = (body.u32()?, body.u32()?, body.new_name()?);
        let (from, old_name) = self.nodes.name(self.fid(fid)?.node)?;
        self.rename_entry((from, &old_name), (self.directory(parent)?, name))
    }

    pub(super) fn rename_at(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let from = (self.directory(body.u32()?)?, body.new_name()?);
        let to = (self.directory(body.u32()?)?, body.new_name()?);
        self.rename_entry(from, to)
    }

    fn rename_entry(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8])) -> Result<()> {
        let old = self.at_entry(from.0, from.1, |_, path| Ok(OwnedHostPath::new(path)))?;
        let replaced = self.going(to.0, to.1)?;
        let renamed = self.rename_over(&old, from, to);
        self.nodes.release(replaced);
        renamed
    }

    fn rename_over(
        &mut self,
        old: &OwnedHostPath,
        from: (NodeId, &[u8]),
        to: (NodeId, &[u8]),
    ) -> Result<()> {
        self.at_entry(to.0, to.1, |host, path| host.rename(same_directory(old, path)?, path))?;
        // Between two names of one file rename(2) does nothing.
        let still_there = self.at_entry(from.0, from.1, |host, path| host.stat(Target::Path(path)));
        if still_there.is_ok() {
            return Ok(());
        }
        let replaced = self.nodes.unlink(to.0, to.1);
        self.attributes.forget(replaced);
        self.nodes.rename(from, to)
    }

    pub(super) fn unlink_at(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let (parent, name, flags) = (self.directory(body.u32()?)?, body.new_name()?, body.u32()?);
        self.unlink(parent, name, flags & REMOVE_DIRECTORY != 0)
    }

    /// Removes what a fid stands for, and the fid in any case.
    pub(super) fn remove(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let number = body.u32()?;
        let fid = self.fid(number)?;
        let directory = fid.kind == Kind::Directory;
        let removed = self
            .nodes
            .name(fid.node)
            .and_then(|(parent, name)| self.unlink(parent, &name, directory));
        self.clunk(number)?;
        removed
    }

    fn unlink(&mut self, parent: NodeId, name: &[u8], directory: bool) -> Result<()> {
        let node = self.going(parent, name)?;
        let removed = self.at(node, |host, path| match directory {
            true => host.remove_directory(path),
            false => host.remove_file(path),
        });
        if removed.is_ok() {
            let over = self.nodes.unlink(parent, name);
            self.attributes.forget(over);
        }
        self.nodes.release(node);
        removed
    }

    /// The node of an entry whose name is about to go, referred to once more. Which file that is
    /// must be known if something is remembered of it.
    fn going(&mut self, parent: NodeId, name: &[u8]) -> Result<NodeId> {
        let node = self.nodes.child(parent, name)?;
        if self.attributes.remembers_any() {
            let _ = self.stat_at(node);
        }
        Ok(node)
    }

    pub(super) fn read_link(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let fid = self.fid(body.u32()?)?;
        if fid.kind != Kind::Symlink {
            return Err(Errno::INVAL);
        }
        let target = self.at(fid.node, |host, path| host.read_link(path))?;
        if target.len() > MAX_LINK {
            return Err(Errno::NAMETOOLONG);
        }
        to.string(&target);
        Ok(())
    }

    fn host_path(&self, node: NodeId) -> Result<OwnedHostPath> {
        let (directory, path) = self.nodes.path(node)?.ok_or(Errno::ROFS)?;
        Ok(OwnedHostPath { directory, path })
    }
}

/// A [`HostPath`] that is kept while another is made.
struct OwnedHostPath {
    directory: usize,
    path: Vec<u8>,
}

impl OwnedHostPath {
    fn new(path: HostPath<'_>) -> Self {
        Self { directory: path.directory, path: path.path.to_vec() }
    }

    fn borrow(&self) -> HostPath<'_> {
        HostPath { directory: self.directory, path: &self.path }
    }
}

/// Each shared directory is a mount of its own to the guest.
fn same_directory<'a>(from: &'a OwnedHostPath, to: HostPath<'_>) -> Result<HostPath<'a>> {
    if from.directory == to.directory { Ok(from.borrow()) } else { Err(Errno::XDEV) }
}

/// Sees to it that a file that was just made has its permissions: the host may have taken some of
/// them away (umask). Those that cannot be had are not worth the file. Returns whether something
/// of the file was changed.
pub(super) fn give_mode<H: HostDirectories>(
    host: &H,
    target: Target<'_, H::File>,
    stat: &Stat,
    mode: u32,
) -> bool {
    let permissions = mode & PERMISSIONS;
    stat.mode.is_some_and(|has| has & PERMISSIONS != permissions)
        && host.set_mode(target, permissions).is_ok()
}
