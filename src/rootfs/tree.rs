//! One filesystem tree in memory.
//!
//! Directories map names (bytes, in byte order) to inodes in one table, so the names of a hard
//! link share an inode. File contents are references into a [`Spool`](super::spool::Spool).

use std::collections::{BTreeMap, HashSet};

/// Bytes of names, attributes, symlink targets and bookkeeping a tree may hold: a bound on memory
/// for hostile images that still leaves room for two and a half million files.
const FOOTPRINT_LIMIT: usize = 1 << 30;
/// What one inode or one directory entry costs beside its variable parts, in bytes, rounded up.
const NODE_FOOTPRINT: usize = 200;

/// The mode of every symbolic link (symlink(7)).
const SYMLINK_MODE: u16 = 0o777;

/// The names and attributes together need more memory than a tree may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the image's names and attributes need more than {} MiB", FOOTPRINT_LIMIT >> 20)]
pub struct TreeFull;

/// Identifies an inode of one [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeId(u32);

impl InodeId {
    /// Position in tables that run parallel to the inode table; below [`Tree::inode_bound`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A point in time: seconds since 1970 (negative before) and nanoseconds within the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// Extended attributes: full name (`user.text`) to value, in the order of names.
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// What every inode has beside its type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits with set-uid, set-gid and sticky (the low 12 bits of `st_mode`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change of the content.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Metadata {
    /// A directory that no layer describes: 0755, root's, from 1970.
    pub fn implicit_directory() -> Self {
        Self { mode: 0o755, ..Self::default() }
    }
}

/// A run of file bytes that is stored in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataExtent {
    /// Where the run starts in the file, in bytes.
    pub file_offset: u64,
    /// Where the run starts in the spool, in bytes.
    pub spool_offset: u64,
    /// Length in bytes, never 0.
    pub length: u64,
}

/// The content of a regular file; what no extent covers reads as zeros.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileContent {
    /// Size of the file in bytes.
    pub size: u64,
    /// Stored runs, ascending, not overlapping, all below `size`.
    pub extents: Vec<DataExtent>,
}

/// A device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Driver, at most 4095 on Linux.
    pub major: u32,
    /// Unit, at most 1,048,575 on Linux.
    pub minor: u32,
}

/// A name in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// What the name stands for.
    pub inode: InodeId,
    /// The last layer that named this entry; whiteouts hide only entries of lower layers.
    layer: u32,
}

/// The type of an inode, with the data specific to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Names in byte order.
    Directory(BTreeMap<Box<[u8]>, DirectoryEntry>),
    /// A regular file.
    File(FileContent),
    /// A symbolic link and its target.
    Symlink(Box<[u8]>),
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl Node {
    /// An empty directory.
    pub fn empty_directory() -> Self {
        Self::Directory(BTreeMap::new())
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory(_))
    }
}

/// One inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode {
    /// Mode, owner, time, attributes.
    pub metadata: Metadata,
    /// Type and content.
    pub node: Node,
    /// How many names the inode has.
    names: u32,
}

impl Inode {
    /// An inode without a name yet. Whatever `metadata` says of it, a symbolic link has mode 0777:
    /// Linux has no other for them, and programs that copy modes would pass a wrong one on.
    pub fn new(mut metadata: Metadata, node: Node) -> Self {
        if matches!(node, Node::Symlink(_)) {
            metadata.mode = SYMLINK_MODE;
        }
        Self { metadata, node, names: 0 }
    }

    /// How many directory entries point here (1 for the root, which has no name).
    pub fn name_count(&self) -> u32 {
        self.names
    }

    fn footprint(&self) -> usize {
        let node = match &self.node {
            Node::File(content) => content.extents.len() * size_of::<DataExtent>(),
            Node::Symlink(target) => target.len(),
            _ => 0,
        };
        NODE_FOOTPRINT + node + xattr_footprint(&self.metadata)
    }
}

fn xattr_footprint(metadata: &Metadata) -> usize {
    metadata.xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum()
}

/// A filesystem tree; it always has a root directory.
#[derive(Debug, Clone)]
pub struct Tree {
    inodes: Vec<Option<Inode>>,
    free: Vec<InodeId>,
    layer: u32,
    footprint: usize,
    /// What removed files have stored, until it is taken.
    released: Vec<DataExtent>,
    /// Directories that the current layer has emptied of what lower layers brought.
    emptied: HashSet<InodeId>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A tree of one empty root directory, 0755, root's, from 1970.
    pub fn new() -> Self {
        let mut root = Inode::new(Metadata::implicit_directory(), Node::empty_directory());
        root.names = 1;
        Self {
            inodes: vec![Some(root)],
            free: Vec::new(),
            layer: 0,
            footprint: 0,
            released: Vec::new(),
            emptied: HashSet::new(),
        }
    }

