//! Linux's error numbers, which Rlerror carries.

/// A result whose error goes to the guest.
pub type Result<T> = core::result::Result<T, Errno>;

/// An error number of Linux (`uapi/asm-generic/errno.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub u32);

macro_rules! errnos {
    ($($name:ident = $number:literal, $what:literal;)*) => {
        impl Errno {
            $(#[doc = $what] pub const $name: Self = Self($number);)*
        }
    };
}

errnos! {
    PERM = 1, "Operation not permitted.";
    NOENT = 2, "No such file or directory.";
    INTR = 4, "Interrupted system call.";
    IO = 5, "Input/output error.";
    NXIO = 6, "No such device or address.";
    TOOBIG = 7, "Argument list too long.";
    BADF = 9, "Bad file descriptor.";
    AGAIN = 11, "Try again.";
    NOMEM = 12, "Out of memory.";
    ACCES = 13, "Permission denied.";
    FAULT = 14, "Bad address.";
    BUSY = 16, "Device or resource busy.";
    EXIST = 17, "File exists.";
    XDEV = 18, "Cross-device link.";
    NODEV = 19, "No such device.";
    NOTDIR = 20, "Not a directory.";
    ISDIR = 21, "Is a directory.";
    INVAL = 22, "Invalid argument.";
    NFILE = 23, "Too many open files in the system.";
    MFILE = 24, "Too many open files.";
    NOTTY = 25, "Not a terminal.";
    TXTBSY = 26, "Text file busy.";
    FBIG = 27, "File too large.";
    NOSPC = 28, "No space left on device.";
    SPIPE = 29, "Illegal seek.";
    ROFS = 30, "Read-only file system.";
    MLINK = 31, "Too many links.";
    PIPE = 32, "Broken pipe.";
    DOM = 33, "Argument out of domain.";
    RANGE = 34, "Result out of range.";
    DEADLK = 35, "Deadlock avoided.";
    NAMETOOLONG = 36, "File name too long.";
    NOLCK = 37, "No record locks available.";
    NOSYS = 38, "Function not implemented.";
    NOTEMPTY = 39, "Directory not empty.";
    LOOP = 40, "Too many symbolic links.";
    OVERFLOW = 75, "Value too large.";
    ILSEQ = 84, "Illegal byte sequence.";
    OPNOTSUPP = 95, "Operation not supported.";
    TIMEDOUT = 110, "Timed out.";
    STALE = 116, "Stale file handle.";
    DQUOT = 122, "Quota exceeded.";
    CANCELED = 125, "Operation canceled.";
}
