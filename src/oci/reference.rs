//! What the user typed, as a place to read an image from.

use super::digest::{Digest, InvalidDigest};
use crate::input::Input;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Docker Hub's name in references.
pub const DOCKER_HUB: &str = "docker.io";

/// The longest `registry/repository`, in characters, as the distribution project has it.
const MAX_NAME: usize = 255;

/// An image, wherever it is; in the syntax of containers-transports(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRef {
    /// In a registry: `debian`, `docker://host:5000/a/b@sha256:...`.
    Registry(Reference),
    /// In an OCI image layout directory: `oci:DIR[:TAG|@DIGEST]`.
    Layout {
        /// The directory that holds `oci-layout`, `index.json` and `blobs/`.
        dir: PathBuf,
        /// Which of its images.
        select: Select,
    },
    /// In a tar archive of an OCI image layout: `oci-archive:FILE[:TAG|@DIGEST]`.
    LayoutArchive {
        /// The archive.
        file: Input,
        /// Which of its images.
        select: Select,
    },
    /// In what `docker save` and `podman save` write: `docker-archive:FILE[:REFERENCE]`.
    DockerArchive {
        /// The archive.
        file: Input,
        /// Which of its images.
        select: Select,
    },
    /// In a directory that skopeo has written: `dir:DIR`.
    Directory(PathBuf),
    /// Where skopeo reads it from: `docker-daemon:REFERENCE`, `containers-storage:REFERENCE`.
    Skopeo(SkopeoRef),
}

/// An image that skopeo reads for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkopeoRef {
    /// The name of skopeo's transport.
    pub transport: &'static str,
    /// What comes after the colon.
    pub name: String,
}

/// Which image of a layout or an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// The only one there is.
    Only,
    /// The one whose `org.opencontainers.image.ref.name`, or in a Docker archive whose name and
    /// tag, is this.
    Tag(String),
    /// The one with this digest of its manifest or index.
    Digest(Digest),
    /// The one at this place of the index, `@0` the first.
    Index(usize),
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and optional port; [`DOCKER_HUB`] when none was typed.
    pub registry: String,
    /// The repository's full name, `library/debian` for `debian`.
    pub repository: String,
    /// The tag; `latest` when neither tag nor digest was typed.
    pub tag: Option<String>,
    /// The digest: it decides when both are there.
    pub digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was typed, or nothing after the transport.
    #[error("{0:?} names no image: write for example debian:trixie or oci:DIRECTORY")]
    Empty(String),
    /// `something://`.
    #[error(
        "{0}:// is not an image transport: write the image as REGISTRY/REPOSITORY[:TAG|@DIGEST]"
    )]
    Scheme(String),
    /// The digits of an image's ID.
    #[error(
        "{0} is an image's ID, which only its own machine knows: write its name, or \
             NAME@sha256:... with the digest of its manifest"
    )]
    Id(String),
    /// A part breaks the rules of its kind.
    #[error("{text:?} is not an image reference: {part:?} is not a valid {kind} ({rule})")]
    Part {
        /// What was typed.
        text: String,
        /// The part in question.
        part: String,
        /// What it should have been.
        kind: &'static str,
        /// The rule.
        rule: &'static str,
    },
    /// A digest of bad form.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// Something else lies at a path of that name.
    #[error("{error}; {hint}")]
    Path {
        /// Why it names no image.
        error: Box<ReferenceError>,
        /// How to write it.
        hint: String,
    },
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some(rest) = text.strip_prefix("docker://") {
            return rest.parse().map(Self::Registry);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(ReferenceError::Scheme(scheme.to_owned()));
        }
        let Some((transport, rest)) = text.split_once(':') else {
            return text.parse().map(Self::Registry);
        };
        match transport {
            "oci" | "oci-archive" | "docker-archive" => {
                let (path, select) = split_select(text, rest)?;
                Ok(match transport {
                    "oci" => Self::Layout { dir: path.into(), select },
                    "oci-archive" => Self::LayoutArchive { file: Input::new(path), select },
                    _ => Self::DockerArchive { file: Input::new(path), select },
                })
            }
            "dir" | "docker-daemon" | "containers-storage" if rest.is_empty() => {
                Err(ReferenceError::Empty(text.to_owned()))
            }
            "dir" => Ok(Self::Directory(rest.into())),
            "docker-daemon" => Ok(Self::Skopeo(SkopeoRef::new("docker-daemon", rest))),
            "containers-storage" => Ok(Self::Skopeo(SkopeoRef::new("containers-storage", rest))),
            _ => text.parse().map(Self::Registry),
        }
    }
}

