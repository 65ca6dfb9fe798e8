//! Which terminal the command gets, by what it is asked for and what the host has.

use crate::options::TerminalChoice;
use c2w_guest_abi::{Terminal, TerminalMode, TerminalSize};

/// What a terminal without a known size has.
const DEFAULT_SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// The terminal that a program is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTerminal {
    /// Its size, where it can be asked for.
    pub size: Option<TerminalSize>,
    /// Who edits lines unless the user says otherwise.
    pub mode: TerminalMode,
}

/// What a host that cannot be asked for a terminal says of a standard stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamSigns {
    /// It calls the stream a character device, and gives no right to move in it.
    pub character_device: bool,
    /// Asked for the position in it, it says that there is none.
    pub without_position: bool,
    /// It can poll the stream, which it cannot for `/dev/null` or a file.
    pub waited_for: bool,
    /// The device that the stream is on and its number there, zero where the host has none.
    pub identity: Option<(u64, u64)>,
}

/// Whether standard input and output are one terminal. All signs must agree: a terminal over
/// pipes would cut long lines of data and join standard error with the output, so in doubt there is
/// none.
///
/// There are runtimes that call any standard stream a character device, and give each a number of
/// its own; a terminal has one number, whoever opened it.
pub fn is_one_terminal(stdin: &StreamSigns, stdout: &StreamSigns) -> bool {
    let sure =
        |signs: &StreamSigns| signs.character_device && signs.without_position && signs.waited_for;
    sure(stdin) && sure(stdout) && stdin.identity.is_some() && stdin.identity == stdout.identity
}

/// The command's terminal, if it is to have one. `host` is `None` when standard input and output
/// are not a terminal. `variables` are the program's, for `COLUMNS` and `LINES`.
pub fn choose(
    choice: TerminalChoice,
    host: Option<HostTerminal>,
    variables: &[impl AsRef<[u8]>],
) -> Option<Terminal> {
    let mode = match (choice, host) {
        (TerminalChoice::Never, _) | (TerminalChoice::Auto, None) => return None,
        (TerminalChoice::Always(Some(mode)), _) => mode,
        (_, Some(host)) => host.mode,
        // Bytes from a pipe or a file are nothing that anybody has typed.
        (TerminalChoice::Always(None), None) => TerminalMode::Cooked,
    };
    let asked = host.and_then(|host| host.size).unwrap_or(DEFAULT_SIZE);
    let size = TerminalSize {
        columns: number(variables, b"COLUMNS=").unwrap_or(asked.columns),
        rows: number(variables, b"LINES=").unwrap_or(asked.rows),
    };
    Some(Terminal { size, mode })
}

/// Whether variables tell a terminal's whole size.
pub fn has_size(variables: &[impl AsRef<[u8]>]) -> bool {
    [&b"COLUMNS="[..], b"LINES="].iter().all(|name| number(variables, name).is_some())
}

fn number(variables: &[impl AsRef<[u8]>], name: &[u8]) -> Option<u16> {
    let value = variables.iter().find_map(|variable| variable.as_ref().strip_prefix(name))?;
    str::from_utf8(value).ok()?.parse().ok().filter(|&number| number > 0)
}

/// Asks a terminal for its size: saves the cursor, moves it to the far corner, has its place
/// reported and puts it back (ECMA-48 CUP and DSR, DEC's save and restore).
pub const SIZE_QUERY: &[u8] = b"\x1b7\x1b[9999;9999H\x1b[6n\x1b8";

