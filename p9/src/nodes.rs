//! The files that the guest holds on to, as a tree of names.
//!
//! A node knows its parent and its own name there, so that a directory that is renamed takes all
//! that is below it along. Nodes live as long as a fid or a child refers to them.

use crate::errno::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

/// A node's place in the table.
pub type NodeId = u32;
/// A file wherever it is named: its filesystem and its number there.
pub type Identity = (u64, u64);

/// The node of the root, which holds the shared directories.
pub const ROOT: NodeId = 0;

/// Most nodes; a fid may keep many of them, one for each name of its path.
const MAX_NODES: usize = 1 << 20;
/// Linux's longest path in bytes.
const MAX_PATH: usize = 4095;

#[derive(Debug)]
enum Position {
    /// The made-up root.
    Root,
    /// A shared directory.
    Shared(usize),
    /// An entry of another node.
    Entry { parent: NodeId, name: Box<[u8]> },
    /// Nowhere any more: unlinked, or replaced.
    Gone,
}

#[derive(Debug)]
struct Node {
    position: Position,
    /// Fids and children.
    references: u32,
    children: BTreeMap<Box<[u8]>, NodeId>,
    /// Fids with an open file of it.
    open: Vec<u32>,
    /// Which file it was at the last stat, if that name was its last one.
    last_name_of: Option<Identity>,
}

impl Node {
    fn new(position: Position) -> Self {
        Self {
            position,
            references: 1,
            children: BTreeMap::new(),
            open: Vec::new(),
            last_name_of: None,
        }
    }
}

/// The table of nodes.
pub struct Nodes {
    slots: Vec<Option<Node>>,
    free: Vec<NodeId>,
    shared: usize,
}

impl Nodes {
    /// The root and `shared` directories in it.
    pub fn new(shared: usize) -> Self {
        let positions = core::iter::once(Position::Root).chain((0..shared).map(Position::Shared));
        let slots = positions.map(|position| Some(Node::new(position))).collect();
        Self { slots, free: Vec::new(), shared }
    }

    fn node(&self, id: NodeId) -> Result<&Node> {
        self.slots.get(id as usize).and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        self.slots.get_mut(id as usize).and_then(Option::as_mut).ok_or(Errno::BADF)
    }

    /// The shared directory of that name in the root, referred to once more.
    pub fn shared(&mut self, name: &[u8]) -> Result<NodeId> {
        let mut names = (0..self.shared).map(|number| number.to_string());
        let number = names.position(|known| known.as_bytes() == name).ok_or(Errno::NOENT)?;
        let id = number as NodeId + 1;
        self.acquire(id)?;
        Ok(id)
    }

