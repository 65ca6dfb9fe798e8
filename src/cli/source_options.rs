//! Options that say where and how an image is read.

use super::cache;
use super::usage::usage;
use crate::image_source::ImageSource;
use crate::oci::{ImageRef, Platform, SourceOptions, UserPassword};
use crate::progress::Progress;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct SourceArgs {
    /// What the image must run on; amd64, arm64, arm[/v7], 386, ppc64le, s390x, mips64le and loong64
    /// are emulated by QEMU, 10 to 90 times slower [default: linux/riscv64 if the image has it, else
    /// linux/amd64, else linux/arm64].
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// The same by the CPU alone, as container2wasm has it.
    #[arg(long, value_name = "ARCH", conflicts_with = "platform")]
    target_arch: Option<String>,
    /// Name and password for the registry. Others on this machine can see a command line:
    /// --authfile hides them.
    #[arg(long, value_name = "USER[:PASSWORD]")]
    creds: Option<UserPassword>,
    /// Credentials, as Docker's config.json or podman's auth.json.
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// The registry's own certificates: *.crt are authorities, NAME.cert and NAME.key the client's.
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Whether a registry must prove its identity; without, plain HTTP is tried too. A registry
    /// on a loopback address may always speak plain HTTP.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    tls_verify: Option<bool>,
    /// Fetch everything anew and keep nothing (see `c2w cache`).
    #[arg(long)]
    no_cache: bool,
}

impl SourceArgs {
    /// The first option that is about an image, if there is one.
    pub(super) fn for_an_image(&self) -> Option<&'static str> {
        let given = [
            (self.platform.is_some(), "--platform"),
            (self.target_arch.is_some(), "--target-arch"),
            (self.creds.is_some(), "--creds"),
            (self.authfile.is_some(), "--authfile"),
            (self.cert_dir.is_some(), "--cert-dir"),
            (self.tls_verify.is_some(), "--tls-verify"),
            (self.no_cache, "--no-cache"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }

    /// What converting `image` takes.
    pub(super) fn options(
        &self,
        image: &ImageSource,
        progress: &dyn Progress,
    ) -> Result<SourceOptions> {
        let options = self.any_platform(image, progress)?;
        // Another platform's programs would only fail later, and obscurely.
        for platform in &options.platforms {
            platform.execution().map_err(|error| usage!("{error}"))?;
        }
        Ok(options)
    }

    /// What reading `image` takes. The cache is opened only for what has use for it.
    pub(super) fn any_platform(
        &self,
        image: &ImageSource,
        progress: &dyn Progress,
    ) -> Result<SourceOptions> {
        let platforms = match (&self.target_arch, &self.platform) {
            (Some(architecture), _) => vec![format!("linux/{architecture}").parse()?],
            (None, Some(platform)) => vec![platform.clone()],
            (None, None) => Platform::all(),
        };
        let use_cache =
            !self.no_cache && matches!(image, ImageSource::Image(ImageRef::Registry(_)));
        Ok(SourceOptions {
            platforms,
            tls_verify: self.tls_verify,
            creds: self.creds.clone(),
            cert_dir: self.cert_dir.clone(),
            auth_file: self.authfile.clone(),
            store: if use_cache { cache::open(progress) } else { None },
            ..SourceOptions::default()
        })
    }
}
