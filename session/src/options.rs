//! The options of a module: `out.wasm [options] [COMMAND] [ARG...]`.

mod network;
mod table;
mod values;

pub use network::{
    HostAddress, NetworkMode, NetworkOptions, Peer, Protocol, PublishedPort, exposed_ports, peer,
    publish,
};
pub use table::{OPTIONS, OptionSpec, help};

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use c2w_guest_abi::{RunRequest, TerminalMode};
use table::Set;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
// There is one in a run, and it is taken apart at once.
#[allow(clippy::large_enum_variant)]
pub enum Invocation {
    /// Run the command.
    Run(RunOptions),
    /// Show [`help`].
    Help,
}

/// What the options and the arguments behind them ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// What the guest is told.
    pub request: RunRequest,
    /// Whether the command gets a terminal.
    pub terminal: TerminalChoice,
    /// The container's network.
    pub network: NetworkOptions,
}

/// Whether the command gets a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TerminalChoice {
    /// When standard input and output are one.
    #[default]
    Auto,
    /// No.
    Never,
    /// Yes; in this mode, or in the one that suits the host's.
    Always(Option<TerminalMode>),
}

/// The variables around a program.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Each `NAME=value`.
    pub variables: Vec<Vec<u8>>,
    /// Whether the command gets them all, or only those that it is given by name.
    pub handed_on: bool,
}

/// A command line that makes no sense: the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// What to do about an unknown option: such an error ends so.
pub const UNKNOWN_TIP: &str = "try --help, or -- before the command";

/// Reads a module's arguments, without its own name.
///
/// # Errors
/// [`UsageError`] for an unknown option, a missing value or one that makes no sense.
pub fn parse(
    arguments: impl IntoIterator<Item = Vec<u8>>,
    environment: Environment,
) -> Result<Invocation, UsageError> {
    let handed_on = environment.handed_on.then(|| environment.variables.clone());
    let mut parsed = Parsed {
        run: RunOptions {
            request: RunRequest {
                stdin: true,
                env: handed_on.unwrap_or_default(),
                ..RunRequest::default()
            },
            ..RunOptions::default()
        },
        environment: environment.variables,
    };
    let mut arguments: VecDeque<Vec<u8>> = arguments.into_iter().collect();
    while let Some(option) = arguments.pop_front_if(|argument| argument.starts_with(b"-")) {
        // Both forms, as the options of container2wasm: `-name` and `--name`, `--name=value`.
        let name = option.strip_prefix(b"--").unwrap_or(&option[1..]);
        let (name, value) = match name.iter().position(|&byte| byte == b'=') {
            Some(at) => (&name[..at], Some(name[at + 1..].to_vec())),
            None => (name, None),
        };
        match name {
            b"" if value.is_none() => break,
            b"help" if value.is_none() => return Ok(Invocation::Help),
            // As in most programs; with a word behind it, it is Docker's.
            b"h" if value.is_none() && arguments.is_empty() => return Ok(Invocation::Help),
            b"memory" => return Err(usage(format_args!("{MEMORY_IS_SET}"))),
            _ => match table::find(name) {
                Some(known) => parsed.set(&known.set, &option, value, &mut arguments)?,
                None => {
                    let words = unbundle(&option).ok_or_else(|| {
                        usage(format_args!("unknown option {}; {UNKNOWN_TIP}", text(&option)))
                    })?;
                    words.into_iter().rev().for_each(|word| arguments.push_front(word));
                }
            },
        }
    }
    parsed.run.request.args = arguments.into();
    check_network(&parsed.run.network)?;
    Ok(Invocation::Run(parsed.run))
}

/// Takes letters apart that stand behind one dash, `-itw/tmp`: flags, and at the end one with its
/// value; with `=`, that is the last letter's. `None` when one of them is unknown, or there is one
/// only.
fn unbundle(option: &[u8]) -> Option<Vec<Vec<u8>>> {
    let letters = option.strip_prefix(b"-").filter(|letters| letters.len() > 1)?;
    let mut words = Vec::new();
    for (at, &letter) in letters.iter().enumerate() {
        let known = OPTIONS.iter().find(|known| known.short == Some(char::from(letter)))?;
        let rest = &letters[at + 1..];
        if rest.first() == Some(&b'=') {
            words.push([b"-", &letters[at..]].concat());
            break;
        }
        words.push(vec![b'-', letter]);
        if known.needs_value() {
            words.extend((!rest.is_empty()).then(|| rest.to_vec()));
            break;
        }
    }
    Some(words)
}

