//! One layer onto the tree, by the layer rules of the OCI image specification.
//!
//! A layer is hostile: its names may try to leave the root, its links may point anywhere. Nothing
//! here touches the host's filesystem; a name is only ever looked up in the tree.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read};

use super::limits::Limits;
use super::spool::{Spool, SpoolError};
use super::tar::{Archive, Entry, EntryKind, Segment, TarError, TarProblem};
use super::tree::{Device, FileContent, Inode, InodeId, Metadata, Node, Tree, TreeFull, Xattrs};
use crate::printable::printable;

/// Prefix of a whiteout.
const WHITEOUT_PREFIX: &[u8] = b".wh.";
/// Prefix of the storage driver's own names; one of them is [`OPAQUE_WHITEOUT`].
const WHITEOUT_META_PREFIX: &[u8] = b".wh..wh.";
/// Hides all that lower layers have in the directory that it is in.
const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";

/// What the overlay filesystem keeps for itself; nobody sees it through an overlay.
const OVERLAY_XATTR: &[u8] = b"trusted.overlay.";
/// On a directory, with the value "y": as [`OPAQUE_WHITEOUT`] in it.
const OVERLAY_OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// A character device with this number is a whiteout of its own name to the overlay filesystem.
const OVERLAY_WHITEOUT: Device = Device { major: 0, minor: 0 };

/// Longest name in a directory, as Linux and ext4 have it.
const MAX_NAME: usize = 255;
/// Longest symlink target, without the NUL (Linux's `PATH_MAX` counts it). Paths of entries may be
/// longer: a system call takes no more at once, but a program can go there step by step.
const MAX_TARGET: usize = 4095;
/// Longest value of an attribute (`XATTR_SIZE_MAX` of Linux).
const MAX_XATTR_VALUE: usize = 64 << 10;
/// To chown(2) this means "as it is", so no file can belong to it.
const NO_OWNER: u32 = u32::MAX;
/// Symbolic links followed for one path, as in Linux.
const MAX_SYMLINKS: usize = 40;
/// Warnings kept word for word; the rest is only counted.
const MAX_WARNINGS: usize = 50;

/// Why a layer cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The archive could not be read. Where that was says nothing: it is the blob's fault.
    #[error(transparent)]
    Read(io::Error),
    /// The archive is malformed.
    #[error(transparent)]
    Tar(TarError),
    /// An entry breaks a rule.
    #[error("layer entry \"{}\"", printable(.entry))]
    Entry {
        /// The name as it stands in the archive.
        entry: Vec<u8>,
        /// The rule that it breaks; its message goes behind this one's.
        #[source]
        rule: EntryError,
    },
}

impl From<TarError> for LayerError {
    fn from(error: TarError) -> Self {
        match error.problem {
            TarProblem::Read(error) => Self::Read(error),
            _ => Self::Tar(error),
        }
    }
}

impl LayerError {
    fn in_entry(entry: Vec<u8>, rule: EntryError) -> Self {
        match rule {
            EntryError::Content(SpoolError::Read(error)) => Self::Read(error),
            rule => Self::Entry { entry, rule },
        }
    }
}

