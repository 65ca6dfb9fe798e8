//! Descriptors, indexes and manifests: OCI image-spec 1.1 and Docker's schema 2, whose JSON is
//! the same but for its media types.

use super::digest::{Digest, Hasher, InvalidDigest};
use super::json::null_default;
use super::json::{self, JsonError};
use super::platform::Platform;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most bytes of a manifest or index; registries refuse to store more.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The most layers of an image. Docker stops at 127.
pub const MAX_LAYERS: usize = 1024;

/// Media types that this program asks for or must tell apart.
pub mod media_type {
    /// An OCI image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker's manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Image configurations, OCI's, Docker's and, from early Docker versions, nobody's.
    pub const CONFIGS: [&str; 3] = [
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/octet-stream",
    ];
    /// How the media types of layers begin.
    pub const LAYER_PREFIXES: [&str; 2] =
        ["application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."];
}

/// The annotation that is a tag in a layout's `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation with an image's full name there, as containerd, nerdctl and BuildKit write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Where some bytes are and what they must be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes claim to be; empty when unknown.
    #[serde(default, deserialize_with = "null_default")]
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// Names and values.
    #[serde(default, deserialize_with = "null_default")]
    pub annotations: BTreeMap<String, String>,
    /// What the image runs on, in an index.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// The bytes themselves, in base64: small documents may come along.
    #[serde(default)]
    data: Option<String>,
}

impl Descriptor {
    /// A descriptor that says no more than it must.
    pub fn new(media_type: String, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, annotations: BTreeMap::new(), platform: None, data: None }
    }

    /// The bytes that came along with the descriptor, if they are what it says.
    pub fn embedded(&self) -> Option<Vec<u8>> {
        let bytes = BASE64_STANDARD.decode(self.data.as_ref()?).ok()?;
        let mut hasher = Hasher::for_digest(&self.digest);
        hasher.update(&bytes);
        (bytes.len() as u64 == self.size && hasher.digest() == self.digest).then_some(bytes)
    }

    /// Whether this is a layer that the image's makers did not allow registries to have.
    pub fn is_foreign(&self) -> bool {
        self.media_type.contains(".nondistributable.") || self.media_type.contains(".foreign.")
    }

    /// BuildKit's attestations stand in an index beside the images they speak of.
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
            || self.platform.as_ref().is_some_and(Platform::is_unknown)
    }
}

/// The manifest of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, base first.
    pub layers: Vec<Descriptor>,
}

