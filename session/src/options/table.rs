//! The options, once: what reads them, what lists them, and what other programs take over.

use super::values::{capabilities, device, hostname, network, terminal, tmpfs_mount, variable};
use super::{Parsed, TerminalChoice, UsageError};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// An option that a module takes.
pub struct OptionSpec {
    /// Its name, to be written with two dashes or one.
    pub long: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// What it does, in lines of up to 60 characters.
    pub help: &'static str,
    pub(super) set: Set,
}

/// How an option is applied, and so what value it takes.
pub(super) enum Set {
    /// None, or Docker's `=true` and `=false`.
    Flag(fn(&mut Parsed, bool)),
    /// One, by this name.
    Value(&'static str, fn(&mut Parsed, Vec<u8>) -> Result<(), UsageError>),
    /// The same, only as `--name=value`.
    OptionalValue(&'static str, fn(&mut Parsed, Option<&[u8]>) -> Result<(), UsageError>),
}

impl OptionSpec {
    /// What to call its value, if it takes one other than true and false.
    pub fn value_name(&self) -> Option<&'static str> {
        match self.set {
            Set::Flag(_) => None,
            Set::Value(name, _) | Set::OptionalValue(name, _) => Some(name),
        }
    }

    /// Whether a value has to be given.
    pub fn needs_value(&self) -> bool {
        matches!(self.set, Set::Value(..))
    }

    /// How it is written: `-e, --env NAME=VALUE`.
    fn synopsis(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let value = match self.set {
            Set::Flag(_) => String::new(),
            Set::Value(name, _) => format!(" {name}"),
            Set::OptionalValue(name, _) => format!("[={name}]"),
        };
        format!("{short}--{}{value}", self.long)
    }
}

/// All options but `--help`.
pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        long: "entrypoint",
        short: None,
        help: "run CMD in place of the image's entrypoint",
        set: Set::Value("CMD", |parsed, value| {
            // Docker: an empty entrypoint only clears the image's.
            let words = if value.is_empty() { vec![] } else { vec![value] };
            parsed.request.entrypoint = Some(words);
            Ok(())
        }),
    },
    OptionSpec {
        long: "env",
        short: Some('e'),
        help: "set a variable; NAME alone takes the value from outside",
        set: Set::Value("NAME=VALUE", |parsed, value| {
            let variable = variable(value, &parsed.environment)?;
            parsed.request.env.push(variable);
            Ok(())
        }),
    },
    OptionSpec {
        long: "workdir",
        short: Some('w'),
        help: "start in DIR",
        set: Set::Value("DIR", |parsed, value| {
            parsed.request.workdir = Some(value);
            Ok(())
        }),
    },
    OptionSpec {
        long: "user",
        short: Some('u'),
        help: "run as this user, by name or number",
        set: Set::Value("USER[:GRP]", |parsed, value| {
            parsed.request.user = Some(value);
            Ok(())
        }),
    },
    OptionSpec {
        long: "hostname",
        short: Some('h'),
        help: "the container's host name",
        set: Set::Value("NAME", |parsed, value| {
            parsed.request.hostname = hostname(value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "interactive",
        short: Some('i'),
        help: "pass standard input on (always done)",
        set: Set::Flag(|parsed, on| parsed.request.stdin = on),
    },
    OptionSpec {
        long: "no-stdin",
        short: None,
        help: "the command reads /dev/null",
        set: Set::Flag(|parsed, on| parsed.request.stdin = !on),
    },
    OptionSpec {
        long: "tty",
        short: Some('t'),
        help: "a terminal. MODE: cooked (the host's terminal echoes and edits\n\
               lines) or raw (it passes every key, after `stty raw -echo`)",
        set: Set::OptionalValue("MODE", |parsed, value| {
            parsed.terminal = terminal(value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "no-tty",
        short: None,
        help: "no terminal, even when run in one",
        set: Set::Flag(|parsed, on| {
            parsed.terminal = if on { TerminalChoice::Never } else { TerminalChoice::Auto };
        }),
    },
    OptionSpec {
        long: "read-only",
        short: None,
        help: "the container's root cannot be written",
        set: Set::Flag(|parsed, on| parsed.request.read_only = on),
    },
    OptionSpec {
        long: "init",
        short: None,
        help: "process 1 is one that reaps and passes signals on, not COMMAND",
        set: Set::Flag(|parsed, on| parsed.request.init = on),
    },
    OptionSpec {
        long: "rm",
        short: None,
        help: "taken and of no effect: a container leaves nothing behind",
        set: Set::Flag(|_, _| {}),
    },
    OptionSpec {
        long: "network",
        short: None,
        help: "only none, which is what every container has",
        set: Set::Value("NETWORK", |_, value| network(&value)),
    },
    OptionSpec {
        long: "tmpfs",
        short: None,
        help: "an empty file system in memory at DIR",
        set: Set::Value("DIR[:OPTIONS]", |parsed, value| {
            parsed.request.tmpfs.push(tmpfs_mount(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "cap-add",
        short: None,
        help: "give a capability beyond Docker's, or ALL",
        set: Set::Value("CAP", |parsed, value| {
            parsed.request.capabilities.add |= capabilities(&value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "cap-drop",
        short: None,
        help: "take a capability away, or ALL",
        set: Set::Value("CAP", |parsed, value| {
            parsed.request.capabilities.drop |= capabilities(&value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "device",
        short: None,
        help: "give a device of the machine, as AT",
        set: Set::Value("DEV[:AT[:rwm]]", |parsed, value| {
            parsed.request.devices.push(device(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "privileged",
        short: None,
        help: "give all capabilities and devices, and a writable /proc and /sys",
        set: Set::Flag(|parsed, on| parsed.request.privileged = on),
    },
    OptionSpec {
        long: "debug-image",
        short: None,
        help: "show the guest kernel's console",
        set: Set::Flag(|parsed, on| parsed.request.debug = on),
    },
];

/// The option of this name, or of this letter.
pub(super) fn find(name: &[u8]) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| {
        let is_short = option.short.is_some_and(|letter| name == [letter as u8]);
        is_short || option.long.as_bytes() == name
    })
}

/// What `--help` shows.
pub fn help() -> String {
    const HEAD: &str = "\
Usage: [options] [COMMAND] [ARG...]

Runs COMMAND in the container, or the image's own command.

Options (they end at the first other argument, or at --):
";
    /// Where the second column begins.
    const COLUMN: usize = 25;
    let mut help = String::from(HEAD);
    let lines = OPTIONS.iter().map(|option| (option.synopsis(), option.help));
    for (synopsis, text) in lines.chain([("--help".into(), "show this")]) {
        let text = text.replace('\n', &format!("\n{:COLUMN$}", ""));
        help += &format!("  {synopsis:width$} {text}\n", width = COLUMN - 3);
    }
    help
}
