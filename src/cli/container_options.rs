//! The options of a run, `docker run`'s, in front of IMAGE: those that a module takes, read from
//! the one list of them, so that help, completions and manual pages know them, too.

use crate::printable::printable;
use anyhow::{Context, Result, ensure};
use c2w_session::options::{OPTIONS, OptionSpec};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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
    let argument = argument.long(option.long).visible_aliases(option.aliases).short(option.short);
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

/// The most bytes of a file of variables: more than a command can be started with.
const MAX_ENV_FILE: u64 = 1 << 20;
/// What some editors of Windows begin a text in UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The variables in a file, each as a word for the module: `NAME=value` or `NAME` on a line, as
/// Docker has it.
///
/// # Errors
/// When the file cannot be read or is too long, or a line is neither.
pub(super) fn read_env_file(path: &Path) -> Result<Vec<Vec<u8>>> {
    let name = path.display();
    let text = read_bounded(path).with_context(|| format!("cannot read --env-file {name}"))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let mut words = Vec::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        check_variable(line).with_context(|| format!("--env-file {name}: line {}", number + 1))?;
        // Other than of `-e NAME`, nothing follows from a name that is not set.
        let is_set = || std::env::var_os(OsStr::from_bytes(line)).is_some();
        if line.contains(&b'=') || is_set() {
            words.push([b"--env=", line].concat());
        }
    }
    Ok(words)
}

/// All of a file that is no longer than it may be: some, such as `/dev/zero`, have no end.
fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_ENV_FILE + 1).read_to_end(&mut text)?;
    let is_short = text.len() as u64 <= MAX_ENV_FILE;
    ensure!(is_short, "it has more than {MAX_ENV_FILE} bytes: name a file of variables");
    Ok(text)
}

fn check_variable(line: &[u8]) -> Result<()> {
    let variable = line.split(|&byte| byte == b'=').next().unwrap_or_default();
    ensure!(!variable.is_empty(), "write NAME=VALUE");
    let has_blank = variable.iter().any(u8::is_ascii_whitespace);
    let variable = printable(variable);
    ensure!(!has_blank, "the name \"{variable}\" has a blank: write NAME=VALUE, without export");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        read_env_file(file.path()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_name() {
        let words = [b"--env=A=1".to_vec(), b"--env=\xef\xbb\xbfB=2".to_vec()];
        assert_eq!(read(b"\xef\xbb\xbfA=1\n\xef\xbb\xbfB=2\n").unwrap(), words);
        assert!(read(b"\xef\xbb\xbf# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_file_of_variables_is_refused() {
        let full = [&b"A="[..], &vec![b'x'; MAX_ENV_FILE as usize - 2]].concat();
        assert_eq!(read(&full).unwrap().len(), 1);
        for (text, reason) in [
            (&[&full[..], b"x"].concat()[..], "more than 1048576 bytes"),
            (b"A=1\nexport Z=1", "line 2: the name \"export Z\" has a blank"),
            (b"A B=1", "line 1: the name \"A B\" has a blank"),
            (b"A =1", "the name \"A \" has a blank"),
            (b"=1", "line 1: write NAME=VALUE"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason) && error.contains("--env-file"), "{error}");
        }
        let endless = read_env_file(Path::new("/dev/zero")).unwrap_err();
        assert!(format!("{endless:#}").contains("more than 1048576 bytes"), "{endless:#}");
    }
}
