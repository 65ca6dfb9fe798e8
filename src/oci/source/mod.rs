//! Where images are. One file for each transport; each implements [`Source`].

mod archive;
mod cached;
mod docker_archive;
mod files;
mod folder;
mod layout;
mod registry;
mod skopeo;
mod skopeo_dir;

use super::ErrorKind;
use super::manifest::Descriptor;
use super::platform::Platform;
use super::reference::ImageRef;
use super::store::Store;
use crate::input::Input;
use crate::progress::Progress;
use archive::Archive;
use cached::Cached;
use docker_archive::DockerArchive;
use files::Files;
use layout::Layout;
use registry::Registry;
use skopeo::Copied;
use skopeo_dir::SkopeoDir;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes as a source has them: whoever reads them checks digest and size.
pub type Blob = Box<dyn Read + Send>;

/// What holds one image: a registry, a layout or an archive.
pub trait Source {
    /// The manifests or indexes that the reference names: one, or several that stand for different
    /// platforms.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and the faults of the transport.
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind>;

    /// The unchecked bytes of a manifest or an index.
    ///
    /// # Errors
    /// [`ErrorKind::MissingBlob`] and the faults of the transport.
    fn manifest(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        self.blob(descriptor)
    }

    /// The unchecked bytes of a configuration or a layer.
    ///
    /// # Errors
    /// [`ErrorKind::MissingBlob`] and the faults of the transport.
    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind>;

    /// The image's name in a registry, where the source knows it.
    fn name(&self) -> Option<String> {
        None
    }

    /// Announces that these blobs will be read, in this order.
    fn prefetch(&self, _blobs: &[Descriptor]) {}
}

/// A name and a password for a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct UserPassword {
    /// Has no colon.
    pub user: String,
    /// May be empty.
    pub password: String,
}

impl FromStr for UserPassword {
    type Err = &'static str;

    /// `USER[:PASSWORD]`; nobody is asked for a password that is left out: it is empty.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        if user.is_empty() {
            return Err("write USER[:PASSWORD]");
        }
        Ok(Self { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Shows no password.
impl fmt::Debug for UserPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserPassword").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How to read an image. The default is right for most.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// What the image may run on, best first.
    pub platforms: Vec<Platform>,
    /// Whether a registry must prove who it is. Without, plain HTTP is tried, too. `None`: unless
    /// registries.conf calls it insecure. A registry on a loopback address may always speak plain
    /// HTTP.
    pub tls_verify: Option<bool>,
    /// A directory of the registry's own certificates, in place of the usual ones
    /// (containers-certs.d(5)).
    pub cert_dir: Option<PathBuf>,
    /// Credentials for the registry of the reference, in place of any file's.
    pub creds: Option<UserPassword>,
    /// Credentials (Docker's or podman's JSON) in place of those of podman and Docker.
    pub auth_file: Option<PathBuf>,
    /// Where what registries send is kept; `None` keeps nothing.
    pub store: Option<Store>,
    /// The longest time to wait for a connection.
    pub connect_timeout: Duration,
    /// The longest time without a byte.
    pub stall_timeout: Duration,
    /// How many times a request is sent again that failed for a reason that may pass.
    pub retries: u32,
    /// The first pause before sending again; each next one is twice as long.
    pub backoff: Duration,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            platforms: Platform::all(),
            tls_verify: None,
            cert_dir: None,
            creds: None,
            auth_file: None,
            store: None,
            connect_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            retries: 4,
            backoff: Duration::from_millis(500),
        }
    }
}

/// A manifest or an index: the bytes that its descriptor brings along, or else the source's.
pub(super) fn manifest(source: &dyn Source, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
    match descriptor.embedded() {
        Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
        None => source.manifest(descriptor),
    }
}

/// A configuration or a layer: the bytes that its descriptor brings along, or else the source's.
pub(super) fn blob(source: &dyn Source, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
    if let Some(bytes) = descriptor.embedded() {
        return Ok(Box::new(Cursor::new(bytes)));
    }
    source.blob(descriptor).map_err(|error| match error {
        ErrorKind::MissingBlob(digest) if descriptor.is_foreign() => ErrorKind::Foreign(digest),
        error => error,
    })
}

/// The source that `reference` names. Only a registry is ever asked over the network.
pub(super) fn open(
    reference: &ImageRef,
    options: &SourceOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Box<dyn Source>, ErrorKind> {
    Ok(match reference {
        ImageRef::Registry(reference) => match &options.store {
            Some(store) => Box::new(Cached::new(store, reference, options, progress)),
            None => Box::new(Registry::open(reference, options, progress)?),
        },
        ImageRef::Layout { dir, select } => Box::new(Layout::open(Files::directory(dir)?, select)?),
        ImageRef::LayoutArchive { file, select } => Box::new(Layout::open(archive(file)?, select)?),
        ImageRef::DockerArchive { file, select } => {
            Box::new(DockerArchive::open(archive(file)?, select)?)
        }
        ImageRef::Directory(dir) => Box::new(SkopeoDir::open(Files::directory(dir)?)?),
        ImageRef::Skopeo(image) => Box::new(Copied::open(image, &options.platforms)?),
    })
}

fn archive(input: &Input) -> Result<Files, ErrorKind> {
    let file = input.open_seekable().map_err(ErrorKind::io(format!("read {input}")))?;
    Ok(Files::Archive(Archive::open(file)?))
}
