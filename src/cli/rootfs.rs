//! `c2w rootfs`: the first half of a conversion by itself.

use super::output::OutputArgs;
use super::source_options::SourceArgs;
use super::{parse_source, text};
use crate::timing::Timing;
use crate::{convert, staged};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Rootfs {
    /// As for a conversion.
    image: String,
    /// The ext4 image to write: a file, a pipe or a device, or - for standard output.
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
    let image = parse_source(&arguments.image)?;
    let shown = &arguments.output_options;
    let progress = shown.progress();
    let source = arguments.source.options(&image, progress.as_ref())?;
    let summary = convert::rootfs(&image, &arguments.output, &source, &progress, &mut timing)?;
    progress.done();
    shown.show_timings(&timing);
    shown.say(&format_args!(
        "{}: {} MiB, {} of them overhead, {} inodes",
        staged::name(&arguments.output),
        text::mib(summary.size),
        text::mib(summary.overhead),
        summary.inodes
    ));
    Ok(())
}
