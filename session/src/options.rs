//! The options of a module: `out.wasm [options] [COMMAND] [ARG...]`.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use c2w_guest_abi::RunRequest;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
// There is one in a run, and it is taken apart at once.
#[allow(clippy::large_enum_variant)]
pub enum Invocation {
    /// Run the command.
    Run(RunRequest),
    /// Show [`HELP`].
    Help,
}

/// A command line that makes no sense: the text says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

/// What `--help` shows.
pub const HELP: &str = "\
Usage: [options] [COMMAND] [ARG...]

Runs COMMAND in the container, or the image's own command.

Options (they end at the first other argument, or at --):
  --entrypoint CMD   run CMD in place of the image's entrypoint
  --no-stdin         the command reads /dev/null
  --help             show this
";

/// Reads a module's arguments, without its own name, and its environment (`NAME=value`).
///
/// # Errors
/// [`UsageError`] for an unknown option or a missing value.
pub fn parse(
    arguments: impl IntoIterator<Item = Vec<u8>>,
    environment: Vec<Vec<u8>>,
) -> Result<Invocation, UsageError> {
    let mut request = RunRequest { stdin: true, env: environment, ..RunRequest::default() };
    let mut arguments = arguments.into_iter().peekable();
    while let Some(option) = arguments.next_if(|argument| argument.starts_with(b"-")) {
        // Both forms, as the options of container2wasm: `-name` and `--name`, `--name=value`.
        let name = option.strip_prefix(b"--").unwrap_or(&option[1..]);
        let (name, value) = match name.iter().position(|&byte| byte == b'=') {
            Some(at) => (&name[..at], Some(name[at + 1..].to_vec())),
            None => (name, None),
        };
        match (name, value) {
            (b"", None) => break,
            (b"entrypoint", value) => {
                let value = value.or_else(|| arguments.next());
                let command =
                    value.ok_or_else(|| UsageError("--entrypoint needs a command".into()))?;
                // Docker: an empty entrypoint only clears the image's.
                let command = if command.is_empty() { Vec::new() } else { vec![command] };
                request.entrypoint = Some(command);
            }
            (b"no-stdin", None) => request.stdin = false,
            (b"help" | b"h", None) => return Ok(Invocation::Help),
            _ => {
                let option = String::from_utf8_lossy(&option);
                return Err(UsageError(format!("unknown option {option}; try --help")));
            }
        }
    }
    request.args = arguments.collect();
    Ok(Invocation::Run(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> RunRequest {
        match parse(arguments.iter().map(|text| text.as_bytes().to_vec()), Vec::new()) {
            Ok(Invocation::Run(request)) => request,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn options_end_at_the_command() {
        let request = run(&["--no-stdin", "ls", "--entrypoint", "x"]);
        assert!(!request.stdin);
        assert_eq!(request.entrypoint, None);
        assert_eq!(request.args, [b"ls".to_vec(), b"--entrypoint".to_vec(), b"x".to_vec()]);
    }

    #[test]
    fn two_dashes_end_the_options_too() {
        assert_eq!(run(&["--", "-x"]).args, [b"-x".to_vec()]);
        assert_eq!(run(&["--", "--"]).args, [b"--".to_vec()]);
    }

    #[test]
    fn entrypoint_takes_its_value_either_way() {
        for arguments in [&["--entrypoint", "cat", "f"][..], &["--entrypoint=cat", "f"]] {
            let request = run(arguments);
            assert_eq!(request.entrypoint, Some(vec![b"cat".to_vec()]));
            assert_eq!(request.args, [b"f".to_vec()]);
        }
        assert_eq!(run(&["--entrypoint", ""]).entrypoint, Some(vec![]));
    }

    #[test]
    fn empty_arguments_stay() {
        assert_eq!(run(&["", "-x"]).args, [b"".to_vec(), b"-x".to_vec()]);
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [&["--bogus"][..], &["--entrypoint"], &["--no-stdin=1"], &["-x", "y"]] {
            let bytes = arguments.iter().map(|text| text.as_bytes().to_vec());
            assert!(parse(bytes, Vec::new()).is_err(), "{arguments:?}");
        }
    }
}
