//! What `docker save` and `podman save` write: a tar archive with `manifest.json`, which names the
//! configuration and the layers of each image. Newer Dockers put an OCI layout beside it; its files
//! are the same.
//!
//! There is no manifest in the registry's sense. One is made here, always the same for the same
//! archive: its digest is the image's identity.

use super::files::Files;
use super::{Blob, Source};
use crate::compression::Compression;
use crate::oci::ErrorKind;
use crate::oci::digest::{Algorithm, Digest};
use crate::oci::image_config::{ImageConfig, MAX_CONFIG};
use crate::oci::json;
use crate::oci::manifest::{Descriptor, MAX_LAYERS, MAX_MANIFEST, ManifestError, media_type};
use crate::oci::reference::{Reference, Select};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::io::Cursor;

/// How the media types of Docker's layers begin.
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

pub(super) struct DockerArchive {
    files: Files,
    root: (Descriptor, Vec<u8>),
    config: (Digest, Vec<u8>),
    /// Where the layers' blobs are.
    layers: HashMap<Digest, String>,
    /// The first of the image's names.
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl DockerArchive {
    /// Finds what `select` names in the archive.
    pub(super) fn open(files: Files, select: &Select) -> Result<Self, ErrorKind> {
        let text = files.read("manifest.json", MAX_MANIFEST)?.ok_or_else(|| {
            let text = "the archive is not one of `docker save`: it has no file manifest.json \
                        (Docker before 1.10 wrote none; an OCI layout is read as oci-archive:FILE, \
                        a bare root filesystem as tarball:FILE)";
            ErrorKind::Archive(text.into())
        })?;
        let items: Vec<Item> = json::parse(&text)
            .map_err(|error| ErrorKind::Archive(format!("its manifest.json {error}")))?;
        let item = choose(items, select)?;
        let name = name(&item, select);
        let bytes = files.read(&item.config, MAX_CONFIG)?.ok_or_else(|| missing(&item.config))?;
        let names = item.layers.unwrap_or_default();
        if names.len() > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers(names.len()).into());
        }
        let diff_ids = ImageConfig::parse(&bytes, names.len())?.diff_ids;
        let config = (Digest::of(Algorithm::Sha256, &bytes), bytes);
        let pairs = names.iter().zip(&diff_ids);
        let blobs: Vec<Descriptor> =
            pairs.map(|(name, diff_id)| blob(&files, name, diff_id)).collect::<Result<_, _>>()?;
        let layers = blobs.iter().map(|blob| blob.digest.clone()).zip(names).collect();
        Ok(Self { files, root: manifest(&config, &blobs), config, layers, name })
    }
}

fn missing(name: &str) -> ErrorKind {
    ErrorKind::Archive(format!("the archive is incomplete: it has no file {name:?}"))
}

/// The image that `select` names.
fn choose(mut items: Vec<Item>, select: &Select) -> Result<Item, ErrorKind> {
    let tags = || -> Vec<&str> {
        items.iter().flat_map(|item| item.repo_tags.iter().flatten()).map(String::as_str).collect()
    };
    let there_is = || match tags()[..] {
        [] => "; the archive's images have no names: choose one with :@0, :@1 and so on".into(),
        ref tags => format!("; the archive has {}", tags.join(", ")),
    };
    // "busybox" and "docker.io/library/busybox:latest" are one name.
    let full = |name: &str| name.parse::<Reference>().map(|name| name.to_string()).ok();
    let has_tag = |item: &Item, name: &str| {
        let tags = item.repo_tags.iter().flatten();
        tags.into_iter().any(|tag| tag == name || full(tag).is_some() && full(tag) == full(name))
    };
    let at = match select {
        Select::Only if items.len() > 1 => {
            return Err(ErrorKind::Ambiguous(match &tags()[..] {
                [] => ":@0, :@1 and so on".into(),
                tags => tags.join(", "),
            }));
        }
        Select::Only => (!items.is_empty()).then_some(0),
        Select::Index(number) => Some(*number).filter(|number| *number < items.len()),
        Select::Tag(name) => items.iter().position(|item| has_tag(item, name)),
        Select::Digest(_) => {
            let text = "Docker archives know no digests: choose by name and tag, or by :@0";
            return Err(ErrorKind::Archive(text.into()));
        }
    };
    let at = at.ok_or_else(|| ErrorKind::NotFound(there_is()))?;
    Ok(items.swap_remove(at))
}

/// The name by which an image was chosen, else its first one, in full.
fn name(item: &Item, select: &Select) -> Option<String> {
    let chosen = match select {
        Select::Tag(name) => Some(name),
        _ => item.repo_tags.iter().flatten().next(),
    };
    chosen?.parse::<Reference>().ok().map(|name| name.to_string())
}

/// The descriptor of a layer, which says what its bytes in the archive are. They are checked when
/// they are read.
fn blob(files: &Files, name: &str, diff_id: &Digest) -> Result<Descriptor, ErrorKind> {
    let found = files.open(name)?.ok_or_else(|| missing(name))?;
    let compression = files.compression(name)?;
    let digest = match (compression, name.strip_prefix("blobs/")) {
        (Compression::None, _) => diff_id.clone(),
        (_, Some(digest)) => digest.replacen('/', ":", 1).parse().map_err(ManifestError::from)?,
        _ => Digest::of_reader(Algorithm::Sha256, found.content)
            .map_err(ErrorKind::io(format!("read {name}")))?,
    };
    let suffix = match compression {
        Compression::None => String::new(),
        other => format!(".{other}"),
    };
    Ok(Descriptor::new(format!("{LAYER}{suffix}"), digest, found.length))
}

fn manifest(config: &(Digest, Vec<u8>), layers: &[Descriptor]) -> (Descriptor, Vec<u8>) {
    let descriptor = |media_type: &str, digest: &Digest, size: u64| {
        let digest = digest.to_string();
        json!({ "mediaType": media_type, "digest": digest, "size": size })
    };
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| descriptor(&layer.media_type, &layer.digest, layer.size))
        .collect();
    let bytes = json!({
        "schemaVersion": 2,
        "mediaType": media_type::DOCKER_MANIFEST,
        "config": descriptor(media_type::CONFIGS[1], &config.0, config.1.len() as u64),
        "layers": layers,
    });
    let bytes = bytes.to_string().into_bytes();
    let digest = Digest::of(Algorithm::Sha256, &bytes);
    let media_type = media_type::DOCKER_MANIFEST.to_owned();
    (Descriptor::new(media_type, digest, bytes.len() as u64), bytes)
}

impl Source for DockerArchive {
    fn name(&self) -> Option<String> {
        self.name.clone()
    }

    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        Ok(vec![self.root.0.clone()])
    }

    fn manifest(&self, _: &Descriptor) -> Result<Blob, ErrorKind> {
        Ok(Box::new(Cursor::new(self.root.1.clone())))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        if descriptor.digest == self.config.0 {
            return Ok(Box::new(Cursor::new(self.config.1.clone())));
        }
        let missing = || ErrorKind::MissingBlob(descriptor.digest.clone());
        let name = self.layers.get(&descriptor.digest).ok_or_else(missing)?;
        Ok(self.files.open(name)?.ok_or_else(missing)?.content)
    }
}
