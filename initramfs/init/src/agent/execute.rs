//! The last step: finding the program and execve(2).

use crate::command::lookup;
use crate::failure::{MACHINE, NOT_EXECUTABLE, NOT_FOUND, Result, failure};
use c2w_guest_abi::Failure;
use rustix::io::Errno;
use std::convert::Infallible;
use std::ffi::{CStr, CString};

/// Replaces this process. A name without a slash is searched in the command's own `PATH`.
///
/// # Errors
/// In Docker's words, with the status that `docker run` has for them.
pub fn execute(args: &[Vec<u8>], env: &[Vec<u8>]) -> Result<Infallible> {
    let program = args.first().map(Vec::as_slice).unwrap_or_default();
    let arguments = c_strings(args, "an argument")?;
    let variables = c_strings(env, "an environment variable")?;
    let mut denied: Option<&str> = None;
    for candidate in candidates(program, lookup(env, b"PATH").unwrap_or_default()) {
        let Ok(path) = CString::new(candidate) else { continue };
        match execve(&path, &arguments, &variables) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS if is_directory(&path) => denied = Some("is a directory"),
            Errno::ACCESS => denied = Some("permission denied"),
            Errno::NOEXEC => return Err(refused(program, "exec format error")),
            error => return Err(refused(program, &error.to_string())),
        }
    }
    Err(match denied {
        Some(why) => refused(program, why),
        None if program.contains(&b'/') => missing(program, "no such file or directory"),
        None => missing(program, "executable file not found in $PATH"),
    })
}

/// The paths to try, in order.
fn candidates(program: &[u8], search_path: &[u8]) -> Vec<Vec<u8>> {
    if program.contains(&b'/') {
        return vec![program.to_vec()];
    }
    if program.is_empty() {
        return vec![];
    }
    let join = |directory: &[u8]| match directory {
        // An empty element is the current directory.
        b"" => [b"./", program].concat(),
        directory => [directory, b"/", program].concat(),
    };
    search_path.split(|&byte| byte == b':').map(join).collect()
}

fn refused(program: &[u8], why: &str) -> Failure {
    failure(NOT_EXECUTABLE, format!("exec: {:?}: {why}", String::from_utf8_lossy(program)))
}

fn missing(program: &[u8], why: &str) -> Failure {
    failure(NOT_FOUND, format!("exec: {:?}: {why}", String::from_utf8_lossy(program)))
}

fn is_directory(path: &CStr) -> bool {
    rustix::fs::stat(path)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
}

fn c_strings(strings: &[Vec<u8>], what: &str) -> Result<Vec<CString>> {
    let convert = |string: &Vec<u8>| CString::new(&string[..]);
    strings
        .iter()
        .map(convert)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| failure(MACHINE, format!("{what} contains a NUL byte")))
}

/// execve(2); returns only its error. std's `exec` cannot pass an environment unchanged.
#[allow(unsafe_code)]
fn execve(path: &CStr, args: &[CString], env: &[CString]) -> Errno {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end with a null pointer and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_and_a_path_is_not() {
        let found = candidates(b"sh", b"/usr/bin::/bin");
        assert_eq!(found, [&b"/usr/bin/sh"[..], b"./sh", b"/bin/sh"]);
        assert_eq!(candidates(b"./sh", b"/bin"), [b"./sh"]);
        assert!(candidates(b"", b"/bin").is_empty());
    }

    #[test]
    fn failures_have_dockers_words_and_status() {
        let path = vec![b"PATH=/nowhere:/usr/bin".to_vec()];
        for (program, status, message) in [
            ("c2w-ghost", 127, "exec: \"c2w-ghost\": executable file not found in $PATH"),
            ("", 127, "exec: \"\": executable file not found in $PATH"),
            ("/c2w/ghost", 127, "exec: \"/c2w/ghost\": no such file or directory"),
            ("/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied"),
            ("/usr", 126, "exec: \"/usr\": is a directory"),
        ] {
            let failed = execute(&[program.into()], &path).unwrap_err();
            assert_eq!((failed.status, failed.message.as_str()), (status, message));
        }
        let nul = execute(&[b"true".to_vec(), b"a\0b".to_vec()], &path).unwrap_err();
        assert_eq!(nul.status, MACHINE);
    }
}
