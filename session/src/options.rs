//! The options of a module: `out.wasm [options] [COMMAND] [ARG...]`.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use c2w_guest_abi::{Device, DeviceAccess, RunRequest, TerminalMode, Tmpfs, capability, place};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
// There is one in a run, and it is taken apart at once.
#[allow(clippy::large_enum_variant)]
pub enum Invocation {
    /// Run the command.
    Run(RunRequest, TerminalChoice),
    /// Show [`HELP`].
    Help,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

/// What to do about an unknown option: such an error ends so.
pub const UNKNOWN_TIP: &str = "try --help, or -- before the command";

/// What `--help` shows, and the list of the options: [`listed`] reads it.
pub const HELP: &str = "\
Usage: [options] [COMMAND] [ARG...]

Runs COMMAND in the container, or the image's own command.

Options (they end at the first other argument, or at --):
  --entrypoint CMD       run CMD in place of the image's entrypoint
  -e, --env NAME=VALUE   set a variable; NAME alone takes the value from outside
  -w, --workdir DIR      start in DIR
  -u, --user USER[:GRP]  run as this user, by name or number
  -h, --hostname NAME    the container's host name
  -i                     pass standard input on (always done)
  --no-stdin             the command reads /dev/null
  -t, --tty[=MODE]       a terminal. MODE: cooked (the host's terminal echoes and edits
                         lines) or raw (it passes every key, after `stty raw -echo`)
  --no-tty               no terminal, even when run in one
  --read-only            the container's root cannot be written
  --init                 process 1 is one that reaps and passes signals on, not COMMAND
  --rm                   taken and of no effect: a container leaves nothing behind
  --tmpfs DIR[:OPTIONS]  an empty file system in memory at DIR
  --cap-add CAP          give a capability beyond Docker's, or ALL
  --cap-drop CAP         take a capability away, or ALL
  --device DEV[:AT[:rwm]]  give a device of the machine, as AT
  --privileged           give all capabilities and devices, and a writable /proc and /sys
  --debug-image          show the guest kernel's console
  --help                 show this
";

/// An option, as [`HELP`] has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name without dashes; its letter if it has no name.
    pub name: &'static str,
    /// Its letter.
    pub short: Option<char>,
    /// Whether it has a name, to be written with two dashes.
    pub is_long: bool,
    /// What to call its value, if it takes one.
    pub value: Option<&'static str>,
    /// Whether it stands without a value, too: `--name[=VALUE]`.
    pub value_is_optional: bool,
    /// What it does.
    pub help: String,
}

/// The options of [`HELP`], but for `--help` itself.
pub fn listed() -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for line in HELP.lines().skip_while(|line| !line.starts_with("Options")).skip(1) {
        let (definition, help) = line.trim_start().split_once("  ").unwrap_or((line, ""));
        match listed.last_mut() {
            _ if line.starts_with("  -") => listed.push(define(definition, help.trim_start())),
            // A line that goes on.
            Some(option) => option.help = format!("{} {}", option.help, line.trim_start()),
            None => {}
        }
    }
    listed.retain(|option| option.name != "help");
    listed
}

/// Reads `-e, --env NAME=VALUE`, `--tty[=MODE]`.
fn define(definition: &'static str, help: &str) -> Listed {
    let mut option = Listed {
        name: "",
        short: None,
        is_long: false,
        value: None,
        value_is_optional: false,
        help: help.into(),
    };
    for word in definition.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (name, optional) = match word.split_once("[=") {
            Some((name, optional)) => (name, Some(optional.trim_end_matches(']'))),
            None => (word, None),
        };
        match (name.strip_prefix("--"), name.strip_prefix('-')) {
            (Some(name), _) => (option.name, option.is_long) = (name, true),
            (None, Some(letter)) => (option.name, option.short) = (letter, letter.chars().next()),
            (None, None) => option.value = Some(word),
        }
        if optional.is_some() {
            (option.value, option.value_is_optional) = (optional, true);
        }
    }
    option
}

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
        request: RunRequest {
            stdin: true,
            env: handed_on.unwrap_or_default(),
            ..RunRequest::default()
        },
        terminal: TerminalChoice::Auto,
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
            _ if parsed.set_flag(name, value.as_deref())? => {}
            _ if !takes_value(name) => {
                let words = unbundle(&option).ok_or_else(|| {
                    usage(format_args!("unknown option {}; {UNKNOWN_TIP}", text(&option)))
                })?;
                words.into_iter().rev().for_each(|word| arguments.push_front(word));
            }
            _ => {
                let value = value.or_else(|| arguments.pop_front()).ok_or_else(|| {
                    usage(format_args!("{} needs a value; try --help", text(&option)))
                })?;
                parsed.set_value(name, value)?;
            }
        }
    }
    parsed.request.args = arguments.into();
    Ok(Invocation::Run(parsed.request, parsed.terminal))
}

