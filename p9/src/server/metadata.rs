//! Attributes of files, and of the filesystem.

use super::{Open, ROOT_QID, Server};
use crate::attributes::{PERMISSIONS, Seen};
use crate::codec::{Qid, Reader, Writer};
use crate::errno::{Errno, Result};
use crate::host::{HostDirectories, Kind, OpenHow, SetTime, Space, Stat, Time};
use crate::nodes::{NodeId, ROOT};

/// Tsetattr's `valid`: which fields to set.
mod set {
    pub const MODE: u32 = 1;
    pub const UID: u32 = 2;
    pub const GID: u32 = 4;
    pub const SIZE: u32 = 8;
    pub const ATIME: u32 = 0x10;
    pub const MTIME: u32 = 0x20;
    /// The time is given, not now.
    pub const ATIME_GIVEN: u32 = 0x80;
    pub const MTIME_GIVEN: u32 = 0x100;
}

/// Rgetattr's `valid`: all that stat(2) has (P9_STATS_BASIC).
const BASIC: u64 = 0x7ff;
/// The type that statfs(2) shows (V9FS_MAGIC).
const FILESYSTEM_TYPE: u32 = 0x0102_1997;
/// Good sizes of reads and writes for programs that ask stat(2).
const BLOCK_SIZE: u64 = 4096;

/// The fields of Tsetattr.
struct Change {
    valid: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    accessed: Time,
    modified: Time,
}

impl Change {
    fn read(body: &mut Reader<'_>) -> Result<Self> {
        let valid = body.u32()?;
        let (mode, uid, gid, size) = (body.u32()?, body.u32()?, body.u32()?, body.u64()?);
        let mut time = || -> Result<Time> {
            let (seconds, nanoseconds) = (body.u64()? as i64, body.u64()?);
            let nanoseconds = u32::try_from(nanoseconds).map_err(|_| Errno::INVAL)?;
            if nanoseconds < 1_000_000_000 {
                Ok(Time { seconds, nanoseconds })
            } else {
                Err(Errno::INVAL)
            }
        };
        Ok(Self { valid, mode, uid, gid, size, accessed: time()?, modified: time()? })
    }

    fn has(&self, bit: u32) -> bool {
        self.valid & bit != 0
    }

    fn owner(&self) -> (Option<u32>, Option<u32>) {
        (self.has(set::UID).then_some(self.uid), self.has(set::GID).then_some(self.gid))
    }

    fn accessed(&self) -> SetTime {
        self.time(set::ATIME, set::ATIME_GIVEN, self.accessed)
    }

    fn modified(&self) -> SetTime {
        self.time(set::MTIME, set::MTIME_GIVEN, self.modified)
    }

    fn time(&self, bit: u32, given: u32, time: Time) -> SetTime {
        match (self.has(bit), self.has(given)) {
            (false, _) => SetTime::Keep,
            (true, false) => SetTime::Now,
            (true, true) => SetTime::At(time),
        }
    }
}

impl<H: HostDirectories> Server<H> {
    pub(super) fn get_attributes(
        &mut self,
        body: &mut Reader<'_>,
        to: &mut Writer<'_>,
    ) -> Result<()> {
        let fid = body.u32()?;
        let (qid, seen, stat) = if self.fid(fid)?.node == ROOT {
            let (uid, gid) = self.attributes.owner;
            (ROOT_QID, Seen { mode: 0o040_555, uid, gid }, ROOT_STAT)
        } else {
            let stat = self.stat(fid)?;
            let node = self.fid(fid)?.node;
            (self.qid(&stat), self.seen(node, &stat), stat)
        };
        write_attributes(to, qid, seen, &stat);
        Ok(())
    }

    /// Twalk to an entry, Tgetattr and Tclunk at once.
    pub(super) fn get_attributes_at(
        &mut self,
        body: &mut Reader<'_>,
        to: &mut Writer<'_>,
    ) -> Result<()> {
        let (fid, name) = (body.u32()?, body.name()?);
        let directory = self.fid(fid)?;
        let node = self.entry(directory.node, directory.kind, name)?;
        let stat = self.stat_at(node);
        if let Ok(stat) = &stat {
            self.write_attributes_of(node, stat, to);
        }
        self.nodes.release(node);
        stat.map(drop)
    }

    /// The fields of Rgetattr, of a file of the host.
    pub(super) fn write_attributes_of(&mut self, node: NodeId, stat: &Stat, to: &mut Writer<'_>) {
        let (qid, seen) = (self.qid(stat), self.seen(node, stat));
        write_attributes(to, qid, seen, stat);
    }

    fn seen(&mut self, node: NodeId, stat: &Stat) -> Seen {
        self.attributes.seen(stat).unwrap_or_else(|| {
            let program = self.is_program(node);
            self.attributes.looked_into(stat, program)
        })
    }

    /// Whether a file begins like one that Linux can execute; no for one that cannot be read.
    fn is_program(&mut self, node: NodeId) -> bool {
        let how = OpenHow { read: true, ..OpenHow::default() };
        let mut start = [0; 4];
        let read = self.at(node, |host, path| {
            let file = host.open(path, &how)?;
            host.read(&file, 0, &mut start)
        });
        read.is_ok() && (start.starts_with(b"#!") || start == *b"\x7fELF")
    }

