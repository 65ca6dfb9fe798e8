//! The image configuration ([image-spec, config]), read leniently: real images leave out, null or
//! invent fields.
//!
//! [image-spec, config]: https://github.com/opencontainers/image-spec/blob/main/config.md

use super::digest::Digest;
use super::json::null_default;
use super::json::{self, JsonError};
use super::platform::Platform;
use c2w_guest_abi::ContainerConfig;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The most bytes of a configuration.
pub const MAX_CONFIG: u64 = 8 << 20;

/// What an image says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// What it runs on; parts may be empty.
    pub platform: Platform,
    /// When it was built, RFC 3339, if it says.
    pub created: Option<String>,
    /// The digests of the uncompressed layers, base first.
    pub diff_ids: Vec<Digest>,
    /// How to run it.
    pub run: RunConfig,
}

/// The part `config`: what a container of the image runs, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// The first part of the command.
    #[serde(deserialize_with = "null_default")]
    pub entrypoint: Vec<String>,
    /// The rest of the command, or its default arguments.
    #[serde(deserialize_with = "null_default")]
    pub cmd: Vec<String>,
    /// The environment, `NAME=value`.
    #[serde(deserialize_with = "null_default")]
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers; empty is root.
    #[serde(deserialize_with = "null_default")]
    pub user: String,
    /// The working directory; empty is `/`.
    #[serde(deserialize_with = "null_default")]
    pub working_dir: String,
    /// Directories of writable data.
    #[serde(deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// Ports, `80/tcp`.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
    /// The signal that asks the command to end, `SIGTERM` or a number; empty is `SIGTERM`.
    #[serde(deserialize_with = "null_default")]
    pub stop_signal: String,
    /// Names and values for people and tools.
    #[serde(deserialize_with = "null_default")]
    pub labels: BTreeMap<String, String>,
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not the JSON it should be, or JSON that could be read in two ways.
    #[error("its configuration {0}")]
    Json(#[from] JsonError),
    /// A string that Linux cannot take.
    #[error("its configuration has a NUL byte in {0}: refused")]
    Nul(&'static str),
    /// The manifest and the configuration disagree.
    #[error("its manifest has {layers} layers, but its configuration {diff_ids} DiffIDs: refused")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default, deserialize_with = "null_default")]
    os: String,
    #[serde(default, deserialize_with = "null_default")]
    architecture: String,
    #[serde(default, deserialize_with = "null_default")]
    variant: String,
    #[serde(default)]
    created: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    config: RunConfig,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_default")]
    diff_ids: Vec<Digest>,
}

/// The names of a JSON map whose values say nothing (Go's `map[string]struct{}`).
fn keys<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let map: BTreeMap<String, IgnoredAny> = null_default(deserializer)?;
    Ok(map.into_keys().collect())
}

impl ImageConfig {
    /// Reads the configuration of an image of `layers` layers.
    ///
    /// # Errors
    /// [`ConfigError`] when the JSON is malformed, has no `rootfs`, has a key twice, has NUL bytes
    /// where Linux takes none, or another number of DiffIDs.
    pub fn parse(bytes: &[u8], layers: usize) -> Result<Self, ConfigError> {
        let raw: Raw = json::parse(bytes)?;
        let diff_ids = raw.rootfs.diff_ids;
        if diff_ids.len() != layers {
            return Err(ConfigError::LayerCount { layers, diff_ids: diff_ids.len() });
        }
        raw.config.check_nul()?;
        let Raw { os, architecture, variant, created, config: run, .. } = raw;
        Ok(Self { platform: Platform { os, architecture, variant }, created, diff_ids, run })
    }

    /// When the image was made, in seconds since 1970; 0 when it does not say or says nonsense.
    pub fn created_seconds(&self) -> u64 {
        let text = self.created.as_deref().unwrap_or_default();
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text, format)
            .map_or(0, |time| time.unix_timestamp().max(0) as u64)
    }
}

impl RunConfig {
    fn check_nul(&self) -> Result<(), ConfigError> {
        let lists = [
            ("Entrypoint", self.entrypoint.as_slice()),
            ("Cmd", &self.cmd),
            ("Env", &self.env),
            ("Volumes", &self.volumes),
            ("User", std::slice::from_ref(&self.user)),
            ("WorkingDir", std::slice::from_ref(&self.working_dir)),
        ];
        match lists.into_iter().find(|(_, list)| list.iter().any(|text| text.contains('\0'))) {
            Some((name, _)) => Err(ConfigError::Nul(name)),
            None => Ok(()),
        }
    }
}

