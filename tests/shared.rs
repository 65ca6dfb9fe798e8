//! The 9P server over directories of this host, asked by a client that knows no bounds.

use c2w::shared::SharedDirectories;
use c2w_emulator::devices::P9Server;
use c2w_p9::Server;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

const EPERM: u32 = 1;
const ENOENT: u32 = 2;
const EBADF: u32 = 9;
const EXDEV: u32 = 18;
const ENOTDIR: u32 = 20;
const EINVAL: u32 = 22;
const ENFILE: u32 = 23;
const EROFS: u32 = 30;
const ELOOP: u32 = 40;
const EOVERFLOW: u32 = 75;
const EOPNOTSUPP: u32 = 95;

const O_RDONLY: u32 = 0;
const O_WRONLY: u32 = 1;
const O_RDWR: u32 = 2;
const O_TRUNC: u32 = 0o1000;
const NO_FID: u32 = !0;

/// A request's fields.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn n8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }
    fn n16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn n32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn n64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn name(mut self, name: &[u8]) -> Self {
        self.0.extend((name.len() as u16).to_le_bytes());
        self.0.extend(name);
        self
    }
}

fn fields() -> Fields {
    Fields::default()
}

struct Client(Server<SharedDirectories>);

type Answer = Result<Vec<u8>, u32>;
type OpenedAt = Result<(u8, u32), u32>;

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl Client {
    /// A client of some directories, attached as fid 0, with fid 1 at the first directory.
    fn new(directories: &[(&Path, bool)]) -> Self {
        let mut shared = SharedDirectories::default();
        for (path, read_only) in directories {
            shared.add(path, *read_only).unwrap();
        }
        let mut client = Self(Server::new(shared));
        client.ask(100, fields().n32(65_536).name(b"9P2000.L")).unwrap();
        let attach = fields().n32(0).n32(NO_FID).name(b"root").name(b"").n32(0);
        client.ask(104, attach).unwrap();
        client.walk(0, 1, &["0"]).unwrap();
        client
    }

    fn ask(&mut self, kind: u8, fields: Fields) -> Answer {
        let size = fields.0.len() as u32 + 7;
        let mut request = size.to_le_bytes().to_vec();
        request.extend([kind, 0x34, 0x12]);
        request.extend(fields.0);
        self.raw(kind, &request)
    }

    /// Sends any bytes; checks that the answer is one.
    fn raw(&mut self, kind: u8, request: &[u8]) -> Answer {
        let mut reply = Vec::new();
        self.0.handle(request, &mut reply);
        assert_eq!(reply[..4], (reply.len() as u32).to_le_bytes(), "the answer's size");
        assert_eq!(reply[5..7], request[5..7], "the answer's tag");
        match reply[4] {
            7 => Err(u32::from_le_bytes(reply[7..].try_into().unwrap())),
            answer => {
                assert_eq!(answer, kind + 1);
                Ok(reply.split_off(7))
            }
        }
    }

    fn walk(&mut self, from: u32, to: u32, names: &[&str]) -> Answer {
        let start = fields().n32(from).n32(to).n16(names.len() as u16);
        self.ask(110, names.iter().fold(start, |fields, name| fields.name(name.as_bytes())))
    }

    fn open(&mut self, fid: u32, flags: u32) -> Answer {
        self.ask(12, fields().n32(fid).n32(flags))
    }

    fn create(&mut self, fid: u32, name: &str, flags: u32, mode: u32) -> Answer {
        self.ask(14, fields().n32(fid).name(name.as_bytes()).n32(flags).n32(mode).n32(0))
    }

    fn read(&mut self, fid: u32, offset: u64, count: u32) -> Answer {
        Ok(self.ask(116, fields().n32(fid).n64(offset).n32(count))?.split_off(4))
    }

    fn write(&mut self, fid: u32, offset: u64, bytes: &[u8]) -> Answer {
        let mut fields = fields().n32(fid).n64(offset).n32(bytes.len() as u32);
        fields.0.extend(bytes);
        self.ask(118, fields)
    }

    fn clunk(&mut self, fid: u32) -> Answer {
        self.ask(120, fields().n32(fid))
    }

    fn unlink(&mut self, fid: u32, name: &str, flags: u32) -> Answer {
        self.ask(76, fields().n32(fid).name(name.as_bytes()).n32(flags))
    }

    fn rename(&mut self, from: (u32, &str), to: (u32, &str)) -> Answer {
        let fields = fields().n32(from.0).name(from.1.as_bytes());
        self.ask(74, fields.n32(to.0).name(to.1.as_bytes()))
    }

    /// Mode, owner's number and size.
    fn attributes(&mut self, fid: u32) -> Result<(u32, u32, u64), u32> {
        let answer = self.ask(24, fields().n32(fid).n64(0x7ff))?;
        let size = u64::from_le_bytes(answer[49..57].try_into().unwrap());
        Ok((number(&answer, 21), number(&answer, 25), size))
    }

    /// Mode and size of a directory's entry.
    fn attributes_at(&mut self, fid: u32, name: &str) -> Result<(u32, u64), u32> {
        let answer = self.ask(80, fields().n32(fid).name(name.as_bytes()))?;
        Ok((number(&answer, 21), number(&answer, 49) as u64))
    }

    /// Whether an entry was opened or made, and its mode.
    fn open_at(&mut self, fid: (u32, u32), name: &str, flags: u32, mode: u32) -> OpenedAt {
        let fields = fields().n32(fid.0).n32(fid.1).name(name.as_bytes()).n32(flags).n32(mode);
        let answer = self.ask(82, fields)?;
        assert_eq!(answer.len(), 1 + 153);
        Ok((answer[0], number(&answer, 1 + 21)))
    }

    /// The times of access and modification: seconds and nanoseconds.
    fn times(&mut self, fid: u32) -> [(i64, i64); 2] {
        let answer = self.ask(24, fields().n32(fid).n64(0x7ff)).unwrap();
        let time = |at: usize| i64::from_le_bytes(answer[at..at + 8].try_into().unwrap());
        [73, 89].map(|at| (time(at), time(at + 8)))
    }

    fn set_times(&mut self, fid: u32, accessed: i64, modified: (i64, u64)) -> Answer {
        let fields = fields().n32(fid).n32(0x1b0).n32(0).n32(0).n32(0).n64(0);
        let fields = fields.n64(accessed as u64).n64(0).n64(modified.0 as u64);
        self.ask(26, fields.n64(modified.1))
    }

    fn set(&mut self, fid: u32, valid: u32, mode: u32, uid: u32, size: u64) -> Answer {
        let fields = fields().n32(fid).n32(valid).n32(mode).n32(uid).n32(0).n64(size);
        self.ask(26, fields.n64(0).n64(0).n64(0).n64(0))
    }

    /// Names from one Treaddir, and the offset to go on from.
    fn list(&mut self, fid: u32, offset: u64, count: u32) -> Result<(Vec<String>, u64), u32> {
        let answer = self.ask(40, fields().n32(fid).n64(offset).n32(count))?;
        let (mut entries, mut names, mut next) = (&answer[4..], Vec::new(), offset);
        while !entries.is_empty() {
            next = u64::from_le_bytes(entries[13..21].try_into().unwrap());
            let length = usize::from(u16::from_le_bytes([entries[22], entries[23]]));
            names.push(String::from_utf8(entries[24..24 + length].to_vec()).unwrap());
            entries = &entries[24 + length..];
        }
        Ok((names, next))
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_root_lists_the_directories() {
    let (first, second) = (folder(), folder());
    fs::write(second.path().join("file"), "x").unwrap();
    let mut client = Client::new(&[(first.path(), false), (second.path(), true)]);
    client.walk(0, 2, &[]).unwrap();
    client.open(2, O_RDONLY).unwrap();
    assert_eq!(client.list(2, 0, 8192).unwrap().0, [".", "..", "0", "1"]);
    assert_eq!(client.walk(0, 3, &["2"]), Err(ENOENT));
    assert_eq!(client.walk(0, 3, &["00"]).map(drop), Err(ENOENT));
    assert_eq!(client.create(0, "x", O_RDWR, 0o644), Err(EROFS));
    client.walk(0, 3, &["1", "file"]).unwrap();
    assert_eq!(client.open(3, O_RDWR), Err(EROFS));
    assert_eq!(client.set(3, 1, 0o600, 0, 0), Err(EROFS));
    client.open(3, O_RDONLY).unwrap();
    assert_eq!(client.read(3, 0, 10).unwrap(), b"x");
    client.walk(0, 4, &["1"]).unwrap();
    assert_eq!(client.create(4, "x", O_RDWR, 0o644), Err(EROFS));
    assert_eq!(client.unlink(4, "file", 0), Err(EROFS));
    assert_eq!(client.rename((4, "file"), (1, "file")), Err(EXDEV));
}

#[test]
fn nothing_leads_out() {
    let outer = folder();
    let host = outer.path().join("shared");
    fs::create_dir_all(host.join("dir")).unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    symlink("..", host.join("up")).unwrap();
    symlink(outer.path(), host.join("out")).unwrap();
    symlink("../secret", host.join("link")).unwrap();
    let mut client = Client::new(&[(&host, false)]);
    // Up from the top is the top.
    client.walk(1, 2, &["..", "..", "dir"]).unwrap();
    for name in ["", "a/b", "../secret", "/etc/passwd", "a\0b"] {
        assert_eq!(client.walk(1, 3, &[name]), Err(EINVAL), "{name:?}");
    }
    for link in ["up", "out"] {
        assert_eq!(client.walk(1, 3, &[link, "secret"]).unwrap().len(), 2 + 13, "{link}");
        assert_eq!(client.clunk(3), Err(EBADF), "half a walk makes no fid");
        client.walk(1, 3, &[link]).unwrap();
        assert_eq!(client.walk(3, 4, &["secret"]), Err(ENOTDIR));
        assert_eq!(client.create(3, "x", O_RDWR, 0o644), Err(ENOTDIR));
        client.clunk(3).unwrap();
    }
    client.walk(1, 3, &["link"]).unwrap();
    assert_eq!(client.open(3, O_RDONLY), Err(ELOOP));
    for name in ["..", "."] {
        assert!(client.create(2, name, O_RDWR, 0o644).is_err());
        assert!(client.unlink(2, name, 0x200).is_err());
    }
    // A directory that was walked to becomes a link behind the server's back. Links with a slash at
    // their end once led out of cap-std's directories.
    client.walk(1, 5, &["dir"]).unwrap();
    fs::remove_dir(host.join("dir")).unwrap();
    for target in ["..", "../", "..//", "../.", "./../", "up/", "/", "/etc/../"] {
        symlink(target, host.join("dir")).unwrap();
        assert_eq!(client.walk(5, 6, &["secret"]), Err(EPERM), "{target}");
        assert_eq!(client.create(5, "made", O_RDWR, 0o644), Err(EPERM), "{target}");
        assert_eq!(client.unlink(5, "secret", 0), Err(EPERM), "{target}");
        assert_eq!(client.rename((5, "secret"), (1, "stolen")), Err(EPERM), "{target}");
        fs::remove_file(host.join("dir")).unwrap();
    }
    // The same as the last name, where the open is told to follow nothing.
    for target in ["../secret", "../secret/", "../", "/etc/"] {
        symlink(target, host.join("last")).unwrap();
        client.walk(1, 6, &["last"]).unwrap();
        assert_eq!(client.open(6, O_RDONLY), Err(ELOOP), "{target}");
        client.clunk(6).unwrap();
        fs::remove_file(host.join("last")).unwrap();
    }
    assert!(outer.path().join("secret").exists() && !outer.path().join("made").exists());
    assert!(!host.join("stolen").exists());
}

#[test]
fn an_unlinked_file_is_there_as_long_as_it_is_open() {
    let folder = folder();
    let mut client = Client::new(&[(folder.path(), false)]);
    client.walk(1, 2, &[]).unwrap();
    client.create(2, "file", O_RDWR, 0o640).unwrap();
    client.walk(1, 3, &["file"]).unwrap();
    client.write(2, 0, b"contents").unwrap();
    client.unlink(1, "file", 0).unwrap();
    // By its own fid and by another one.
    for fid in [2, 3] {
        assert_eq!(client.attributes(fid).unwrap(), (0o100_640, 0, 8), "{fid}");
    }
    client.set(3, 8, 0, 0, 3).unwrap();
    client.set(3, 1, 0o600, 0, 0).unwrap();
    assert_eq!(client.attributes(2).unwrap(), (0o100_600, 0, 3));
    assert_eq!(client.open(3, O_RDONLY), Err(ENOENT));
    client.walk(1, 4, &[]).unwrap();
    client.create(4, "file", O_RDWR, 0o644).unwrap();
    client.write(4, 0, b"another").unwrap();
    assert_eq!(client.read(2, 0, 100).unwrap(), b"con");
    client.clunk(2).unwrap();
    assert_eq!(client.attributes(3), Err(ENOENT));
}

#[test]
fn a_renamed_directory_keeps_its_fids() {
    let folder = folder();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    fs::write(folder.path().join("a/b/file"), "deep").unwrap();
    fs::write(folder.path().join("one"), "1").unwrap();
    fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
    let mut client = Client::new(&[(folder.path(), false)]);
    client.walk(1, 2, &["a", "b", "file"]).unwrap();
    client.rename((1, "a"), (1, "z")).unwrap();
    client.open(2, O_RDONLY).unwrap();
    assert_eq!(client.read(2, 0, 10).unwrap(), b"deep");
    client.walk(1, 3, &["z"]).unwrap();
    assert_eq!(client.rename((1, "z"), (3, "self")), Err(EINVAL));
    // Between two names of one file nothing happens.
    client.walk(1, 4, &["one"]).unwrap();
    client.rename((1, "one"), (1, "two")).unwrap();
    assert_eq!(client.attributes(4).unwrap().2, 1);
    assert!(folder.path().join("one").exists() && folder.path().join("two").exists());
    // Tremove and Trename, which Linux does not send.
    client.ask(20, fields().n32(4).n32(3).name(b"moved")).unwrap();
    assert!(folder.path().join("z/moved").exists());
    client.ask(122, fields().n32(4)).unwrap();
    assert_eq!((client.clunk(4), folder.path().join("z/moved").exists()), (Err(EBADF), false));
}

#[test]
fn what_the_host_keeps_of_modes_is_without_special_bits() {
    let folder = folder();
    let mut client = Client::new(&[(folder.path(), false)]);
    // Whoever gets the root gets everything.
    client.set(0, 2, 0, 1000, 0).unwrap();
    client.walk(1, 2, &[]).unwrap();
    client.create(2, "file", O_RDWR, 0o4777).unwrap();
    assert_eq!(client.attributes(2).unwrap(), (0o104_777, 1000, 0));
    let file = folder.path().join("file");
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o777);
    client.set(2, 1 | 2, 0o6750, 7, 0).unwrap();
    assert_eq!(client.attributes(2).unwrap(), (0o106_750, 7, 0));
    assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o750);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(client.attributes(2).unwrap(), (0o106_604, 7, 0));
    // A new file has nothing of an old one.
    client.clunk(2).unwrap();
    client.unlink(1, "file", 0).unwrap();
    client.walk(1, 2, &[]).unwrap();
    client.create(2, "file", O_RDWR, 0o600).unwrap();
    assert_eq!(client.attributes(2).unwrap(), (0o100_600, 1000, 0));
}

