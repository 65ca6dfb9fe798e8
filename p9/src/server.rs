//! The server: fids, and one function for each kind of request.

mod directories;
mod files;
mod metadata;
mod names;

use crate::attributes::Attributes;
use crate::codec::{HEADER_LENGTH, Qid, Reader, Writer};
use crate::errno::{Errno, Result};
use crate::host::{HostDirectories, HostPath, Kind, Stat, Target};
use crate::listing::Listing;
use crate::nodes::{NodeId, Nodes, ROOT};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use c2w_emulator::devices::P9Server;

const VERSION: &[u8] = b"9P2000.L";
/// The longest message of either side: Linux's limit for virtio is 512 000.
const MAX_MESSAGE: u32 = 1 << 19;
/// What is always possible.
const MIN_MESSAGE: u32 = 4096;
/// Most fids: an open file of the guest takes two or three.
const MAX_FIDS: usize = 1 << 16;
/// Most names in one walk (MAXWELEM).
const MAX_WALK: u16 = 16;
/// No fid.
const NO_FID: u32 = !0;

/// Types of the requests; each one's answer has the next number.
mod kind {
    pub const RLERROR: u8 = 7;
    pub const STATFS: u8 = 8;
    pub const LOPEN: u8 = 12;
    pub const LCREATE: u8 = 14;
    pub const SYMLINK: u8 = 16;
    pub const MKNOD: u8 = 18;
    pub const RENAME: u8 = 20;
    pub const READLINK: u8 = 22;
    pub const GETATTR: u8 = 24;
    pub const SETATTR: u8 = 26;
    pub const READDIR: u8 = 40;
    pub const FSYNC: u8 = 50;
    pub const LOCK: u8 = 52;
    pub const GETLOCK: u8 = 54;
    pub const LINK: u8 = 70;
    pub const MKDIR: u8 = 72;
    pub const RENAMEAT: u8 = 74;
    pub const UNLINKAT: u8 = 76;
    /// `fid[4] name[s]`; its answer is Rgetattr's. This and the next are not 9P2000.L's: our
    /// kernel's patches send them (`kernel/patches`).
    pub const GETATTRAT: u8 = 80;
    /// `dfid[4] fid[4] name[s] flags[4] mode[4]`; `opened[1]` and the fields of Rgetattr.
    pub const LOPENAT: u8 = 82;
    pub const VERSION: u8 = 100;
    pub const ATTACH: u8 = 104;
    pub const FLUSH: u8 = 108;
    pub const WALK: u8 = 110;
    pub const READ: u8 = 116;
    pub const WRITE: u8 = 118;
    pub const CLUNK: u8 = 120;
    pub const REMOVE: u8 = 122;
}

/// What a fid was opened for.
enum Open<F> {
    File {
        file: F,
        read: bool,
        write: bool,
        /// Writes go to the end of the file, wherever that is by now.
        append: bool,
    },
    Directory(Listing),
}

/// A file that the guest has a number for.
struct Fid<F> {
    node: NodeId,
    kind: Kind,
    open: Option<Open<F>>,
}

/// A 9P2000.L server for the directories of a host.
pub struct Server<H: HostDirectories> {
    host: H,
    nodes: Nodes,
    fids: BTreeMap<u32, Fid<H::File>>,
    attributes: Attributes,
    /// Filesystems of the files seen so far, in the order of their appearance.
    devices: Vec<u64>,
    /// The longest message that was agreed upon.
    message: u32,
    /// Bytes of all listings.
    listed: usize,
}

impl<H: HostDirectories> Server<H> {
    /// A server for what `host` shares.
    pub fn new(host: H) -> Self {
        let nodes = Nodes::new(host.count());
        Self {
            host,
            nodes,
            fids: BTreeMap::new(),
            attributes: Attributes::default(),
            devices: Vec::new(),
            message: MIN_MESSAGE,
            listed: 0,
        }
    }