impl SkopeoRef {
    fn new(transport: &'static str, name: &str) -> Self {
        Self { transport, name: name.to_owned() }
    }

    /// The name without the `[DRIVER@DIRECTORY+...]` in front, which says where podman's storage
    /// is.
    fn without_store(&self) -> &str {
        let inside = self.name.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        inside.map_or(&self.name, |(_, name)| name)
    }
}

/// `PATH[:TAG|:@INDEX|@DIGEST]`; as in containers-transports(5), the path has no colon.
fn split_select<'t>(text: &str, rest: &'t str) -> Result<(&'t str, Select), ReferenceError> {
    let (path, select) = if let Some((path, digest)) = split_digest(rest) {
        (path, Select::Digest(digest.parse()?))
    } else if let Some((path, tag)) = rest.split_once(':') {
        let index = tag.strip_prefix('@').and_then(|number| number.parse().ok());
        (path, index.map_or_else(|| Select::Tag(tag.to_owned()), Select::Index))
    } else {
        (rest, Select::Only)
    };
    if path.is_empty() || select == Select::Tag(String::new()) {
        return Err(ReferenceError::Empty(text.to_owned()));
    }
    Ok((path, select))
}

/// Splits at the `@` of a digest; a directory's name may have an `@` of its own.
fn split_digest(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('@').filter(|(_, digest)| digest.starts_with("sha"))
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        // Docker refuses it, too: it is meant for `docker run`, and no name in a registry.
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::Id(text.to_owned()));
        }
        Self::parse(text, split_registry)
    }
}

impl Reference {
    /// An image whose name begins with its registry, whatever that looks like: no short forms.
    ///
    /// # Errors
    /// [`ReferenceError`], as for any reference.
    pub fn at(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text, |name| name.split_once('/').unwrap_or((name, "")))
    }

    fn parse(text: &str, split_registry: fn(&str) -> (&str, &str)) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty(text.to_owned()));
        }
        let refuse = |part: &str, kind, rule| ReferenceError::Part {
            text: text.to_owned(),
            part: part.to_owned(),
            kind,
            rule,
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (registry, path) = split_registry(name);
        if !is_registry(registry) {
            let rule = match registry {
                "." | ".." => {
                    "this is a path, at which nothing lies; for a directory write oci:DIRECTORY"
                }
                _ => "a host name or address, then maybe :PORT",
            };
            return Err(refuse(registry, "registry", rule));
        }
        if let Some(bad) = path.split('/').find(|part| !is_component(part)) {
            let rule = "lower-case letters and digits, with single . _ or - between; \
                        for a directory write oci:DIRECTORY";
            return Err(refuse(bad, "part of a repository name", rule));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            let rule = "at most 128 letters, digits, _ . or -, and no . or - in front";
            return Err(refuse(tag, "tag", rule));
        }
        let repository = match path {
            path if registry == DOCKER_HUB && !path.contains('/') => format!("library/{path}"),
            path => path.to_owned(),
        };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(refuse(name, "image name", "at most 255 characters"));
        }
        let tag = tag.or(if digest.is_none() { Some("latest") } else { None });
        let tag = tag.map(str::to_owned);
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// The first part is a registry when it cannot be a part of a repository's name on Docker Hub.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io" | DOCKER_HUB, path)) => (DOCKER_HUB, path),
        Some((host, path))
            if host == "localhost"
                || host.contains(['.', ':'])
                || host.contains(|c: char| c.is_ascii_uppercase()) =>
        {
            (host, path)
        }
        _ => (DOCKER_HUB, name),
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        }),
    };
    good_host
        && port.is_none_or(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends.is_some_and(|(first, last)| is_letter(*first) && is_letter(*last))
        && separators.into_iter().all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => Ok(()),
            Self::Tag(tag) => write!(f, ":{tag}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
            Self::Index(number) => write!(f, ":@{number}"),
        }
    }
}

