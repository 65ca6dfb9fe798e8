//! Standard input, as it comes without ever blocking the guest.
//!
//! Runtimes differ in what they can be asked. Most poll pipes and terminals; some refuse to poll
//! files, or anything at all.

use crate::errno::words;
use crate::wasi_calls::{self, STDIN, TAG_DESCRIPTOR};
use c2w_session::Input;

/// Where nothing can be polled: nanoseconds that the guest must have nothing to do for before a
/// read that may block stops it.
const IDLE: u64 = 100_000_000;

/// How to find out whether a read would block.
enum Readiness {
    /// `poll_oneoff` tells.
    Polled,
    /// It never does: a regular file, or nothing there. To poll these is an error in some runtimes,
    /// and the end of WasmEdge, whose poll takes the free descriptor itself.
    Always,
    /// There is no way.
    Unknown,
}

/// The module's standard input.
pub struct StandardInput {
    readiness: Readiness,
    /// The shortest time to poll for, in nanoseconds.
    shortest: u64,
}

impl StandardInput {
    /// Asks what there is; `terminal` says whether it was found to be one.
    pub fn find(terminal: bool) -> Self {
        // SAFETY: no memory is involved but the result's.
        let file_type = unsafe { wasi::fd_fdstat_get(STDIN) }.map(|stat| stat.fs_filetype);
        let readiness = match file_type {
            Ok(wasi::FILETYPE_REGULAR_FILE) | Err(wasi::ERRNO_BADF) => Readiness::Always,
            _ => Readiness::Polled,
        };
        // wasmer, which calls any standard input a device, takes no time for no limit. Elsewhere
        // the least time may cost a thousand times as much as none.
        let device = file_type == Ok(wasi::FILETYPE_CHARACTER_DEVICE);
        Self { readiness, shortest: u64::from(device && !terminal) }
    }

    /// Waits until there is input to read (if it is `wanted`) or `timeout` nanoseconds have passed.
    /// Returns whether to read. `idle` says for how long the guest has nothing else to do.
    pub fn wait(&mut self, wanted: bool, timeout: u64, idle: u64) -> bool {
        match self.readiness {
            Readiness::Always if wanted => true,
            Readiness::Polled if wanted => self.poll(timeout),
            Readiness::Unknown if wanted && idle >= IDLE => true,
            _ => {
                wasi_calls::sleep(timeout);
                false
            }
        }
    }

    fn poll(&mut self, timeout: u64) -> bool {
        let subscriptions = [
            wasi_calls::timer(wasi::CLOCKID_MONOTONIC, timeout.max(self.shortest)),
            wasi_calls::descriptor(STDIN, wasi::EVENTTYPE_FD_READ),
        ];
        let error = wasi_calls::poll(&subscriptions).map(|events| {
            events.iter().find(|event| event.userdata == TAG_DESCRIPTOR).map(|event| event.error)
        });
        match error {
            Ok(None) => false,
            // A read tells what is wrong, and does not block.
            Ok(Some(wasi::ERRNO_SUCCESS | wasi::ERRNO_BADF | wasi::ERRNO_IO)) => true,
            Ok(Some(_)) | Err(_) => {
                self.readiness = Readiness::Unknown;
                false
            }
        }
    }

    /// Reads into `buffer`; blocks when there is nothing.
    pub fn read(&mut self, buffer: &mut [u8]) -> Input {
        match wasi_calls::read(STDIN, buffer) {
            Ok(0) => Input::End,
            Ok(length) => Input::Bytes(length),
            Err(wasi::ERRNO_AGAIN | wasi::ERRNO_INTR) => Input::Nothing,
            Err(wasi::ERRNO_BADF) if !is_wanted() => Input::End,
            Err(error) => Input::Failed(words(error)),
        }
    }
}

/// Whether somebody meant standard input to be read. None is there, or a null device that is open
/// for writing only, as nohup(1) leaves it: wasmtime does not tell that from a file.
fn is_wanted() -> bool {
    let kind = wasi_calls::file_type(STDIN);
    kind.is_some_and(|kind| {
        kind != wasi::FILETYPE_CHARACTER_DEVICE && kind != wasi::FILETYPE_UNKNOWN
    })
}