    /// The root directory.
    pub fn root(&self) -> InodeId {
        InodeId(0)
    }

    /// The inode `id`.
    ///
    /// # Panics
    ///
    /// When the inode was removed, or belongs to another tree.
    pub fn inode(&self, id: InodeId) -> &Inode {
        self.inodes[id.index()].as_ref().expect("the id of a living inode")
    }

    fn inode_mut(&mut self, id: InodeId) -> &mut Inode {
        self.inodes[id.index()].as_mut().expect("the id of a living inode")
    }

    /// Every [`InodeId::index`] is below this.
    pub fn inode_bound(&self) -> usize {
        self.inodes.len()
    }

    /// The names in directory `id` in byte order; none when it is not a directory.
    pub fn entries(&self, id: InodeId) -> impl ExactSizeIterator<Item = (&[u8], InodeId)> {
        static NONE: BTreeMap<Box<[u8]>, DirectoryEntry> = BTreeMap::new();
        let entries = match &self.inode(id).node {
            Node::Directory(entries) => entries,
            _ => &NONE,
        };
        entries.iter().map(|(name, entry)| (&**name, entry.inode))
    }

    fn entry(&self, directory: InodeId, name: &[u8]) -> Option<&DirectoryEntry> {
        match &self.inode(directory).node {
            Node::Directory(entries) => entries.get(name),
            _ => None,
        }
    }

    fn entries_mut(&mut self, id: InodeId) -> &mut BTreeMap<Box<[u8]>, DirectoryEntry> {
        match &mut self.inode_mut(id).node {
            Node::Directory(entries) => entries,
            _ => unreachable!("names are only put into directories"),
        }
    }

    /// What `name` is in `directory`; symbolic links are not followed.
    pub fn child(&self, directory: InodeId, name: &[u8]) -> Option<InodeId> {
        self.entry(directory, name).map(|entry| entry.inode)
    }

    /// What is at `path` (slash-separated, from the root); symbolic links are not followed.
    pub fn lookup(&self, path: &[u8]) -> Option<InodeId> {
        path.split(|&byte| byte == b'/')
            .filter(|name| !name.is_empty())
            .try_fold(self.root(), |directory, name| self.child(directory, name))
    }

    /// Starts the next layer: entries of all layers so far become lower ones.
    pub(super) fn begin_layer(&mut self) {
        self.layer += 1;
        self.emptied.clear();
    }

    /// What files that are gone by now have stored: the spool's to give back.
    pub(super) fn take_released(&mut self) -> Vec<DataExtent> {
        std::mem::take(&mut self.released)
    }

    /// Says that the current layer names this entry, so that its own whiteouts keep it.
    pub(super) fn touch(&mut self, directory: InodeId, name: &[u8]) {
        let layer = self.layer;
        if let Some(entry) = self.entries_mut(directory).get_mut(name) {
            entry.layer = layer;
        }
    }

    /// Replaces the metadata of inode `id`.
    ///
    /// # Errors
    ///
    /// [`TreeFull`] when the new attributes need too much memory.
    pub fn set_metadata(&mut self, id: InodeId, metadata: Metadata) -> Result<(), TreeFull> {
        self.reserve(xattr_footprint(&metadata))?;
        self.footprint -= xattr_footprint(&self.inode(id).metadata).min(self.footprint);
        self.inode_mut(id).metadata = metadata;
        Ok(())
    }