/// A manifest or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Several images or further indexes.
    Index(Vec<Descriptor>),
    /// One image.
    Manifest(Manifest),
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON it should be, or JSON that could be read in two ways.
    #[error("its manifest {0}")]
    Json(#[from] JsonError),
    /// Not what a manifest or an index has.
    #[error("its manifest is malformed: {0}")]
    Malformed(String),
    /// Docker's schema 1.
    #[error("its manifest has Docker's old schema 1: push it again with a current tool")]
    Schema1,
    /// The document is both an index and a manifest, or not what it says it is.
    #[error("its manifest contradicts itself on whether it is an index: refused")]
    Ambiguous,
    /// Something else than a container image is stored there.
    #[error("it is not a container image but an OCI artifact of type {0:?}")]
    Artifact(String),
    /// An encrypted layer.
    #[error("its layer {0} is encrypted: decrypt it with `skopeo copy --decryption-key`")]
    Encrypted(Digest),
    /// A digest of bad form.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// Over [`MAX_LAYERS`].
    #[error("it has {0} layers, at most {MAX_LAYERS} are allowed")]
    TooManyLayers(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

/// Reads a manifest or an index. `announced` is the media type by which it was found, maybe empty.
///
/// # Errors
/// [`ManifestError`], among them everything that is not an image made of layers.
pub fn parse(bytes: &[u8], announced: &str) -> Result<Document, ManifestError> {
    let raw: Raw = json::parse(bytes)?;
    if raw.schema_version == Some(1) {
        return Err(ManifestError::Schema1);
    }
    // Two readers that see different images in the same bytes are a hole (CVE-2021-41190).
    let is_index = raw.manifests.is_some();
    let both = is_index && (raw.config.is_some() || raw.layers.is_some());
    let types = [raw.media_type.as_deref().unwrap_or_default(), announced];
    if both || types.into_iter().filter_map(names_index).any(|named| named != is_index) {
        return Err(ManifestError::Ambiguous);
    }
    if let Some(manifests) = raw.manifests {
        return Ok(Document::Index(manifests));
    }
    let Some(config) = raw.config else {
        return match raw.artifact_type.or(raw.media_type) {
            Some(kind) if names_index(&kind).is_none() => Err(ManifestError::Artifact(kind)),
            _ => Err(ManifestError::Malformed("it has neither `manifests` nor `config`".into())),
        };
    };
    let layers = raw.layers.unwrap_or_default();
    check_image(&config, &layers, raw.artifact_type)?;
    Ok(Document::Manifest(Manifest { config, layers }))
}

/// Whether a media type says index or manifest, if it says anything.
fn names_index(media_type: &str) -> Option<bool> {
    match media_type {
        media_type::INDEX | media_type::DOCKER_LIST => Some(true),
        media_type::MANIFEST | media_type::DOCKER_MANIFEST => Some(false),
        _ => None,
    }
}

fn check_image(
    config: &Descriptor,
    layers: &[Descriptor],
    artifact_type: Option<String>,
) -> Result<(), ManifestError> {
    if !media_type::CONFIGS.contains(&config.media_type.as_str()) {
        let kind = artifact_type.filter(|kind| !kind.is_empty());
        return Err(ManifestError::Artifact(kind.unwrap_or_else(|| config.media_type.clone())));
    }
    if layers.len() > MAX_LAYERS {
        return Err(ManifestError::TooManyLayers(layers.len()));
    }
    for layer in layers {
        let kind = &layer.media_type;
        if kind.ends_with("+encrypted") {
            return Err(ManifestError::Encrypted(layer.digest.clone()));
        }
        if !media_type::LAYER_PREFIXES.iter().any(|prefix| kind.starts_with(prefix)) {
            return Err(ManifestError::Artifact(kind.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{HEX}","size":2}}"#)
    }

    fn manifest(config: &str, layer: &str, rest: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]{rest}}}"#,
            descriptor(config),
            descriptor(layer)
        )
    }

    const CONFIG: &str = media_type::CONFIGS[0];
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    #[test]
    fn images_of_both_families() {
        for (config, layer) in [
            (CONFIG, LAYER),
            (media_type::CONFIGS[1], "application/vnd.docker.image.rootfs.diff.tar.gzip"),
            (CONFIG, "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"),
        ] {
            let Ok(Document::Manifest(manifest)) =
                parse(manifest(config, layer, "").as_bytes(), "")
            else {
                panic!("{config} {layer}");
            };
            assert_eq!(manifest.layers.len(), 1);
        }
        let nulls = format!(r#"{{"config":{},"layers":null}}"#, descriptor(CONFIG));
        assert!(
            matches!(parse(nulls.as_bytes(), ""), Ok(Document::Manifest(m)) if m.layers.is_empty())
        );
        let capital =
            manifest(CONFIG, LAYER, "").replace("layers", "LAYERS").replace("size", "Size");
        let Ok(Document::Manifest(manifest)) = parse(capital.as_bytes(), "") else {
            panic!("{capital}");
        };
        assert_eq!(manifest.layers.len(), 1);
        let index = format!(r#"{{"Manifests":[{}]}}"#, descriptor(media_type::MANIFEST));
        assert!(matches!(parse(index.as_bytes(), media_type::INDEX), Ok(Document::Index(_))));
    }

    #[test]
    fn data_counts_if_it_is_what_the_descriptor_says() {
        let digest = Digest::of(crate::oci::digest::Algorithm::Sha256, b"{}");
        let parse = |size: u64, data: &str| -> Descriptor {
            let json = format!(r#"{{"digest":"{digest}","size":{size},"data":{data}}}"#);
            serde_json::from_str(&json).unwrap()
        };
        assert_eq!(parse(2, r#""e30=""#).embedded().unwrap(), b"{}");
        for (size, data) in
            [(2, r#""e31=""#), (3, r#""e30=""#), (2, r#""e30""#), (2, r#""?""#), (2, "null")]
        {
            assert_eq!(parse(size, data).embedded(), None, "{size} {data}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused_by_name() {
        let helm = "application/vnd.cncf.helm.config.v1+json";
        let cases = [
            (manifest(helm, LAYER, ""), helm),
            (manifest(CONFIG, "text/plain", ""), "text/plain"),
            (
                manifest("application/vnd.oci.empty.v1+json", LAYER, r#","artifactType":"x/y""#),
                "x/y",
            ),
            (manifest(CONFIG, &format!("{LAYER}+encrypted"), ""), "encrypted"),
            (manifest(CONFIG, LAYER, r#","manifests":[]"#), "contradicts"),
            (
                manifest(CONFIG, LAYER, &format!(r#","mediaType":"{}""#, media_type::INDEX)),
                "contradicts",
            ),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.into(), "schema 1"),
            ("{}".into(), "neither"),
            ("[]".into(), "malformed: it must be an object, not a list"),
            ("".into(), "malformed"),
            (manifest(CONFIG, LAYER, r#","layers":[]"#), "has the key \"layers\" twice"),
            (
                manifest(CONFIG, LAYER, "").replacen(":2}", r#":2,"size":3}"#, 1),
                "\"size\" twice in config",
            ),
            (manifest(CONFIG, LAYER, r#","\u0043onfig":{}"#), "\"Config\" twice"),
            ("[".repeat(100_000), "malformed"),
            (manifest(CONFIG, LAYER, "").replace("sha256:", "md5:"), "not a digest"),
            (
                manifest(CONFIG, LAYER, "").replace(":2}", ":-2}"),
                "malformed: config.size must be a whole number, not the number -2",
            ),
        ];
        for (text, expected) in cases {
            let error = parse(text.as_bytes(), "").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let good = manifest(CONFIG, LAYER, "");
        assert_eq!(parse(good.as_bytes(), media_type::INDEX), Err(ManifestError::Ambiguous));
    }
}
