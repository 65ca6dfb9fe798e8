//! What WASI preview 1 tells of a terminal: whether there is one. Neither its size nor its mode can
//! be asked for, let alone set.

use crate::standard_input::{Input, StandardInput};
use crate::wasi_host::{self, STDIN, STDOUT, Wasi};
use alloc::vec::Vec;
use c2w_guest_abi::{Stream, Terminal, TerminalMode};
use c2w_session::Outside;
use c2w_session::terminal::{HostTerminal, SIZE_QUERY, has_size, take_size};

/// How long a terminal gets to answer, in nanoseconds: one at the end of a slow line, too.
const PATIENCE: u64 = 500_000_000;
/// Longer than any answer, with some typing around it.
const LONGEST_ANSWER: usize = 256;

/// The terminal that standard input and output are, if both are. It is as terminals are by
/// default: nobody but the user can say otherwise.
pub fn find() -> Option<HostTerminal> {
    let both = wasi_host::is_terminal(STDIN) && wasi_host::is_terminal(STDOUT);
    both.then_some(HostTerminal { size: None, mode: TerminalMode::Cooked })
}

/// Asks a raw terminal for its size, unless `variables` say it: a cooked one would show the answer
/// and keep it until the line ends. Returns what was typed meanwhile.
pub fn ask_size(
    wanted: &mut Terminal,
    variables: &[Vec<u8>],
    input: &mut StandardInput,
) -> Vec<u8> {
    let mut read = Vec::new();
    if wanted.mode != TerminalMode::Raw
        || has_size(variables)
        || Wasi.output(Stream::Stdout, SIZE_QUERY).is_err()
    {
        return read;
    }
    let deadline = Wasi.monotonic_ns() + PATIENCE;
    loop {
        if let Some((size, [before, after])) = take_size(&read) {
            wanted.size = size;
            return [before, after].concat();
        }
        let left = deadline.saturating_sub(Wasi.monotonic_ns());
        if left == 0 || read.len() > LONGEST_ANSWER || !input.wait(true, left, 0) {
            return read;
        }
        let mut bytes = [0; LONGEST_ANSWER];
        match input.read(&mut bytes) {
            Input::Bytes(length) => read.extend_from_slice(&bytes[..length]),
            // The end comes again when the command asks for input.
            Input::End => return read,
            Input::Nothing => {}
        }
    }
}