#[test]
fn a_directory_comes_in_pieces() {
    let folder = folder();
    for number in 0..1000 {
        fs::write(folder.path().join(format!("{number}")), "").unwrap();
    }
    let mut client = Client::new(&[(folder.path(), false)]);
    client.open(1, O_RDONLY).unwrap();
    let (mut names, mut offset) = (Vec::new(), 0);
    loop {
        let (some, next) = client.list(1, offset, 300).unwrap();
        if some.is_empty() {
            break;
        }
        names.extend(some);
        offset = next;
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 1002);
    assert_eq!(client.list(1, 0, 20), Err(EINVAL));
    assert_eq!(client.list(1, u64::MAX, 300).unwrap().0, [""; 0]);
    fs::write(folder.path().join("new"), "").unwrap();
    assert_eq!(client.list(1, 1002, 300).unwrap().0, [""; 0], "what was read at its start");
    assert!(client.list(1, 0, 60_000).unwrap().0.contains(&"new".into()));
}

#[test]
fn lengths_are_the_message_s() {
    let folder = folder();
    fs::write(folder.path().join("file"), vec![7; 1 << 20]).unwrap();
    let mut client = Client::new(&[(folder.path(), false)]);
    client.walk(1, 2, &["file"]).unwrap();
    client.open(2, O_RDWR).unwrap();
    assert_eq!(client.read(2, 0, u32::MAX).unwrap().len(), 65_536 - 11);
    assert_eq!(client.read(2, u64::MAX, 10), Err(EINVAL));
    assert_eq!(client.read(2, 1 << 20, 10).unwrap(), b"");
    let short = fields().n32(2).n64(0).n32(100).n8(1);
    assert_eq!(client.ask(118, short), Err(EINVAL));
    assert!(client.write(2, u64::MAX - 1, b"xy").is_err());
    assert_eq!(client.ask(100, fields().n32(100).name(b"9P2000.L")), Err(EINVAL));
    let other = client.ask(100, fields().n32(1 << 30).name(b"9P2000")).unwrap();
    assert_eq!((&other[..4], &other[6..]), (&(1u32 << 19).to_le_bytes()[..], &b"unknown"[..]));
    assert_eq!(client.attributes(1), Err(EBADF), "a new session has no fids");
}

