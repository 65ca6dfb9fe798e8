//! Completions and manual pages, made from the options themselves.

use super::Cli;
use crate::staged::{InputPath, Staged};
use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// Where to put one page for each command (c2w.1, c2w-run.1, ...); without, or as -, the first
    /// goes to standard output.
    dir: Option<PathBuf>,
}

/// A completion script.
pub(super) fn completions(arguments: &Completions) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "c2w", &mut script);
    String::from_utf8(script).context("a script that is not text")
}

/// The manual.
pub(super) fn man(arguments: &Man) -> Result<String> {
    if let Some(dir) = arguments.dir.as_deref().filter(|dir| dir.as_os_str() != "-") {
        let cannot = || format!("cannot make the folder {}", dir.display());
        std::fs::create_dir_all(dir).with_context(cannot)?;
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        write_pages(command, dir)?;
        return Ok(String::new());
    }
    let mut page = Vec::new();
    Page::new(Cli::command()).render(&mut page)?;
    String::from_utf8(page).context("a page that is not text")
}

/// Writes the page of a command and those of the commands below it.
fn write_pages(command: clap::Command, dir: &Path) -> Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below.clone(), dir)?;
    }
    let page = Page::new(command);
    let staged = Staged::create(&dir.join(page.get_filename()), InputPath::Nothing)?;
    staged.finish(|out| Ok(page.render(out)?))
}