/// Why an entry is refused.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The path climbs above the root with "..".
    #[error("the path leads out of the root")]
    OutsideRoot,
    /// A path that names nothing.
    #[error("the path is empty")]
    EmptyPath,
    /// A path or target with a NUL, which no system call takes.
    #[error("a name holds a NUL byte")]
    Nul,
    /// A name in the path is too long.
    #[error("a name in the path is longer than {MAX_NAME} bytes")]
    NameTooLong,
    /// The target of a symbolic link is too long.
    #[error("the target of a symbolic link is longer than {MAX_TARGET} bytes")]
    TargetTooLong,
    /// Something other than a directory is in the place of the root.
    #[error("only a directory can be the root")]
    Root,
    /// A file is in the way where the path needs a directory.
    #[error("\"{0}\" in the path is not a directory")]
    NotDirectory(String),
    /// A symbolic link in the path leads nowhere.
    #[error("the path goes through a symbolic link to \"{0}\", which is not there")]
    Dangling(String),
    /// Symbolic links in the path go round in circles.
    #[error("more than {MAX_SYMLINKS} symbolic links in the path")]
    SymlinkLoop,
    /// A hard link to nothing.
    #[error("hard link to \"{0}\", which is not in the image")]
    LinkTargetMissing(String),
    /// A hard link to a directory.
    #[error("hard link to the directory \"{0}\"")]
    LinkToDirectory(String),
    /// A symbolic link without a target.
    #[error("a symbolic link to nothing")]
    EmptyTarget,
    /// A whiteout that names no file: "", "." or "..".
    #[error("a whiteout must name a file")]
    Whiteout,
    /// A type that layers do not have.
    #[error("the tar type {:?} is not allowed in layers", char::from(*.0))]
    Type(u8),
    /// A device number that Linux does not have.
    #[error("the device number {}:{} does not exist", .0.major, .0.minor)]
    DeviceNumber(Device),
    /// More names for one file than the filesystem counts.
    #[error("hard link to \"{target}\", which has {} names already: {} allows no more",
        .limits.max_links, .limits.filesystem)]
    TooManyLinks {
        /// What the file is called in the link.
        target: String,
        /// The filesystem's.
        limits: Limits,
    },
    /// A file that the filesystem cannot hold.
    #[error("a file of {size} bytes: {} allows {}", .limits.filesystem, .limits.max_file_size)]
    FileTooLarge {
        /// Its length in bytes.
        size: u64,
        /// The filesystem's.
        limits: Limits,
    },
    /// Extended attributes that the filesystem cannot hold.
    #[error(transparent)]
    Xattrs(Box<dyn Error + Send + Sync>),
    /// The content could not be stored.
    #[error(transparent)]
    Content(#[from] SpoolError),
    /// The image is too large.
    #[error(transparent)]
    TreeFull(#[from] TreeFull),
}

/// What was done with a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppliedLayer {
    /// Entries read, whiteouts included.
    pub entries: u64,
    /// What was left out, for the user to read; at most 50 lines.
    pub warnings: Vec<String>,
}

/// Applies `layer`, an uncompressed tar stream, to `tree`, which is for a filesystem of these
/// `limits`; contents go to `spool`. The stream is read to its very end. Base layers come first;
/// the caller knows which layer this is and says so when it reports an error.
///
/// # Errors
///
/// When the stream fails, is not a tar archive, or has an entry that breaks a rule. The tree is
/// then half changed and must not be used.
pub fn apply_layer(
    tree: &mut Tree,
    spool: &mut Spool,
    limits: &Limits,
    layer: impl Read,
) -> Result<AppliedLayer, LayerError> {
    tree.begin_layer();
    let mut archive = Archive::new(layer);
    let mut applier = Applier { tree, spool, limits, entries: 0, warnings: Vec::new(), unkept: 0 };
    while let Some(entry) = archive.next_entry()? {
        applier.entries += 1;
        applier
            .apply(&entry, &mut archive)
            .map_err(|rule| LayerError::in_entry(entry.path, rule))?;
    }
    let Applier { entries, mut warnings, unkept, .. } = applier;
    if unkept > 0 {
        warnings.push(format!("{unkept} more warnings like these"));
    }
    archive.drain()?;
    Ok(AppliedLayer { entries, warnings })
}

struct Applier<'a> {
    tree: &'a mut Tree,
    spool: &'a mut Spool,
    limits: &'a Limits,
    entries: u64,
    warnings: Vec<String>,
    unkept: u64,
}

