//! Open files: contents and locks.

use super::names::give_mode;
use super::{Fid, Open, Server};
use crate::codec::{HEADER_LENGTH, Qid, Reader, Writer};
use crate::errno::{Errno, Result};
use crate::host::{HostDirectories, Kind, OpenHow, Stat, Target};
use crate::listing::Listing;
use crate::nodes::{NodeId, ROOT};

/// Flags of open(2), as the protocol has them on all processors.
mod flag {
    pub const ACCESS: u32 = 3;
    pub const READ_ONLY: u32 = 0;
    pub const WRITE_ONLY: u32 = 1;
    pub const READ_WRITE: u32 = 2;
    pub const CREATE: u32 = 0o100;
    pub const EXCLUSIVE: u32 = 0o200;
    pub const TRUNCATE: u32 = 0o1000;
    pub const APPEND: u32 = 0o2000;
}

/// Rlopenat's `opened`.
const NOT_OPENED: u8 = 0;
const OPENED: u8 = 1;
const MADE: u8 = 2;
/// The offset of a Twrite that goes to the end of the file, wherever that is.
const APPEND: u64 = u64::MAX;

/// A lock was taken.
const LOCK_SUCCESS: u8 = 0;
/// No other process holds such a lock.
const UNLOCKED: u8 = 2;
/// `count[4]` of Rread, Rreaddir.
const COUNT_LENGTH: usize = 4;

/// How open(2)'s flags want a file.
fn how(flags: u32) -> Result<OpenHow> {
    let access = flags & flag::ACCESS;
    if ![flag::READ_ONLY, flag::WRITE_ONLY, flag::READ_WRITE].contains(&access) {
        return Err(Errno::INVAL);
    }
    Ok(OpenHow {
        read: access != flag::WRITE_ONLY,
        write: access != flag::READ_ONLY,
        truncate: flags & flag::TRUNCATE != 0 && access != flag::READ_ONLY,
        create: None,
        exclusive: flags & flag::EXCLUSIVE != 0,
    })
}

impl<H: HostDirectories> Server<H> {
    pub(super) fn open(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (fid, flags) = (body.u32()?, body.u32()?);
        let Fid { node, kind, open } = self.fid(fid)?;
        let (node, kind) = (*node, *kind);
        if open.is_some() {
            return Err(Errno::INVAL);
        }
        let how = OpenHow { exclusive: false, ..how(flags)? };
        let qid = match kind {
            Kind::Directory if how.write => return Err(Errno::ISDIR),
            Kind::Directory => {
                let qid = self.qid_at(node)?;
                self.set_open(fid, Open::Directory(Listing::default()));
                qid
            }
            Kind::File => {
                let file = self.at(node, |host, path| host.open(path, &how))?;
                self.opened(fid, file, &how, flags)?
            }
            Kind::Symlink => return Err(Errno::LOOP),
            // The guest's kernel opens pipes and sockets itself, and devices not at all.
            _ => return Err(Errno::NXIO),
        };
        to.qid(qid);
        to.u32(0);
        Ok(())
    }

    pub(super) fn create(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (fid, name, flags) = (body.u32()?, body.new_name()?, body.u32()?);
        let mode = body.u32()?;
        let parent = self.directory(fid)?;
        if self.fid(fid)?.open.is_some() {
            return Err(Errno::INVAL);
        }
        let mut how = how(flags | flag::CREATE)?;
        // A file that is there already keeps its mode: only one that was made here has a new one.
        how.create = Some(mode);
        let exclusive = OpenHow { exclusive: true, ..how };
        let (file, new) =
            match self.at_entry(parent, name, |host, path| host.open(path, &exclusive)) {
                Err(Errno::EXIST) if !how.exclusive => {
                    (self.at_entry(parent, name, |host, path| host.open(path, &how))?, false)
                }
                file => (file?, true),
            };
        let stat = self.host.stat(Target::File(&file))?;
        if new {
            give_mode(&self.host, Target::File(&file), &stat, mode);
            self.attributes.created(&stat, mode, None);
        }
        let node = self.nodes.child(parent, name)?;
        self.nodes.release(parent);
        if let Some(fid) = self.fids.get_mut(&fid) {
            (fid.node, fid.kind) = (node, Kind::File);
        }
        let qid = self.opened(fid, file, &how, flags)?;
        to.qid(qid);
        to.u32(0);
        Ok(())
    }

