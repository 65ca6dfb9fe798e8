//! Options of container2wasm's `c2w`, so that its users' scripts go on to work: what has a meaning
//! here is done, what no longer needs doing is said, what cannot be done is refused with the
//! reason.

use super::machine_options::{BuildArgs, loglevel, memory};
use anyhow::{Result, anyhow, bail, ensure};
use clap::Args;
use std::ffi::OsString;

/// Build arguments that concern container2wasm's own build.
const WITHOUT_MEANING: &[&str] = &[
    "EXTERNAL_BUNDLE",
    "INIT_DEBUG",
    "JS_OUTPUT_NAME",
    "LOAD_MODE",
    "NO_BINFMT",
    "NO_VMTOUCH",
    "OPTIMIZATION_MODE",
    "OUTPUT_NAME",
    "QEMU_MIGRATION",
    "VM_CORE_NUMS",
];

#[derive(Args)]
#[command(next_help_heading = "Options of container2wasm")]
pub(super) struct Container2wasm {
    /// VM_MEMORY_SIZE_MB is --memory, LINUX_LOGLEVEL is --loglevel; others have no meaning here.
    #[arg(long, value_name = "KEY=VALUE")]
    build_arg: Vec<String>,
    /// Accepted: nothing is built, so no builder is needed.
    #[arg(long, value_name = "COMMAND")]
    builder: Option<OsString>,
    /// Accepted: nothing is built.
    #[arg(long)]
    legacy: bool,
    /// Refused: there is no Dockerfile.
    #[arg(long, hide = true, value_name = "FILE")]
    dockerfile: Option<OsString>,
    /// Refused: there is no Dockerfile.
    #[arg(long, hide = true)]
    show_dockerfile: bool,
    #[arg(long, hide = true)]
    to_js: bool,
    #[arg(long, hide = true)]
    external_bundle: bool,
    #[arg(long, hide = true, value_name = "STAGE")]
    target_stage: Option<OsString>,
    #[arg(long, hide = true, value_name = "FLAG", allow_hyphen_values = true)]
    extra_flag: Vec<OsString>,
    #[arg(long, hide = true, value_name = "DIR")]
    pack: Option<OsString>,
}

impl Container2wasm {
    /// The build arguments; `note` is called with each option that has no effect.
    pub(super) fn build_args(&self, note: &dyn Fn(&str)) -> Result<BuildArgs> {
        self.refuse()?;
        if self.builder.is_some() {
            note("--builder has no effect: nothing is built");
        }
        if self.legacy {
            note("--legacy has no effect: nothing is built");
        }
        let mut found = BuildArgs::default();
        for argument in &self.build_arg {
            let Some((key, value)) = argument.split_once('=') else {
                bail!("--build-arg {argument}: write KEY=VALUE");
            };
            let invalid = |why: String| anyhow!("--build-arg {argument}: {why}");
            match key {
                "VM_MEMORY_SIZE_MB" => found.memory = Some(memory(value).map_err(invalid)?),
                "LINUX_LOGLEVEL" => found.loglevel = Some(loglevel(value).map_err(invalid)?),
                key if WITHOUT_MEANING.contains(&key) || is_pinned_tool(key) => {
                    note(&format!("--build-arg {key} has no effect: nothing is built"));
                }
                key => bail!("--build-arg {key}: c2w knows VM_MEMORY_SIZE_MB and LINUX_LOGLEVEL"),
            }
        }
        Ok(found)
    }

    fn refuse(&self) -> Result<()> {
        let no_dockerfile = "c2w builds nothing, so there is no Dockerfile; for a kernel, an \
                             initramfs or an emulator of your own see --assets";
        ensure!(self.dockerfile.is_none(), "--dockerfile: {no_dockerfile}");
        ensure!(!self.show_dockerfile, "--show-dockerfile: {no_dockerfile}");
        ensure!(
            self.target_stage.is_none(),
            "--target-stage: c2w builds nothing, so there are no stages; `c2w rootfs` writes the \
             root image alone"
        );
        ensure!(self.extra_flag.is_empty(), "--extra-flag: there is no builder to pass it to");
        ensure!(self.pack.is_none(), "--pack: it belongs to QEMU, which c2w does not use");
        ensure!(
            !self.to_js,
            "--to-js: c2w writes one WASI module and no JavaScript; a browser runs it with any \
             WASI library"
        );
        ensure!(
            !self.external_bundle,
            "--external-bundle: c2w puts the image into the module; name the image to convert"
        );
        Ok(())
    }
}

/// Versions and repositories of what container2wasm compiles.
fn is_pinned_tool(key: &str) -> bool {
    key.ends_with("_VERSION") || key.ends_with("_REPO")
}