#[test]
fn fids_are_bounded_and_not_shared() {
    let folder = folder();
    let mut client = Client::new(&[(folder.path(), false)]);
    assert_eq!(client.walk(0, 1, &[]), Err(EINVAL));
    assert_eq!(client.walk(0, NO_FID, &[]), Err(EINVAL));
    for fid in 2..1 << 16 {
        client.walk(1, fid, &[]).unwrap();
    }
    assert_eq!(client.walk(1, 1 << 16, &[]), Err(ENFILE));
    client.clunk(77).unwrap();
    client.walk(1, 1 << 16, &[]).unwrap();
    assert_eq!(client.walk(1, 77, &["x"; 17]), Err(EINVAL));
}

#[test]
fn a_fid_is_used_for_what_it_was_opened_for() {
    let folder = folder();
    fs::write(folder.path().join("file"), "x").unwrap();
    let mut client = Client::new(&[(folder.path(), false)]);
    for (fid, flags) in [(2, O_RDONLY), (3, O_WRONLY), (4, O_WRONLY | O_TRUNC)] {
        client.walk(1, fid, &["file"]).unwrap();
        assert_eq!(client.read(fid, 0, 1), Err(EBADF), "not open");
        client.open(fid, flags).unwrap();
        assert_eq!(client.open(fid, flags), Err(EINVAL), "twice");
        assert_eq!(client.walk(fid, fid, &[]).map(drop), Err(16), "an open fid stays");
    }
    assert_eq!(client.write(2, 0, b"y"), Err(EBADF));
    assert_eq!(client.read(3, 0, 1), Err(EBADF));
    assert_eq!(client.list(2, 0, 100), Err(EBADF));
    assert_eq!(client.open(1, O_RDWR), Err(21));
    assert_eq!(client.ask(30, fields().n32(2).n32(9).name(b"user.x")), Err(EOPNOTSUPP));
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"");
}

