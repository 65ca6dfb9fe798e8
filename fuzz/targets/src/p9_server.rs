//! The 9P server over a real directory: any requests, in any order.

use crate::UpTo;
use arbitrary::Arbitrary;
use c2w::shared::SharedDirectories;
use c2w_emulator::devices::P9Server;
use c2w_p9::Server;
use std::fs;
use std::os::unix::fs::symlink;

const RLERROR: u8 = 7;
const VERSION: u8 = 100;
/// The longest answer that is agreed upon.
const MESSAGE: u32 = 8192;
/// Few names, so that requests meet at the same files.
const NAMES: [&[u8]; 12] =
    [b"0", b"1", b"a", b"b", b"dir", b"out", b"up", b"..", b".", b"a/b", b"", b"user.x"];

#[derive(Arbitrary, Debug)]
struct Request {
    /// Which of [`KINDS`].
    kind: u8,
    /// Its fields in turn.
    fields: [Field; 8],
    /// A few bytes more.
    rest: UpTo<u8, 16>,
}

/// A number, or which of the names.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Field {
    Nothing,
    Small(u8),
    Middle(u16),
    Any(u64),
}

/// Types of requests and what their fields are: f a fid, n a name, 1, 2, 4 and 8 numbers.
const KINDS: [(u8, &str); 30] = [
    (8, "f"),
    (12, "f4"),
    (14, "fn444"),
    (16, "fnn4"),
    (18, "fn4444"),
    (20, "ffn"),
    (22, "f"),
    (24, "f8"),
    (26, "f444488888"),
    (30, "ffn"),
    (32, "fn84"),
    (40, "f84"),
    (50, "f4"),
    (52, "f14884n"),
    (54, "f1884n"),
    (70, "ffn"),
    (72, "fn44"),
    (74, "fnfn"),
    (76, "fn4"),
    (80, "fn"),
    (82, "ffn44"),
    (102, "fnn4"),
    (104, "f4nn4"),
    (108, "2"),
    (110, "ff2nnn"),
    (116, "f84"),
    (118, "f84"),
    (120, "f"),
    (122, "f"),
    (110, "ff2"),
];

impl Request {
    /// The message, with fields as its type wants them.
    fn bytes(&self, tag: u16) -> Vec<u8> {
        let (kind, form) = KINDS[usize::from(self.kind) % KINDS.len()];
        let mut body = Vec::new();
        let names = form.bytes().filter(|&form| form == b'n').count() as u64;
        for (form, field) in form.bytes().zip(self.fields.iter().cycle()) {
            let number = field.number();
            match form {
                b'f' => body.extend((number as u32 % 8).to_le_bytes()),
                b'1' => body.push(number as u8),
                // The number of names in a walk.
                b'2' => body.extend((names as u16).to_le_bytes()),
                b'4' => body.extend((number as u32).to_le_bytes()),
                b'8' => body.extend(number.to_le_bytes()),
                _ => {
                    let name = NAMES[number as usize % NAMES.len()];
                    body.extend((name.len() as u16).to_le_bytes());
                    body.extend(name);
                }
            }
        }
        body.extend(&self.rest.0);
        message(kind, tag, &body)
    }
}

impl Field {
    fn number(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Small(number) => number.into(),
            Self::Middle(number) => number.into(),
            Self::Any(number) => number,
        }
    }
}

fn message(kind: u8, tag: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 7).to_le_bytes().to_vec();
    bytes.push(kind);
    bytes.extend(tag.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Asks, and checks that the answer is one.
fn ask(server: &mut Server<SharedDirectories>, request: &[u8]) {
    let mut reply = Vec::new();
    server.handle(request, &mut reply);
    assert!(reply.len() >= 7 && reply.len() <= MESSAGE as usize, "{} bytes", reply.len());
    assert_eq!(reply[..4], (reply.len() as u32).to_le_bytes(), "the answer's size");
    assert_eq!(reply[5..7], request[5..7], "the answer's tag");
    assert!([RLERROR, request[4].wrapping_add(1)].contains(&reply[4]), "the answer's type");
}

/// Runs one input.
///
/// # Panics
/// When an answer is none, or something outside of the directories has changed.
pub fn check(bytes: &[u8]) {
    let Some(requests) = crate::parse::<UpTo<Request, 64>>(bytes) else { return };
    let outer = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| outer.path().join(name);
    fs::write(path("secret"), "secret").expect("a file");
    fs::create_dir_all(path("shared/dir")).expect("a directory");
    fs::create_dir(path("other")).expect("a directory");
    symlink(path("secret"), path("shared/out")).expect("a link");
    symlink("..", path("shared/up")).expect("a link");
    let mut shared = SharedDirectories::default();
    shared.add(&path("shared"), false).expect("a directory");
    shared.add(&path("other"), true).expect("a directory");
    let mut server = Server::new(shared);
    let mut version = MESSAGE.to_le_bytes().to_vec();
    version.extend(b"\x08\09P2000.L");
    ask(&mut server, &message(VERSION, 0, &version));
    // Fids 0 and 1 are there: the root, and the first directory.
    ask(&mut server, &message(104, 0, &[&[0; 4][..], &[0xff; 4], &[0; 8]].concat()));
    ask(&mut server, &message(110, 0, b"\0\0\0\0\x01\0\0\0\x01\0\x01\x000"));
    for (tag, request) in requests.0.iter().enumerate() {
        ask(&mut server, &request.bytes(tag as u16));
    }
    drop(server);
    assert_eq!(fs::read(path("secret")).expect("it is there"), b"secret");
    assert_eq!(fs::read_dir(path("other")).expect("it is there").count(), 0);
    assert_eq!(fs::read_dir(outer.path()).expect("it is there").count(), 3);
}
