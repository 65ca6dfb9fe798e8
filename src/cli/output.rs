//! What a command shows on standard error while it works.

use super::bars::Bars;
use super::text::{describe, short};
use crate::progress::{Progress, Silent, Stage};
use crate::timing::Timing;
use clap::{Args, ValueEnum};
use std::fmt::Display;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;

#[derive(Args)]
pub(super) struct OutputArgs {
    /// How to show the progress: bars on a terminal, or plain lines.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = ProgressKind::Auto)]
    progress: ProgressKind,
    /// Say nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    /// Show what each stage took.
    #[arg(long)]
    timings: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressKind {
    /// Bars on a terminal, else nothing.
    Auto,
    /// Bars.
    Tty,
    /// A line for each step.
    Plain,
    /// Nothing.
    None,
}

impl OutputArgs {
    /// The display of progress that the options ask for.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        match self.progress {
            _ if self.quiet => Arc::new(Quiet),
            ProgressKind::Tty => Arc::new(Bars::new()),
            ProgressKind::Auto if stderr().is_terminal() => Arc::new(Bars::new()),
            ProgressKind::Plain => Arc::new(Plain),
            ProgressKind::Auto | ProgressKind::None => Arc::new(Silent),
        }
    }

    /// Prints what each stage took, if somebody wants to know.
    pub(super) fn show_timings(&self, timing: &Timing) {
        if self.timings {
            eprint!("{timing}");
        }
    }

    /// Prints a line about the result, unless nobody wants it.
    pub(super) fn say(&self, line: &dyn Display) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }
}

/// Says not even warnings.
#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn warning(&self, _text: &dyn Display) {}
    fn note(&self, _text: &dyn Display) {}
}

/// A line for each stage and each blob that is complete.
#[derive(Debug)]
struct Plain;

impl Progress for Plain {
    fn stage(&self, stage: Stage) {
        eprintln!("c2w: {}", describe(stage));
    }

    fn blob_bytes(&self, digest: &str, received: u64, of: u64) {
        if received == of {
            eprintln!("c2w: received {} ({} MiB)", short(digest), super::text::mib(of));
        }
    }
}