/// Takes letters apart that stand behind one dash, `-itw/tmp`: flags, and at the end one with its
/// value. `None` when one of them is unknown, or there is one only.
fn unbundle(option: &[u8]) -> Option<Vec<Vec<u8>>> {
    let letters = option.strip_prefix(b"-").filter(|letters| letters.len() > 1)?;
    let listed = listed();
    let mut words = Vec::new();
    for (at, &letter) in letters.iter().enumerate() {
        let known = listed.iter().find(|known| known.short == Some(char::from(letter)))?;
        words.push(vec![b'-', letter]);
        if known.value.is_some() && !known.value_is_optional {
            let value = &letters[at + 1..];
            let value = value.strip_prefix(b"=").unwrap_or(value);
            words.extend((!value.is_empty()).then(|| value.to_vec()));
            break;
        }
    }
    Some(words)
}

/// What the options before the present one have asked for.
struct Parsed {
    request: RunRequest,
    terminal: TerminalChoice,
    environment: Vec<Vec<u8>>,
}

fn takes_value(name: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"entrypoint",
        b"e",
        b"env",
        b"w",
        b"workdir",
        b"u",
        b"user",
        b"h",
        b"hostname",
        b"tmpfs",
        b"cap-add",
        b"cap-drop",
        b"device",
        b"memory",
    ];
    NAMES.contains(&name)
}

