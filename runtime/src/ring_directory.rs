//! The way to `c2w net-helper`: rings in two files of a directory that the runtime has opened.

use crate::directories::{File, Preopens};
use crate::errno::words;
use crate::wasi_calls;
use alloc::format;
use alloc::string::String;
use c2w_network::{Channel, Checksums, GUEST_FILE, HOST_FILE, Link, RingFile, Rings};
use c2w_p9::{Errno, HostDirectories, HostPath, OpenHow};
use c2w_session::SharedDirectory;
use c2w_session::options::NetworkOptions;

/// How long to wait for a peer before it is looked at again, in nanoseconds.
pub const PAUSE: u64 = 1_000_000;

/// A file of rings.
pub struct FileOfRing(File);

impl RingFile for FileOfRing {
    fn read_at(&mut self, offset: u64, mut buffer: &mut [u8]) -> Result<usize, String> {
        let mut read = 0;
        while !buffer.is_empty() {
            let count = self.0.read_at(offset + read as u64, buffer).map_err(words)?;
            if count == 0 {
                break;
            }
            read += count;
            buffer = &mut buffer[count..];
        }
        Ok(read)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let mut written = 0;
        while let rest @ [_, ..] = &bytes[written..] {
            let count = self.0.write_at(offset + written as u64, rest);
            match count.map_err(words)? {
                0 => return Err("it takes nothing".into()),
                count => written += count.min(rest.len()),
            }
        }
        Ok(())
    }
}

/// Which of the runtime's directories has this name.
pub fn find(name: &[u8], shared: &[SharedDirectory]) -> Option<usize> {
    let trim = |name: &[u8]| -> alloc::vec::Vec<u8> {
        let name = name.strip_prefix(b"/").unwrap_or(name);
        name.strip_suffix(b"/").unwrap_or(name).to_vec()
    };
    shared.iter().position(|directory| trim(&directory.guest) == trim(name))
}

/// The network behind a directory.
///
/// # Errors
/// When there is none: the reason, for people.
pub fn join<C: Channel + 'static>(
    name: &[u8],
    options: &NetworkOptions,
    (preopens, shared): (&Preopens, &[SharedDirectory]),
    channel: impl FnOnce(Rings<FileOfRing>) -> C,
) -> Result<Link<C>, String> {
    let shown = String::from_utf8_lossy(name);
    let directory = find(name, shared).ok_or_else(|| {
        format!("--network dir={shown}: the runtime has opened no such directory")
    })?;
    let open = |file: &str, write| {
        let how = OpenHow { read: true, write, ..OpenHow::default() };
        let at = HostPath { directory, path: file.as_bytes() };
        preopens.open(at, &how).map(FileOfRing)
    };
    let files = open(GUEST_FILE, true).and_then(|own| Ok((own, open(HOST_FILE, false)?)));
    let failed = |why: &str| format!("--network dir={shown}: {why}");
    let (own, peer) = files.map_err(|error| match error {
        Errno::NOENT => failed("no c2w net-helper serves that directory"),
        _ => failed("its files cannot be opened for reading and writing"),
    })?;
    let rings = Rings::join(own, peer, wasi_calls::random_number()).map_err(|why| failed(&why))?;
    connect(channel(rings), Checksums::Offloaded, options, |_, ns| {
        wasi_calls::sleep(ns.min(PAUSE));
    })
    .map_err(|why| failed(&why))
}

/// A network behind a channel.
///
/// # Errors
/// When its other end gives the container no address: the reason, for people.
pub fn connect<C: Channel + 'static>(
    channel: C,
    checksums: Checksums,
    options: &NetworkOptions,
    wait: impl FnMut(&mut C, u64),
) -> Result<Link<C>, String> {
    let now = || wasi_calls::clock(wasi::CLOCKID_MONOTONIC);
    let transaction = wasi_calls::random_number() as u32;
    Link::connect(channel, checksums, options, transaction, now, wait)
}