/// What the options before the present one have asked for.
struct Parsed {
    run: RunOptions,
    environment: Vec<Vec<u8>>,
}

/// What Docker's `--memory` gets for an answer.
const MEMORY_IS_SET: &str = "the machine's memory is set when the module is made: c2w --memory MIB";

impl Parsed {
    /// Applies an option, written as `option`, with the value behind its `=`, or the next argument.
    fn set(
        &mut self,
        set: &Set,
        option: &[u8],
        value: Option<Vec<u8>>,
        arguments: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), UsageError> {
        match set {
            Set::Flag(set) => {
                let on = value.as_deref().map_or(Some(true), values::boolean);
                let on = on.ok_or_else(|| {
                    usage(format_args!("{}: true or false can stand there", text(option)))
                })?;
                set(self, on);
                Ok(())
            }
            Set::Value(_, set) => {
                let value = value.or_else(|| arguments.pop_front()).ok_or_else(|| {
                    usage(format_args!("{} needs a value; try --help", text(option)))
                })?;
                set(self, value)
            }
            Set::OptionalValue(_, set) => set(self, value.as_deref()),
        }
    }
}

fn check_network(network: &NetworkOptions) -> Result<(), UsageError> {
    match (&network.mode, network.needs_network(), network.needs_user_network()) {
        (Some(NetworkMode::None), Some(option), _) => {
            Err(usage(format_args!("{option} needs a network: leave out --network none")))
        }
        (None | Some(NetworkMode::None | NetworkMode::User), ..) | (_, _, None) => Ok(()),
        (Some(NetworkMode::Directory(_)), _, Some(option)) => {
            Err(usage(format_args!("{option}: give it to c2w net-helper, which listens here")))
        }
        (_, _, Some(option)) => {
            Err(usage(format_args!("{option}: the other end of this network is to listen")))
        }
    }
}

fn usage(message: core::fmt::Arguments<'_>) -> UsageError {
    UsageError(format!("{message}"))
}