impl Parsed {
    /// Sets an option that stands alone; false for any other.
    fn set_flag(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<bool, UsageError> {
        match (name, value) {
            (b"i" | b"interactive", None) => self.request.stdin = true,
            (b"no-stdin", None) => self.request.stdin = false,
            (b"it" | b"ti", None) => self.terminal = TerminalChoice::Always(None),
            (b"t" | b"tty", mode) => self.terminal = TerminalChoice::Always(terminal_mode(mode)?),
            (b"no-tty", None) => self.terminal = TerminalChoice::Never,
            (b"read-only", None) => self.request.read_only = true,
            (b"init", None) => self.request.init = true,
            // Nothing of a container is left as it is.
            (b"rm", None) => {}
            (b"privileged", None) => self.request.privileged = true,
            (b"debug-image", None) => self.request.debug = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_value(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), UsageError> {
        let request = &mut self.request;
        match name {
            // Docker: an empty entrypoint only clears the image's.
            b"entrypoint" if value.is_empty() => request.entrypoint = Some(vec![]),
            b"entrypoint" => request.entrypoint = Some(vec![value]),
            b"e" | b"env" => request.env.extend(variable(value, &self.environment)?),
            b"w" | b"workdir" => request.workdir = Some(value),
            b"u" | b"user" => request.user = Some(value),
            b"h" | b"hostname" => request.hostname = Some(hostname(value)?),
            b"tmpfs" => request.tmpfs.push(tmpfs(&value)?),
            b"cap-add" => request.capabilities.add |= capabilities(&value)?,
            b"cap-drop" => request.capabilities.drop |= capabilities(&value)?,
            b"device" => request.devices.push(device(&value)?),
            _ => {
                return Err(usage(format_args!(
                    "the machine's memory is set when the module is made: c2w --memory MIB"
                )));
            }
        }
        Ok(())
    }
}

fn usage(message: core::fmt::Arguments<'_>) -> UsageError {
    UsageError(format!("{message}"))
}

fn text(bytes: &[u8]) -> alloc::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn terminal_mode(value: Option<&[u8]>) -> Result<Option<TerminalMode>, UsageError> {
    match value {
        None => Ok(None),
        Some(b"cooked") => Ok(Some(TerminalMode::Cooked)),
        Some(b"raw") => Ok(Some(TerminalMode::Raw)),
        Some(other) => {
            Err(usage(format_args!("--tty={}: the modes are cooked and raw", text(other))))
        }
    }
}

/// `NAME=value`, or what `NAME` is outside: nothing when it is not set there.
fn variable(given: Vec<u8>, outside: &[Vec<u8>]) -> Result<Option<Vec<u8>>, UsageError> {
    let length = given.iter().position(|&byte| byte == b'=').unwrap_or(given.len());
    if length == 0 {
        return Err(usage(format_args!("--env {}: write NAME=VALUE", text(&given))));
    }
    if length < given.len() {
        return Ok(Some(given));
    }
    let named = |known: &&Vec<u8>| known.starts_with(&given) && known.get(length) == Some(&b'=');
    Ok(outside.iter().find(named).cloned())
}

fn hostname(name: Vec<u8>) -> Result<Vec<u8>, UsageError> {
    // Linux's __NEW_UTS_LEN.
    const LONGEST: usize = 64;
    if (1..=LONGEST).contains(&name.len()) {
        return Ok(name);
    }
    Err(usage(format_args!("--hostname {}: a host name has 1 to {LONGEST} bytes", text(&name))))
}

fn tmpfs(value: &[u8]) -> Result<Tmpfs, UsageError> {
    let mut parts = value.splitn(2, |&byte| byte == b':');
    let target = parts.next().unwrap_or_default().to_vec();
    if target.first() != Some(&b'/') {
        return Err(usage(format_args!("--tmpfs {}: an absolute path is needed", text(value))));
    }
    if let Some(system) = place::system(&target) {
        return Err(usage(format_args!("--tmpfs {}: {}", text(value), place::refusal(system))));
    }
    Ok(Tmpfs { target, options: parts.next().unwrap_or_default().to_vec() })
}

/// `SOURCE[:TARGET][:ACCESS]`, as Docker reads it: a second part that looks like an access is one.
fn device(value: &[u8]) -> Result<Device, UsageError> {
    let mut parts: Vec<&[u8]> = value.split(|&byte| byte == b':').collect();
    let mut access = DeviceAccess::ALL;
    if let [_, .., last] = parts[..]
        && (parts.len() == 3 || last.first() != Some(&b'/'))
    {
        access = device_access(last).ok_or_else(|| {
            usage(format_args!(
                "--device {}: '{}' is not made of r, w and m",
                text(value),
                text(last)
            ))
        })?;
        parts.pop();
    }
    let (source, target) = match parts[..] {
        [source] => (source, source),
        [source, target] => (source, target),
        _ => return Err(usage(format_args!("--device {}: write DEV[:AT[:rwm]]", text(value)))),
    };
    if source.first() != Some(&b'/') || target.first() != Some(&b'/') {
        return Err(usage(format_args!("--device {}: an absolute path is needed", text(value))));
    }
    Ok(Device { source: source.to_vec(), target: target.to_vec(), access })
}

/// Each letter at most once, and at least one.
fn device_access(letters: &[u8]) -> Option<DeviceAccess> {
    let mut access = DeviceAccess { read: false, write: false, mknod: false };
    for letter in letters {
        let one = match letter {
            b'r' => &mut access.read,
            b'w' => &mut access.write,
            b'm' => &mut access.mknod,
            _ => return None,
        };
        if core::mem::replace(one, true) {
            return None;
        }
    }
    (!letters.is_empty()).then_some(access)
}

fn capabilities(name: &[u8]) -> Result<u64, UsageError> {
    capability::parse(name)
        .ok_or_else(|| usage(format_args!("{}: no such capability (capabilities(7))", text(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> (RunRequest, TerminalChoice) {
        let environment = Environment {
            variables: vec![b"OUTSIDE=1".to_vec(), b"OUT=2".to_vec()],
            handed_on: false,
        };
        match parse(arguments.iter().map(|text| text.as_bytes().to_vec()), environment) {
            Ok(Invocation::Run(request, terminal)) => (request, terminal),
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
        assert_eq!(run(&given).env, bytes(&["A=1", "B=x=y", "OUT=2", "C="]));
    }

    #[test]
    fn an_environment_that_is_handed_on_comes_first() {
        let environment = Environment { variables: bytes(&["A=1"]), handed_on: true };
        let Ok(Invocation::Run(request, _)) = parse(bytes(&["-e", "B=2"]), environment) else {
            panic!("it is a run");
        };
        assert_eq!(request.env, bytes(&["A=1", "B=2"]));
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

    /// Whatever is listed is known, and takes a value if it says so.
    fn assert_known(name: &str, option: &Listed) {
        match parse(bytes(&[name, "value", "command"]), Environment::default()) {
            Ok(Invocation::Run(request, _)) => {
                let takes = option.value.is_some() && !option.value_is_optional;
                assert_eq!(request.args.len(), if takes { 1 } else { 2 }, "{name}");
            }
            Ok(Invocation::Help) => panic!("{name}"),
            // The value makes no sense, which shows that it was taken.
            Err(UsageError(said)) => {
                assert!(!said.starts_with("unknown") && option.value.is_some(), "{name}: {said}");
            }
        }
    }

    #[test]
    fn the_help_lists_what_is_read() {
        let listed = listed();
        let example = |name: &str| {
            let option = listed.iter().find(|option| option.name == name).unwrap();
            (option.short, option.value, option.value_is_optional)
        };
        assert_eq!(example("env"), (Some('e'), Some("NAME=VALUE"), false));
        assert_eq!(example("tty"), (Some('t'), Some("MODE"), true));
        assert_eq!(example("read-only"), (None, None, false));
        let tty = listed.iter().find(|option| option.name == "tty").unwrap();
        assert!(tty.help.starts_with("a terminal. MODE: cooked") && tty.help.ends_with("-echo`)"));
        for option in &listed {
            assert!(!option.help.is_empty() && !option.name.is_empty(), "{option:?}");
            let long = option.is_long.then(|| format!("--{}", option.name));
            long.into_iter().chain(option.short.map(|letter| format!("-{letter}"))).for_each(
                |name| {
                    assert_known(&name, option);
                },
            );
        }
        assert_eq!(parse(bytes(&["-h"]), Environment::default()), Ok(Invocation::Help));
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            &["--bogus"][..],
            &["--entrypoint"],
            &["--no-stdin=1"],
            &["-x", "y"],
            &["--tty=green"],
            &["-e", "=1"],
            &["--tmpfs", "tmp"],
            &["--tmpfs", "/dev/:size=1m"],
            &["--tmpfs=/x/.."],
            &["--cap-add", "EVERYTHING"],
            &["--hostname", ""],
            &["--memory", "512"],
        ] {
            assert!(parse(bytes(arguments), Environment::default()).is_err(), "{arguments:?}");
        }
    }
}
