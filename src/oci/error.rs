//! Why an image could not be read: one line that names the image, the fault and what to do.

use super::digest::{ContentError, Digest};
use super::image_config::ConfigError;
use super::manifest::ManifestError;
use super::platform::Platform;
use std::fmt;
use std::io;

/// An image that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("image {}: {}", printable(.image), printable(.kind))]
pub struct Error {
    /// The image's full reference.
    pub image: String,
    /// What went wrong.
    pub kind: ErrorKind,
}

/// What went wrong. Each text holds the whole story: no `source` to print in addition.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// No such image.
    #[error("there is no such image{0}: check the name and the tag")]
    NotFound(String),
    /// A blob that the manifest names is missing.
    #[error("its blob {0} is not there: the copy is incomplete, copy or push the image again")]
    MissingBlob(Digest),
    /// A layer that registries must not have.
    #[error(
        "its layer {0} is not stored with the image (a foreign layer), and its own addresses \
             are not asked: push the image again with `skopeo copy` or \
             `docker push --allow-nondistributable-artifacts`"
    )]
    Foreign(Digest),
    /// A layout or an archive has several images and none was chosen.
    #[error("it holds several images: add one of their tags, {0}")]
    Ambiguous(String),
    /// The directory is not an OCI layout, or not one that skopeo has written.
    #[error("{0}")]
    Layout(String),
    /// The archive is damaged, or of another kind.
    #[error("{0}")]
    Archive(String),
    /// skopeo, which alone can read the image, is not there.
    #[error("{0}")]
    NoSkopeo(String),
    /// skopeo could not read the image.
    #[error("skopeo cannot read it: {0}")]
    Skopeo(String),
    /// No variant for a wanted platform.
    #[error("it has no {}, only {}: choose another image or build one, for example with \
             `docker buildx build --platform {}`", variant(.want), list(.have), first(.want))]
    Platform {
        /// What was wanted, best first.
        want: Vec<Platform>,
        /// What there is.
        have: Vec<Platform>,
    },
    /// Indexes in indexes without end.
    #[error("its indexes are nested too deeply or hold too many manifests: refused")]
    Nesting,
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A document over its limit.
    #[error("its {what} {digest} has {size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Manifest or configuration.
        what: &'static str,
        /// Its digest.
        digest: String,
        /// Its size in bytes, or the least it has.
        size: u64,
        /// The most, in bytes.
        limit: u64,
    },
    /// Bytes that do not fit their digest.
    #[error("blob {0}")]
    Content(ContentError),
    /// A layer's first bytes; the text is a [`LayerError`](super::layer::LayerError)'s.
    #[error("{0}")]
    Layer(io::Error),
    /// A file could not be read or written.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system says.
        source: io::Error,
    },
    /// The registry wants other or any credentials.
    #[error("{registry} refuses access: {reason}")]
    Unauthorized {
        /// The registry's host.
        registry: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Credentials could not be read.
    #[error("cannot get credentials: {0}")]
    Credentials(String),
    /// Own certificates could not be read.
    #[error("cannot use the certificates: {0}")]
    Certificates(String),
    /// registries.conf forbids, or could not be read.
    #[error("cannot use registries.conf(5): {0}")]
    RegistriesConf(String),
    /// A proxy's address.
    #[error("cannot use the proxy of the environment: {0}")]
    Proxy(String),
    /// No endpoint of the image has it.
    #[error("{error}; its mirrors failed, too: {mirrors}")]
    Mirrors {
        /// What its own registry says.
        error: Box<ErrorKind>,
        /// What the mirrors say.
        mirrors: String,
    },
    /// Something else may have been meant.
    #[error("{error}; {hint}")]
    Hinted {
        /// What went wrong.
        error: Box<ErrorKind>,
        /// What else there is, and how to write it.
        hint: String,
    },
    /// The registry's address, as the reference or registries.conf has it.
    #[error("the address {registry} is malformed: {reason}")]
    Address {
        /// The registry's host and port.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer.
    #[error(
        "cannot reach {registry}: {reason}; check the name, the network and the proxy settings"
    )]
    Unreachable {
        /// The registry's host.
        registry: String,
        /// What happened.
        reason: String,
    },
    /// No trust.
    #[error(
        "no secure connection to {registry}: {reason}; if the registry has a certificate \
             authority of its own, put that into DIR as ca.crt and use --cert-dir DIR"
    )]
    Tls {
        /// The registry's host.
        registry: String,
        /// What happened.
        reason: String,
    },
    /// An answer that cannot be used.
    #[error("{registry} answered {reason}")]
    Registry {
        /// The registry's host.
        registry: String,
        /// The status, and what it says.
        reason: String,
    },
}

impl ErrorKind {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        |source| Self::Io { action, source }
    }

    pub(super) fn of(self, image: &str) -> Error {
        Error { image: image.to_owned(), kind: self }
    }
}

/// The most characters of a text in an [`Error`]: a hostile image can name a million platforms.
const MAX_TEXT: usize = 1000;

/// A text with parts that others wrote, on one line and without what could play with a terminal.
fn printable(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let clean = text.chars().map(|c| if plays(c) { '\u{fffd}' } else { c });
    clean.take(MAX_TEXT).collect()
}

/// Control characters, and those that change the direction of what follows.
fn plays(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn variant(want: &[Platform]) -> String {
    match want {
        [one] => format!("{one} variant"),
        _ => "variant that c2w runs".into(),
    }
}

fn first(platforms: &[Platform]) -> String {
    platforms.first().map(Platform::to_string).unwrap_or_default()
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "things that are not images".into();
    }
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_says_cannot_play_with_the_terminal() {
        let odd = Platform { os: "a\u{1b}[31m\nb".into(), ..Platform::default() };
        let want = Platform::all();
        let error = ErrorKind::Platform { want, have: vec![odd; 1000] }.of("x\r").to_string();
        assert!(!error.chars().any(char::is_control), "{error}");
        assert!(error.contains("a\u{fffd}[31m\u{fffd}b"), "{error}");
        assert!(error.chars().count() < 2 * MAX_TEXT);
    }
}