fn text(bytes: &[u8]) -> alloc::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use c2w_guest_abi::{Device, DeviceAccess, Tmpfs, capability};

    fn parsed(arguments: &[&str]) -> (RunRequest, TerminalChoice) {
        let environment = Environment {
            variables: vec![b"OUTSIDE=1".to_vec(), b"OUT=2".to_vec()],
            handed_on: false,
        };
        match parse(arguments.iter().map(|text| text.as_bytes().to_vec()), environment) {
            Ok(Invocation::Run(run)) => (run.request, run.terminal),
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    fn run(arguments: &[&str]) -> RunRequest {
        parsed(arguments).0
    }

    fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    }

    #[test]
    fn options_end_at_the_command() {
        let request = run(&["--no-stdin", "ls", "--entrypoint", "x"]);
        assert!(!request.stdin);
        assert_eq!(request.entrypoint, None);
        assert_eq!(request.args, bytes(&["ls", "--entrypoint", "x"]));
    }

    #[test]
    fn two_dashes_end_the_options_too() {
        assert_eq!(run(&["--", "-x"]).args, bytes(&["-x"]));
        assert_eq!(run(&["--", "--"]).args, bytes(&["--"]));
    }

    #[test]
    fn entrypoint_takes_its_value_either_way() {
        for arguments in [&["--entrypoint", "cat", "f"][..], &["--entrypoint=cat", "f"]] {
            let request = run(arguments);
            assert_eq!(request.entrypoint, Some(bytes(&["cat"])));
            assert_eq!(request.args, bytes(&["f"]));
        }
        assert_eq!(run(&["--entrypoint", ""]).entrypoint, Some(vec![]));
    }

    #[test]
    fn empty_arguments_stay() {
        assert_eq!(run(&["", "-x"]).args, bytes(&["", "-x"]));
    }

    #[test]
    fn variables_are_set_or_taken_from_outside() {
        let given = ["-e", "A=1", "--env=B=x=y", "-e", "OUT", "--env", "UNSET", "-e", "C="];
        assert_eq!(run(&given).env, bytes(&["A=1", "B=x=y", "OUT=2", "UNSET", "C="]));
    }

    #[test]
    fn an_environment_that_is_handed_on_comes_first() {
        let environment = Environment { variables: bytes(&["A=1"]), handed_on: true };
        let Ok(Invocation::Run(run)) = parse(bytes(&["-e", "B=2"]), environment) else {
            panic!("it is a run");
        };
        assert_eq!(run.request.env, bytes(&["A=1", "B=2"]));
    }

    #[test]
    fn dockers_options_are_known() {
        let request = run(&["-w", "/w", "-u", "app:7", "--hostname=box", "--read-only", "x"]);
        assert_eq!(request.workdir, Some(b"/w".to_vec()));
        assert_eq!(request.user, Some(b"app:7".to_vec()));
        assert_eq!(request.hostname, Some(b"box".to_vec()));
        assert!(request.read_only && !request.init);
        assert_eq!(request.args, bytes(&["x"]));
        let request = run(&["--rm", "--init", "-i", "x"]);
        assert!(request.init && request.stdin);
        assert_eq!(run(&["--hostname=", "--network=none", "x"]).hostname, None);
        assert_eq!(request.args, bytes(&["x"]));
        let tmpfs = run(&["--tmpfs", "/t:size=1m,exec", "--tmpfs", "/u"]).tmpfs;
        let expected = [("/t", "size=1m,exec"), ("/u", "")]
            .map(|(target, options)| Tmpfs { target: target.into(), options: options.into() });
        assert_eq!(tmpfs, expected);
        let capabilities = run(&["--cap-add=CHOWN", "--cap-add", "KILL", "--cap-drop=all"]);
        assert_eq!(capabilities.capabilities.add, 0b10_0001);
        assert_eq!(capabilities.capabilities.drop, capability::ALL);
    }

    #[test]
    fn devices_are_read_as_docker_reads_them() {
        let access = |read, write, mknod| DeviceAccess { read, write, mknod };
        for (given, source, target, expected) in [
            ("/dev/fuse", "/dev/fuse", "/dev/fuse", DeviceAccess::ALL),
            ("/dev/fuse:/dev/x", "/dev/fuse", "/dev/x", DeviceAccess::ALL),
            ("/dev/fuse:/x:r", "/dev/fuse", "/x", access(true, false, false)),
            ("/dev/fuse:mw", "/dev/fuse", "/dev/fuse", access(false, true, true)),
        ] {
            let device = run(&["--device", given]).devices.remove(0);
            let expected =
                Device { source: source.into(), target: target.into(), access: expected };
            assert_eq!(device, expected, "{given}");
        }
        for given in ["", "fuse", "/dev/fuse:", "/dev/fuse:x", "/a:/b:", "/a:/b:rr", "/a:/b:r:w"] {
            let refused = parse(bytes(&["--device", given]), Environment::default());
            assert!(refused.is_err(), "{given}");
        }
        assert!(run(&["--privileged", "x"]).privileged);
    }

    #[test]
    fn a_terminal_can_be_chosen() {
        let choice = |arguments: &[&str]| parsed(arguments).1;
        assert_eq!(choice(&["sh", "-t"]), TerminalChoice::Auto);
        assert_eq!(choice(&["--no-tty"]), TerminalChoice::Never);
        for arguments in ["-t", "--tty", "-it", "-ti"] {
            assert_eq!(choice(&["-i", arguments]), TerminalChoice::Always(None), "{arguments}");
        }
        let raw = TerminalChoice::Always(Some(TerminalMode::Raw));
        assert_eq!(choice(&["--tty=raw", "sh"]), raw);
    }

    #[test]
    fn letters_stand_together() {
        let (request, terminal) = parsed(&["-itw", "/tmp", "-u7", "-eA=1", "-e=B=2", "sh"]);
        assert_eq!(terminal, TerminalChoice::Always(None));
        assert_eq!(request.workdir, Some(b"/tmp".to_vec()));
        assert_eq!(request.user, Some(b"7".to_vec()));
        assert_eq!(request.env, bytes(&["A=1", "B=2"]));
        assert_eq!(request.args, bytes(&["sh"]));
        assert_eq!(run(&["-ith", "box", "-w-x"]).hostname, Some(b"box".to_vec()));
        assert_eq!(run(&["-w", "-x", "true"]).workdir, Some(b"-x".to_vec()));
        for unknown in ["-itx", "-xi", "-iw"] {
            assert!(parse(bytes(&[unknown]), Environment::default()).is_err(), "{unknown}");
        }
    }

    #[test]
    fn flags_take_dockers_true_and_false() {
        assert!(run(&["--init=true", "--read-only=1"]).init);
        let request = run(&["--init", "--init=false", "--privileged=F", "-i=false", "--rm=true"]);
        assert!(!request.init && !request.privileged && !request.stdin);
        for (given, expected) in [
            ("-it=true", TerminalChoice::Always(None)),
            ("-it=false", TerminalChoice::Never),
            ("--tty=false", TerminalChoice::Never),
            ("-it=raw", TerminalChoice::Always(Some(TerminalMode::Raw))),
        ] {
            assert_eq!(parsed(&[given, "sh"]).1, expected, "{given}");
        }
    }

    #[test]
    fn each_option_has_one_name_and_is_in_the_help() {
        let help = help();
        for (at, option) in OPTIONS.iter().enumerate() {
            let same = |other: &OptionSpec| {
                other.long == option.long || (other.short.is_some() && other.short == option.short)
            };
            assert!(!OPTIONS[..at].iter().any(same), "{}", option.long);
            assert!(help.contains(&format!("--{}", option.long)), "{}", option.long);
        }
        assert!(help.lines().all(|line| line.len() <= 92), "{help}");
        assert!(help.contains("\n  -e, --env NAME=VALUE   set a variable;"), "{help}");
        assert!(help.contains("edits\n                         lines) or raw"), "{help}");
        assert!(help.ends_with("\n  --help                 show this\n"), "{help}");
        assert_eq!(parse(bytes(&["-h"]), Environment::default()), Ok(Invocation::Help));
    }

    #[test]
    fn networks_have_dockers_options() {
        let network = |arguments: &[&str]| match parse(bytes(arguments), Environment::default()) {
            Ok(Invocation::Run(run)) => run.network,
            other => panic!("{arguments:?}: {other:?}"),
        };
        assert_eq!(network(&["x"]), NetworkOptions::default());
        assert_eq!(network(&["--network=none", "x"]).mode, Some(NetworkMode::None));
        assert_eq!(network(&["--net", "bridge", "x"]).mode, Some(NetworkMode::User));
        let given =
            ["-p80:80", "-p", "53:53/udp", "-P", "--dns=9.9.9.9", "--mac", "02:00:00:00:00:09"];
        let network = network(&[&given[..], &["--add-host", "a:host-gateway"]].concat());
        assert_eq!(network.publish.len(), 2);
        assert!(network.publish_all && network.mac.is_some());
        assert_eq!((network.name_servers.len(), network.hosts.len()), (1, 1));
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            &["--bogus"][..],
            &["--entrypoint"],
            &["--no-stdin=maybe"],
            &["-it=raws"],
            &["-x", "y"],
            &["--tty=green"],
            &["-e", "=1"],
            &["--tmpfs", "tmp"],
            &["--tmpfs", "/dev/:size=1m"],
            &["--tmpfs=/x/.."],
            &["--tmpfs", "/x:size=1m,volume"],
            &["--cap-add", "EVERYTHING"],
            &["--hostname", "0123456789012345678901234567890123456789012345678901234567890123x"],
            &["--network", "host"],
            &["--network", "none", "-p", "80:80"],
            &["-p", "80:none"],
            &["--memory", "512"],
        ] {
            assert!(parse(bytes(arguments), Environment::default()).is_err(), "{arguments:?}");
        }
    }
}
