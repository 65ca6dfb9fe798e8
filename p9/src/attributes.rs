//! What is remembered of files for the run, because the host cannot keep it.

use crate::errno::{Errno, Result};
use crate::host::{Kind, Stat, Time};
use crate::nodes::Identity;
use alloc::collections::BTreeMap;

/// Most files that something is remembered of.
const MAX_FILES: usize = 1 << 18;

/// Permission bits of a mode.
pub const PERMISSIONS: u32 = 0o777;
/// Set-user-ID, set-group-ID and sticky: never set on the host's own files.
const SPECIAL: u32 = 0o7000;

/// What is remembered of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Permission bits, in place of the host's.
    mode: Option<u32>,
    /// Bits that the host is not asked to set.
    special: u32,
    uid: Option<u32>,
    gid: Option<u32>,
    /// A type that the host's file stands for.
    kind: Option<Kind>,
}

/// Whether a file's contents can be executed, and the length and time for which that holds.
type Program = (u64, Time, bool);

/// A file as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `S_IFMT` and all other bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// What is remembered of all files, and who owns the others.
#[derive(Default)]
pub struct Attributes {
    known: BTreeMap<Identity, Known>,
    /// What is known of contents, up to a bounded number of files.
    programs: BTreeMap<Identity, Program>,
    /// User and group of everything that has not been given to another.
    pub owner: (u32, u32),
}

fn identity(stat: &Stat) -> Identity {
    (stat.device, stat.inode)
}

impl Attributes {
    /// What to remember of a file.
    ///
    /// # Errors
    /// ENOSPC when too much is remembered already.
    fn entry(&mut self, stat: &Stat) -> Result<&mut Known> {
        let identity = identity(stat);
        // A host without inode numbers cannot say which file it was.
        if stat.inode == 0 {
            return Err(Errno::OPNOTSUPP);
        }
        if self.known.len() >= MAX_FILES && !self.known.contains_key(&identity) {
            return Err(Errno::NOSPC);
        }
        Ok(self.known.entry(identity).or_default())
    }

    /// Starts over with a file that was just made, of that mode as far as the host has none.
    /// Without room it is as any other file.
    pub fn created(&mut self, stat: &Stat, mode: u32, kind: Option<Kind>) {
        self.known.remove(&identity(stat));
        let own = stat.mode.is_none().then_some(mode & PERMISSIONS);
        if own.is_none() && kind.is_none() && mode & SPECIAL == 0 {
            return;
        }
        if let Ok(known) = self.entry(stat) {
            *known = Known { mode: own, special: mode & SPECIAL, kind, ..Known::default() };
        }
    }

    /// Remembers the special bits of a mode, and all of it when the host has not taken it.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn set_mode(&mut self, stat: &Stat, mode: u32, on_host: bool) -> Result<()> {
        if on_host && mode & SPECIAL == 0 && !self.known.contains_key(&identity(stat)) {
            return Ok(());
        }
        let known = self.entry(stat)?;
        known.mode = (!on_host).then_some(mode & PERMISSIONS);
        known.special = mode & SPECIAL;
        Ok(())
    }

    /// Remembers an owner.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn set_owner(&mut self, stat: &Stat, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let known = self.entry(stat)?;
        known.uid = uid.or(known.uid);
        known.gid = gid.or(known.gid);
        Ok(())
    }

    /// Whether there is a file that something is remembered of.
    pub fn remembers_any(&self) -> bool {
        !self.known.is_empty() || !self.programs.is_empty()
    }

    /// Drops what is remembered of a file that was removed.
    pub fn forget(&mut self, identity: Option<Identity>) {
        if let Some(identity) = identity {
            self.known.remove(&identity);
            self.programs.remove(&identity);
        }
    }

    /// The type that a host's file has for the guest.
    pub fn kind(&self, device: u64, inode: u64, kind: Kind) -> Kind {
        // Only a regular file stands for something else.
        let known = || self.known.get(&(device, inode)).and_then(|known| known.kind);
        if kind == Kind::File { known().unwrap_or(kind) } else { kind }
    }

    /// What the guest sees; `None` when that depends on the file's contents.
    pub fn seen(&self, stat: &Stat) -> Option<Seen> {
        let known = self.known.get(&identity(stat)).copied().unwrap_or_default();
        let kind = self.kind(stat.device, stat.inode, stat.kind);
        let permissions = match (known.mode.or(stat.mode), kind) {
            (_, Kind::Symlink) => 0o777,
            (Some(mode), _) => mode & PERMISSIONS,
            (None, Kind::Directory) => 0o755,
            (None, Kind::File) if stat.size == 0 => 0o644,
            (None, Kind::File) => match self.programs.get(&identity(stat)) {
                Some(&(size, modified, program))
                    if (size, modified) == (stat.size, stat.modified) =>
                {
                    unknown_mode(program)
                }
                _ => return None,
            },
            (None, _) => 0o644,
        };
        Some(Seen {
            mode: kind.mode_bits() | known.special | permissions,
            uid: known.uid.unwrap_or(self.owner.0),
            gid: known.gid.unwrap_or(self.owner.1),
        })
    }

    /// Notes whether a file's contents are a program; returns what the guest sees then.
    pub fn looked_into(&mut self, stat: &Stat, program: bool) -> Seen {
        if self.programs.len() >= MAX_FILES {
            self.programs.clear();
        }
        self.programs.insert(identity(stat), (stat.size, stat.modified, program));
        let mode = stat.kind.mode_bits() | unknown_mode(program);
        self.seen(stat).unwrap_or(Seen { mode, uid: self.owner.0, gid: self.owner.1 })
    }
}

