//! WASI's error numbers as Linux's, and in words.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use c2w_p9::Errno;

/// Linux's number for each of preview 1's, in their order.
const LINUX: [u8; 77] = [
    // success 2big acces addrinuse addrnotavail afnosupport again already badf badmsg
    5, 7, 13, 98, 99, 97, 11, 114, 9, 74, //
    // busy canceled child connaborted connrefused connreset deadlk destaddrreq dom dquot
    16, 125, 10, 103, 111, 104, 35, 89, 33, 122, //
    // exist fault fbig hostunreach idrm ilseq inprogress intr inval io
    17, 14, 27, 113, 43, 84, 115, 4, 22, 5, //
    // isconn isdir loop mfile mlink msgsize multihop nametoolong netdown netreset
    106, 21, 40, 24, 31, 90, 72, 36, 100, 102, //
    // netunreach nfile nobufs nodev noent noexec nolck nolink nomem nomsg
    101, 23, 105, 19, 2, 8, 37, 67, 12, 42, //
    // noprotoopt nospc nosys notconn notdir notempty notrecoverable notsock notsup notty
    92, 28, 38, 107, 20, 39, 131, 88, 95, 25, //
    // nxio overflow ownerdead perm pipe proto protonosupport prototype range rofs
    6, 75, 130, 1, 32, 71, 93, 91, 34, 30, //
    // spipe srch stale timedout txtbsy xdev notcapable
    29, 3, 116, 110, 26, 18, 1,
];

/// What Linux calls an error of the runtime. One that preview 1 does not know is an I/O error.
pub fn linux(errno: wasi::Errno) -> Errno {
    LINUX.get(usize::from(errno.raw())).map_or(Errno::IO, |&number| Errno(number.into()))
}

/// An error of the runtime for people.
pub fn words(errno: wasi::Errno) -> String {
    match usize::from(errno.raw()) {
        // For others there is not even a message.
        known if known < LINUX.len() => {
            let message = errno.message();
            message.trim_start_matches("Extension: ").trim_end_matches('.').to_owned()
        }
        unknown => format!("error {unknown} of the runtime"),
    }
}
