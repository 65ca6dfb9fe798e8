//! Which of an index's images to take ([image-spec, image index]).
//!
//! [image-spec, image index]: https://github.com/opencontainers/image-spec/blob/main/image-index.md

use super::json::null_default;
use crate::target::Target;
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
    /// The machine that runs images of this platform.
    ///
    /// # Errors
    /// When there is none.
    pub fn target(&self) -> Result<Target, UnsupportedPlatform> {
        let runs = |target: &Target| Self::from(*target).accepts(self);
        Target::ALL.into_iter().find(runs).ok_or_else(|| UnsupportedPlatform(self.clone()))
    }

    /// Whether an image of platform `other` is what `self` asks for. A variant counts only when
    /// asked for.
    pub fn accepts(&self, other: &Self) -> bool {
        let (want, have) = (self.normal(), other.normal());
        want.os == have.os
            && want.architecture == have.architecture
            && (want.variant.is_empty() || want.variant == have.variant)
    }

    /// Attestations and other things that are not images say `unknown/unknown`.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }

    /// Without the second names that some builders write (as containerd's `platforms.Normalize`).
    fn normal(&self) -> Self {
        let os = self.os.to_ascii_lowercase();
        let architecture = match self.architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => "amd64".into(),
            "aarch64" => "arm64".into(),
            other => other.to_owned(),
        };
        let variant = match (architecture.as_str(), self.variant.to_ascii_lowercase().as_str()) {
            ("arm64", "v8" | "8") | ("amd64", "v1") => String::new(),
            (_, variant) => variant.to_owned(),
        };
        Self { os, architecture, variant }
    }
}

impl From<Target> for Platform {
    fn from(target: Target) -> Self {
        Self {
            os: target.os().into(),
            architecture: target.architecture().into(),
            variant: String::new(),
        }
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

/// A platform for which there is no machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("c2w runs {} only, not {_0}", supported())]
pub struct UnsupportedPlatform(Platform);

/// All platforms for which there is a machine, for errors.
fn supported() -> String {
    Target::ALL.map(|target| Platform::from(target).to_string()).join(", ")
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
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/arm/v7", "linux/arm", false),
            ("linux/amd64", "linux/x86_64", true),
            ("linux/amd64/v3", "linux/amd64", false),
        ];
        for (want, have, expected) in cases {
            assert_eq!(platform(want).accepts(&platform(have)), expected, "{want} {have}");
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
