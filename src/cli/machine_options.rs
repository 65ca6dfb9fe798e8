//! Options that say what the machine is like.

use crate::assets::Assets;
use crate::boot;
use crate::convert::{DEFAULT_IMAGE_CACHE, Options};
use crate::oci::SourceOptions;
use crate::space::{IMAGE_CACHE_MIB, MEMORY_MIB};
use crate::target::Target;
use anyhow::Result;
use clap::Args;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What a console shows that shows everything but debugging messages.
const INFO: u8 = 7;

#[derive(Args)]
pub(super) struct MachineArgs {
    /// Memory of the machine in MiB, or with a unit as 512m or 1g [default: 256].
    #[arg(short = 'm', long, value_name = "MIB", value_parser = memory)]
    memory: Option<u64>,
    /// How much of the root image is in memory at once, in MiB or as 512m or 1g; what was not used
    /// for longest makes room [default: 1024].
    #[arg(long, value_name = "MIB", value_parser = image_cache)]
    image_cache: Option<u64>,
    /// Show messages of the guest's kernel that are more urgent than this, 0 to 8.
    #[arg(long, value_name = "LEVEL", value_parser = loglevel)]
    loglevel: Option<u8>,
    /// Show the guest kernel's console while it boots, as --loglevel 7.
    #[arg(long)]
    debug_image: bool,
    /// Take kernel, initramfs and runtime from here where it has them (Image.zst,
    /// initramfs.cpio.zst, runtime.wasm, runtime-component.wasm).
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
}

/// What container2wasm's build arguments ask for.
#[derive(Default)]
pub(super) struct BuildArgs {
    pub(super) memory: Option<u64>,
    pub(super) loglevel: Option<u8>,
}

impl MachineArgs {
    /// Whether the guest kernel's console is to be shown.
    pub(super) fn debug_image(&self) -> bool {
        self.debug_image
    }

    /// The first option that is for the making of a machine, if there is one.
    pub(super) fn for_a_new_machine(&self) -> Option<&'static str> {
        let given = [
            (self.memory.is_some(), "--memory"),
            (self.image_cache.is_some(), "--image-cache"),
            (self.loglevel.is_some(), "--loglevel"),
            (self.assets.is_some(), "--assets"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }

    /// What a conversion takes; an option of our own goes before a build argument.
    pub(super) fn options(&self, source: SourceOptions, build: &BuildArgs) -> Result<Options> {
        let level = self.loglevel.or(build.loglevel).filter(|&level| level > 0);
        // That of all platforms: an image is not looked at yet.
        let target = Target::default();
        let assets = match &self.assets {
            Some(dir) => Assets::from_dir(dir, target)?,
            None => Assets::embedded(target),
        };
        Ok(Options {
            source,
            image_cache: self.image_cache.map_or(DEFAULT_IMAGE_CACHE, |mib| mib << 20),
            memory_mib: self.memory.or(build.memory).unwrap_or(boot::DEFAULT_MEMORY_MIB),
            kernel_log: level.or(self.debug_image.then_some(INFO)),
            assets,
            ..Options::default()
        })
    }
}

/// Reads an amount of memory for a machine.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    mebibytes(text, MEMORY_MIB)
}

/// Reads an amount of memory for a root image.
fn image_cache(text: &str) -> Result<u64, String> {
    mebibytes(text, IMAGE_CACHE_MIB)
}

/// Reads an amount of memory in MiB, or with Docker's units.
fn mebibytes(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (range.start(), range.end());
    let lower = text.to_ascii_lowercase();
    let (number, unit) = lower.split_at(lower.trim_end_matches(['b', 'g', 'm']).len());
    let unit = match unit {
        "" | "m" | "mb" => Some(1),
        "g" | "gb" => Some(1024),
        _ => None,
    };
    if unit.is_some() && is_fraction(number) {
        return Err(format!(
            "fractions are not taken: write a number of MiB from {least} to {most}"
        ));
    }
    let amount =
        number.parse().ok().zip(unit).and_then(|(number, unit)| u64::checked_mul(number, unit));
    amount
        .filter(|amount| range.contains(amount))
        .ok_or_else(|| format!("write a number of MiB from {least} to {most}, or as 512m or 1g"))
}

fn is_fraction(number: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = number.split_once(['.', ',']);
    parts.is_some_and(|(whole, rest)| is_digits(whole) && is_digits(rest) && number.len() > 1)
}

/// Reads a level of printk.
pub(super) fn loglevel(text: &str) -> Result<u8, String> {
    let level = text.parse().ok().filter(|level| *level <= 8);
    level.ok_or_else(|| "write a number from 0 to 8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_mib_or_with_a_unit() {
        for (text, mib) in [("64", 64), ("512m", 512), ("512M", 512), ("1g", 1024), ("2GB", 2048)] {
            assert_eq!(memory(text), Ok(mib), "{text}");
        }
        for text in ["", "63", "3073", "512k", "m", "4g", "-1", "1.5g", "512 m", "64b", "é"] {
            assert!(memory(text).is_err(), "{text}");
        }
        for text in ["1.5g", "0,5gb", "512.0", ".5g", "1.g"] {
            assert!(memory(text).unwrap_err().starts_with("fractions are not taken"), "{text}");
        }
        for text in ["", "1..5g", ".", "x.5", "1.5k"] {
            assert!(memory(text).unwrap_err().starts_with("write a number of MiB"), "{text}");
        }
    }
}
