//! Which of an index's images to take ([image-spec, image index]).
//!
//! [image-spec, image index]: https://github.com/opencontainers/image-spec/blob/main/image-index.md

use super::json::null_default;
use crate::target::{self, Execution};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// An operating system and a CPU, in Go's names (`GOOS`, `GOARCH`).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default, deserialize_with = "null_default")]
    pub os: String,
    /// `riscv64`.
    #[serde(default, deserialize_with = "null_default")]
    pub architecture: String,
    /// `v7` of `arm`; empty when the image says none.
    #[serde(default, deserialize_with = "null_default")]
    pub variant: String,
}

impl Platform {
    /// That of images which run on a CPU, in Go's words.
    pub fn of(architecture: &str) -> Self {
        let os = target::OS.into();
        Self { os, architecture: architecture.into(), variant: String::new() }
    }

    /// All whose images run, best first.
    pub fn all() -> Vec<Self> {
        target::architectures().map(Self::of).collect()
    }

    /// How images of this platform are executed.
    ///
    /// # Errors
    /// When they are not.
    pub fn execution(&self) -> Result<Execution, UnsupportedPlatform> {
        let normal = self.normal();
        Execution::of(&normal.os, &normal.architecture, normal.level())
            .ok_or_else(|| UnsupportedPlatform(self.clone()))
    }

    /// Whether an image of platform `other` is what `self` asks for. A variant counts only when
    /// asked for; one that is a level includes the levels below it.
    pub fn accepts(&self, other: &Self) -> bool {
        let (want, have) = (self.normal(), other.normal());
        if (&want.os, &want.architecture) != (&have.os, &have.architecture) {
            return false;
        }
        want.variant.is_empty()
            || want.variant == have.variant
            || matches!((want.level(), have.level()), (Some(most), Some(level)) if level <= most)
    }

    /// How far an image that is accepted is from what `self` asks for: the highest level below it
    /// when it asks for one, otherwise the lowest, which wants the least of the CPU.
    pub(super) fn distance(&self, other: &Self) -> u32 {
        let (want, have) = (self.normal(), other.normal());
        match (want.level(), have.level()) {
            (Some(most), Some(level)) if !want.variant.is_empty() => most.saturating_sub(level),
            (_, Some(level)) => level,
            // Not one of the levels.
            (Some(_), None) => u32::MAX - 1,
            (None, None) => u32::from(want.variant != have.variant),
        }
    }

    /// The level that the variant is, where variants are levels: each runs all below it.
    pub fn level(&self) -> Option<u32> {
        let normal = self.normal();
        match (normal.architecture.as_str(), normal.variant.as_str()) {
            ("amd64", "") => Some(1),
            ("amd64" | "arm", variant) => {
                let digits = variant.strip_prefix('v')?;
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                // A number with more digits is above every level that there is.
                is_number.then(|| digits.parse().unwrap_or(u32::MAX).max(1))
            }
            _ => None,
        }
    }

    /// Attestations and other things that are not images say `unknown/unknown`.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }

    /// Without the second names that some builders write (as containerd's `platforms.Normalize`),
    /// and those that users bring from elsewhere.
    pub fn normal(&self) -> Self {
        let os = self.os.to_ascii_lowercase();
        let variant = self.variant.to_ascii_lowercase();
        let (architecture, variant) = match self.architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => ("amd64".to_owned(), variant),
            "i386" | "i486" | "i586" | "i686" | "x86" => ("386".to_owned(), variant),
            "aarch64" => ("arm64".to_owned(), variant),
            "armhf" => ("arm".to_owned(), "v7".to_owned()),
            "armel" => ("arm".to_owned(), "v6".to_owned()),
            "ppc64el" => ("ppc64le".to_owned(), variant),
            "mips64el" => ("mips64le".to_owned(), variant),
            "loongarch64" => ("loong64".to_owned(), variant),
            other => (other.to_owned(), variant),
        };
        let variant = match (architecture.as_str(), variant.as_str()) {
            ("arm64", "v8" | "8") | ("amd64", "v1" | "1") => String::new(),
            ("arm", "") => "v7".to_owned(),
            ("arm" | "amd64", level) if level.bytes().all(|b| b.is_ascii_digit()) => {
                if level.is_empty() { String::new() } else { format!("v{level}") }
            }
            (_, variant) => variant.to_owned(),
        };
        Self { os, architecture, variant }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

/// A platform whose images are not executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("c2w does not run {_0}: it runs {}", supported())]
pub struct UnsupportedPlatform(Platform);

fn supported() -> String {
    let names: Vec<_> = Platform::all().iter().map(Platform::to_string).collect();
    names.join(", ")
}

/// A text that is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a platform: write OS/ARCHITECTURE[/VARIANT], for example linux/riscv64")]
pub struct InvalidPlatform(String);

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        let parts: Vec<&str> = text.split('/').collect();
        let good = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !parts.iter().all(good) {
            return Err(InvalidPlatform(text.to_owned()));
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, ""),
            [os, architecture, variant] => (os, architecture, variant),
            _ => return Err(InvalidPlatform(text.to_owned())),
        };
        Ok(Self { os: os.into(), architecture: architecture.into(), variant: variant.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn what_accepts_what() {
        let cases = [
            ("linux/riscv64", "linux/riscv64", true),
            ("linux/riscv64", "linux/riscv64/rva23u64", true),
            ("linux/riscv64", "linux/amd64", false),
            ("linux/riscv64", "windows/riscv64", false),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/aarch64", true),
            ("linux/arm/v7", "linux/arm/v6", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm/v6", "linux/arm/6", true),
            // As containerd has it: plain arm is its seventh version.
            ("linux/arm/v7", "linux/arm", true),
            ("linux/arm/v6", "linux/arm", false),
            ("linux/arm", "linux/arm/v5", true),
            ("linux/arm", "linux/arm/v8", false),
            ("linux/armhf", "linux/arm/v7", true),
            ("linux/amd64", "linux/x86_64", true),
            ("linux/amd64", "linux/amd64/v4", true),
            ("linux/amd64/v3", "linux/amd64", true),
            ("linux/amd64/v3", "linux/amd64/v2", true),
            ("linux/amd64/v2", "linux/amd64/v3", false),
            ("linux/386", "linux/i686", true),
            ("linux/mips64le", "linux/mips64el", true),
            ("linux/arm64/v9", "linux/arm64", false),
        ];
        for (want, have, expected) in cases {
            assert_eq!(platform(want).accepts(&platform(have)), expected, "{want} {have}");
        }
    }

    #[test]
    fn the_nearest_level_goes_first() {
        let nearest = |want: &str, have: &[&'static str]| {
            let mut have = have.to_vec();
            have.retain(|text| platform(want).accepts(&platform(text)));
            have.sort_by_key(|text| platform(want).distance(&platform(text)));
            have
        };
        let levels = ["linux/amd64/v3", "linux/amd64", "linux/amd64/v2"];
        assert_eq!(
            nearest("linux/amd64", &levels),
            ["linux/amd64", "linux/amd64/v2", "linux/amd64/v3"]
        );
        assert_eq!(nearest("linux/amd64/v2", &levels), ["linux/amd64/v2", "linux/amd64"]);
        let arm = ["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"];
        assert_eq!(nearest("linux/arm", &arm), ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"]);
        assert_eq!(nearest("linux/arm/v6", &arm), ["linux/arm/v6", "linux/arm/v5"]);
        let variants = ["linux/riscv64/rva23u64", "linux/riscv64"];
        assert_eq!(
            nearest("linux/riscv64", &variants),
            ["linux/riscv64", "linux/riscv64/rva23u64"]
        );
    }

    #[test]
    fn what_is_executed() {
        let runs = |text: &str| platform(text).execution().is_ok();
        for text in ["linux/riscv64", "linux/riscv64/rva23u64", "linux/x86_64/v3", "linux/arm/v5"] {
            assert!(runs(text), "{text}");
        }
        for text in [
            "linux/amd64/v4",
            "linux/amd64/v99999999999",
            "linux/amd64/foo",
            "linux/arm/v9",
            "linux/ppc64",
            "freebsd/amd64",
        ] {
            assert!(!runs(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_platform() {
        for bad in ["", "linux", "linux/", "/riscv64", "a/b/c/d", "linux/risc v", "a//b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
    }
}