impl Applier<'_> {
    fn apply(&mut self, entry: &Entry, data: &mut impl Read) -> Result<(), EntryError> {
        let path = clean_path(&entry.path)?;
        let Some((name, parents)) = path.split_last() else {
            return self.apply_root(entry);
        };
        if path
            .iter()
            .any(|name| name.starts_with(WHITEOUT_META_PREFIX) && *name != OPAQUE_WHITEOUT)
        {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT_PREFIX) {
            self.apply_whiteout(parents, name, hidden)?;
            return self.reclaim();
        }
        let parent = self.create_parents(parents)?;
        match &entry.kind {
            EntryKind::HardLink => self.apply_hard_link(parent, name, &entry.link)?,
            EntryKind::Directory => self.apply_directory(parent, name, entry)?,
            EntryKind::CharDevice(OVERLAY_WHITEOUT) => self.tree.remove(parent, name),
            _ => {
                // First, so that what was there gives its space to the new content.
                self.tree.remove(parent, name);
                self.reclaim()?;
                let node = self.read_node(entry, data)?;
                let metadata = self.metadata(entry)?;
                self.tree.insert(parent, name, Inode::new(metadata, node))?;
            }
        }
        self.reclaim()
    }

    /// Gives back the space of files that are gone.
    fn reclaim(&mut self) -> Result<(), EntryError> {
        let released = self.tree.take_released();
        Ok(self.spool.release(&released).map_err(SpoolError::Write)?)
    }

    fn apply_root(&mut self, entry: &Entry) -> Result<(), EntryError> {
        match entry.kind {
            EntryKind::Directory if !entry.path.is_empty() => {
                self.set_directory(self.tree.root(), entry)
            }
            _ if entry.path.is_empty() => Err(EntryError::EmptyPath),
            _ => Err(EntryError::Root),
        }
    }

    fn apply_whiteout(
        &mut self,
        parents: &[&[u8]],
        name: &[u8],
        hidden: &[u8],
    ) -> Result<(), EntryError> {
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(EntryError::Whiteout);
        }
        if name == OPAQUE_WHITEOUT {
            let directory = self.create_parents(parents)?;
            self.tree.hide_lower_entries(directory);
            return Ok(());
        }
        match Resolver::new(self.tree).directory(parents, false) {
            Ok(Some(directory)) => self.tree.hide_lower(directory, hidden),
            // Nothing is there to be hidden. Some builders hide a file after they have hidden the
            // directory that it was in, or have put something else in its place.
            Ok(None) | Err(EntryError::NotDirectory(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A directory keeps what is in it when one was there; anything else it replaces.
    fn apply_directory(
        &mut self,
        parent: InodeId,
        name: &[u8],
        entry: &Entry,
    ) -> Result<(), EntryError> {
        let id = match self.tree.child(parent, name) {
            Some(id) if self.tree.inode(id).node.is_directory() => {
                self.tree.touch(parent, name);
                id
            }
            _ => {
                let inode = Inode::new(Metadata::implicit_directory(), Node::empty_directory());
                self.tree.insert(parent, name, inode)?
            }
        };
        self.set_directory(id, entry)
    }

    /// Gives the directory `id` what `entry` says of it.
    fn set_directory(&mut self, id: InodeId, entry: &Entry) -> Result<(), EntryError> {
        if entry.xattrs.get(OVERLAY_OPAQUE).is_some_and(|value| **value == *b"y") {
            self.tree.hide_lower_entries(id);
        }
        let metadata = self.metadata(entry)?;
        Ok(self.tree.set_metadata(id, metadata)?)
    }

    /// A hard link's own metadata says nothing: the inode keeps what it has.
    fn apply_hard_link(
        &mut self,
        parent: InodeId,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), EntryError> {
        let missing = || EntryError::LinkTargetMissing(printable(target));
        let path = clean_path(target).map_err(|error| match error {
            EntryError::OutsideRoot => missing(),
            error => error,
        })?;
        let to_directory = || EntryError::LinkToDirectory(printable(target));
        let (target_name, parents) = path.split_last().ok_or_else(to_directory)?;
        let directory = Resolver::new(self.tree).directory(parents, false)?.ok_or_else(missing)?;
        let inode = self.tree.child(directory, target_name).ok_or_else(missing)?;
        if self.tree.inode(inode).node.is_directory() {
            return Err(to_directory());
        }
        if self.tree.inode(inode).name_count() >= self.limits.max_links {
            return Err(EntryError::TooManyLinks {
                target: printable(target),
                limits: *self.limits,
            });
        }
        Ok(self.tree.link(parent, name, inode)?)
    }

    fn create_parents(&mut self, parents: &[&[u8]]) -> Result<InodeId, EntryError> {
        let directory = Resolver::new(self.tree).directory(parents, true)?;
        Ok(directory.expect("missing parents are created"))
    }

    fn read_node(&mut self, entry: &Entry, data: &mut impl Read) -> Result<Node, EntryError> {
        Ok(match &entry.kind {
            EntryKind::File => {
                let whole = [Segment { offset: 0, length: entry.stored }];
                Node::File(self.read_content(entry.stored, &whole, data)?)
            }
            EntryKind::SparseFile { size, map } => Node::File(self.read_content(*size, map, data)?),
            EntryKind::Symlink => Node::Symlink(symlink_target(&entry.link)?),
            EntryKind::CharDevice(device) => Node::CharDevice(device_number(*device)?),
            EntryKind::BlockDevice(device) => Node::BlockDevice(device_number(*device)?),
            EntryKind::Fifo => Node::Fifo,
            EntryKind::Other(kind) => return Err(EntryError::Type(*kind)),
            EntryKind::HardLink | EntryKind::Directory => unreachable!("handled by the caller"),
        })
    }

    fn read_content(
        &mut self,
        size: u64,
        map: &[Segment],
        data: &mut impl Read,
    ) -> Result<FileContent, EntryError> {
        if size > self.limits.max_file_size {
            return Err(EntryError::FileTooLarge { size, limits: *self.limits });
        }
        let mut extents = Vec::new();
        for segment in map {
            self.spool.store(data, segment.offset, segment.length, &mut extents)?;
        }
        extents.shrink_to_fit();
        Ok(FileContent { size, extents })
    }

    fn metadata(&mut self, entry: &Entry) -> Result<Metadata, EntryError> {
        let mut xattrs = Xattrs::new();
        for (name, value) in &entry.xattrs {
            match xattr_obstacle(name, value, &entry.kind) {
                None => {
                    xattrs.insert(name.clone(), value.clone());
                }
                Some(_) if &**name == OVERLAY_OPAQUE => {}
                Some(why) => {
                    let (path, name) = (printable(&entry.path), printable(name));
                    self.warn(format!("\"{path}\": left out the attribute \"{name}\": {why}"));
                }
            }
        }
        (self.limits.check_xattrs)(&xattrs).map_err(EntryError::Xattrs)?;
        let uid = self.owner(entry, "uid", entry.uid);
        let gid = self.owner(entry, "gid", entry.gid);
        Ok(Metadata { mode: entry.mode, uid, gid, mtime: entry.mtime, xattrs })
    }

    fn owner(&mut self, entry: &Entry, kind: &str, id: u32) -> u32 {
        if id != NO_OWNER {
            return id;
        }
        let path = printable(&entry.path);
        self.warn(format!("\"{path}\": its {kind} {id} is nobody's on Linux: it gets 0"));
        0
    }

    fn warn(&mut self, warning: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning);
        } else {
            self.unkept += 1;
        }
    }
}