impl ImageRef {
    /// What it is apart from where it lies on this machine: of files only the transport, and the
    /// `name` that the image has in there, else what was asked for.
    pub fn without_path(&self, name: Option<&str>) -> String {
        let which = |select: &Select| match (name, select) {
            (Some(name), Select::Digest(_)) => format!(":{name}{select}"),
            (Some(name), _) => format!(":{name}"),
            (None, select) => select.to_string(),
        };
        match self {
            Self::Registry(_) => self.to_string(),
            Self::Skopeo(image) => format!("{}:{}", image.transport, image.without_store()),
            Self::Layout { select, .. } => format!("oci{}", which(select)),
            Self::LayoutArchive { select, .. } => format!("oci-archive{}", which(select)),
            Self::DockerArchive { select, .. } => format!("docker-archive{}", which(select)),
            Self::Directory(_) => "dir".into(),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout { dir, select } => write!(f, "oci:{}{select}", dir.display()),
            Self::LayoutArchive { file, select } => write!(f, "oci-archive:{file}{select}"),
            Self::DockerArchive { file, select } => write!(f, "docker-archive:{file}{select}"),
            Self::Directory(dir) => write!(f, "dir:{}", dir.display()),
            Self::Skopeo(image) => write!(f, "{}:{}", image.transport, image.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn without_its_path_a_local_image_is_the_same_everywhere() {
        let cases = [
            ("debian", "docker.io/library/debian:latest"),
            ("oci:/a/b:latest", "oci:latest"),
            ("oci-archive:a.tar", "oci-archive"),
            ("docker-archive:/x/y.tar:debian:trixie", "docker-archive:debian:trixie"),
            ("dir:/a/b", "dir"),
            ("docker-daemon:app:v1", "docker-daemon:app:v1"),
            ("containers-storage:[vfs@/a/b+/c]localhost/x:v1", "containers-storage:localhost/x:v1"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ImageRef>().unwrap().without_path(None), expected, "{text}");
        }
        let digest = format!("oci:/a@sha256:{HEX}");
        for (text, expected) in [
            ("oci:/a/b", "oci:quay.io/x/y:v1".to_owned()),
            ("oci:/a/b:v1", "oci:quay.io/x/y:v1".into()),
            ("oci-archive:a.tar:@0", "oci-archive:quay.io/x/y:v1".into()),
            ("docker-archive:-", "docker-archive:quay.io/x/y:v1".into()),
            (&digest, format!("oci:quay.io/x/y:v1@sha256:{HEX}")),
        ] {
            let reference = text.parse::<ImageRef>().unwrap();
            assert_eq!(reference.without_path(Some("quay.io/x/y:v1")), expected, "{text}");
        }
    }

    #[test]
    fn references_as_docker_reads_them() {
        let cases = [
            ("debian", "docker.io/library/debian:latest"),
            ("debian:trixie", "docker.io/library/debian:trixie"),
            ("docker://debian", "docker.io/library/debian:latest"),
            ("docker.io/library/debian:trixie", "docker.io/library/debian:trixie"),
            ("docker.io/debian", "docker.io/library/debian:latest"),
            ("index.docker.io/debian", "docker.io/library/debian:latest"),
            ("riscv64/debian", "docker.io/riscv64/debian:latest"),
            ("a/b/c", "docker.io/a/b/c:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a:v1", "localhost:5000/a:v1"),
            ("ghcr.io/o/r", "ghcr.io/o/r:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("127.0.0.1:5000/a__b/c-d.e:1.0_x", "127.0.0.1:5000/a__b/c-d.e:1.0_x"),
            ("Host/a", "Host/a:latest"),
        ];
        for (text, full) in cases {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), full, "{text}");
            assert_eq!(full.parse::<ImageRef>().unwrap().to_string(), full, "{full}");
        }
    }

    #[test]
    fn a_digest_needs_no_tag_and_may_have_one() {
        for text in [
            format!("host:5000/a/b@sha256:{HEX}"),
            format!("host.example/a/b:v1@sha256:{HEX}"),
            format!("host:5000/a/b@sha512:{HEX}{HEX}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn layouts() {
        let digest = format!("sha256:{HEX}");
        let cases = [
            ("oci:dir", "dir", Select::Only),
            ("oci:/a/b:latest", "/a/b", Select::Tag("latest".into())),
            ("oci:./a@b:x:y", "./a@b", Select::Tag("x:y".into())),
            (&format!("oci:a@{digest}"), "a", Select::Digest(digest.parse().unwrap())),
        ];
        for (text, dir, select) in cases {
            let parsed = text.parse::<ImageRef>().unwrap();
            assert_eq!(parsed, ImageRef::Layout { dir: dir.into(), select }, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_says_why() {
        let long = format!("a/{}", "b".repeat(256));
        let cases = [
            ("", "names no image"),
            ("docker://", "names no image"),
            ("oci:", "names no image"),
            ("oci:dir:", "names no image"),
            ("oci:a@sha256:12", "not a digest"),
            ("Debian", "lower-case"),
            ("a//b", "repository name"),
            ("a/../b", "repository name"),
            ("a.-b", "repository name"),
            ("/etc/x", "oci:DIRECTORY"),
            ("./img", "oci:DIRECTORY"),
            ("a:", "not a valid tag"),
            ("a:-x", "not a valid tag"),
            ("a b", "repository name"),
            ("a@sha256:zz", "not a digest"),
            ("a@md5:00", "not a digest"),
            (HEX, "is an image's ID"),
            ("host:99999/a", "not a valid registry"),
            ("ho+st.x/a", "not a valid registry"),
            ("[::z]:1/a", "not a valid registry"),
            ("https://debian", "not an image transport"),
            (&long, "255"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ImageRef>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn every_other_transport() {
        let select = |tag: &str| Select::Tag(tag.into());
        let archive =
            |file: &str, select| ImageRef::DockerArchive { file: Input::new(file), select };
        let skopeo = |transport, name| ImageRef::Skopeo(SkopeoRef::new(transport, name));
        let layout =
            |file: &str, select| ImageRef::LayoutArchive { file: Input::new(file), select };
        let cases = [
            ("docker-archive:a.tar", archive("a.tar", Select::Only)),
            ("docker-archive:a.tar:b/c:v1", archive("a.tar", select("b/c:v1"))),
            ("docker-archive:-:@2", archive("-", Select::Index(2))),
            ("oci-archive:/a/b.tar:v1", layout("/a/b.tar", select("v1"))),
            ("oci-archive:-", layout("-", Select::Only)),
            ("dir:a:b", ImageRef::Directory("a:b".into())),
            ("docker-daemon:a/b:v1", skopeo("docker-daemon", "a/b:v1")),
            ("containers-storage:[vfs@/x]a", skopeo("containers-storage", "[vfs@/x]a")),
        ];
        for (text, expected) in cases {
            let parsed = text.parse::<ImageRef>().unwrap();
            assert_eq!(parsed, expected, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        for empty in ["docker-archive:", "oci-archive::v1", "dir:", "docker-daemon:"] {
            let error = empty.parse::<ImageRef>().unwrap_err();
            assert!(matches!(error, ReferenceError::Empty(_)), "{empty}: {error}");
        }
    }
}
