//! Writes inputs that random bytes hardly come to: `cargo run -p c2w-fuzz-targets --example seeds
//! -- FOLDER` makes FOLDER/TARGET/NAME.

use c2w::oci::{self, ImageRef, SourceOptions};
use c2w_emulator::UNIT_SIZE;
use c2w_fuzz_targets::{TARGETS, noise, snapshot};
use c2w_guest_abi::{ContainerConfig, Failure, FromGuest, RunRequest, ToGuest, frame};
use c2w_units::{Encoding, StoredUnit};
use std::io::Read;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).expect("a folder");
    let write = |target: &str, name: usize, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{name:02}")), bytes)
    };
    for (name, state) in snapshot::guest().1.iter().enumerate() {
        // Every option in turn, before the state.
        write("snapshot", name, &[&[name as u8], state.as_slice()].concat())?;
    }
    for (name, messages) in conversations().iter().enumerate() {
        // No pieces, no flood.
        write("guest_abi", name, &[&[0, 0], messages.concat().as_slice()].concat())?;
    }
    let (tars, documents) = fixtures()?;
    for (target, seeds) in [
        ("tar", tars),
        ("manifest", documents),
        ("pax", PAX.map(|records| records.to_vec()).into()),
        ("reference", REFERENCES.map(|name| name.as_bytes().to_vec()).into()),
        ("units", units()),
    ] {
        for (name, seed) in seeds.iter().enumerate() {
            write(target, name, seed)?;
        }
    }
    // The others make sense of any bytes.
    const SEEDED: [&str; 7] =
        ["snapshot", "guest_abi", "tar", "manifest", "pax", "reference", "units"];
    for (target, _) in TARGETS.iter().filter(|(name, _)| !SEEDED.contains(name)) {
        for name in 0..40 {
            write(target, name, &noise(name as u64 + 1, 100 * (name + 1)))?;
        }
    }
    Ok(())
}

/// Units that are stored in each way.
fn units() -> Vec<Vec<u8>> {
    let text: [u8; UNIT_SIZE] = std::array::from_fn(|at| (at * at / 700) as u8);
    let numbers: [u8; UNIT_SIZE] = std::array::from_fn(|at| (at / 256) as u8);
    let deflate = |unit: &[u8], level| {
        let mut packed = Vec::with_capacity(2 * UNIT_SIZE);
        let mut compress = flate2::Compress::new(flate2::Compression::new(level), false);
        let done = compress.compress_vec(unit, &mut packed, flate2::FlushCompress::Finish);
        done.map(|_| packed).expect("memory")
    };
    let stored = [text, numbers].into_iter().flat_map(|unit| {
        let lz4 = (Encoding::Lz4, c2w_units::lz4(&unit));
        let deflated = [1, 9].map(|level| (Encoding::Deflate, deflate(&unit, level)));
        [lz4].into_iter().chain(deflated)
    });
    let stored = stored.filter(|(_, bytes)| bytes.len() < UNIT_SIZE).map(|(encoding, bytes)| {
        let unit = StoredUnit { offset: 1, length: bytes.len() as u32, encoding };
        [&unit.to_bytes(), &bytes[..]].concat()
    });
    stored.collect()
}

const PAX: [&[u8]; 6] = [
    b"12 path=ab/\n13 size=1000\n20 mtime=1.25000001\n7 uid=\n",
    b"18 linkpath=target\n18 uid=4294967294\n9 gid=-1\n",
    b"34 SCHILY.xattr.user.text=\n\0=\n \n\n\n\n39 LIBARCHIVE.xattr.user.%61=AAECAwQF\n",
    b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n29 GNU.sparse.realsize=4096\n",
    b"22 GNU.sparse.size=10\n24 GNU.sparse.map=0,1,5,2\n21 GNU.sparse.name=f\n",
    b"23 GNU.sparse.offset=3\n25 GNU.sparse.numbytes=4\n\0\0\0",
];

const REFERENCES: [&str; 12] = [
    "debian",
    "docker.io/library/debian:trixie",
    "localhost:5000/a/b__c@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "[::1]:5000/a-b/c.d:v1.0_x",
    "oci:./layout:latest",
    "oci:/a@b:@3",
    "oci-archive:file.tar:tag",
    "docker-archive:-:a/b:c",
    "docker-daemon:a:b",
    "docker://a.test/b",
    "dir:/x",
    "linux/arm64/v8",
];

type Seeds = Vec<Vec<u8>>;

/// What the fixtures have of archives, uncompressed, and of documents.
fn fixtures() -> io::Result<(Seeds, Seeds)> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/images");
    let (mut tars, mut documents) = (Vec::new(), Vec::new());
    for image in fs::read_dir(images)? {
        let folder = image?.path();
        let Ok(blobs) = fs::read_dir(folder.join("blobs/sha256")) else { continue };
        for blob in blobs {
            let bytes = fs::read(blob?.path())?;
            if bytes.first() == Some(&b'{') {
                documents.push(bytes);
            }
        }
        let reference: ImageRef = format!("oci:{}", folder.display()).parse().expect("a path");
        let Ok(image) = oci::open(&reference, &SourceOptions::default()) else { continue };
        for layer in image.layers() {
            let mut tar = Vec::new();
            let Ok(mut reader) = layer.open() else { continue };
            if reader.read_to_end(&mut tar).is_ok() {
                tars.push(tar);
            }
        }
    }
    Ok((tars, documents))
}

fn conversations() -> Vec<Vec<Vec<u8>>> {
    let said = |messages: &[FromGuest]| messages.iter().map(encode).collect();
    let failure = Failure { status: 127, message: "sh: not found".into() };
    let request = RunRequest {
        args: vec![b"sh".to_vec(), b"-c".to_vec(), vec![]],
        env: vec![b"A=b".to_vec()],
        ..RunRequest::default()
    };
    let config = ContainerConfig { cmd: vec![b"sh".to_vec()], ..ContainerConfig::default() };
    vec![
        said(&[FromGuest::Hello, FromGuest::Ready, FromGuest::StdinClosed, FromGuest::Exited(7)]),
        said(&[FromGuest::Hello, FromGuest::Failed(failure)]),
        vec![encode(&ToGuest::Create(config)), encode(&ToGuest::Run(request))],
        vec![encode(&ToGuest::StdinEof)],
    ]
}

fn encode<T: serde::Serialize>(message: &T) -> Vec<u8> {
    frame::encode(message).expect("a short message")
}