/// Walks paths through the tree. Symbolic links on the way lead where they would with the tree as
/// the root of the system: absolute targets start at the root, ".." stops there.
struct Resolver<'t> {
    tree: &'t mut Tree,
    /// Directories below the root on the way to where the walk is, with their names.
    walked: Vec<(InodeId, Box<[u8]>)>,
    /// Names still to walk; true for those that a symbolic link brought in.
    pending: VecDeque<(Box<[u8]>, bool)>,
    symlinks: usize,
}

impl<'t> Resolver<'t> {
    fn new(tree: &'t mut Tree) -> Self {
        Self { tree, walked: Vec::new(), pending: VecDeque::new(), symlinks: 0 }
    }

    fn here(&self) -> InodeId {
        self.walked.last().map_or(self.tree.root(), |(id, _)| *id)
    }

    /// The directory at `path`. With `create`, directories that are missing are made and those
    /// that it is in belong to the current layer from then on, but not links and directories on a
    /// way around; without, `None` when one is missing.
    fn directory(mut self, path: &[&[u8]], create: bool) -> Result<Option<InodeId>, EntryError> {
        self.pending = path.iter().map(|&name| (name.into(), false)).collect();
        while let Some((name, from_link)) = self.pending.pop_front() {
            let here = self.here();
            if &*name == b".." {
                self.walked.pop();
                continue;
            }
            match self.tree.child(here, &name) {
                Some(id) => self.step(id, name)?,
                None if !create => return Ok(None),
                None if from_link => return Err(EntryError::Dangling(printable(&name))),
                None => {
                    let inode = Inode::new(Metadata::implicit_directory(), Node::empty_directory());
                    let id = self.tree.insert(here, &name, inode)?;
                    self.walked.push((id, name));
                }
            }
        }
        if create {
            let mut parent = self.tree.root();
            for (id, name) in &self.walked {
                self.tree.touch(parent, name);
                parent = *id;
            }
        }
        Ok(Some(self.here()))
    }

