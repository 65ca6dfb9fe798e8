//! Errors of usage: their texts, and what is corrected in command lines before they are parsed.

use super::Cli;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory};
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// The exit status of a command line that makes no sense.
pub(super) const STATUS: u8 = 2;

/// A command line that makes no sense for another reason than its form.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// An error that ends with [`STATUS`].
macro_rules! usage {
    ($($text:tt)*) => {
        anyhow::Error::new($crate::cli::usage::Usage(format!($($text)*)))
    };
}
pub(super) use usage;

/// What Docker users write and `c2w run` does not have, with the reason.
const DOCKERS: &[(&[&str], &str)] = &[
    (
        &["--expose", "--link", "--ip", "--ip6", "--network-alias"],
        "a container is alone in its network: -p lets others in",
    ),
    (
        &["-d", "--detach"],
        "a container runs in the foreground: end the line with & to have it run on",
    ),
    (
        &["--name", "--label", "-l", "--label-file", "--cidfile", "--restart"],
        "nothing is kept of a container that has ended, nor does anybody else find it: leave it \
         out",
    ),
    (&["--mount"], "write -v HOST:GUEST[:ro], or --tmpfs DIR"),
    (&["--cpus", "--cpuset-cpus", "-c", "--cpu-shares"], "the machine has one processor"),
    (&["--pull"], "a tag is looked up each time; --no-cache fetches everything anew"),
    (&["--gpus"], "the machine has no such device"),
];

/// Says in one line what is wrong, or shows the help or version that was asked for.
pub(super) fn report(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let is_wrong = error.use_stderr();
    if !is_wrong || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return match error.print() {
            // A reader that went away is not an error.
            Err(lost) if lost.kind() != std::io::ErrorKind::BrokenPipe => {
                super::complain(&format_args!("cannot write standard output: {lost}"));
                ExitCode::FAILURE
            }
            _ => ExitCode::from(if is_wrong { STATUS } else { 0 }),
        };
    }
    let names = names();
    let known = |word: &&OsString| names.iter().any(|name| OsStr::new(name) == word.as_os_str());
    let below = words.get(1).filter(known).map(|word| format!(" {}", word.display()));
    let below = below.unwrap_or_default();
    super::complain(&format_args!("{}; try c2w{below} --help", what(error)));
    ExitCode::from(STATUS)
}

