//! The options, once: what reads them, what lists them, and what other programs take over.

use super::network;
use super::values::{capabilities, device, hostname, terminal, tmpfs_mount, variable};
use super::{Parsed, TerminalChoice, UsageError};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// An option that a module takes.
pub struct OptionSpec {
    /// Its name, to be written with two dashes or one.
    pub long: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
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
        aliases: &[],
        short: None,
        help: "run CMD in place of the image's entrypoint",
        set: Set::Value("CMD", |parsed, value| {
            // Docker: an empty entrypoint only clears the image's.
            let words = if value.is_empty() { vec![] } else { vec![value] };
            parsed.run.request.entrypoint = Some(words);
            Ok(())
        }),
    },
    OptionSpec {
        long: "env",
        aliases: &[],
        short: Some('e'),
        help: "set a variable; NAME alone takes the value from outside",
        set: Set::Value("NAME=VALUE", |parsed, value| {
            let variable = variable(value, &parsed.environment)?;
            parsed.run.request.env.push(variable);
            Ok(())
        }),
    },
    OptionSpec {
        long: "workdir",
        aliases: &[],
        short: Some('w'),
        help: "start in DIR",
        set: Set::Value("DIR", |parsed, value| {
            parsed.run.request.workdir = Some(value);
            Ok(())
        }),
    },
    OptionSpec {
        long: "user",
        aliases: &[],
        short: Some('u'),
        help: "run as this user, by name or number",
        set: Set::Value("USER[:GRP]", |parsed, value| {
            parsed.run.request.user = Some(value);
            Ok(())
        }),
    },
    OptionSpec {
        long: "hostname",
        aliases: &[],
        short: Some('h'),
        help: "the container's host name",
        set: Set::Value("NAME", |parsed, value| {
            parsed.run.request.hostname = hostname(value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "interactive",
        aliases: &[],
        short: Some('i'),
        help: "pass standard input on (always done)",
        set: Set::Flag(|parsed, on| parsed.run.request.stdin = on),
    },
    OptionSpec {
        long: "no-stdin",
        aliases: &[],
        short: None,
        help: "the command reads /dev/null",
        set: Set::Flag(|parsed, on| parsed.run.request.stdin = !on),
    },
    OptionSpec {
        long: "tty",
        aliases: &[],
        short: Some('t'),
        help: "a terminal. MODE: cooked (the host's terminal echoes and edits\n\
               lines) or raw (it passes every key, after `stty raw -echo`)",
        set: Set::OptionalValue("MODE", |parsed, value| {
            parsed.run.terminal = terminal(value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "no-tty",
        aliases: &[],
        short: None,
        help: "no terminal, even when run in one",
        set: Set::Flag(|parsed, on| {
            parsed.run.terminal = if on { TerminalChoice::Never } else { TerminalChoice::Auto };
        }),
    },
    OptionSpec {
        long: "read-only",
        aliases: &[],
        short: None,
        help: "the container's root cannot be written",
        set: Set::Flag(|parsed, on| parsed.run.request.read_only = on),
    },
    OptionSpec {
        long: "init",
        aliases: &[],
        short: None,
        help: "process 1 is one that reaps and passes signals on, not COMMAND",
        set: Set::Flag(|parsed, on| parsed.run.request.init = on),
    },
    OptionSpec {
        long: "rm",
        aliases: &[],
        short: None,
        help: "taken and of no effect: a container leaves nothing behind",
        set: Set::Flag(|_, _| {}),
    },
    OptionSpec {
        long: "network",
        aliases: &["net"],
        short: None,
        help: "user (connections of this process), none, or frames for\n\
               others: qemu=HOST:PORT, qemu=unix:PATH, socket, dir=DIR",
        set: Set::Value("NETWORK", |parsed, value| {
            parsed.run.network.mode = Some(network::mode(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "publish",
        aliases: &[],
        short: Some('p'),
        help: "pass connections to PORT of IP (127.0.0.1) on to the\n\
               container's AT; also PORT-PORT:AT-AT, and AT/udp",
        set: Set::Value("[[IP:]PORT:]AT", |parsed, value| {
            parsed.run.network.publish.extend(network::publish(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "publish-all",
        aliases: &[],
        short: Some('P'),
        help: "publish what the image exposes, at free ports",
        set: Set::Flag(|parsed, on| parsed.run.network.publish_all = on),
    },
    OptionSpec {
        long: "dns",
        aliases: &[],
        short: None,
        help: "ask this name server",
        set: Set::Value("IP", |parsed, value| {
            parsed.run.network.name_servers.push(network::name_server(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "dns-search",
        aliases: &[],
        short: None,
        help: "look names up in this domain, too",
        set: Set::Value("DOMAIN", |parsed, value| {
            parsed.run.network.search.push(network::search(value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "add-host",
        aliases: &[],
        short: None,
        help: "a line of /etc/hosts; host-gateway is the IP of this host",
        set: Set::Value("NAME:IP", |parsed, value| {
            parsed.run.network.hosts.push(network::host(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "mac-address",
        aliases: &["mac"],
        short: None,
        help: "the container's Ethernet address",
        set: Set::Value("MAC", |parsed, value| {
            parsed.run.network.mac = Some(network::mac(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "tmpfs",
        aliases: &[],
        short: None,
        help: "an empty file system in memory at DIR",
        set: Set::Value("DIR[:OPTIONS]", |parsed, value| {
            parsed.run.request.tmpfs.push(tmpfs_mount(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "cap-add",
        aliases: &[],
        short: None,
        help: "give a capability beyond Docker's, or ALL",
        set: Set::Value("CAP", |parsed, value| {
            parsed.run.request.capabilities.add |= capabilities(&value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "cap-drop",
        aliases: &[],
        short: None,
        help: "take a capability away, or ALL",
        set: Set::Value("CAP", |parsed, value| {
            parsed.run.request.capabilities.drop |= capabilities(&value)?;
            Ok(())
        }),
    },
    OptionSpec {
        long: "device",
        aliases: &[],
        short: None,
        help: "give a device of the machine, as AT",
        set: Set::Value("DEV[:AT[:rwm]]", |parsed, value| {
            parsed.run.request.devices.push(device(&value)?);
            Ok(())
        }),
    },
    OptionSpec {
        long: "privileged",
        aliases: &[],
        short: None,
        help: "give all capabilities and devices, and a writable /proc and /sys",
        set: Set::Flag(|parsed, on| parsed.run.request.privileged = on),
    },
    OptionSpec {
        long: "debug-image",
        aliases: &[],
        short: None,
        help: "show the guest kernel's console",
        set: Set::Flag(|parsed, on| parsed.run.request.debug = on),
    },
];

/// The option of this name, or of this letter.
pub(super) fn find(name: &[u8]) -> Option<&'static OptionSpec> {
    OPTIONS.iter().find(|option| {
        let is_short = option.short.is_some_and(|letter| name == [letter as u8]);
        let mut names = option.aliases.iter().chain([&option.long]);
        is_short || names.any(|long| long.as_bytes() == name)
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
