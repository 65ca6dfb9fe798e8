//! A directory in memory, mapped into the container for training: one of the host's would have
//! other numbers and times with each conversion, and so another profile.

use c2w_p9::{
    Entry, Errno, HostDirectories, HostPath, Kind, OpenHow, Result, SetTime, Stat, Target, Time,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The most bytes of a file.
const MAX_FILE: usize = 1 << 20;

/// A regular file; one that has lost its name lives as long as it is open.
pub(super) struct MemoryFile {
    inode: u64,
    bytes: RefCell<Vec<u8>>,
}

/// One flat directory of regular files. What training has no use for is refused: links, renaming,
/// directories in it.
pub(super) struct MemoryDirectory {
    files: RefCell<BTreeMap<Vec<u8>, Rc<MemoryFile>>>,
    /// When everything in it was changed.
    time: Time,
}

impl MemoryDirectory {
    /// A directory with `count` empty files named by number, of a time in seconds since 1970.
    pub(super) fn with_files(count: u64, seconds: i64) -> Self {
        let time = Time { seconds, nanoseconds: 0 };
        let directory = Self { files: RefCell::default(), time };
        for number in 0..count {
            directory.make(format!("file-{number}").as_bytes());
        }
        directory
    }

    fn make(&self, name: &[u8]) -> Rc<MemoryFile> {
        /// The directory's own number is 1.
        const FIRST: u64 = 2;
        let mut files = self.files.borrow_mut();
        let inode = files.values().map(|file| file.inode + 1).max().unwrap_or(FIRST);
        let file = Rc::new(MemoryFile { inode, bytes: RefCell::default() });
        files.insert(name.to_vec(), file.clone());
        file
    }

    fn find(&self, place: HostPath<'_>) -> Result<Rc<MemoryFile>> {
        self.files.borrow().get(place.path).cloned().ok_or(Errno::NOENT)
    }

    fn describe(&self, inode: u64, kind: Kind, size: usize) -> Stat {
        Stat {
            device: 1,
            inode,
            kind,
            mode: Some(if kind == Kind::Directory { 0o755 } else { 0o644 }),
            links: 1,
            size: size as u64,
            blocks: size.div_ceil(512) as u64,
            accessed: self.time,
            modified: self.time,
            changed: self.time,
        }
    }

    fn describe_file(&self, file: &MemoryFile) -> Stat {
        self.describe(file.inode, Kind::File, file.bytes.borrow().len())
    }
}

impl HostDirectories for MemoryDirectory {
    type File = Rc<MemoryFile>;

    fn count(&self) -> usize {
        1
    }

    fn stat(&self, target: Target<'_, Self::File>) -> Result<Stat> {
        match target {
            Target::Path(HostPath { path: b".", .. }) => Ok(self.describe(1, Kind::Directory, 0)),
            Target::Path(place) => Ok(self.describe_file(&*self.find(place)?)),
            Target::File(file) => Ok(self.describe_file(file)),
        }
    }

    fn open(&self, place: HostPath<'_>, how: &OpenHow) -> Result<Self::File> {
        let file = match self.find(place) {
            Ok(_) if how.exclusive => return Err(Errno::EXIST),
            Err(Errno::NOENT) if how.create.is_some() => self.make(place.path),
            found => found?,
        };
        if how.truncate {
            file.bytes.borrow_mut().clear();
        }
        Ok(file)
    }

    fn read(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let bytes = file.bytes.borrow();
        let rest =
            usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write(&self, file: &Self::File, offset: u64, written: &[u8]) -> Result<usize> {
        let end = offset.saturating_add(written.len() as u64);
        let start = usize::try_from(offset).map_err(|_| Errno::FBIG)?;
        if end > file.bytes.borrow().len() as u64 {
            self.resize(file, end)?;
        }
        file.bytes.borrow_mut()[start..][..written.len()].copy_from_slice(written);
        Ok(written.len())
    }

    fn resize(&self, file: &Self::File, size: u64) -> Result<()> {
        let size = usize::try_from(size).ok().filter(|&size| size <= MAX_FILE);
        file.bytes.borrow_mut().resize(size.ok_or(Errno::FBIG)?, 0);
        Ok(())
    }

    fn sync(&self, _: &Self::File, _: bool) -> Result<()> {
        Ok(())
    }

    fn set_times(&self, _: Target<'_, Self::File>, _: SetTime, _: SetTime) -> Result<()> {
        Ok(())
    }

    fn list(&self, _: HostPath<'_>) -> Result<Vec<Entry>> {
        let files = self.files.borrow();
        let entry = |(name, file): (&Vec<u8>, &Rc<MemoryFile>)| Entry {
            name: name.as_slice().into(),
            inode: file.inode,
            kind: Kind::File,
        };
        Ok(files.iter().map(entry).collect())
    }

    fn remove_file(&self, place: HostPath<'_>) -> Result<()> {
        self.files.borrow_mut().remove(place.path).map(drop).ok_or(Errno::NOENT)
    }

    fn make_directory(&self, _: HostPath<'_>, _: u32) -> Result<()> {
        Err(Errno::PERM)
    }

    fn remove_directory(&self, _: HostPath<'_>) -> Result<()> {
        Err(Errno::PERM)
    }

    fn rename(&self, _: HostPath<'_>, _: HostPath<'_>) -> Result<()> {
        Err(Errno::PERM)
    }

    fn link(&self, _: HostPath<'_>, _: HostPath<'_>) -> Result<()> {
        Err(Errno::PERM)
    }

    fn symlink(&self, _: &[u8], _: HostPath<'_>) -> Result<()> {
        Err(Errno::PERM)
    }

    fn read_link(&self, _: HostPath<'_>) -> Result<Vec<u8>> {
        Err(Errno::INVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &[u8]) -> HostPath<'_> {
        HostPath { directory: 0, path }
    }

    #[test]
    fn files_are_made_written_read_and_removed() {
        let directory = MemoryDirectory::with_files(2, 7);
        let how =
            OpenHow { write: true, create: Some(0o600), exclusive: true, ..OpenHow::default() };
        let file = directory.open(at(b"new"), &how).unwrap();
        assert_eq!(directory.write(&file, 2, b"line"), Ok(4));
        let mut buffer = [9; 8];
        assert_eq!(directory.read(&file, 1, &mut buffer), Ok(5));
        assert_eq!(&buffer[..5], b"\0line");
        assert_eq!(directory.read(&file, 7, &mut buffer), Ok(0));
        assert_eq!(directory.open(at(b"new"), &how).err(), Some(Errno::EXIST));
        assert_eq!(directory.write(&file, u64::MAX, b"far"), Err(Errno::FBIG));

        let stat = directory.stat(Target::Path(at(b"new"))).unwrap();
        assert_eq!((stat.inode, stat.size, stat.modified.seconds), (4, 6, 7));
        assert_eq!(directory.list(at(b".")).unwrap().len(), 3);
        directory.remove_file(at(b"new")).unwrap();
        assert_eq!(directory.stat(Target::Path(at(b"new"))), Err(Errno::NOENT));
        assert_eq!(directory.stat(Target::File(&file)).unwrap().size, 6);
    }
}
