//! The outside, as WASI preview 1 shows it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use c2w_guest_abi::Stream;
use c2w_session::{Closed, Outside};
use core::fmt::{Arguments, Write};

pub const STDIN: wasi::Fd = 0;
pub const STDOUT: wasi::Fd = 1;
const STDERR: wasi::Fd = 2;

/// Tags of the subscriptions in [`wait`].
const TAG_INPUT: u64 = 1;
const TAG_TIMER: u64 = 2;

/// The WASI world.
pub struct Wasi;

impl Outside for Wasi {
    fn monotonic_ns(&mut self) -> u64 {
        clock(wasi::CLOCKID_MONOTONIC)
    }

    fn realtime_ns(&mut self) -> u64 {
        clock(wasi::CLOCKID_REALTIME)
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        // SAFETY: pointer and length are those of a live buffer.
        if unsafe { wasi::random_get(buffer.as_mut_ptr(), buffer.len()) }.is_err() {
            complain(format_args!("the runtime has no entropy (random_get failed)"));
            // Going on would give every start of this module the same keys.
            core::arch::wasm32::unreachable()
        }
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Closed> {
        let fd = match stream {
            Stream::Stdout => STDOUT,
            Stream::Stderr => STDERR,
        };
        write_all(fd, bytes)
    }

    fn kernel_log(&mut self, bytes: &[u8]) {
        let _ = write_all(STDERR, bytes);
    }
}

fn clock(id: wasi::Clockid) -> u64 {
    // SAFETY: no memory is involved.
    unsafe { wasi::clock_time_get(id, 1) }.unwrap_or(0)
}

fn write_all(fd: wasi::Fd, mut bytes: &[u8]) -> Result<(), Closed> {
    while !bytes.is_empty() {
        let vector = [wasi::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }];
        // SAFETY: the vector describes a live slice.
        match unsafe { wasi::fd_write(fd, &vector) } {
            Ok(written) => bytes = bytes.get(written..).ok_or(Closed)?,
            Err(wasi::ERRNO_INTR) => {}
            Err(wasi::ERRNO_AGAIN) => wait_writable(fd),
            Err(_) => return Err(Closed),
        }
    }
    Ok(())
}

/// One line on standard error, from c2w itself.
pub fn complain(message: Arguments<'_>) {
    let mut line = String::new();
    let _ = writeln!(line, "c2w: {message}");
    let _ = write_all(STDERR, line.as_bytes());
}

/// Whether a descriptor is a terminal: a character device that has no position. Preview 1 has no
/// better answer, and the C library asks the same way.
pub fn is_terminal(fd: wasi::Fd) -> bool {
    // SAFETY: no memory is involved but the result's.
    let Ok(stat) = (unsafe { wasi::fd_fdstat_get(fd) }) else { return false };
    let positions = wasi::RIGHTS_FD_SEEK | wasi::RIGHTS_FD_TELL;
    stat.fs_filetype == wasi::FILETYPE_CHARACTER_DEVICE && stat.fs_rights_base & positions == 0
}

/// What came of an attempt to read standard input.
pub enum Input {
    /// So many bytes.
    Bytes(usize),
    /// The end, or a standard input that cannot be read at all.
    End,
    /// Nothing at the moment.
    Nothing,
}

/// Reads standard input into `buffer`; blocks when there is nothing.
pub fn read_input(buffer: &mut [u8]) -> Input {
    let vector = [wasi::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
    // SAFETY: the vector describes a live, writable slice.
    match unsafe { wasi::fd_read(STDIN, &vector) } {
        Ok(0) => Input::End,
        Ok(length) => Input::Bytes(length.min(buffer.len())),
        Err(wasi::ERRNO_AGAIN | wasi::ERRNO_INTR) => Input::Nothing,
        Err(_) => Input::End,
    }
}

fn subscription(userdata: u64, u: wasi::SubscriptionU) -> wasi::Subscription {
    wasi::Subscription { userdata, u }
}

fn timer(timeout: u64) -> wasi::Subscription {
    let clock =
        wasi::SubscriptionClock { id: wasi::CLOCKID_MONOTONIC, timeout, precision: 0, flags: 0 };
    let u = wasi::SubscriptionUU { clock };
    subscription(TAG_TIMER, wasi::SubscriptionU { tag: wasi::EVENTTYPE_CLOCK.raw(), u })
}

fn descriptor(file_descriptor: wasi::Fd, kind: wasi::Eventtype) -> wasi::Subscription {
    let fd_read = wasi::SubscriptionFdReadwrite { file_descriptor };
    let u = wasi::SubscriptionUU { fd_read };
    subscription(TAG_INPUT, wasi::SubscriptionU { tag: kind.raw(), u })
}

fn poll(subscriptions: &[wasi::Subscription]) -> Result<Vec<wasi::Event>, wasi::Errno> {
    // SAFETY: an event is plain integers, for which zero is valid.
    let mut events: Vec<wasi::Event> = vec![unsafe { core::mem::zeroed() }; subscriptions.len()];
    // SAFETY: both pointers are to that many live elements.
    let count = unsafe {
        wasi::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len())
    }?;
    events.truncate(count);
    Ok(events)
}

/// Waits until standard input is readable (if `input`) or `timeout` nanoseconds have passed.
/// Returns whether to read standard input.
///
/// A standard input that cannot be polled is read at once: it is a regular file, which never
/// blocks, or the read says what is wrong with it.
pub fn wait(input: bool, timeout: u64) -> bool {
    let mut subscriptions = vec![timer(timeout)];
    if input {
        subscriptions.push(descriptor(STDIN, wasi::EVENTTYPE_FD_READ));
    }
    match poll(&subscriptions) {
        Ok(events) => events.iter().any(|event| event.userdata == TAG_INPUT),
        Err(_) => input,
    }
}

fn wait_writable(fd: wasi::Fd) {
    let _ = poll(&[descriptor(fd, wasi::EVENTTYPE_FD_WRITE)]);
}

/// The program's arguments, its own name included.
pub fn arguments() -> Vec<Vec<u8>> {
    // SAFETY: the sizes come from the same runtime that fills the buffers.
    unsafe { strings(wasi::args_sizes_get(), |list, data| wasi::args_get(list, data)) }
}

/// The environment, each `NAME=value`.
pub fn environment() -> Vec<Vec<u8>> {
    // SAFETY: as in `arguments`.
    unsafe { strings(wasi::environ_sizes_get(), |list, data| wasi::environ_get(list, data)) }
}

/// # Safety
/// `fill` must write at most the announced number of pointers and bytes.
unsafe fn strings(
    sizes: Result<(usize, usize), wasi::Errno>,
    fill: impl FnOnce(*mut *mut u8, *mut u8) -> Result<(), wasi::Errno>,
) -> Vec<Vec<u8>> {
    let Ok((count, length)) = sizes else { return Vec::new() };
    let mut list = vec![core::ptr::null_mut(); count];
    let mut data = vec![0; length];
    if fill(list.as_mut_ptr(), data.as_mut_ptr()).is_err() {
        return Vec::new();
    }
    // Each string ends with a NUL; they lie one after the other.
    data.split(|&byte| byte == 0).take(count).map(<[u8]>::to_vec).collect()
}

/// Ends the program.
pub fn exit(status: u8) -> ! {
    // SAFETY: does not return.
    unsafe { wasi::proc_exit(wasi::Exitcode::from(status)) };
    core::arch::wasm32::unreachable()
}
