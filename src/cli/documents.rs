//! Completions and manual pages, made from the options themselves.

use super::Cli;
use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// Where to put one page for each command (c2w.1, c2w-run.1, ...); without, the first goes to
    /// standard output.
    dir: Option<PathBuf>,
}

/// A completion script.
pub(super) fn completions(arguments: &Completions) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "c2w", &mut script);
    String::from_utf8(script).context("a script that is no text")
}

/// The manual.
pub(super) fn man(arguments: &Man) -> Result<String> {
    if let Some(dir) = &arguments.dir {
        let cannot = || format!("cannot write manual pages to {}", dir.display());
        std::fs::create_dir_all(dir).with_context(cannot)?;
        clap_mangen::generate_to(Cli::command(), dir).with_context(cannot)?;
        return Ok(String::new());
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    String::from_utf8(page).context("a page that is no text")
}
