//! A folder of files that an image is stored in: a directory of the host, or a tar archive.
//!
//! Either may be hostile: only regular files are read, and none outside of it.

use super::Blob;
use super::archive::Archive;
use super::folder::Folder;
use crate::compression::Compression;
use crate::oci::ErrorKind;
use std::io::Read;
use std::path::Path;

pub(super) enum Files {
    Directory(Folder),
    Archive(Archive),
}

/// One of the files.
pub(super) struct Found {
    pub(super) length: u64,
    pub(super) content: Blob,
}

impl Files {
    pub(super) fn directory(path: &Path) -> Result<Self, ErrorKind> {
        let folder = Folder::open(path)
            .map_err(ErrorKind::io(format!("open the directory {}", path.display())))?;
        Ok(Self::Directory(folder))
    }

    /// That the files are not what they should be.
    pub(super) fn refused(&self, why: impl Into<String>) -> ErrorKind {
        match self {
            Self::Directory(_) => ErrorKind::Layout(why.into()),
            Self::Archive(_) => ErrorKind::Archive(why.into()),
        }
    }

    /// Opens a file; `None` when there is none of that name.
    pub(super) fn open(&self, name: &str) -> Result<Option<Found>, ErrorKind> {
        match self {
            Self::Directory(folder) => {
                let Some(file) = folder.file(name)? else { return Ok(None) };
                let metadata = file.metadata().map_err(ErrorKind::io(format!("read {name}")))?;
                Ok(Some(Found { length: metadata.len(), content: Box::new(file) }))
            }
            Self::Archive(archive) => Ok(archive
                .get(name)?
                .map(|section| Found { length: section.length(), content: Box::new(section) })),
        }
    }

    /// All of a small file; `None` when there is none of that name.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, ErrorKind> {
        let Some(found) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut content = found.content.take(limit + 1);
        content.read_to_end(&mut bytes).map_err(ErrorKind::io(format!("read {name}")))?;
        if bytes.len() as u64 > limit {
            let text = format!("its {name} has more than {limit} bytes: refused");
            return Err(self.refused(text));
        }
        Ok(Some(bytes))
    }

    /// How a file is compressed, by its first bytes.
    pub(super) fn compression(&self, name: &str) -> Result<Compression, ErrorKind> {
        let mut magic = Vec::new();
        if let Some(found) = self.open(name)? {
            let mut head = found.content.take(16);
            head.read_to_end(&mut magic).map_err(ErrorKind::io(format!("read {name}")))?;
        }
        Ok(Compression::of(&magic))
    }
}