/// The permissions of a file that nothing is known of but its contents.
fn unknown_mode(program: bool) -> u32 {
    if program { 0o755 } else { 0o644 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(inode: u64, mode: Option<u32>) -> Stat {
        Stat {
            device: 1,
            inode,
            kind: Kind::File,
            mode,
            links: 1,
            size: 10,
            blocks: 1,
            accessed: Time::default(),
            modified: Time::default(),
            changed: Time::default(),
        }
    }

    #[test]
    fn a_host_with_modes_keeps_all_but_the_special_bits() {
        let mut attributes = Attributes { owner: (1000, 100), ..Attributes::default() };
        let file = stat(2, Some(0o640));
        let seen = Seen { mode: 0o100640, uid: 1000, gid: 100 };
        assert_eq!(attributes.seen(&file), Some(seen));
        attributes.set_mode(&file, 0o4755, true).unwrap();
        let file = stat(2, Some(0o755));
        assert_eq!(attributes.seen(&file).unwrap().mode, 0o104755);
        attributes.set_owner(&file, Some(0), None).unwrap();
        let seen = attributes.seen(&file).unwrap();
        assert_eq!((seen.uid, seen.gid), (0, 100));
        attributes.forget(Some((1, 2)));
        assert_eq!(attributes.seen(&file).unwrap().mode, 0o100755);
    }

    #[test]
    fn without_modes_they_come_from_memory_or_contents() {
        let mut attributes = Attributes::default();
        let file = stat(2, None);
        assert_eq!(attributes.seen(&file), None);
        assert_eq!(attributes.looked_into(&file, true).mode, 0o100755);
        assert_eq!(attributes.seen(&file).unwrap().mode, 0o100755);
        assert_eq!(attributes.seen(&Stat { size: 11, ..file }), None);
        attributes.set_mode(&file, 0o600, false).unwrap();
        assert_eq!(attributes.seen(&Stat { size: 11, ..file }).unwrap().mode, 0o100600);
        attributes.created(&file, 0o1711, None);
        assert_eq!(attributes.seen(&file).unwrap().mode, 0o101711);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attributes = Attributes::default();
        for inode in 1..=MAX_FILES as u64 {
            attributes.set_mode(&stat(inode, None), 0o600, false).unwrap();
        }
        let more = stat(MAX_FILES as u64 + 1, None);
        assert_eq!(attributes.set_mode(&more, 0o600, false), Err(Errno::NOSPC));
        attributes.created(&more, 0o600, None);
        assert_eq!(attributes.looked_into(&more, false).mode, 0o100644);
        attributes.forget(Some((1, 1)));
        assert_eq!(attributes.set_mode(&more, 0o600, false), Ok(()));
    }
}