    /// Opens or makes an entry of a directory as a new fid: Twalk, Tlopen or Tlcreate, Tgetattr.
    /// What cannot be opened, a link for one, is only described.
    pub(super) fn open_at(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (parent, fid, name) = (body.u32()?, body.u32()?, body.new_name()?);
        let (flags, mode) = (body.u32()?, body.u32()?);
        self.is_free(fid)?;
        let directory = self.fid(parent)?;
        let (parent, kind) = (directory.node, directory.kind);
        let node = self.entry(parent, kind, name)?;
        let create = flags & flag::CREATE != 0 && parent != ROOT;
        let done = how(flags).and_then(|how| match create {
            true => self.make_or_open(node, fid, &OpenHow { create: Some(mode), ..how }, flags),
            false => self.open_entry(node, fid, &OpenHow { exclusive: false, ..how }, flags),
        });
        if let Ok((opened, stat)) = &done {
            to.u8(*opened);
            self.write_attributes_of(node, stat, to);
        }
        // A fid that was opened refers to the node itself.
        self.nodes.release(node);
        done.map(drop)
    }

    fn make_or_open(
        &mut self,
        node: NodeId,
        fid: u32,
        how: &OpenHow,
        flags: u32,
    ) -> Result<(u8, Stat)> {
        let exclusive = OpenHow { exclusive: true, ..*how };
        let file = match self.at(node, |host, path| host.open(path, &exclusive)) {
            Ok(file) => file,
            Err(error) if how.exclusive => return Err(error),
            Err(error) => {
                let open = OpenHow { create: None, ..*how };
                return match self.open_entry(node, fid, &open, flags) {
                    // Nothing is there: this is why nothing could be made.
                    Err(Errno::NOENT) => Err(error),
                    opened => opened,
                };
            }
        };
        let mut stat = self.host.stat(Target::File(&file))?;
        let mode = how.create.unwrap_or_default();
        if give_mode(&self.host, Target::File(&file), &stat, mode) {
            stat = self.host.stat(Target::File(&file))?;
        }
        self.attributes.created(&stat, mode, None);
        self.keep_open(node, fid, Kind::File, file_opened(file, how, flags), &stat)?;
        Ok((MADE, stat))
    }

    /// Opens a file or directory that is there.
    fn open_entry(
        &mut self,
        node: NodeId,
        fid: u32,
        how: &OpenHow,
        flags: u32,
    ) -> Result<(u8, Stat)> {
        let mut stat = self.stat_at(node)?;
        let kind = self.attributes.kind(stat.device, stat.inode, stat.kind);
        let open = match kind {
            Kind::File => {
                // The guest asks for the reason with Tlopen, after its own checks.
                let Ok(file) = self.at(node, |host, path| host.open(path, how)) else {
                    return Ok((NOT_OPENED, stat));
                };
                stat = self.host.stat(Target::File(&file))?;
                file_opened(file, how, flags)
            }
            Kind::Directory if !how.write => Open::Directory(Listing::default()),
            _ => return Ok((NOT_OPENED, stat)),
        };
        self.keep_open(node, fid, kind, open, &stat)?;
        Ok((OPENED, stat))
    }

    /// Makes a fid of a node's open file.
    fn keep_open(
        &mut self,
        node: NodeId,
        fid: u32,
        kind: Kind,
        open: Open<H::File>,
        stat: &Stat,
    ) -> Result<()> {
        self.nodes.acquire(node)?;
        self.insert(fid, node, kind)?;
        self.nodes.looked_at(node, (stat.device, stat.inode), stat.links);
        if matches!(open, Open::File { .. }) {
            self.nodes.opened(node, fid);
        }
        self.set_open(fid, open);
        Ok(())
    }