    fn dispatch(&mut self, request: u8, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        match request {
            kind::VERSION => self.version(body, to),
            kind::ATTACH => self.attach(body, to),
            kind::WALK => self.walk(body, to),
            kind::CLUNK => self.clunk(body.u32()?),
            // Requests are answered in turn: what is to be flushed is done.
            kind::FLUSH => Ok(()),
            kind::LOPEN => self.open(body, to),
            kind::LCREATE => self.create(body, to),
            kind::READ => self.read(body, to),
            kind::WRITE => self.write(body, to),
            kind::FSYNC => self.sync(body),
            kind::LOCK => self.lock(body, to),
            kind::GETLOCK => self.get_lock(body, to),
            kind::READDIR => self.read_directory(body, to),
            kind::MKDIR => self.make_directory(body, to),
            kind::SYMLINK => self.symlink(body, to),
            kind::MKNOD => self.make_node(body, to),
            kind::LINK => self.link(body),
            kind::RENAME => self.rename(body),
            kind::RENAMEAT => self.rename_at(body),
            kind::UNLINKAT => self.unlink_at(body),
            kind::REMOVE => self.remove(body),
            kind::READLINK => self.read_link(body, to),
            kind::GETATTR => self.get_attributes(body, to),
            kind::GETATTRAT => self.get_attributes_at(body, to),
            kind::LOPENAT => self.open_at(body, to),
            kind::SETATTR => self.set_attributes(body),
            kind::STATFS => self.space(body, to),
            // Extended attributes, authentication and the older dialects.
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    fn version(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (message, version) = (body.u32()?, body.string()?);
        if message < MIN_MESSAGE {
            return Err(Errno::INVAL);
        }
        // A new session: nothing of the old one is left but what is remembered of files.
        let fids: Vec<u32> = self.fids.keys().copied().collect();
        for fid in fids {
            self.clunk(fid)?;
        }
        self.message = message.min(MAX_MESSAGE);
        to.u32(self.message);
        to.string(if version == VERSION { VERSION } else { b"unknown" });
        Ok(())
    }

    fn attach(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (fid, authentication) = (body.u32()?, body.u32()?);
        if authentication != NO_FID {
            return Err(Errno::OPNOTSUPP);
        }
        self.nodes.acquire(ROOT)?;
        self.insert(fid, ROOT, Kind::Directory)?;
        to.qid(ROOT_QID);
        Ok(())
    }

    fn walk(&mut self, body: &mut Reader<'_>, to: &mut Writer<'_>) -> Result<()> {
        let (fid, new_fid, count) = (body.u32()?, body.u32()?, body.u16()?);
        if count > MAX_WALK {
            return Err(Errno::INVAL);
        }
        let start = self.fid(fid)?;
        let (mut node, mut kind) = (start.node, start.kind);
        if fid == new_fid && start.open.is_some() {
            return Err(Errno::BUSY);
        }
        self.nodes.acquire(node)?;
        let mut qids = Vec::new();
        for _ in 0..count {
            match body.name().and_then(|name| self.step(node, kind, name)) {
                Ok((next, qid)) => {
                    self.nodes.release(node);
                    (node, kind) = (next, qid.kind);
                    qids.push(qid);
                }
                Err(error) => {
                    self.nodes.release(node);
                    if qids.is_empty() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        if qids.len() == usize::from(count) {
            if fid == new_fid {
                self.clunk(fid)?;
            }
            self.insert(new_fid, node, kind)?;
        }
        to.u16(qids.len() as u16);
        qids.into_iter().for_each(|qid| to.qid(qid));
        Ok(())
    }

    /// Goes from a directory to one of its entries, whose node is then referred to once more.
    fn step(&mut self, from: NodeId, kind: Kind, name: &[u8]) -> Result<(NodeId, Qid)> {
        let node = match name {
            b".." if kind == Kind::Directory => self.nodes.parent(from)?,
            name => self.entry(from, kind, name)?,
        };
        match self.qid_at(node) {
            Ok(qid) => Ok((node, qid)),
            Err(error) => {
                self.nodes.release(node);
                Err(error)
            }
        }
    }

    /// The node of a directory's entry, whether or not there is one, referred to once more.
    fn entry(&mut self, from: NodeId, kind: Kind, name: &[u8]) -> Result<NodeId> {
        match name {
            _ if kind != Kind::Directory => Err(Errno::NOTDIR),
            b"." | b".." => Err(Errno::INVAL),
            name if from == ROOT => self.nodes.shared(name),
            name => self.nodes.child(from, name),
        }
    }

    /// Ends a fid, whatever it is.
    fn clunk(&mut self, fid: u32) -> Result<()> {
        let old = self.fids.remove(&fid).ok_or(Errno::BADF)?;
        match &old.open {
            Some(Open::File { .. }) => {
                let over = self.nodes.closed(old.node, fid);
                self.attributes.forget(over);
            }
            Some(Open::Directory(listing)) => self.listed -= listing.size(),
            None => {}
        }
        self.nodes.release(old.node);
        Ok(())
    }

    /// Gives a node, which is already referred to for this, a number.
    fn insert(&mut self, fid: u32, node: NodeId, kind: Kind) -> Result<()> {
        if let Err(error) = self.is_free(fid) {
            self.nodes.release(node);
            return Err(error);
        }
        self.fids.insert(fid, Fid { node, kind, open: None });
        Ok(())
    }

    /// Whether a number can become a fid.
    fn is_free(&self, fid: u32) -> Result<()> {
        match self.fids.contains_key(&fid) || fid == NO_FID {
            true => Err(Errno::INVAL),
            false if self.fids.len() >= MAX_FIDS => Err(Errno::NFILE),
            false => Ok(()),
        }
    }

    fn fid(&self, fid: u32) -> Result<&Fid<H::File>> {
        self.fids.get(&fid).ok_or(Errno::BADF)
    }

    /// The node of a fid that must be a directory of the host, where something is to be changed.
    fn directory(&self, fid: u32) -> Result<NodeId> {
        let directory = self.fid(fid)?;
        match directory.kind {
            _ if directory.node == ROOT => Err(Errno::ROFS),
            Kind::Directory => Ok(directory.node),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// Calls `ask` with the path of a node, which must be a host's.
    fn at<T>(&self, node: NodeId, ask: impl FnOnce(&H, HostPath<'_>) -> Result<T>) -> Result<T> {
        let (directory, path) = self.nodes.path(node)?.ok_or(Errno::ROFS)?;
        ask(&self.host, HostPath { directory, path: &path })
    }

    /// Calls `ask` with the path of a directory's entry.
    fn at_entry<T>(
        &mut self,
        directory: NodeId,
        name: &[u8],
        ask: impl FnOnce(&H, HostPath<'_>) -> Result<T>,
    ) -> Result<T> {
        // The entry's node is kept if anybody else has it.
        let node = self.nodes.child(directory, name)?;
        let result = self.at(node, ask);
        self.nodes.release(node);
        result
    }

    /// Does something to the file that stands for a fid: the one it has opened, else what is at
    /// its path, else, where nothing is left, one that another fid has opened.
    fn on<T>(&self, fid: u32, ask: impl Fn(&H, Target<'_, H::File>) -> Result<T>) -> Result<T> {
        if let Some(file) = self.open_file(fid) {
            return ask(&self.host, Target::File(file));
        }
        let node = self.fid(fid)?.node;
        match self.at(node, |host, path| ask(host, Target::Path(path))) {
            Err(Errno::NOENT) => {
                let others = self.nodes.open(node).iter();
                let file = others.copied().find_map(|other| self.open_file(other));
                ask(&self.host, Target::File(file.ok_or(Errno::NOENT)?))
            }
            done => done,
        }
    }

    fn open_file(&self, fid: u32) -> Option<&H::File> {
        match &self.fids.get(&fid)?.open {
            Some(Open::File { file, .. }) => Some(file),
            _ => None,
        }
    }

    /// What is known of the file that stands for a fid.
    fn stat(&mut self, fid: u32) -> Result<Stat> {
        let stat = self.on(fid, |host, target| host.stat(target))?;
        let node = self.fid(fid)?.node;
        self.nodes.looked_at(node, (stat.device, stat.inode), stat.links);
        Ok(stat)
    }

    /// What is at a node's path.
    fn stat_at(&mut self, node: NodeId) -> Result<Stat> {
        let stat = self.at(node, |host, path| host.stat(Target::Path(path)))?;
        self.nodes.looked_at(node, (stat.device, stat.inode), stat.links);
        Ok(stat)
    }

    fn qid_at(&mut self, node: NodeId) -> Result<Qid> {
        if node == ROOT {
            return Ok(ROOT_QID);
        }
        let stat = self.stat_at(node)?;
        Ok(self.qid(&stat))
    }

    fn qid(&mut self, stat: &Stat) -> Qid {
        let kind = self.attributes.kind(stat.device, stat.inode, stat.kind);
        Qid { kind, path: self.inode(stat.device, stat.inode) }
    }

    /// The guest has one number for what the host has two for: files of the first filesystem keep
    /// their own, those of others differ in the highest bits. Linux shows 2 more than it is told
    /// (`v9fs_qid2ino`).
    fn inode(&mut self, device: u64, inode: u64) -> u64 {
        let known = self.devices.iter().position(|&known| known == device);
        let number = known.unwrap_or_else(|| {
            if self.devices.len() < 1 << 12 {
                self.devices.push(device);
            }
            self.devices.len() - 1
        });
        (inode ^ (number as u64).rotate_right(12)).wrapping_sub(2)
    }
}

/// The made-up root. A host's inode of that number would only look the same.
const ROOT_QID: Qid = Qid { kind: Kind::Directory, path: u64::MAX };

impl<H: HostDirectories> P9Server for Server<H> {
    fn handle(&mut self, request: &[u8], reply: &mut Vec<u8>) {
        let mut writer = Writer::new(reply);
        let (answer, tag) = match parse_header(request) {
            Ok((request, tag, body)) => {
                let done = self.dispatch(request, &mut Reader::new(body), &mut writer);
                (done.map(|()| request.wrapping_add(1)), tag)
            }
            Err(tag) => (Err(Errno::INVAL), tag),
        };
        let answer = answer.unwrap_or_else(|Errno(number)| {
            writer.clear();
            writer.u32(number);
            kind::RLERROR
        });
        writer.finish(answer, tag);
    }
}

/// `size[4] type[1] tag[2]` and the rest; the tag alone when the size is not that of a message.
fn parse_header(request: &[u8]) -> core::result::Result<(u8, u16, &[u8]), u16> {
    let mut header = Reader::new(request);
    let fields = (header.u32(), header.u8(), header.u16());
    let (Ok(size), Ok(kind), Ok(tag)) = fields else { return Err(!0) };
    let body = usize::try_from(size).ok().and_then(|size| request.get(HEADER_LENGTH..size));
    body.map(|body| (kind, tag, body)).ok_or(tag)
}
