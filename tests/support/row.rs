//! One filesystem tree as comparable rows: what a path is, and all that can be said about it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// Paths (from "/" on) to rows.
pub type Rows = BTreeMap<Vec<u8>, Row>;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// As in the truth files: file, dir, symlink, chr, blk, fifo, sock.
    pub kind: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Size and SHA-256 of a file.
    pub content: Option<(u64, String)>,
    pub link: Option<Vec<u8>>,
    pub device: Option<(u32, u32)>,
    /// Names of anything but a directory.
    pub names: Option<u32>,
    /// The first path of the same inode, when there are several.
    pub same_as: Option<Vec<u8>>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The paths that differ, and how.
pub fn differences(expected: &Rows, found: &Rows) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    paths
        .into_iter()
        .filter(|path| expected.get(*path) != found.get(*path))
        .map(|path| {
            let (expected, found) = (expected.get(path), found.get(path));
            format!("{}:\n  expected {expected:?}\n  found    {found:?}", path.escape_ascii())
        })
        .collect()
}

/// Fails with the paths that differ.
pub fn assert_same(expected: &Rows, found: &Rows) {
    let differences = differences(expected, found);
    assert!(
        differences.is_empty(),
        "{} paths differ:\n{}",
        differences.len(),
        differences[..differences.len().min(5)].join("\n")
    );
}

/// `directory` + "/" + `name`, for paths that start with a slash.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    [directory, b"/", name].concat()
}