#[test]
fn an_entry_is_looked_at_by_its_name() {
    let folder = folder();
    fs::create_dir(folder.path().join("dir")).unwrap();
    fs::write(folder.path().join("dir/file"), "12345").unwrap();
    fs::set_permissions(folder.path().join("dir/file"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("file", folder.path().join("dir/link")).unwrap();
    let mut client = Client::new(&[(folder.path(), false)]);
    client.walk(1, 2, &["dir"]).unwrap();
    assert_eq!(client.attributes_at(2, "file"), Ok((0o100_640, 5)));
    assert_eq!(client.attributes_at(2, "link"), Ok((0o120_777, 4)));
    assert_eq!(client.attributes_at(2, "none"), Err(ENOENT));
    for name in ["", ".", "..", "../dir", "dir/file"] {
        assert_eq!(client.attributes_at(2, name), Err(EINVAL), "{name:?}");
    }
    assert_eq!(client.attributes_at(0, "0").map(|seen| seen.0 & 0o170_000), Ok(0o040_000));
    assert_eq!(client.attributes_at(0, "1"), Err(ENOENT));
    assert_eq!(client.attributes_at(3, "file"), Err(EBADF));
    client.walk(2, 3, &["file"]).unwrap();
    assert_eq!(client.attributes_at(3, "x"), Err(ENOTDIR));
}

#[test]
fn an_entry_is_opened_or_made_by_its_name() {
    const CREATE: u32 = 0o100;
    const EXCLUSIVE: u32 = 0o200;
    let folder = folder();
    fs::create_dir(folder.path().join("dir")).unwrap();
    fs::write(folder.path().join("old"), "contents").unwrap();
    fs::set_permissions(folder.path().join("old"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("old", folder.path().join("link")).unwrap();
    let mut client = Client::new(&[(folder.path(), false), (folder.path(), true)]);
    assert_eq!(client.open_at((1, 2), "none", O_RDONLY, 0), Err(ENOENT));
    assert_eq!(client.open_at((1, 2), "old", O_RDWR | CREATE, 0o600), Ok((1, 0o100_640)));
    assert_eq!(client.read(2, 0, 100).unwrap(), b"contents");
    assert_eq!(client.open_at((1, 2), "old", O_RDONLY, 0), Err(EINVAL), "a fid that is there");
    assert_eq!(client.open_at((1, 3), "old", O_RDWR | CREATE | EXCLUSIVE, 0), Err(17));
    assert_eq!(client.open_at((1, 3), "link", O_RDWR | CREATE, 0), Ok((0, 0o120_777)));
    assert_eq!(client.clunk(3), Err(EBADF), "what is only described has no fid");
    // The mode is what it was to be, whatever the process's umask.
    let made = client.open_at((1, 3), "new", O_WRONLY | CREATE | EXCLUSIVE, 0o4666);
    assert_eq!(made, Ok((2, 0o104_666)));
    client.write(3, 0, b"new").unwrap();
    assert_eq!(client.read(3, 0, 1), Err(EBADF));
    assert_eq!(fs::read(folder.path().join("new")).unwrap(), b"new");
    let made = client.open_at((1, 4), "read", O_RDONLY | CREATE | EXCLUSIVE, 0o400);
    assert_eq!((made, client.write(4, 0, b"x")), (Ok((2, 0o100_400)), Err(EBADF)));
    client.clunk(4).unwrap();
    assert_eq!(client.open_at((1, 4), "dir", O_RDWR, 0).unwrap().0, 0);
    assert_eq!(client.open_at((1, 4), "dir", O_RDONLY, 0).unwrap().0, 1);
    assert_eq!(client.list(4, 0, 8192).unwrap().0, [".", ".."]);
    assert_eq!(client.open_at((4, 5), "made", O_RDWR | CREATE, 0o644), Ok((2, 0o100_644)));
    // It is the name's file that was opened, also after the name is gone.
    client.unlink(1, "old", 0).unwrap();
    assert_eq!(client.attributes(2).unwrap().2, 8);
    client.walk(0, 6, &["1"]).unwrap();
    assert_eq!(client.open_at((6, 7), "new", O_RDWR, 0), Ok((0, 0o104_666)));
    client.walk(6, 7, &["new"]).unwrap();
    assert_eq!(client.open(7, O_RDWR), Err(EROFS));
    client.clunk(7).unwrap();
    assert_eq!(client.open_at((6, 7), "newer", O_RDWR | CREATE, 0o644), Err(EROFS));
    assert_eq!(client.open_at((0, 8), "x", O_RDWR | CREATE, 0o644), Err(ENOENT));
    assert_eq!(client.open_at((0, 8), "0", O_RDONLY | CREATE, 0o644).unwrap().0, 1);
}

#[test]
fn a_write_can_go_to_the_end_wherever_that_is() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "one ").unwrap();
    let mut client = Client::new(&[(folder.path(), false)]);
    client.open_at((1, 2), "file", O_WRONLY, 0).unwrap();
    client.write(2, u64::MAX, b"two ").unwrap();
    fs::write(&file, "one two and ").unwrap();
    client.write(2, u64::MAX, b"three").unwrap();
    client.write(2, 0, b"ONE").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "ONE two and three");
}

#[test]
fn a_time_sticks_or_is_refused() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let mut client = Client::new(&[(folder.path(), false)]);
    client.walk(1, 2, &["file"]).unwrap();
    let host = |file: &Path| {
        let found = file.metadata().unwrap();
        [(found.atime(), found.atime_nsec()), (found.mtime(), found.mtime_nsec())]
    };
    for (accessed, modified) in
        [(-1, (-315_619_200, 999_999_999)), (0, (0, 1)), (1 << 31, (5_000_000_000, 0))]
    {
        client.set_times(2, accessed, modified).unwrap();
        let expected = [(accessed, 0), (modified.0, modified.1 as i64)];
        assert_eq!((client.times(2), host(&file)), (expected, expected));
    }
    // Later than ext4 has it, or any filesystem: the answer says whether it is so.
    let before = host(&file);
    for seconds in [1 << 40, i64::MAX, i64::MIN] {
        match client.set_times(2, 77, (seconds, 5)) {
            Ok(_) => assert_eq!(host(&file), [(77, 0), (seconds, 5)]),
            Err(error) => assert_eq!((error, host(&file)), (EOVERFLOW, before), "{seconds}"),
        }
        client.set_times(2, before[0].0, (before[1].0, before[1].1 as u64)).unwrap();
    }
    assert_eq!(client.set_times(2, 0, (0, 1_000_000_000)), Err(EINVAL));
}

/// Every message that a driver may cut short is an error, whatever its type.
#[test]
fn short_messages_are_errors() {
    let folder = folder();
    let mut client = Client::new(&[(folder.path(), false)]);
    for kind in 0..=255 {
        for length in 0..12 {
            let size = length + 7;
            let mut request = vec![size, 0, 0, 0, kind, 1, 2];
            request.extend(vec![0xff; length.into()]);
            // Tflush has nothing to do.
            assert!(kind == 108 || client.raw(kind, &request).is_err(), "{kind} {length}");
        }
        for size in [0, 6, 100, u32::MAX] {
            let mut request = size.to_le_bytes().to_vec();
            request.extend([kind, 1, 2]);
            assert_eq!(client.raw(kind, &request), Err(EINVAL), "{kind} of {size}");
        }
    }
}