    /// Puts a new inode into `directory` as `name`, in the place of what was there.
    ///
    /// # Errors
    ///
    /// [`TreeFull`] when it needs too much memory; the tree is unchanged then.
    pub fn insert(
        &mut self,
        directory: InodeId,
        name: &[u8],
        inode: Inode,
    ) -> Result<InodeId, TreeFull> {
        self.reserve(inode.footprint() + name.len() + NODE_FOOTPRINT)?;
        self.remove(directory, name);
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.inodes.push(None);
                InodeId(u32::try_from(self.inodes.len() - 1).map_err(|_| TreeFull)?)
            }
        };
        self.inodes[id.index()] = Some(Inode { names: 1, ..inode });
        let layer = self.layer;
        self.entries_mut(directory).insert(name.into(), DirectoryEntry { inode: id, layer });
        Ok(id)
    }

    /// Gives the inode `target`, which must not be a directory, one more name (a hard link), in
    /// the place of what was there.
    ///
    /// # Errors
    ///
    /// [`TreeFull`] when it needs too much memory; the tree is unchanged then.
    pub fn link(
        &mut self,
        directory: InodeId,
        name: &[u8],
        target: InodeId,
    ) -> Result<(), TreeFull> {
        if self.child(directory, name) == Some(target) {
            self.touch(directory, name);
            return Ok(());
        }
        self.reserve(name.len() + NODE_FOOTPRINT)?;
        // Counted first: removing a directory that holds the target's last name must not free it.
        self.inode_mut(target).names += 1;
        self.remove(directory, name);
        let layer = self.layer;
        self.entries_mut(directory).insert(name.into(), DirectoryEntry { inode: target, layer });
        Ok(())
    }

    /// Removes `name` from `directory` with everything below it.
    pub fn remove(&mut self, directory: InodeId, name: &[u8]) {
        let Some((name, entry)) = self.entries_mut(directory).remove_entry(name) else {
            return;
        };
        // A list of work and no recursion: the depth of a tree is the image's choice.
        let mut removed = vec![(name, entry.inode)];
        while let Some((name, id)) = removed.pop() {
            self.release(name.len() + NODE_FOOTPRINT);
            let inode = self.inode_mut(id);
            inode.names -= 1;
            if inode.names > 0 {
                continue;
            }
            let inode = self.inodes[id.index()].take().expect("the id of a living inode");
            self.release(inode.footprint());
            self.free.push(id);
            match inode.node {
                Node::Directory(entries) => {
                    removed.extend(entries.into_iter().map(|(name, entry)| (name, entry.inode)));
                }
                Node::File(content) => self.released.extend(content.extents),
                _ => {}
            }
        }
    }

    /// Removes `name` as far as lower layers brought it: what the current layer put there, or
    /// below it, stays.
    pub(super) fn hide_lower(&mut self, directory: InodeId, name: &[u8]) {
        match self.entry(directory, name) {
            Some(entry) if entry.layer < self.layer => self.remove(directory, name),
            Some(entry) => self.hide_lower_entries(entry.inode),
            None => {}
        }
    }

    /// Empties `directory` of all that lower layers brought (an opaque directory).
    pub(super) fn hide_lower_entries(&mut self, directory: InodeId) {
        let mut directories = vec![directory];
        while let Some(directory) = directories.pop() {
            // Once a layer is enough, as all that comes now is its own. A layer of nothing but
            // markers would take the square of its length otherwise.
            if !self.emptied.insert(directory) {
                continue;
            }
            let Node::Directory(entries) = &self.inode(directory).node else {
                continue;
            };
            let mut lower = Vec::new();
            for (name, entry) in entries {
                if entry.layer < self.layer {
                    lower.push(name.clone());
                } else {
                    directories.push(entry.inode);
                }
            }
            for name in lower {
                self.remove(directory, &name);
            }
        }
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), TreeFull> {
        let footprint = self.footprint + bytes;
        if footprint > FOOTPRINT_LIMIT {
            return Err(TreeFull);
        }
        self.footprint = footprint;
        Ok(())
    }

    fn release(&mut self, bytes: usize) {
        self.footprint = self.footprint.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Inode {
        Inode::new(Metadata::default(), Node::File(FileContent::default()))
    }

    fn directory() -> Inode {
        Inode::new(Metadata::implicit_directory(), Node::empty_directory())
    }

    #[test]
    fn hard_links_share_an_inode_until_the_last_name_goes() {
        let mut tree = Tree::new();
        let a = tree.insert(tree.root(), b"a", file()).unwrap();
        tree.link(tree.root(), b"b", a).unwrap();
        assert_eq!(tree.inode(a).name_count(), 2);
        tree.remove(tree.root(), b"a");
        assert_eq!(tree.lookup(b"/b"), Some(a));
        assert_eq!(tree.inode(a).name_count(), 1);
        tree.remove(tree.root(), b"b");
        assert_eq!((tree.free.len(), tree.footprint), (1, 0));
    }

    #[test]
    fn a_link_over_the_directory_of_its_target_keeps_the_target() {
        let mut tree = Tree::new();
        let d = tree.insert(tree.root(), b"d", directory()).unwrap();
        let f = tree.insert(d, b"f", file()).unwrap();
        tree.link(tree.root(), b"d", f).unwrap();
        assert_eq!(tree.lookup(b"d"), Some(f));
        assert_eq!(tree.inode(f).name_count(), 1);
    }

    #[test]
    fn whiteouts_hide_only_lower_layers() {
        let mut tree = Tree::new();
        let d = tree.insert(tree.root(), b"d", directory()).unwrap();
        tree.insert(d, b"lower", file()).unwrap();
        tree.begin_layer();
        tree.touch(tree.root(), b"d");
        tree.insert(d, b"upper", file()).unwrap();
        tree.hide_lower(tree.root(), b"d");
        assert_eq!(tree.entries(d).map(|(name, _)| name).collect::<Vec<_>>(), [b"upper"]);
    }

    #[test]
    fn a_very_deep_tree_is_removed_without_recursion() {
        let mut tree = Tree::new();
        let mut at = tree.root();
        for _ in 0..100_000 {
            at = tree.insert(at, b"d", directory()).unwrap();
        }
        tree.remove(tree.root(), b"d");
        assert_eq!(tree.footprint, 0);
    }
}
