//! What WASI preview 1 tells of a terminal: signs of one. Neither its size nor its mode can be
//! asked for, let alone set.

use crate::host::WasiHost;
use crate::wasi_calls::{self, STDIN, STDOUT, TAG_DESCRIPTOR};
use alloc::vec::Vec;
use c2w_guest_abi::{Stream, Terminal, TerminalMode};
use c2w_session::terminal::{
    HostTerminal, SIZE_QUERY, StreamSigns, has_size, is_one_terminal, take_size,
};
use c2w_session::{Input, RunHost, SessionHost, Wait};

/// How long a terminal gets to answer, in nanoseconds: one at the end of a slow line, too.
const PATIENCE: u64 = 500_000_000;
/// Longer than any answer, with some typing around it.
const LONGEST_ANSWER: usize = 256;

/// The terminal that standard input and output are, if both are. It is as terminals are by
/// default: nobody but the user can say otherwise.
pub fn find() -> Option<HostTerminal> {
    let stdin = signs(STDIN, wasi::EVENTTYPE_FD_READ)?;
    let stdout = signs(STDOUT, wasi::EVENTTYPE_FD_WRITE)?;
    let both = is_one_terminal(&stdin, &stdout);
    both.then_some(HostTerminal { size: None, mode: TerminalMode::Cooked })
}

/// What the runtime says of a descriptor that is polled for `kind`; nothing more is asked of one
/// that it does not call a character device.
fn signs(fd: wasi::Fd, kind: wasi::Eventtype) -> Option<StreamSigns> {
    // SAFETY: no memory is involved but the results'.
    let (stat, file, position) =
        unsafe { (wasi::fd_fdstat_get(fd).ok()?, wasi::fd_filestat_get(fd), wasi::fd_tell(fd)) };
    let positions = wasi::RIGHTS_FD_SEEK | wasi::RIGHTS_FD_TELL;
    let character_device =
        stat.fs_filetype == wasi::FILETYPE_CHARACTER_DEVICE && stat.fs_rights_base & positions == 0;
    character_device.then(|| StreamSigns {
        character_device,
        // EIO is wazero's word for it. Any other error says that the runtime does not know.
        without_position: matches!(
            position,
            Err(wasi::ERRNO_SPIPE | wasi::ERRNO_NOTCAPABLE | wasi::ERRNO_IO)
        ),
        waited_for: is_waited_for(fd, kind),
        identity: file.ok().map(|file| (file.dev, file.ino)),
    })
}

/// Whether a descriptor can be polled, ready or not, as far as the runtime polls for `kind` at all.
fn is_waited_for(fd: wasi::Fd, kind: wasi::Eventtype) -> bool {
    // Not no time at all, which wasmer takes for no limit.
    let now = wasi_calls::timer(wasi::CLOCKID_MONOTONIC, 1);
    wasi_calls::poll(&[now, wasi_calls::descriptor(fd, kind)]).is_ok_and(|events| {
        let refused = |event: &wasi::Event| {
            event.userdata == TAG_DESCRIPTOR
                && !matches!(event.error, wasi::ERRNO_SUCCESS | wasi::ERRNO_NOTSUP)
        };
        !events.iter().any(refused)
    })
}

/// Asks a raw terminal for its size, unless `variables` say it: a cooked one would show the answer
/// and keep it until the line ends. Returns what was typed meanwhile.
pub fn ask_size(wanted: &mut Terminal, variables: &[Vec<u8>], host: &mut WasiHost) -> Vec<u8> {
    let mut read = Vec::new();
    if wanted.mode != TerminalMode::Raw
        || has_size(variables)
        || host.output(Stream::Stdout, SIZE_QUERY).is_err()
    {
        return read;
    }
    let deadline = host.monotonic_ns() + PATIENCE;
    loop {
        if let Some((size, [before, after])) = take_size(&read) {
            wanted.size = size;
            return [before, after].concat();
        }
        let left = deadline.saturating_sub(host.monotonic_ns());
        if left == 0 || read.len() > LONGEST_ANSWER {
            return read;
        }
        let Ok(ready) = host.wait(Wait { input: true, timeout: Some(left), idle: Some(0) });
        if !ready {
            return read;
        }
        let mut bytes = [0; LONGEST_ANSWER];
        match host.read(&mut bytes) {
            Input::Bytes(length) => read.extend_from_slice(&bytes[..length]),
            // The end, or an error, comes again when the command asks for input.
            Input::End | Input::Failed(_) => return read,
            Input::Nothing => {}
        }
    }
}