    pub(super) fn set_attributes(&mut self, body: &mut Reader<'_>) -> Result<()> {
        let fid = body.u32()?;
        let change = Change::read(body)?;
        let (uid, gid) = change.owner();
        if self.fid(fid)?.node == ROOT {
            // The owner of the root owns everything that has not been given to another.
            let owner = &mut self.attributes.owner;
            *owner = (uid.unwrap_or(owner.0), gid.unwrap_or(owner.1));
            return Ok(());
        }
        if change.has(set::SIZE) {
            self.resize(fid, change.size)?;
        }
        if change.has(set::MODE) {
            self.set_mode(fid, change.mode)?;
        }
        if (uid, gid) != (None, None) {
            let stat = self.stat(fid)?;
            self.attributes.set_owner(&stat, uid, gid)?;
        }
        let times = (change.accessed(), change.modified());
        if times != (SetTime::Keep, SetTime::Keep) {
            self.set_times(fid, times)?;
        }
        Ok(())
    }

    /// Sets times so that they stick: hosts cut silently what their filesystems cannot hold.
    fn set_times(&mut self, fid: u32, wanted: (SetTime, SetTime)) -> Result<()> {
        let set = |(accessed, modified)| {
            self.on(fid, |host, target| host.set_times(target, accessed, modified))
        };
        if !is_rare(wanted.0) && !is_rare(wanted.1) {
            return set(wanted);
        }
        let stat = || self.on(fid, |host, target| host.stat(target));
        let before = stat()?;
        set(wanted)?;
        let after = stat()?;
        if is_set(wanted.0, after.accessed) && is_set(wanted.1, after.modified) {
            return Ok(());
        }
        set((SetTime::At(before.accessed), SetTime::At(before.modified)))?;
        Err(Errno::OVERFLOW)
    }

    fn resize(&self, fid: u32, size: u64) -> Result<()> {
        let node = self.fid(fid)?.node;
        // Its own file first: the name may be another one's by now.
        for opened in [fid].iter().chain(self.nodes.open(node)) {
            let open = &self.fid(*opened)?.open;
            if let Some(Open::File { file, write: true, .. }) = open {
                return self.host.resize(file, size);
            }
        }
        match self.fid(fid)?.kind {
            Kind::File => {}
            Kind::Directory => return Err(Errno::ISDIR),
            _ => return Err(Errno::INVAL),
        }
        let how = OpenHow { write: true, ..OpenHow::default() };
        self.at(node, |host, path| {
            let file = host.open(path, &how)?;
            host.resize(&file, size)
        })
    }

    fn set_mode(&mut self, fid: u32, mode: u32) -> Result<()> {
        let stat = self.stat(fid)?;
        if stat.kind == Kind::Symlink {
            return Err(Errno::OPNOTSUPP);
        }
        let on_host = match self.on(fid, |host, target| host.set_mode(target, mode & PERMISSIONS)) {
            Ok(()) => true,
            // It has no modes, or the file is another user's there.
            Err(Errno::OPNOTSUPP | Errno::PERM) => false,
            Err(error) => return Err(error),
        };
        self.attributes.set_mode(&stat, mode, on_host)
    }

    pub(super) fn space(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let node = self.fid(body.u32()?)?.node;
        let space = match self.nodes.path(node) {
            Ok(Some((directory, _))) => self.host.space(directory)?,
            _ => Space::UNKNOWN,
        };
        to.u32(FILESYSTEM_TYPE);
        to.u32(space.block_size);
        for blocks in [space.blocks, space.free, space.available, space.files, space.free_files] {
            to.u64(blocks);
        }
        to.u64(0);
        to.u32(space.name_length);
        Ok(())
    }
}

/// Whether a time may be beyond what a filesystem holds: all of them hold these 68 years.
fn is_rare(time: SetTime) -> bool {
    matches!(time, SetTime::At(time) if i32::try_from(time.seconds).map_or(true, i32::is_negative))
}

/// Whether a time is there as it was to be set; filesystems differ in how exact they are.
fn is_set(wanted: SetTime, found: Time) -> bool {
    match wanted {
        SetTime::At(wanted) => found.seconds.abs_diff(wanted.seconds) < 3,
        SetTime::Keep | SetTime::Now => true,
    }
}

/// Rgetattr: valid, qid, mode, owner, links, device, sizes, four times, generation and version.
fn write_attributes(to: &mut Writer<'_>, qid: Qid, seen: Seen, stat: &Stat) {
    to.u64(BASIC);
    to.qid(qid);
    to.u32(seen.mode);
    to.u32(seen.uid);
    to.u32(seen.gid);
    for number in [stat.links, 0, stat.size, BLOCK_SIZE, stat.blocks] {
        to.u64(number);
    }
    for time in [stat.accessed, stat.modified, stat.changed, Time::default()] {
        to.u64(time.seconds as u64);
        to.u64(time.nanoseconds.into());
    }
    to.u64(0);
    to.u64(0);
}

/// The made-up root has no times.
const ROOT_STAT: Stat = Stat {
    device: 0,
    inode: 0,
    kind: Kind::Directory,
    mode: None,
    links: 2,
    size: 0,
    blocks: 0,
    accessed: Time { seconds: 0, nanoseconds: 0 },
    modified: Time { seconds: 0, nanoseconds: 0 },
    changed: Time { seconds: 0, nanoseconds: 0 },
};
