//! An OCI image layout, in a directory or in an archive ([image-spec, image layout]).
//!
//! [image-spec, image layout]:
//! https://github.com/opencontainers/image-spec/blob/main/image-layout.md

use super::files::Files;
use super::{Blob, Source};
use crate::oci::ErrorKind;
use crate::oci::json;
use crate::oci::manifest::{
    self, CONTAINERD_NAME, Descriptor, Document, MAX_MANIFEST, ManifestError, REF_NAME,
};
use crate::oci::reference::{Reference, Select};
use serde::Deserialize;

/// The most bytes of the file `oci-layout`.
const MAX_LAYOUT_FILE: u64 = 4096;

pub(super) struct Layout {
    files: Files,
    roots: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

impl Layout {
    /// Finds what `select` names in the layout's index.
    pub(super) fn open(files: Files, select: &Select) -> Result<Self, ErrorKind> {
        let file = required(&files, "oci-layout", MAX_LAYOUT_FILE)?;
        let version = json::parse::<LayoutFile>(&file)
            .map_err(|error| files.refused(format!("the file oci-layout {error}")))?
            .image_layout_version;
        if !version.starts_with("1.") {
            let text = format!("OCI layout version {version:?} is unknown, 1.0.0 is supported");
            return Err(files.refused(text));
        }
        let index = required(&files, "index.json", MAX_MANIFEST)?;
        // What it is called says that it is an index; what it says itself must not contradict it.
        let entries = match manifest::parse(&index, "") {
            Ok(Document::Index(entries)) => entries,
            Ok(Document::Manifest(_))
            | Err(ManifestError::Malformed(_) | ManifestError::Artifact(_)) => {
                let text = "its index.json is not an image index: it has no \"manifests\"";
                return Err(files.refused(text));
            }
            Err(ManifestError::Json(error)) => {
                return Err(files.refused(format!("its index.json {error}")));
            }
            Err(error) => return Err(error.into()),
        };
        let roots = choose(entries, select)?;
        Ok(Self { files, roots })
    }
}

fn required(files: &Files, name: &str, limit: u64) -> Result<Vec<u8>, ErrorKind> {
    files.read(name, limit)?.ok_or_else(|| {
        let noun = match files {
            Files::Directory(_) => "directory",
            Files::Archive(_) => "archive",
        };
        files.refused(format!("the {noun} is not an OCI layout: it has no file {name}"))
    })
}

impl Source for Layout {
    fn name(&self) -> Option<String> {
        let name = |entry: &Descriptor| {
            let tag = tag(entry).filter(|tag| tag.contains([':', '/']));
            let read = |name: &str| name.parse::<Reference>().ok();
            full_name(entry).and_then(read).or_else(|| tag.and_then(read))
        };
        self.roots.iter().find_map(name).map(|name| name.to_string())
    }

    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        Ok(self.roots.clone())
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        let digest = &descriptor.digest;
        let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        let found = self.files.open(&name)?;
        Ok(found.ok_or_else(|| ErrorKind::MissingBlob(digest.clone()))?.content)
    }
}

/// The entries of `index.json` that `select` names. Several of one name, or several without any,
/// stand for different platforms.
fn choose(entries: Vec<Descriptor>, select: &Select) -> Result<Vec<Descriptor>, ErrorKind> {
    let there_is = match &names(&entries, |entry| vec![tag(entry), full_name(entry)])[..] {
        [] => "; the layout has no tags".to_owned(),
        names => format!("; the layout has the tags {}", names.join(", ")),
    };
    let chosen = match select {
        Select::Only => entries,
        Select::Tag(name) => tagged(&entries, name),
        Select::Digest(digest) => {
            entries.into_iter().filter(|entry| entry.digest == *digest).collect()
        }
        Select::Index(number) => entries.into_iter().nth(*number).into_iter().collect(),
    };
    let Some(first) = chosen.first() else { return Err(ErrorKind::NotFound(there_is)) };
    let several = [tag, full_name].iter().any(|name| names(&chosen, |e| vec![name(e)]).len() > 1);
    // One image may have two names.
    if several && chosen.iter().any(|entry| entry.digest != first.digest) {
        let names = names(&chosen, |entry| vec![full_name(entry).or(tag(entry))]);
        return Err(ErrorKind::Ambiguous(names.join(", ")));
    }
    Ok(chosen)
}