    /// Goes into the directory `id`, or where the symbolic link `id` leads.
    fn step(&mut self, id: InodeId, name: Box<[u8]>) -> Result<(), EntryError> {
        match &self.tree.inode(id).node {
            Node::Directory(_) => self.walked.push((id, name)),
            Node::Symlink(target) => {
                self.symlinks += 1;
                if self.symlinks > MAX_SYMLINKS {
                    return Err(EntryError::SymlinkLoop);
                }
                if target.starts_with(b"/") {
                    self.walked.clear();
                }
                for name in names(target).rev() {
                    self.pending.push_front((name.into(), true));
                }
            }
            _ => return Err(EntryError::NotDirectory(printable(&name))),
        }
        Ok(())
    }
}

/// The names in a path; repeated slashes and "." mean nothing.
fn names(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."))
}

/// The names of a hostile path below the root; ".." takes the name before it away. It cannot climb
/// above the root; a path that starts there stays there, as "/.." is "/".
fn clean_path(path: &[u8]) -> Result<Vec<&[u8]>, EntryError> {
    if path.contains(&0) {
        return Err(EntryError::Nul);
    }
    let mut clean = Vec::new();
    for name in names(path) {
        if name != b".." {
            clean.push(name);
        } else if clean.pop().is_none() && !path.starts_with(b"/") {
            return Err(EntryError::OutsideRoot);
        }
    }
    // A whiteout is never in a directory itself: what it hides may have the longest name.
    let length = |name: &[u8]| name.strip_prefix(WHITEOUT_PREFIX).unwrap_or(name).len();
    let too_long = clean.split_last().is_some_and(|(last, parents)| {
        length(last) > MAX_NAME || parents.iter().any(|name| name.len() > MAX_NAME)
    });
    if too_long { Err(EntryError::NameTooLong) } else { Ok(clean) }
}

fn symlink_target(target: &[u8]) -> Result<Box<[u8]>, EntryError> {
    match target {
        [] => Err(EntryError::EmptyTarget),
        _ if target.len() > MAX_TARGET => Err(EntryError::TargetTooLong),
        _ if target.contains(&0) => Err(EntryError::Nul),
        _ => Ok(target.into()),
    }
}

/// Linux has 12 bits for the driver and 20 for the unit.
fn device_number(device: Device) -> Result<Device, EntryError> {
    let exists = device.major < 1 << 12 && device.minor < 1 << 20;
    exists.then_some(device).ok_or(EntryError::DeviceNumber(device))
}

