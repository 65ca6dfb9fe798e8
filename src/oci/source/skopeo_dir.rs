//! The directory that `skopeo copy IMAGE dir:DIR` writes: `manifest.json` as it is in the registry,
//! blobs by the digits of their digests, the manifests of an index as `DIGITS.manifest.json`.

use super::files::Files;
use super::{Blob, Source};
use crate::oci::ErrorKind;
use crate::oci::digest::{Algorithm, Digest};
use crate::oci::manifest::{Descriptor, MAX_MANIFEST};
use std::io::Cursor;

pub(super) struct SkopeoDir {
    files: Files,
    root: (Descriptor, Vec<u8>),
}

impl SkopeoDir {
    pub(super) fn open(files: Files) -> Result<Self, ErrorKind> {
        let bytes = files.read("manifest.json", MAX_MANIFEST)?.ok_or_else(|| {
            let text = "the directory is not one of `skopeo copy IMAGE dir:DIR`: it has no file \
                        manifest.json (an OCI layout is read as oci:DIR, a bare root filesystem \
                        as rootfs:DIR)";
            ErrorKind::Layout(text.into())
        })?;
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        let root = Descriptor::new(String::new(), digest, bytes.len() as u64);
        Ok(Self { files, root: (root, bytes) })
    }

    fn file(&self, digest: &Digest, suffix: &str) -> Result<Blob, ErrorKind> {
        // Digests of other kinds than SHA-256 have their kind in front.
        let kind = match digest.algorithm() {
            "sha256" => String::new(),
            other => format!("{other}-"),
        };
        let found = self.files.open(&format!("{kind}{}{suffix}", digest.hex()))?;
        Ok(found.ok_or_else(|| ErrorKind::MissingBlob(digest.clone()))?.content)
    }
}

impl Source for SkopeoDir {
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        Ok(vec![self.root.0.clone()])
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let (root, bytes) = &self.root;
        if descriptor.digest == root.digest {
            return Ok(Box::new(Cursor::new(bytes.clone())));
        }
        self.file(&descriptor.digest, ".manifest.json")
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        self.file(&descriptor.digest, "")
    }
}
