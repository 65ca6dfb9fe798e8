//! The rows of a directory of the host, as a kernel shows it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::row::{Row, Rows, join, sha256};

/// All that is below `root`, which is "/".
pub fn rows(root: &Path) -> Rows {
    let mut rows = Rows::new();
    let mut first_paths = BTreeMap::new();
    let mut pending = vec![(b"/".to_vec(), root.to_path_buf())];
    while let Some((path, place)) = pending.pop() {
        let metadata = fs::symlink_metadata(&place).unwrap();
        let mut row = row_of(&place, &metadata);
        let same_as = first_paths.entry(metadata.ino()).or_insert_with(|| path.clone()).clone();
        row.same_as = row.names.is_some_and(|names| names > 1).then_some(same_as);
        if metadata.is_dir() {
            let mut names: Vec<_> =
                fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            for name in names.into_iter().rev() {
                pending.push((join(&path, name.as_bytes()), place.join(name)));
            }
        }
        rows.insert(path, row);
    }
    rows
}

fn row_of(place: &Path, metadata: &fs::Metadata) -> Row {
    let kind = metadata.file_type();
    let (mut content, mut link, mut device) = (None, None, None);
    let name = if kind.is_dir() {
        "dir"
    } else if kind.is_symlink() {
        link = Some(fs::read_link(place).unwrap().as_os_str().as_bytes().to_vec());
        "symlink"
    } else if kind.is_char_device() || kind.is_block_device() {
        let number = metadata.rdev();
        device = Some((rustix::fs::major(number), rustix::fs::minor(number)));
        if kind.is_char_device() { "chr" } else { "blk" }
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "sock"
    } else {
        content = Some((metadata.len(), sha256(&fs::read(place).unwrap())));
        "file"
    };
    Row {
        kind: name.to_owned(),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: (metadata.mtime(), metadata.mtime_nsec() as u32),
        content,
        link,
        device,
        names: (!kind.is_dir()).then_some(metadata.nlink() as u32),
        same_as: None,
        xattrs: xattrs(place),
    }
}

fn xattrs(place: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut list = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(place, &mut list[..]).unwrap_or(0);
    let names = list[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(place, name, &mut value[..]).unwrap();
        value[..length].to_vec()
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}