/// Why an attribute is left out, if it is: Linux on ext4 would not take it, or would not show it.
fn xattr_obstacle(name: &[u8], value: &[u8], kind: &EntryKind) -> Option<&'static str> {
    const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
    const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
    let prefixes = [&b"user."[..], b"trusted.", b"security."];
    let in_namespace = prefixes
        .iter()
        .any(|prefix| name.strip_prefix(*prefix).is_some_and(|suffix| !suffix.is_empty()));
    let is_directory = *kind == EntryKind::Directory;
    let has_content =
        matches!(kind, EntryKind::File | EntryKind::SparseFile { .. }) || is_directory;
    if name.len() > MAX_NAME || name.contains(&0) {
        return Some("no such name");
    }
    match name {
        _ if name.starts_with(OVERLAY_XATTR) => Some("it is the overlay filesystem's own"),
        _ if name.starts_with(b"user.") && in_namespace && !has_content => {
            Some("only files and directories can have it")
        }
        ACCESS_ACL if *kind == EntryKind::Symlink => Some("a symbolic link cannot have it"),
        DEFAULT_ACL if !is_directory => Some("only a directory can have it"),
        _ if !in_namespace && ![ACCESS_ACL, DEFAULT_ACL].contains(&name) => Some("no such name"),
        _ if value.len() > MAX_XATTR_VALUE => Some("its value is longer than 65536 bytes"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::tree::Timestamp;
    use std::io;

    #[test]
    fn paths_are_cleaned_and_kept_inside() {
        assert_eq!(clean_path(b"/./a//b/../c/.").unwrap(), [b"a", b"c"]);
        assert!(clean_path(b"./").unwrap().is_empty());
        assert!(matches!(clean_path(b"a/../.."), Err(EntryError::OutsideRoot)));
        assert!(matches!(clean_path(b"a\0b"), Err(EntryError::Nul)));
        assert!(matches!(clean_path(&[b'a'; 256]), Err(EntryError::NameTooLong)));
        assert!(clean_path(b"/../x/../../y").unwrap() == [b"y"]);
        assert_eq!(clean_path(&b"a/".repeat(5000)).unwrap().len(), 5000);
    }

    #[test]
    fn symbolic_links_lead_inside_of_the_root() {
        let mut tree = Tree::new();
        let link = |target: &[u8]| Inode::new(Metadata::default(), Node::Symlink(target.into()));
        tree.insert(tree.root(), b"up", link(b"../../../etc")).unwrap();
        tree.insert(tree.root(), b"loop", link(b"loop/x")).unwrap();
        let find =
            |tree: &mut Tree, path: &[&[u8]], create| Resolver::new(tree).directory(path, create);
        assert!(matches!(find(&mut tree, &[b"up"], true), Err(EntryError::Dangling(_))));
        assert!(matches!(find(&mut tree, &[b"loop"], false), Err(EntryError::SymlinkLoop)));
        let etc = find(&mut tree, &[b"etc"], true).unwrap();
        assert_eq!(find(&mut tree, &[b"up"], true).unwrap(), etc);
    }

    #[test]
    fn xattrs_need_a_known_namespace_a_name_and_the_right_type() {
        let (file, link) = (EntryKind::File, EntryKind::Symlink);
        let taken = |name: &[u8], kind| xattr_obstacle(name, b"", kind).is_none();
        assert!(taken(b"user.a", &file) && taken(b"system.posix_acl_access", &file));
        assert!(taken(b"security.a", &link) && taken(b"trusted.a", &EntryKind::Fifo));
        for name in [&b"user."[..], b"bogus.name", b"system.x", b"user.a\0", b"", &[b'u'; 256]] {
            assert!(!taken(name, &file), "{}", name.escape_ascii());
        }
        assert!(!taken(b"user.a", &link) && !taken(b"system.posix_acl_default", &file));
        assert!(!taken(b"trusted.overlay.redirect", &EntryKind::Directory));
        assert!(xattr_obstacle(b"user.a", &[0; (64 << 10) + 1], &file).is_some());
    }

    fn entry(path: &str, kind: EntryKind) -> Entry {
        Entry {
            path: path.as_bytes().to_vec(),
            link: Vec::new(),
            kind,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            stored: 0,
            xattrs: Xattrs::new(),
        }
    }

    fn link(path: &str, kind: EntryKind, target: &str) -> Entry {
        Entry { link: target.as_bytes().to_vec(), ..entry(path, kind) }
    }

    const UNLIMITED: Limits = Limits {
        filesystem: "none",
        max_links: u32::MAX,
        max_file_size: u64::MAX,
        check_xattrs: |_| Ok(()),
    };

    /// Applies entries without data as one layer.
    fn apply(tree: &mut Tree, entries: &[Entry]) -> Result<(), EntryError> {
        tree.begin_layer();
        let mut spool = Spool::new().unwrap();
        let mut applier = Applier {
            tree,
            spool: &mut spool,
            limits: &UNLIMITED,
            entries: 0,
            warnings: Vec::new(),
            unkept: 0,
        };
        entries.iter().try_for_each(|entry| applier.apply(entry, &mut io::empty()))
    }

    /// A layer of empty files, and of directories where the name ends in a slash.
    fn files(paths: &[&str]) -> Vec<Entry> {
        let kind = |path: &str| match path.ends_with('/') {
            true => EntryKind::Directory,
            false => EntryKind::File,
        };
        paths.iter().map(|path| entry(path, kind(path))).collect()
    }

    /// All paths in the tree.
    fn paths(tree: &Tree) -> Vec<String> {
        let mut paths = Vec::new();
        let mut pending = vec![(String::new(), tree.root())];
        while let Some((path, id)) = pending.pop() {
            for (name, id) in tree.entries(id) {
                pending.push((format!("{path}/{}", name.escape_ascii()), id));
            }
            paths.push(path);
        }
        paths.sort();
        paths.remove(0);
        paths
    }

    #[test]
    fn opaque_directories_hide_lower_layers_wherever_the_marker_stands() {
        for marker in [0, 1, 2] {
            let mut tree = Tree::new();
            apply(&mut tree, &files(&["d/a", "d/sub/x", "e"])).unwrap();
            let mut layer = files(&["d/sub/new", "d/b"]);
            layer.insert(marker, entry("d/.wh..wh..opq", EntryKind::File));
            apply(&mut tree, &layer).unwrap();
            assert_eq!(paths(&tree), ["/d", "/d/b", "/d/sub", "/d/sub/new", "/e"]);
        }
    }

    #[test]
    fn whiteouts_hide_lower_files_and_nothing_of_their_own_layer() {
        let mut tree = Tree::new();
        apply(&mut tree, &files(&["a", "b", "d/x", "d/y/z"])).unwrap();
        let layer = ["b", ".wh.a", ".wh.b", "d/y/new", ".wh.d", "no/such/.wh.x", ".wh.none"];
        apply(&mut tree, &files(&layer)).unwrap();
        assert_eq!(paths(&tree), ["/b", "/d", "/d/y", "/d/y/new"]);
    }

    #[test]
    fn files_of_the_storage_driver_are_left_out() {
        let mut tree = Tree::new();
        apply(&mut tree, &files(&[".wh..wh.aufs", ".wh..wh.plnk/1.2", "d/.wh..wh.x"])).unwrap();
        assert!(paths(&tree).is_empty());
    }

    #[test]
    fn files_go_through_lower_symlinks_and_entries_replace_them() {
        let mut tree = Tree::new();
        let mut layer = files(&["usr/lib/"]);
        layer.push(link("lib", EntryKind::Symlink, "/../usr/./lib"));
        apply(&mut tree, &layer).unwrap();
        apply(&mut tree, &files(&["lib/x"])).unwrap();
        assert_eq!(paths(&tree), ["/lib", "/usr", "/usr/lib", "/usr/lib/x"]);
        apply(&mut tree, &files(&["lib/", "lib/y"])).unwrap();
        assert_eq!(paths(&tree), ["/lib", "/lib/y", "/usr", "/usr/lib", "/usr/lib/x"]);
    }

    #[test]
    fn a_directory_entry_keeps_what_is_inside_and_a_file_does_not() {
        let mut tree = Tree::new();
        apply(&mut tree, &files(&["d/x", "e/x"])).unwrap();
        let secret = Entry { mode: 0o700, ..entry("d", EntryKind::Directory) };
        apply(&mut tree, &[secret, entry("e", EntryKind::File)]).unwrap();
        assert_eq!(paths(&tree), ["/d", "/d/x", "/e"]);
        assert_eq!(tree.inode(tree.lookup(b"d").unwrap()).metadata.mode, 0o700);
    }

    #[test]
    fn hard_links_join_inodes_across_layers() {
        let mut tree = Tree::new();
        apply(&mut tree, &files(&["a", "d/b"])).unwrap();
        apply(&mut tree, &[link("d/c", EntryKind::HardLink, "./a")]).unwrap();
        apply(&mut tree, &[link("a", EntryKind::HardLink, "/d/c")]).unwrap();
        assert_eq!(tree.lookup(b"a"), tree.lookup(b"d/c"));
        apply(&mut tree, &files(&[".wh.a"])).unwrap();
        let left = tree.inode(tree.lookup(b"d/c").unwrap());
        assert_eq!(left.name_count(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refusal = |entry| apply(&mut Tree::new(), &[entry]).unwrap_err();
        assert!(matches!(refusal(entry("/", EntryKind::File)), EntryError::Root));
        assert!(matches!(refusal(entry("", EntryKind::Directory)), EntryError::EmptyPath));
        assert!(matches!(refusal(entry("m", EntryKind::Other(b'M'))), EntryError::Type(b'M')));
        assert!(matches!(refusal(link("s", EntryKind::Symlink, "")), EntryError::EmptyTarget));
        let device = EntryKind::CharDevice(Device { major: 4096, minor: 0 });
        assert!(matches!(refusal(entry("c", device)), EntryError::DeviceNumber(_)));
        let root = link("r", EntryKind::HardLink, "/");
        assert!(matches!(refusal(root), EntryError::LinkToDirectory(_)));
    }
}
