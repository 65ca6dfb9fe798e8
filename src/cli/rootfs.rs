//! `c2w rootfs`: the first half of a conversion by itself.

use super::output::OutputArgs;
use super::source_options::SourceArgs;
use super::{parse_place, text};
use crate::convert;
use crate::progress::Stage;
use crate::timing::Timing;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Rootfs {
    /// As for a conversion.
    image: String,
    /// The ext4 image to write; - for standard output.
    #[arg(value_name = "OUT.ext4|-")]
    output: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    output_options: OutputArgs,
}

/// Writes the root filesystem of an image.
pub(super) fn run(arguments: &Rootfs) -> Result<()> {
    let mut timing = Timing::start();
    let place = parse_place(&arguments.image)?;
    let shown = &arguments.output_options;
    let progress = shown.progress();
    let source = arguments.source.options(&place, &progress)?;
    let summary = if arguments.output.as_os_str() == "-" {
        let stdout = io::stdout().lock();
        ensure!(!stdout.is_terminal(), "an ext4 image is not for a terminal: name a file");
        let rootfs = convert::unpack(&place, &source, &mut timing)?;
        progress.stage(Stage::Ext4);
        let mut out = BufWriter::with_capacity(1 << 20, stdout);
        let summary = rootfs.write(&mut out, &mut timing)?;
        out.flush().context("cannot write to standard output")?;
        summary
    } else {
        convert::rootfs(&place, &arguments.output, &source, &mut timing)?
    };
    progress.done();
    shown.show_timings(&timing);
    shown.say(&format_args!(
        "{}: {} MiB, {} of them overhead, {} inodes",
        arguments.output.display(),
        text::mib(summary.size),
        text::mib(summary.overhead),
        summary.inodes
    ));
    Ok(())
}