    /// Keeps an open file for a fid.
    fn opened(&mut self, fid: u32, file: H::File, how: &OpenHow, flags: u32) -> Result<Qid> {
        let stat = self.host.stat(Target::File(&file))?;
        let node = self.fid(fid)?.node;
        self.nodes.looked_at(node, (stat.device, stat.inode), stat.links);
        self.nodes.opened(node, fid);
        self.set_open(fid, file_opened(file, how, flags));
        Ok(self.qid(&stat))
    }

    fn set_open(&mut self, fid: u32, open: Open<H::File>) {
        if let Some(fid) = self.fids.get_mut(&fid) {
            fid.open = Some(open);
        }
    }

    /// Bytes that an answer has room for behind its count, at most as many as asked for.
    pub(super) fn room(&self, asked: u32) -> usize {
        (asked as usize).min(self.message as usize - HEADER_LENGTH - COUNT_LENGTH)
    }

    pub(super) fn read(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (fid, offset, count) = (body.u32()?, body.u64()?, body.u32()?);
        let room = self.room(count);
        let fid = self.fids.get(&fid).ok_or(Errno::BADF)?;
        let Some(Open::File { file, read: true, .. }) = &fid.open else { return Err(Errno::BADF) };
        to.counted(room, |buffer| read_all(&self.host, file, offset, buffer))
    }

    pub(super) fn write(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (fid, mut offset, count) = (body.u32()?, body.u64()?, body.u32()?);
        let bytes = body.bytes(count as usize)?;
        let fid = self.fids.get(&fid).ok_or(Errno::BADF)?;
        let Some(Open::File { file, write: true, append, .. }) = &fid.open else {
            return Err(Errno::BADF);
        };
        if *append || offset == APPEND {
            // The guest's idea of the end is as old as its last stat of the file.
            offset = self.host.stat(Target::File(file))?.size;
        }
        let written = write_all(&self.host, file, offset, bytes)?;
        to.u32(written as u32);
        Ok(())
    }

    pub(super) fn sync(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let (fid, data_only) = (body.u32()?, body.u32().unwrap_or(0) != 0);
        match &self.fids.get(&fid).ok_or(Errno::BADF)?.open {
            Some(Open::File { file, .. }) => self.host.sync(file, data_only),
            _ => Ok(()),
        }
    }

    /// The guest's kernel has checked its own lockers before it asks, and there are no others.
    pub(super) fn lock(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        self.fid(body.u32()?)?;
        to.u8(LOCK_SUCCESS);
        Ok(())
    }

    pub(super) fn get_lock(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        self.fid(body.u32()?)?;
        body.u8()?;
        to.u8(UNLOCKED);
        to.u64(body.u64()?);
        to.u64(body.u64()?);
        to.u32(body.u32()?);
        to.string(body.string()?);
        Ok(())
    }
}

/// What a fid has of a file that was opened.
fn file_opened<F>(file: F, how: &OpenHow, flags: u32) -> Open<F> {
    Open::File { file, read: how.read, write: how.write, append: flags & flag::APPEND != 0 }
}

/// Reads until `buffer` is full or the file ends: to Linux a short answer is the end of the file.
fn read_all<H: HostDirectories>(
    host: &H,
    file: &H::File,
    offset: u64,
    buffer: &mut [u8],
) -> Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset.checked_add(done as u64).ok_or(Errno::INVAL)?;
        match host.read(file, at, &mut buffer[done..]) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(Errno::INTR) => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes as much as the host takes.
fn write_all<H: HostDirectories>(
    host: &H,
    file: &H::File,
    offset: u64,
    bytes: &[u8],
) -> Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        let at = offset.checked_add(done as u64).ok_or(Errno::FBIG)?;
        match host.write(file, at, &bytes[done..]) {
            Ok(0) => break,
            Ok(length) => done += length.min(bytes.len() - done),
            Err(Errno::INTR) => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
