//! The calls of WASI preview 1, for which Rust's standard library is not there.

use crate::errno::words;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use c2w_session::Closed;
use core::fmt::{Arguments, Write};

pub const STDIN: wasi::Fd = 0;
pub const STDOUT: wasi::Fd = 1;
pub const STDERR: wasi::Fd = 2;

/// Tells events of [`descriptor`] and [`timer`] apart.
pub const TAG_DESCRIPTOR: u64 = 1;
const TAG_TIMER: u64 = 2;

/// How long to wait for an output that takes nothing now and cannot be polled, in nanoseconds.
const RETRY: u64 = 1_000_000;

/// Nanoseconds on a clock.
pub fn clock(id: wasi::Clockid) -> u64 {
    // SAFETY: no memory is involved.
    unsafe { wasi::clock_time_get(id, 1) }.unwrap_or(0)
}

/// Fills `buffer` with random bytes, or ends the program: without them every start of this module
/// would have the same keys.
pub fn random(buffer: &mut [u8]) {
    // SAFETY: pointer and length are those of a live buffer.
    if unsafe { wasi::random_get(buffer.as_mut_ptr(), buffer.len()) }.is_err() {
        complain(format_args!("the runtime has no entropy (random_get failed)"));
        core::arch::wasm32::unreachable()
    }
}

/// A random number.
pub fn random_number() -> u64 {
    let mut bytes = [0; 8];
    random(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Reads into `buffer`; how many bytes.
pub fn read(fd: wasi::Fd, buffer: &mut [u8]) -> Result<usize, wasi::Errno> {
    let vector = [wasi::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() }];
    // SAFETY: the vector describes a live, writable slice.
    unsafe { wasi::fd_read(fd, &vector) }.map(|length| length.min(buffer.len()))
}

/// Writes from `bytes`; how many. One that says it has taken more has taken all.
pub fn write(fd: wasi::Fd, bytes: &[u8]) -> Result<usize, wasi::Errno> {
    let vector = [wasi::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() }];
    // SAFETY: the vector describes a live slice.
    unsafe { wasi::fd_write(fd, &vector) }.map(|length| length.min(bytes.len()))
}

/// A connection to a descriptor on which the runtime listens.
#[cfg(not(feature = "wasip2"))]
pub fn accept(listener: wasi::Fd) -> Result<wasi::Fd, wasi::Errno> {
    // SAFETY: no memory is involved but the result's.
    unsafe { wasi::sock_accept(listener, wasi::FDFLAGS_NONBLOCK) }
}

/// Has calls on a descriptor say that they would block, in place of blocking.
#[cfg(not(feature = "wasip2"))]
pub fn do_not_block(fd: wasi::Fd) -> Result<(), wasi::Errno> {
    // SAFETY: no memory is involved.
    unsafe { wasi::fd_fdstat_set_flags(fd, wasi::FDFLAGS_NONBLOCK) }
}

/// Closes a descriptor of the caller's own. There is nothing to do about an error.
#[cfg(not(feature = "wasip2"))]
pub fn close(fd: wasi::Fd) {
    // SAFETY: no memory is involved.
    let _ = unsafe { wasi::fd_close(fd) };
}

/// Writes everything, waiting for a descriptor that takes nothing at the moment.
pub fn write_all(fd: wasi::Fd, mut bytes: &[u8]) -> Result<(), Closed> {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(wasi::ERRNO_INTR) => {}
            Err(wasi::ERRNO_AGAIN) => wait_writable(fd),
            Err(wasi::ERRNO_PIPE) => return Err(Closed::ReaderGone),
            Err(wasi::ERRNO_BADF) if file_type(fd).is_none() => return Err(Closed::ReaderGone),
            Err(wasi::ERRNO_IO) if may_have_reader(fd) => return Err(Closed::ReaderGone),
            Err(error) => return Err(Closed::Failed(words(error))),
        }
    }
    Ok(())
}

/// Whether a descriptor is something that can lose its reader. An I/O error is what wasmtime and
/// wazero make of EPIPE, and wazero of a full disk, too.
fn may_have_reader(fd: wasi::Fd) -> bool {
    let file =
        [wasi::FILETYPE_REGULAR_FILE, wasi::FILETYPE_CHARACTER_DEVICE, wasi::FILETYPE_BLOCK_DEVICE];
    !file_type(fd).is_some_and(|kind| file.contains(&kind))
}