/// The entries with a tag, or else with a full name: as it stands there, as Docker reads it
/// (`busybox` for `docker.io/library/busybox:latest`), or by its tag alone.
fn tagged(entries: &[Descriptor], asked: &str) -> Vec<Descriptor> {
    let full = |name: &str| name.parse::<Reference>().ok();
    let as_read = full(asked);
    let has_tag = |name: &str| full(name).is_some_and(|name| name.tag.as_deref() == Some(asked));
    let ways: [&dyn Fn(&Descriptor) -> bool; 4] = [
        &|entry| tag(entry) == Some(asked),
        &|entry| full_name(entry) == Some(asked),
        &|entry| as_read.is_some() && full_name(entry).and_then(full) == as_read,
        &|entry| full_name(entry).is_some_and(has_tag),
    ];
    let found = |way: &dyn Fn(&Descriptor) -> bool| -> Vec<Descriptor> {
        entries.iter().filter(|entry| way(entry)).cloned().collect()
    };
    ways.into_iter().map(found).find(|found| !found.is_empty()).unwrap_or_default()
}

/// All names of some entries, each once.
fn names<'e>(
    entries: &'e [Descriptor],
    of: impl Fn(&'e Descriptor) -> Vec<Option<&'e str>>,
) -> Vec<&'e str> {
    let mut names: Vec<&str> = entries.iter().flat_map(of).flatten().collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn tag(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REF_NAME).map(String::as_str)
}

fn full_name(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(CONTAINERD_NAME).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::digest::{Algorithm, Digest};

    /// An entry with the tag and the full name, where they are not empty.
    fn entry(content: &str, tag: &str, full_name: &str) -> Descriptor {
        let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
        let mut entry = Descriptor::new(String::new(), digest, 1);
        for (key, value) in [(REF_NAME, tag), (CONTAINERD_NAME, full_name)] {
            if !value.is_empty() {
                entry.annotations.insert(key.into(), value.into());
            }
        }
        entry
    }

    /// Which of `entries` have that tag; "" asks for none.
    fn find(entries: &[Descriptor], tag: &str) -> Result<Vec<usize>, String> {
        let select = if tag.is_empty() { Select::Only } else { Select::Tag(tag.into()) };
        let chosen = choose(entries.to_vec(), &select).map_err(|error| error.to_string())?;
        let at = |one: &Descriptor| entries.iter().position(|entry| entry == one).unwrap();
        Ok(chosen.iter().map(at).collect())
    }

    #[test]
    fn names_of_containerd_are_tags_after_the_layouts_own() {
        let entries = [
            entry("a", "", "docker.io/library/busybox:1.37"),
            entry("b", "", "quay.example/team/app:v2"),
            entry("c", "v2", ""),
            entry("d", "docker.io/library/busybox:1.37", ""),
            entry("e", "", "docker.io/library/x:latest"),
        ];
        for (tag, expected) in [
            ("docker.io/library/busybox:1.37", 3),
            ("busybox:1.37", 0),
            ("1.37", 0),
            ("quay.example/team/app:v2", 1),
            ("v2", 2),
            ("x", 4),
            ("docker.io/x", 4),
            ("latest", 4),
        ] {
            assert_eq!(find(&entries, tag), Ok(vec![expected]), "{tag}");
        }
        for tag in ["busybox", "team/app:v2", "V2", "2", "library/busybox:1.3"] {
            let error = find(&entries, tag).unwrap_err();
            let names = "has the tags docker.io/library/busybox:1.37, docker.io/library/x:latest, \
                         quay.example/team/app:v2, v2";
            assert!(error.contains(names), "{tag}: {error}");
        }
    }

    #[test]
    fn several_images_of_one_tag_are_not_several_platforms() {
        let (one, two) = ("docker.io/library/one:latest", "docker.io/library/two:latest");
        // What `nerdctl save one two` writes.
        let entries = [entry("a", "latest", one), entry("b", "latest", two)];
        for tag in ["", "latest"] {
            let error = find(&entries, tag).unwrap_err();
            assert!(
                error.contains(&format!("several images: add one of their tags, {one}, {two}"))
            );
        }
        assert_eq!(find(&entries, "two"), Ok(vec![1]));
        // Platforms of one image, and one image of two names.
        let platforms = [entry("a", "latest", one), entry("b", "latest", one)];
        assert_eq!(find(&platforms, ""), Ok(vec![0, 1]));
        assert_eq!(find(&platforms, "one:latest"), Ok(vec![0, 1]));
        let names = [entry("a", "latest", one), entry("a", "latest", two)];
        assert_eq!(find(&names, "latest"), Ok(vec![0, 1]));
    }
}
