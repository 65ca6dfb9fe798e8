//! The options of a run, `docker run`'s, in front of IMAGE: those that a module takes, read from
//! the one list of them, so that help, completions and manual pages know them, too.

use anyhow::{Context, Result, ensure};
use c2w_session::options::{OPTIONS, OptionSpec};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// The options, as words that a module would be given.
pub(super) struct ContainerArgs {
    words: Vec<Vec<u8>>,
}

impl ContainerArgs {
    /// The words, in the order of the command line: the later one wins.
    pub(super) fn words(&self) -> &[Vec<u8>] {
        &self.words
    }
}

impl Args for ContainerArgs {
    fn augment_args(command: Command) -> Command {
        let command = command.next_help_heading("Options of the container");
        OPTIONS.iter().fold(command, |command, option| {
            // What this program has an option of its own for stays with that.
            let is_known = command.get_arguments().any(|other| {
                let same_letter = other.get_short().is_some() && other.get_short() == option.short;
                other.get_long() == Some(option.long) || same_letter
            });
            if is_known { command } else { command.arg(argument(option)) }
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(option: &'static OptionSpec) -> Arg {
    let argument = Arg::new(option.long).help(capitalised(option.help));
    let argument = argument.long(option.long).short(option.short);
    let argument =
        argument.action(ArgAction::Append).value_name(option.value_name().unwrap_or("BOOL"));
    let argument = argument.value_parser(clap::value_parser!(OsString));
    match option.needs_value() {
        true => argument.allow_hyphen_values(true),
        false => argument.num_args(0..=1).require_equals(true).default_missing_value(""),
    }
}

/// As the other options have it.
fn capitalised(text: &str) -> String {
    let text = text.replace('\n', " ");
    let mut rest = text.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    first + rest.as_str()
}

impl FromArgMatches for ContainerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = OPTIONS.iter().flat_map(|option| given(option, matches));
        let mut given: Vec<(usize, Vec<u8>)> = given.collect();
        given.sort();
        Ok(Self { words: given.into_iter().map(|(_, word)| word).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// An option as it was given: where, and what it is as one word, `--name=value`.
fn given(option: &OptionSpec, matches: &ArgMatches) -> Vec<(usize, Vec<u8>)> {
    let name = format!("--{}", option.long).into_bytes();
    // Others are this program's own.
    let Ok(Some(values)) = matches.try_get_many::<OsString>(option.long) else { return Vec::new() };
    let word = |(index, value): (usize, &OsString)| {
        let is_bare = value.is_empty() && !option.needs_value();
        let value = value.clone().into_vec();
        (index, if is_bare { name.clone() } else { [&name[..], b"=", &value].concat() })
    };
    let indices = matches.indices_of(option.long).into_iter().flatten();
    indices.zip(values).map(word).collect()
}

/// The variables in a file, each as a word for the module: `NAME=value` or `NAME` on a line, as
/// Docker has it.
///
/// # Errors
/// When the file cannot be read, or a line is neither.
pub(super) fn read_env_file(path: &Path) -> Result<Vec<Vec<u8>>> {
    let name = path.display();
    let text = fs::read(path).with_context(|| format!("cannot read --env-file {name}"))?;
    let mut words = Vec::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let variable = line.split(|&byte| byte == b'=').next().unwrap_or_default();
        let is_name = !variable.is_empty() && !variable.iter().any(u8::is_ascii_whitespace);
        ensure!(is_name, "--env-file {name}: line {}: write NAME=VALUE", number + 1);
        words.push([b"--env=", line].concat());
    }
    Ok(words)
}