/// The first paragraph of what clap says, on one line, and what is known of the option.
fn what(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.strip_prefix("error: ").unwrap_or(&text).split("\n\n").next();
    let first: Vec<&str> = first.unwrap_or_default().split_whitespace().collect();
    let mut line = first.join(" ");
    if error.kind() == ErrorKind::UnknownArgument {
        let option = context(error, ContextKind::InvalidArg).unwrap_or_default();
        let option = option.split(['=', ' ']).next().unwrap_or_default();
        let dockers = DOCKERS.iter().find(|(names, _)| names.contains(&option));
        if let Some((_, reason)) = dockers {
            line = format!("there is no {option}: {reason}");
        } else if let Some(similar) = context(error, ContextKind::SuggestedArg) {
            line += &format!(" (did you mean {similar}?)");
        }
    }
    line
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

/// The names of the commands below `c2w`.
fn names() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// Puts words where they belong: options that stand in front of a command's name behind it, as in
/// `c2w -q run IMAGE`. `c2w run -h` asks for help; with a word behind it, `-h` is the host name.
pub(super) fn in_order(mut words: Vec<OsString>) -> Vec<OsString> {
    let root = Cli::command();
    let options = 1 + leading_options(&root, words.get(1..).unwrap_or_default());
    let command = words.get(options).and_then(|word| word.to_str());
    if command.is_some_and(|name| root.find_subcommand(name).is_some()) {
        words[1..=options].rotate_right(1);
    }
    if words.get(1).is_some_and(|command| command == "run") {
        if words.len() == 3 && words[2] == "-h" {
            words[2] = "--help".into();
        }
        end_options_behind_image(&root, &mut words);
    }
    words
}

/// With another entrypoint, what stands behind IMAGE are its arguments, as Docker has it, whatever
/// they begin with: `c2w run --entrypoint sh IMAGE -c LINE`.
fn end_options_behind_image(root: &Command, words: &mut Vec<OsString>) {
    let Some(run) = root.find_subcommand("run") else { return };
    let image = 2 + leading_options(run, &words[2..]);
    let has_entrypoint = words[2..image].iter().any(|word| {
        word == "--entrypoint" || word.as_encoded_bytes().starts_with(b"--entrypoint=")
    });
    let behind = words.get(image + 1..).unwrap_or_default();
    if has_entrypoint && !behind.is_empty() && !behind.iter().any(|word| word == "--") {
        // One for this program's options, one for the container's.
        words.splice(image + 1..image + 1, ["--", "--"].map(OsString::from));
    }
}

/// How many words are options of `command` with their values, up to the first that is not one.
fn leading_options(command: &Command, words: &[OsString]) -> usize {
    let mut at = 0;
    while let Some(values) = words.get(at).and_then(|word| values_behind(command, word)) {
        at += 1 + values;
    }
    // A value may be missing.
    at.min(words.len())
}

/// How many words behind an option are its value; `None` if the word is not an option, or one that
/// asks for help or the version.
fn values_behind(command: &Command, word: &OsStr) -> Option<usize> {
    let word = word.to_str()?;
    let is_own = |argument: &&Arg| !matches!(argument.get_id().as_str(), "help" | "version");
    let mut arguments = command.get_arguments().filter(is_own);
    let wants =
        |argument: &Arg| argument.get_action().takes_values() && !argument.is_require_equals_set();
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(a, b)| (a, Some(b)));
        let argument = arguments.find(|argument| argument.get_long() == Some(name))?;
        return Some((wants(argument) && value.is_none()).into());
    }
    let letters =
        word.strip_prefix('-')?.split('=').next().filter(|letters| !letters.is_empty())?;
    let by_letter: Vec<&Arg> = arguments.collect();
    for (at, letter) in letters.char_indices() {
        let argument = by_letter.iter().find(|argument| argument.get_short() == Some(letter))?;
        if wants(argument) {
            return Some((at + letter.len_utf8() == letters.len()).into());
        }
    }
    Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let words = in_order(words).into_iter().map(|word| word.into_string().unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_may_stand_in_front_of_the_command() {
        for (line, expected) in [
            ("c2w -q run image -- true", "c2w run -q image -- true"),
            ("c2w --memory 512 run image", "c2w run --memory 512 image"),
            ("c2w --memory=512 -q rootfs image out", "c2w rootfs --memory=512 -q image out"),
            ("c2w -m 512 --tls-verify run image", "c2w run -m 512 --tls-verify image"),
            ("c2w -qm512 run image", "c2w run -qm512 image"),
            ("c2w run -h", "c2w run --help"),
        ] {
            assert_eq!(ordered(line), expected);
        }
        // An image, an option's value, or nothing to move.
        for line in
            ["c2w -q image run", "c2w --memory run image", "c2w -v run", "c2w", "c2w --help run"]
        {
            assert_eq!(ordered(line), line);
        }
        for line in
            ["c2w run image -q -h", "c2w run image --entrypoint sh -c x", "c2w run -e A=1 image"]
        {
            assert_eq!(ordered(line), line);
        }
        let docker = "c2w run -it=true --rm -i --entrypoint sh -v a:/b image";
        assert_eq!(ordered(&format!("{docker} -e x")), format!("{docker} -- -- -e x"));
        for rest in ["", " -- -e A=1 -- x"] {
            assert_eq!(ordered(&format!("{docker}{rest}")), format!("{docker}{rest}"));
        }
    }
}