/// What the guest needs of `config`, as Docker understands it: entries of `Env` without `=` set
/// nothing, relative directories start at the root. The host name and the limits are the caller's.
pub fn guest_config(config: &ImageConfig) -> ContainerConfig {
    let bytes = |list: &[String]| list.iter().map(|text| text.as_bytes().to_vec()).collect();
    let run = &config.run;
    let sets = |entry: &&String| entry.find('=').is_some_and(|at| at > 0);
    ContainerConfig {
        entrypoint: bytes(&run.entrypoint),
        cmd: bytes(&run.cmd),
        env: run.env.iter().filter(sets).map(|entry| entry.as_bytes().to_vec()).collect(),
        user: run.user.as_bytes().to_vec(),
        workdir: if run.working_dir.is_empty() { Vec::new() } else { absolute(&run.working_dir) },
        stop_signal: super::stop_signal::number(&run.stop_signal),
        volumes: run.volumes.iter().map(|path| absolute(path)).collect(),
        ..ContainerConfig::default()
    }
}

fn absolute(path: &str) -> Vec<u8> {
    format!("/{}", path.trim_start_matches('/')).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_configuration_reaches_the_guest() {
        let json = br#"{"architecture":"riscv64","os":"linux","created":"2023-11-14T22:13:20Z",
            "config":{"Entrypoint":["/bin/sh","-c"],"Cmd":["echo hi",""],"Env":["A=b c","B","=x"],
            "User":"user:1","WorkingDir":"home","Volumes":{"/data":{},"d2":null},
            "ExposedPorts":{"80/tcp":{}},"Labels":{"a":"b"},"StopSignal":"SIGINT","Unknown":1},
            "rootfs":{"type":"layers","diff_ids":[]},"history":[{}]}"#;
        let config = ImageConfig::parse(json, 0).unwrap();
        assert_eq!(config.platform, Platform::of("riscv64"));
        assert_eq!(config.created.as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(config.run.exposed_ports, ["80/tcp"]);
        assert_eq!((config.run.stop_signal.as_str(), &config.run.labels["a"][..]), ("SIGINT", "b"));
        let guest = guest_config(&config);
        assert_eq!(guest.entrypoint, [b"/bin/sh".to_vec(), b"-c".to_vec()]);
        assert_eq!(guest.cmd, [b"echo hi".to_vec(), b"".to_vec()]);
        assert_eq!(guest.env, [b"A=b c".to_vec()]);
        assert_eq!((guest.user, guest.workdir), (b"user:1".to_vec(), b"/home".to_vec()));
        assert_eq!(guest.stop_signal, 2);
        assert_eq!(guest.volumes, [b"/data".to_vec(), b"/d2".to_vec()]);
    }

    /// As Go reads them: what such a key says must not be lost, least of all the user.
    #[test]
    fn capital_letters_of_keys_do_not_matter() {
        let json = br#"{"OS":"linux","Architecture":"riscv64","Config":{"cmd":["/bin/id"],
            "env":["A=b"],"user":"5","workingdir":"/w","volumes":{"/Data":{}}},
            "RootFS":{"Diff_IDs":[]}}"#;
        let config = ImageConfig::parse(json, 0).unwrap();
        assert_eq!(config.platform, Platform::of("riscv64"));
        let guest = guest_config(&config);
        assert_eq!(guest.cmd, [b"/bin/id".to_vec()]);
        assert_eq!(guest.env, [b"A=b".to_vec()]);
        assert_eq!((guest.user, guest.workdir), (b"5".to_vec(), b"/w".to_vec()));
        assert_eq!(guest.volumes, [b"/Data".to_vec()]);
    }

    #[test]
    fn nulls_and_gaps_are_defaults() {
        for json in [
            r#"{"rootfs":{"diff_ids":null}}"#,
            r#"{"os":null,"config":null,"rootfs":{}}"#,
            r#"{"config":{"Env":null,"Cmd":null,"Volumes":null,"User":null,"Labels":null},
                "rootfs":{"diff_ids":[]}}"#,
        ] {
            assert_eq!(
                ImageConfig::parse(json.as_bytes(), 0),
                Ok(ImageConfig::default()),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            ("{}", r#"malformed: it has no "rootfs""#),
            ("nonsense", "malformed"),
            (r#"{"config":{"Env":["A=\u0000"]},"rootfs":{}}"#, "NUL byte in Env"),
            (
                r#"{"config":{"Env":"A=b"},"rootfs":{}}"#,
                r#"malformed: config.Env must be a list, not the string "A=b""#,
            ),
            (
                r#"{"config":{"user":5},"rootfs":{}}"#,
                "malformed: config.User must be a string, not the number 5",
            ),
            (
                r#"{"rootfs":{"diff_ids":["x"]}}"#,
                r#"malformed: rootfs.diff_ids[0]: "x" is not a digest"#,
            ),
            (r#"{"rootfs":{},"rootfs":{}}"#, "has the key \"rootfs\" twice:"),
            (r#"{"config":{"Cmd":["a"],"cmd":["b"]},"rootfs":{}}"#, "\"cmd\" twice in config:"),
            (r#"{"config":{"Labels":{"a":"1","a":"2"}},"rootfs":{}}"#, "twice in config.Labels:"),
        ];
        for (json, expected) in cases {
            let error = ImageConfig::parse(json.as_bytes(), 0).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let error = ImageConfig::parse(br#"{"rootfs":{}}"#, 2).unwrap_err();
        assert_eq!(error, ConfigError::LayerCount { layers: 2, diff_ids: 0 });
    }
}