/// Takes the answer to [`SIZE_QUERY`], `ESC [ rows ; columns R`, out of what was read: the size and
/// the bytes around the answer, which somebody has typed.
pub fn take_size(read: &[u8]) -> Option<(TerminalSize, [&[u8]; 2])> {
    let starts = read.windows(2).enumerate().filter(|(_, two)| *two == b"\x1b[");
    starts.map(|(start, _)| start).find_map(|start| {
        let length = read[start..].iter().position(|&byte| byte == b'R')?;
        let report = str::from_utf8(&read[start + 2..start + length]).ok()?;
        let (rows, columns) = report.split_once(';')?;
        let size = TerminalSize { columns: columns.parse().ok()?, rows: rows.parse().ok()? };
        Some((size, [&read[..start], &read[start + length + 1..]]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: TerminalSize = TerminalSize { columns: 100, rows: 30 };
    const HOST: Option<HostTerminal> =
        Some(HostTerminal { size: Some(SIZE), mode: TerminalMode::Raw });
    const NONE: [&[u8]; 0] = [];

    #[test]
    fn without_a_word_the_hosts_terminal_decides() {
        let terminal = Terminal { size: SIZE, mode: TerminalMode::Raw };
        assert_eq!(choose(TerminalChoice::Auto, HOST, &NONE), Some(terminal));
        assert_eq!(choose(TerminalChoice::Auto, None, &NONE), None);
        assert_eq!(choose(TerminalChoice::Never, HOST, &NONE), None);
    }

    /// What runtimes were seen to say.
    const TERMINAL: StreamSigns = StreamSigns {
        character_device: true,
        without_position: true,
        waited_for: true,
        identity: Some((0, 0)),
    };

    #[test]
    fn a_terminal_is_one_by_all_signs() {
        // wasmtime, wazero and WasmEdge, which have no numbers, and node, which has.
        assert!(is_one_terminal(&TERMINAL, &TERMINAL));
        let numbered = StreamSigns { identity: Some((0x1a, 3)), ..TERMINAL };
        assert!(is_one_terminal(&numbered, &numbered));
        // wasmer, of pipes.
        let own = |inode| StreamSigns { identity: Some((0, inode)), ..TERMINAL };
        assert!(!is_one_terminal(&own(10), &own(11)));
        let others = [
            // A pipe; /dev/null on wazero, on WasmEdge; a runtime without fd_filestat_get.
            StreamSigns { character_device: false, ..TERMINAL },
            StreamSigns { without_position: false, ..TERMINAL },
            StreamSigns { waited_for: false, ..TERMINAL },
            StreamSigns { identity: None, ..TERMINAL },
        ];
        for other in others {
            assert!(!is_one_terminal(&other, &other), "{other:?}");
            assert!(!is_one_terminal(&TERMINAL, &other), "{other:?}");
            assert!(!is_one_terminal(&other, &TERMINAL), "{other:?}");
        }
    }

    #[test]
    fn a_terminal_can_be_had_without_one() {
        let terminal = Terminal { size: DEFAULT_SIZE, mode: TerminalMode::Cooked };
        assert_eq!(choose(TerminalChoice::Always(None), None, &NONE), Some(terminal));
        let raw = TerminalChoice::Always(Some(TerminalMode::Raw));
        assert_eq!(choose(raw, None, &NONE).unwrap().mode, TerminalMode::Raw);
    }

    #[test]
    fn variables_go_before_the_size_that_was_found() {
        let choice = TerminalChoice::Auto;
        let size = |variables: &[&str]| choose(choice, HOST, variables).unwrap().size;
        assert_eq!(size(&["LINES=50", "COLUMNS=132"]), TerminalSize { columns: 132, rows: 50 });
        assert_eq!(size(&["LINES=", "COLUMNS=0"]), SIZE);
        assert_eq!(size(&["LINES=70000", "XCOLUMNS=1"]), SIZE);
    }

    #[test]
    fn the_size_is_taken_out_of_what_was_typed() {
        assert_eq!(take_size(b"\x1b[30;100R"), Some((SIZE, [&b""[..], b""])));
        assert_eq!(take_size(b"l\x1b[As\x1b[30;100R\nx"), Some((SIZE, [&b"l\x1b[As"[..], b"\nx"])));
        for other in ["", "\x1b[", "\x1b[30;100", "R", "\x1b[30R", "\x1b[99999;1R", "\x1b[;R"] {
            assert_eq!(take_size(other.as_bytes()), None, "{other:?}");
        }
    }
}
