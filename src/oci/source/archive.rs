//! The members of a tar archive, found once and read where they are.
//!
//! Nothing is unpacked: names never reach the host's filesystem. The archive is hostile, and other
//! tools must see the same in it: what they could read differently is refused.

use crate::oci::ErrorKind;
use crate::printable::printable;
use crate::rootfs::tar::{Archive as Tar, EntryKind};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The most members; an image of 127 layers has about 500.
const MAX_MEMBERS: usize = 1 << 16;

/// The longest name of a member. It bounds the memory for all of them.
const MAX_NAME: usize = 1024;

/// The most links from one member to the next; Docker writes one.
const MAX_LINKS: usize = 16;

/// What to do about links to what was left outside.
const DEREFERENCE: &str = "make the archive with `tar --dereference`";

/// A tar archive as a folder of files.
pub(super) struct Archive {
    file: Arc<File>,
    members: BTreeMap<Vec<u8>, Member>,
}

enum Member {
    Directory,
    File {
        offset: u64,
        length: u64,
    },
    /// A hard or symbolic link to another member.
    Link(Vec<u8>),
    /// What no image archive has: devices, pipes, sparse files.
    Odd,
}

/// The bytes of one member.
#[derive(Clone)]
pub(super) struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Section {
    /// Bytes that are left to read.
    pub(super) fn length(&self) -> u64 {
        self.left
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.left.min(buffer.len() as u64) as usize;
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Archive {
    /// Reads the headers of an uncompressed archive.
    pub(super) fn open(file: File) -> Result<Self, ErrorKind> {
        let length = file.metadata().map_err(ErrorKind::io("read the archive"))?.len();
        let mut members = BTreeMap::new();
        let mut tar = Tar::new(&file);
        while let Some(entry) = tar.next_entry().map_err(|error| malformed(describe(&error)))? {
            let name = clean(&entry.path, &[])?;
            let offset = tar.position();
            let member = match entry.kind {
                EntryKind::Directory => Member::Directory,
                EntryKind::File => Member::File { offset, length: entry.stored },
                EntryKind::HardLink => Member::Link(clean(&entry.link, &[])?),
                EntryKind::Symlink => Member::Link(
                    clean(&entry.link, parent(&name))
                        .map_err(|error| ErrorKind::Archive(format!("{error}: {DEREFERENCE}")))?,
                ),
                _ => Member::Odd,
            };
            if offset.checked_add(entry.stored).is_none_or(|end| end > length) {
                return Err(malformed(format!("it ends within the member {:?}", text(&name))));
            }
            tar.skip_by_seeking().map_err(ErrorKind::io("read the archive"))?;
            add(&mut members, name, member)?;
        }
        Ok(Self { file: Arc::new(file), members })
    }

    /// The regular file `name`, also through links; `None` when there is nothing of that name.
    pub(super) fn get(&self, name: &str) -> Result<Option<Section>, ErrorKind> {
        let asked = clean(name.as_bytes(), &[])?;
        let mut name = asked.clone();
        for _ in 0..=MAX_LINKS {
            match self.members.get(&name) {
                None => match self.through_link(&name)? {
                    Some(next) => name = next,
                    None if name == asked => return Ok(None),
                    None => {
                        let (asked, name) = (text(&asked), text(&name));
                        return Err(malformed(format!(
                            "{asked:?} is a link to {name:?}, which is not in it: {DEREFERENCE}"
                        )));
                    }
                },
                Some(Member::Link(target)) => name.clone_from(target),
                Some(&Member::File { offset, length }) => {
                    let file = Arc::clone(&self.file);
                    return Ok(Some(Section { file, offset, left: length }));
                }
                Some(Member::Directory | Member::Odd) => {
                    return Err(malformed(format!("{:?} is not a regular file", text(&asked))));
                }
            }
        }
        Err(malformed(format!("the links from {:?} go round in circles", text(&asked))))
    }

    /// Where `name` leads when a directory in it is a link.
    fn through_link(&self, name: &[u8]) -> Result<Option<Vec<u8>>, ErrorKind> {
        let slashes = (0..name.len()).filter(|&at| name[at] == b'/');
        for (directory, rest) in slashes.map(|at| (&name[..at], &name[at + 1..])) {
            if let Some(Member::Link(target)) = self.members.get(directory) {
                return clean(rest, target).map(Some);
            }
        }
        Ok(None)
    }
}

/// Two members of one name would be two different archives to two readers.
fn add(
    members: &mut BTreeMap<Vec<u8>, Member>,
    name: Vec<u8>,
    member: Member,
) -> Result<(), ErrorKind> {
    if members.len() >= MAX_MEMBERS {
        return Err(malformed(format!("it has more than {MAX_MEMBERS} members")));
    }
    let shown = text(&name);
    let is_directory = matches!(member, Member::Directory);
    match members.insert(name, member) {
        Some(Member::Directory) if is_directory => Ok(()),
        Some(_) => Err(malformed(format!("it has two members {shown:?}"))),
        None => Ok(()),
    }
}

/// `path`, seen from the folder `from`, without ".", ".." and doubled slashes.
fn clean(path: &[u8], from: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    let outside = || malformed(format!("{:?} leads out of it", text(path)));
    let absolute = path.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    let from = if absolute { &[][..] } else { from };
    for part in from.split(|&byte| byte == b'/').chain(path.split(|&byte| byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop().ok_or_else(outside)?),
            part => parts.push(part),
        }
    }
    let clean = parts.join(&b'/');
    if clean.len() > MAX_NAME {
        return Err(malformed(format!("a member's name is longer than {MAX_NAME} bytes")));
    }
    Ok(clean)
}

fn parent(name: &[u8]) -> &[u8] {
    name.iter().rposition(|&byte| byte == b'/').map_or(&[], |slash| &name[..slash])
}

fn text(name: &[u8]) -> String {
    printable(name)
}

fn malformed(reason: String) -> ErrorKind {
    ErrorKind::Archive(format!("the archive is refused: {reason}"))
}

/// An error with its causes on one line.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A ustar archive of members: name, type flag, link target, data.
    fn tar(members: &[(&str, u8, &str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, kind, link, data) in members {
            let mut block = [0; 512];
            block[..name.len()].copy_from_slice(name.as_bytes());
            let mut put = |at: usize, text: &str| {
                block[at..at + text.len()].copy_from_slice(text.as_bytes());
            };
            put(100, "0000644\0");
            put(108, "0000000\0");
            put(116, "0000000\0");
            put(124, &format!("{:011o}\0", data.len()));
            put(136, "00000000000\0");
            put(148, "        ");
            put(157, link);
            put(257, "ustar\x0000");
            block[156] = *kind;
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            bytes.extend(block);
            bytes.extend(*data);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Archive, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        Archive::open(file).map_err(|error| error.to_string())
    }

    fn content(archive: &Archive, name: &str) -> Result<Option<Vec<u8>>, String> {
        let section = archive.get(name).map_err(|error| error.to_string())?;
        Ok(section.map(|mut section| {
            let mut bytes = Vec::new();
            section.read_to_end(&mut bytes).unwrap();
            bytes
        }))
    }

    #[test]
    fn members_are_read_where_they_are() {
        let large = vec![7; 300_000];
        let archive = open(&tar(&[
            ("./", b'5', "", b""),
            ("./a/", b'5', "", b""),
            ("./a/large", b'0', "", &large),
            ("a/", b'5', "", b""),
            ("a/small", b'0', "", b"small"),
            ("b/symbolic", b'2', "../a/./large", b""),
            ("hard", b'1', "./a/small", b""),
            ("twice", b'2', "/b/symbolic", b""),
            ("folder", b'2', "b/..", b""),
            ("b/folder", b'2', "../folder/a/", b""),
            ("device", b'3', "", b""),
        ]))
        .unwrap();
        for name in ["a/large", "./a//large", "b/symbolic", "twice", "b/folder/large"] {
            assert!(content(&archive, name).unwrap().unwrap() == large, "{name}");
        }
        assert_eq!(content(&archive, "hard").unwrap().unwrap(), b"small");
        assert_eq!(content(&archive, "none"), Ok(None));
        for odd in ["device", "a"] {
            assert!(content(&archive, odd).unwrap_err().contains("not a regular file"));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let file = |name| (name, b'0', "", &b"x"[..]);
        let cases = [
            (vec![file("a"), file("a")], "two members \"a\""),
            (vec![file("a/b"), file("./a/./b")], "two members \"a/b\""),
            (vec![("a", b'5', "", b""), file("a")], "two members \"a\""),
            (vec![file("../a")], "leads out of it"),
            (vec![file("a/../../b")], "leads out of it"),
            (vec![("a/b", b'2', "../../c", b"")], "leads out of it"),
            (vec![("a", b'1', "..", b"")], "leads out of it"),
        ];
        for (members, words) in cases {
            let error = open(&tar(&members)).err().unwrap();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn links_in_circles_end() {
        let archive = open(&tar(&[
            ("a", b'2', "b", b""),
            ("b", b'1', "a", b""),
            ("self", b'2', "self", b""),
            ("dangling", b'2', "nothing", b""),
        ]));
        let archive = archive.unwrap();
        for name in ["a", "b", "self"] {
            assert!(content(&archive, name).unwrap_err().contains("circles"), "{name}");
        }
        let error = content(&archive, "dangling").unwrap_err();
        assert!(error.contains("\"nothing\", which is not in it: make"), "{error}");
        assert!(error.contains("tar --dereference"), "{error}");
    }

    #[test]
    fn a_cut_archive_is_refused() {
        let whole = tar(&[("a", b'0', "", &[1; 5000]), ("b", b'0', "", b"x")]);
        for length in [100, 511, 513, 2000, 5000] {
            let error = open(&whole[..length]).err().unwrap();
            assert!(error.contains("ends within") || error.contains("cut short"), "{error}");
        }
        let error = open(&[1; 2048]).err().unwrap();
        assert!(error.contains("checksum"), "{error}");
    }

    #[test]
    fn noise_is_refused_or_read_within_bounds() {
        let members: &[(&str, u8, &str, &[u8])] =
            &[("a", b'0', "", &[1; 700]), ("b", b'2', "a", b""), ("c/", b'5', "", b"")];
        let good = tar(members);
        let mut state = 1_u64;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % limit
        };
        let mut opened = 0;
        for _ in 0..3000 {
            let mut bad = good.clone();
            // In the fields of a header, and with a checksum that holds.
            let header = [0, 1536, 2048][random(3)];
            bad[header + random(345)] = [0, b'0', b'7', b'/', b'.', 0x80, 0xff, b'g'][random(8)];
            bad[header + 148..header + 156].fill(b' ');
            let sum: u32 = bad[header..header + 512].iter().map(|&byte| u32::from(byte)).sum();
            bad[header + 148..header + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let Ok(archive) = open(&bad) else { continue };
            opened += 1;
            for name in ["a", "b", "c"] {
                if let Ok(Some(found)) = content(&archive, name) {
                    assert!(found.len() <= bad.len());
                }
            }
        }
        assert!(opened > 100, "{opened}");
    }

    #[test]
    fn there_are_not_endless_members() {
        let names: Vec<String> = (0..=MAX_MEMBERS).map(|i| i.to_string()).collect();
        let members: Vec<_> = names.iter().map(|name| (&**name, b'0', "", &b""[..])).collect();
        let error = open(&tar(&members)).err().unwrap();
        assert!(error.contains("more than 65536 members"), "{error}");
    }
}