/// What a descriptor is, if there is one.
pub fn file_type(fd: wasi::Fd) -> Option<wasi::Filetype> {
    // SAFETY: no memory is involved but the result's.
    unsafe { wasi::fd_fdstat_get(fd) }.map(|status| status.fs_filetype).ok()
}

/// One line on standard error, from c2w itself.
pub fn complain(message: Arguments<'_>) {
    let mut line = String::new();
    let _ = writeln!(line, "c2w: {message}");
    let _ = write_all(STDERR, line.as_bytes());
}

fn subscription(userdata: u64, u: wasi::SubscriptionU) -> wasi::Subscription {
    wasi::Subscription { userdata, u }
}

/// Of `timeout` nanoseconds from now, on a clock.
pub fn timer(clock: wasi::Clockid, timeout: u64) -> wasi::Subscription {
    let clock = wasi::SubscriptionClock { id: clock, timeout, precision: 0, flags: 0 };
    let u = wasi::SubscriptionUU { clock };
    subscription(TAG_TIMER, wasi::SubscriptionU { tag: wasi::EVENTTYPE_CLOCK.raw(), u })
}

/// Of a descriptor that can be read or written.
pub fn descriptor(file_descriptor: wasi::Fd, kind: wasi::Eventtype) -> wasi::Subscription {
    let fd_read = wasi::SubscriptionFdReadwrite { file_descriptor };
    let u = wasi::SubscriptionUU { fd_read };
    subscription(TAG_DESCRIPTOR, wasi::SubscriptionU { tag: kind.raw(), u })
}

/// Waits for the first of some subscriptions. Runtimes differ in which others they report too.
pub fn poll(subscriptions: &[wasi::Subscription]) -> Result<Vec<wasi::Event>, wasi::Errno> {
    // SAFETY: an event is plain integers, for which zero is valid.
    let mut events: Vec<wasi::Event> = vec![unsafe { core::mem::zeroed() }; subscriptions.len()];
    // SAFETY: both pointers are to that many live elements.
    let count = unsafe {
        wasi::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), subscriptions.len())
    }?;
    events.truncate(count);
    Ok(events)
}

/// Sleeps for `timeout` nanoseconds, or for less where the runtime has no clock to wait for: then
/// there is nothing better than to let others run in between.
pub fn sleep(timeout: u64) {
    let slept = |clock| {
        let events = poll(&[timer(clock, timeout)]).unwrap_or_default();
        events.iter().any(|event| event.error == wasi::ERRNO_SUCCESS)
    };
    if timeout > 0 && !slept(wasi::CLOCKID_MONOTONIC) && !slept(wasi::CLOCKID_REALTIME) {
        // SAFETY: no memory is involved.
        let _ = unsafe { wasi::sched_yield() };
    }
}

fn wait_writable(fd: wasi::Fd) {
    if poll(&[descriptor(fd, wasi::EVENTTYPE_FD_WRITE)]).is_err() {
        sleep(RETRY);
    }
}

/// The program's arguments, its own name included.
#[cfg(not(feature = "wasip2"))]
pub fn arguments() -> Vec<Vec<u8>> {
    // SAFETY: the sizes come from the same runtime that fills the buffers.
    unsafe { strings(wasi::args_sizes_get(), |list, data| wasi::args_get(list, data)) }
}

/// The environment, each `NAME=value`.
#[cfg(not(feature = "wasip2"))]
pub fn environment() -> Vec<Vec<u8>> {
    // SAFETY: as in `arguments`.
    unsafe { strings(wasi::environ_sizes_get(), |list, data| wasi::environ_get(list, data)) }
}

/// # Safety
/// `fill` must write at most the announced number of pointers and bytes.
#[cfg(not(feature = "wasip2"))]
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
#[cfg(not(feature = "wasip2"))]
pub fn exit(status: u8) -> ! {
    // SAFETY: does not return.
    unsafe { wasi::proc_exit(wasi::Exitcode::from(status)) };
    core::arch::wasm32::unreachable()
}
