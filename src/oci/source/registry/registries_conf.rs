//! Which registries an image's name stands for: containers-registries.conf(5), version 2.
//!
//! Of it are read `[[registry]]` and its mirrors. Names without a registry are Docker Hub's, so
//! `unqualified-search-registries` and aliases have nothing to say.

use super::environment::{config_home, variable};
use crate::oci::ErrorKind;
use crate::oci::reference::Reference;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

const SYSTEM: &str = "/etc/containers";

/// Where to pull an image from (containers/image: `PullSource`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PullSource {
    pub reference: Reference,
    /// Plain HTTP and unproven certificates will do.
    pub insecure: bool,
    /// Not the image's own registry.
    pub is_mirror: bool,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(default, rename = "registry")]
    registries: Vec<Registry>,
    /// Version 1.
    #[serde(rename = "registries")]
    old: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registry {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default, rename = "mirror")]
    mirrors: Vec<Mirror>,
    #[serde(default)]
    mirror_by_digest_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<PullFromMirror>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFromMirror {
    #[serde(alias = "")]
    All,
    DigestOnly,
    TagOnly,
}

/// Where to look for `reference`, in this order; its own registry is the last.
pub(super) fn pull_sources(reference: &Reference) -> Result<Vec<PullSource>, ErrorKind> {
    let mut config = Config::default();
    for path in files()? {
        config.add(read(&path)?);
    }
    config.pull_sources(reference)
}

/// The files that count, those that override others last. The user's replace the system's.
fn files() -> Result<Vec<PathBuf>, ErrorKind> {
    if let Some(path) = variable("CONTAINERS_REGISTRIES_CONF") {
        return Ok(vec![path]);
    }
    let own = config_home().map(|dir| dir.join("containers"));
    let system = PathBuf::from(SYSTEM);
    let (main, drop_ins) = match own {
        Some(own) if own.join("registries.conf").exists() => (own.clone(), vec![own]),
        own => (system.clone(), std::iter::once(system).chain(own).collect()),
    };
    let mut files = vec![main.join("registries.conf")];
    files.retain(|file| file.exists());
    for dir in drop_ins {
        files.extend(drop_in_files(&dir.join("registries.conf.d"))?);
    }
    Ok(files)
}

fn drop_in_files(dir: &Path) -> Result<Vec<PathBuf>, ErrorKind> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| fail(dir, error))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| fail(dir, error))?.path();
        if path.extension().is_some_and(|extension| extension == "conf") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Config, ErrorKind> {
    let text = fs::read_to_string(path).map_err(|error| fail(path, error))?;
    Config::parse(&text).map_err(|reason| fail(path, reason))
}

fn fail(path: &Path, reason: impl std::fmt::Display) -> ErrorKind {
    ErrorKind::RegistriesConf(format!("{}: {reason}", path.display()))
}

impl Config {
    fn parse(text: &str) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line}: {}", error.message())
        })?;
        if config.old.is_some() {
            return Err("is in version 1 of the format: write [[registry]] tables, as \
                        containers-registries.conf(5) says"
                .into());
        }
        config.registries.iter_mut().try_for_each(Registry::complete)?;
        Ok(config)
    }

    /// Another file's tables; equal prefixes override.
    fn add(&mut self, other: Self) {
        for registry in other.registries {
            self.registries.retain(|mine| mine.prefix != registry.prefix);
            self.registries.push(registry);
        }
    }

    fn pull_sources(&self, reference: &Reference) -> Result<Vec<PullSource>, ErrorKind> {
        let name = reference.to_string();
        let matching = self
            .registries
            .iter()
            .filter_map(|registry| Some((registry, match_end(&registry.prefix, &name)?)));
        let Some((registry, end)) = matching.max_by_key(|(registry, _)| registry.prefix.len())
        else {
            let reference = reference.clone();
            return Ok(vec![PullSource { reference, insecure: false, is_mirror: false }]);
        };
        if registry.blocked {
            let reason = format!("{} is blocked in registries.conf", registry.prefix);
            return Err(ErrorKind::RegistriesConf(reason));
        }
        let source = |location: &str, insecure, is_mirror| {
            let reference = match location {
                "" => reference.clone(),
                _ => Reference::at(&format!("{location}{}", &name[end..]))
                    .map_err(|error| ErrorKind::RegistriesConf(error.to_string()))?,
            };
            Ok(PullSource { reference, insecure, is_mirror })
        };
        let mirrors = registry.mirrors.iter().filter(|mirror| {
            let only = match registry.mirror_by_digest_only {
                true => PullFromMirror::DigestOnly,
                false => mirror.pull_from_mirror.unwrap_or(PullFromMirror::All),
            };
            match only {
                PullFromMirror::All => true,
                PullFromMirror::DigestOnly => reference.digest.is_some(),
                PullFromMirror::TagOnly => reference.digest.is_none(),
            }
        });
        mirrors
            .map(|mirror| source(&mirror.location, mirror.insecure, true))
            .chain([source(&registry.location, registry.insecure, false)])
            .collect()
    }
}

impl Registry {
    /// Fills in and checks what the format leaves to its reader.
    fn complete(&mut self) -> Result<(), String> {
        let mirrors = self.mirrors.iter_mut().map(|mirror| &mut mirror.location);
        for location in mirrors.chain([&mut self.prefix, &mut self.location]) {
            if location.contains("://") {
                return Err(format!("{location:?}: write host[:port][/path] without a scheme"));
            }
            location.truncate(location.trim_end_matches('/').len());
        }
        if self.prefix.is_empty() {
            self.prefix.clone_from(&self.location);
        }
        if self.prefix.is_empty() {
            return Err("a [[registry]] has neither prefix nor location".into());
        }
        if self.location.is_empty() && !self.prefix.starts_with("*.") {
            return Err(format!("the [[registry]] with prefix {:?} has no location", self.prefix));
        }
        let misplaced = |host: &str| host.contains(['*', '/', ':']);
        if self.prefix.contains('*') && self.prefix.strip_prefix("*.").is_none_or(misplaced) {
            return Err(format!(
                "prefix {:?}: a * may only stand for hosts, as *.HOST",
                self.prefix
            ));
        }
        if self.mirrors.iter().any(|mirror| mirror.location.is_empty()) {
            return Err(format!("a mirror of {:?} has no location", self.prefix));
        }
        if self.mirror_by_digest_only
            && self.mirrors.iter().any(|mirror| mirror.pull_from_mirror.is_some())
        {
            return Err(format!(
                "{:?} has mirror-by-digest-only and a mirror with pull-from-mirror: keep one",
                self.prefix
            ));
        }
        Ok(())
    }
}

/// Where the part of `name` ends that `prefix` stands for.
fn match_end(prefix: &str, name: &str) -> Option<usize> {
    let host = name.split('/').next().unwrap_or_default();
    if let Some(domain) = prefix.strip_prefix('*') {
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        return bare.ends_with(domain).then_some(bare.len());
    }
    let rest = name.strip_prefix(prefix)?;
    // A host without a port is not the same host with one.
    let ends = match prefix.contains('/') {
        true => rest.is_empty() || rest.starts_with(['/', ':', '@']),
        false => rest.starts_with('/'),
    };
    ends.then_some(prefix.len())
}

#[cfg(test)]
#[path = "registries_conf_tests.rs"]
mod tests;