    /// The entry `name` of `parent`, referred to once more.
    pub fn child(&mut self, parent: NodeId, name: &[u8]) -> Result<NodeId> {
        if let Some(&id) = self.node(parent)?.children.get(name) {
            self.acquire(id)?;
            return Ok(id);
        }
        if self.slots.len() - self.free.len() >= MAX_NODES {
            return Err(Errno::NFILE);
        }
        let name: Box<[u8]> = name.into();
        let node = Node::new(Position::Entry { parent, name: name.clone() });
        let id = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as NodeId - 1
        });
        self.slots[id as usize] = Some(node);
        let parent = self.node_mut(parent)?;
        parent.children.insert(name, id);
        parent.references += 1;
        Ok(id)
    }

    /// The directory above, referred to once more; that of a shared directory is itself.
    pub fn parent(&mut self, id: NodeId) -> Result<NodeId> {
        let parent = match self.node(id)?.position {
            Position::Root | Position::Shared(_) => id,
            Position::Entry { parent, .. } => parent,
            Position::Gone => return Err(Errno::NOENT),
        };
        self.acquire(parent)?;
        Ok(parent)
    }

    /// Refers to a node once more.
    pub fn acquire(&mut self, id: NodeId) -> Result<()> {
        self.node_mut(id)?.references += 1;
        Ok(())
    }

    /// Drops one reference to a node, and the node with the last one.
    pub fn release(&mut self, mut id: NodeId) {
        while let Ok(node) = self.node_mut(id) {
            node.references -= 1;
            if node.references > 0 {
                return;
            }
            let position = core::mem::replace(&mut node.position, Position::Gone);
            self.slots[id as usize] = None;
            self.free.push(id);
            let Position::Entry { parent, name } = position else { return };
            if let Ok(parent) = self.node_mut(parent) {
                parent.children.remove(&name);
            }
            id = parent;
        }
    }

    /// The shared directory that a node is in, and its path from there; `None` for the root.
    ///
    /// # Errors
    /// ENOENT when it is nowhere any more, ENAMETOOLONG.
    pub fn path(&self, id: NodeId) -> Result<Option<(usize, Vec<u8>)>> {
        let mut names: Vec<&[u8]> = Vec::new();
        let (mut id, mut length) = (id, 0);
        let shared = loop {
            match &self.node(id)?.position {
                Position::Root => return Ok(None),
                Position::Shared(number) => break *number,
                Position::Entry { parent, name } => {
                    length += name.len() + 1;
                    if length > MAX_PATH {
                        return Err(Errno::NAMETOOLONG);
                    }
                    names.push(name);
                    id = *parent;
                }
                Position::Gone => return Err(Errno::NOENT),
            }
        };
        names.reverse();
        let path = if names.is_empty() { b".".to_vec() } else { names.join(&b'/') };
        Ok(Some((shared, path)))
    }

    /// What a node is called, and where.
    pub fn name(&self, id: NodeId) -> Result<(NodeId, Box<[u8]>)> {
        match &self.node(id)?.position {
            Position::Entry { parent, name } => Ok((*parent, name.clone())),
            Position::Gone => Err(Errno::NOENT),
            Position::Root | Position::Shared(_) => Err(Errno::BUSY),
        }
    }

    /// Removes a name. Returns the file that had it as its last one, unless a fid has that open.
    pub fn unlink(&mut self, parent: NodeId, name: &[u8]) -> Option<Identity> {
        let id = self.node_mut(parent).ok()?.children.remove(name)?;
        let node = self.node_mut(id).ok()?;
        node.position = Position::Gone;
        let forgotten = if node.open.is_empty() { node.last_name_of.take() } else { None };
        self.release(parent);
        forgotten
    }

    /// Notes that an entry has moved, after [`Self::unlink`] of what it replaces.
    pub fn rename(&mut self, from: (NodeId, &[u8]), to: (NodeId, &[u8])) -> Result<()> {
        let Some(id) = self.node_mut(from.0)?.children.remove(from.1) else { return Ok(()) };
        let target = self.node_mut(to.0)?;
        target.references += 1;
        target.children.insert(to.1.into(), id);
        self.node_mut(id)?.position = Position::Entry { parent: to.0, name: to.1.into() };
        self.release(from.0);
        Ok(())
    }

    /// Notes which file a node is, and how many names that has.
    pub fn looked_at(&mut self, id: NodeId, identity: Identity, links: u64) {
        if let Ok(node) = self.node_mut(id) {
            node.last_name_of = (links <= 1).then_some(identity);
        }
    }

    /// Notes that a fid has opened a node's file.
    pub fn opened(&mut self, id: NodeId, fid: u32) {
        if let Ok(node) = self.node_mut(id) {
            node.open.push(fid);
        }
    }

    /// Notes that a fid has closed it. Returns the file if that was the last of it.
    pub fn closed(&mut self, id: NodeId, fid: u32) -> Option<Identity> {
        let node = self.node_mut(id).ok()?;
        node.open.retain(|&other| other != fid);
        let gone = matches!(node.position, Position::Gone) && node.open.is_empty();
        if gone { node.last_name_of.take() } else { None }
    }

    /// The fids with an open file of a node.
    pub fn open(&self, id: NodeId) -> &[u32] {
        self.node(id).map_or(&[], |node| &node.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(nodes: &Nodes, id: NodeId) -> Vec<u8> {
        nodes.path(id).unwrap().unwrap().1
    }

    #[test]
    fn a_renamed_directory_takes_along_what_is_below() {
        let mut nodes = Nodes::new(1);
        let top = nodes.shared(b"0").unwrap();
        let a = nodes.child(top, b"a").unwrap();
        let file = nodes.child(a, b"file").unwrap();
        let b = nodes.child(top, b"b").unwrap();
        nodes.rename((top, b"a"), (b, b"c")).unwrap();
        assert_eq!(path(&nodes, file), b"b/c/file");
        assert_eq!(nodes.child(b, b"c"), Ok(a));
        nodes.unlink(top, b"b");
        assert_eq!(nodes.path(file), Err(Errno::NOENT));
    }

    #[test]
    fn nothing_is_left_when_nobody_refers_to_it() {
        let mut nodes = Nodes::new(2);
        assert_eq!(nodes.shared(b"2"), Err(Errno::NOENT));
        let mut id = nodes.shared(b"1").unwrap();
        for _ in 0..1000 {
            let child = nodes.child(id, b"x").unwrap();
            nodes.release(id);
            id = child;
        }
        assert_eq!(path(&nodes, id).len(), 1999);
        nodes.release(id);
        assert_eq!(nodes.slots.iter().flatten().count(), 3);
        assert_eq!(nodes.free.len(), 1000);
    }

    #[test]
    fn a_file_is_over_with_its_last_name_and_its_last_opener() {
        let mut nodes = Nodes::new(1);
        let top = nodes.shared(b"0").unwrap();
        let file = nodes.child(top, b"file").unwrap();
        nodes.looked_at(file, (1, 2), 1);
        nodes.opened(file, 7);
        assert_eq!(nodes.unlink(top, b"file"), None);
        assert_eq!(nodes.open(file), [7]);
        assert_eq!(nodes.closed(file, 7), Some((1, 2)));

        let other = nodes.child(top, b"other").unwrap();
        nodes.looked_at(other, (1, 3), 2);
        assert_eq!(nodes.unlink(top, b"other"), None);
        nodes.release(other);
        let third = nodes.child(top, b"third").unwrap();
        nodes.looked_at(third, (1, 4), 1);
        assert_eq!(nodes.unlink(top, b"third"), Some((1, 4)));
    }

    #[test]
    fn a_path_is_at_most_as_long_as_linux_has_it() {
        let mut nodes = Nodes::new(1);
        let mut id = nodes.shared(b"0").unwrap();
        for _ in 0..16 {
            id = nodes.child(id, &[b'x'; 255]).unwrap();
        }
        assert_eq!(nodes.path(id), Err(Errno::NAMETOOLONG));
        assert_eq!(nodes.path(ROOT), Ok(None));
    }
}
