//! `c2w IMAGE OUTPUT`.

use super::aot_options::{self, AotArgs};
use super::container2wasm::Container2wasm;
use super::machine_options::MachineArgs;
use super::output::OutputArgs;
use super::source_options::SourceArgs;
use super::usage::usage;
use super::{parse_source, text};
use crate::timing::Timing;
use crate::units::Compress;
use crate::wasi_target::WasiTarget;
use crate::{convert, staged};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args)]
pub(super) struct Convert {
    /// A registry reference (debian, docker.io/library/debian:trixie, host:5000/a@sha256:...),
    /// oci:DIR[:TAG|@DIGEST], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIR,
    /// docker-daemon:NAME, containers-storage:NAME, or a bare root filesystem, tarball:FILE or
    /// rootfs:DIR; a FILE of - is standard input.
    #[arg(required = true)]
    image: Option<String>,
    /// The module or component to write: a file, a pipe or a device, or - for standard output.
    #[arg(default_value = "out.wasm")]
    output: PathBuf,
    /// What to make.
    #[arg(long, value_enum, value_name = "WASI", default_value_t)]
    target: WasiTarget,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// How the root image and the memory in the module are compressed.
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    compress: Compress,
    #[command(flatten)]
    aot: AotArgs,
    #[command(flatten)]
    output_options: OutputArgs,
    #[command(flatten)]
    container2wasm: Container2wasm,
}

/// Converts an image.
pub(super) fn run(arguments: &Convert) -> Result<()> {
    let mut timing = Timing::start();
    let shown = &arguments.output_options;
    let build_args = arguments
        .container2wasm
        .build_args(&|note| shown.say(&format_args!("c2w: note: {note}")))
        .map_err(|error| usage!("{error}"))?;
    let image = parse_source(arguments.image.as_deref().unwrap_or_default())?;
    let progress = shown.progress();
    let source = arguments.source.options(&image, progress.as_ref())?;
    let mut options = arguments.machine.options(source, &build_args)?;
    options.progress = Arc::clone(&progress);
    options.wasi = arguments.target;
    options.compress = arguments.compress;
    options.translation = arguments.aot.options()?;
    options.translation.runs().map_err(|error| usage!("{error:#}"))?;
    options.translation.warnings().iter().for_each(|text| progress.warning(text));
    let convert::Summary { module: summary, trained } =
        convert::convert(&image, &arguments.output, &options, &mut timing)?;
    progress.done();
    shown.show_timings(&timing);
    if let Some(trained) = &trained {
        aot_options::failures(trained).iter().for_each(|text| progress.warning(text));
        shown.say(&aot_options::report(trained, summary.translated));
    }
    shown.say(&format_args!(
        "{}: {} MiB (root image {}, memory {})",
        staged::name(&arguments.output),
        text::mib(summary.size),
        text::packed(summary.image.raw, summary.image.stored),
        text::packed(summary.ram.raw, summary.ram.stored)
    ));
    Ok(())
}
