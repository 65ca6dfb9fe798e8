//! Open files: contents and locks.

use super::names::give_mode;
use super::{Fid, Open, Server};
use crate::codec::{HEADER_LENGTH, Qid, Reader, Writer};
use crate::errno::{Errno, Result};
use crate::host::{HostDirectories, Kind, OpenHow, Target};
use crate::listing::Listing;

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

/// A lock was taken.
const LOCK_SUCCESS: u8 = 0;
/// Nobody has such a lock.
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
                let file = self.at(node, |host, place| host.open(place, &how))?;
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
            match self.at_entry(parent, name, |host, place| host.open(place, &exclusive)) {
                Err(Errno::EXIST) if !how.exclusive => {
                    (self.at_entry(parent, name, |host, place| host.open(place, &how))?, false)
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

    /// Keeps an open file for a fid.
    fn opened(&mut self, fid: u32, file: H::File, how: &OpenHow, flags: u32) -> Result<Qid> {
        let stat = self.host.stat(Target::File(&file))?;
        let node = self.fid(fid)?.node;
        self.nodes.looked_at(node, (stat.device, stat.inode), stat.links);
        self.nodes.opened(node, fid);
        let append = flags & flag::APPEND != 0;
        self.set_open(fid, Open::File { file, read: how.read, write: how.write, append });
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
        if *append {
            // The guest's idea of the end is as old as its last look at the file.
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

    /// The guest's kernel has dealt with its own lockers before it asks, and there are no others.
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
