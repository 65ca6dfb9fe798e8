//! What the user wants to have converted.

use crate::input::Input;
use crate::local;
use crate::oci::ImageRef;
use crate::oci::reference::ReferenceError;
use crate::rootfs_source::RootfsRef;
use crate::staged::InputPath;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

/// A container image, or a bare root filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// A container image.
    Image(ImageRef),
    /// A bare root filesystem: files without a configuration.
    Rootfs(RootfsRef),
}

/// The file, if a text names a WebAssembly module: `wasm:FILE`, a file that is one, or a name
/// without a transport or tag that ends in `.wasm`. Nothing but regular files is opened.
pub fn module_file(text: &str) -> Option<PathBuf> {
    if let Some(file) = text.strip_prefix("wasm:") {
        return Some(file.into());
    }
    let is_named_so = text.ends_with(".wasm") && !text.contains(':');
    let is_module = || {
        let mut magic = [0; 4];
        let is_file = fs::metadata(text).is_ok_and(|metadata| metadata.is_file());
        let read =
            is_file && File::open(text).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok());
        read && magic == *b"\0asm"
    };
    (is_named_so || is_module()).then(|| text.into())
}

impl FromStr for ImageSource {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match text.split_once(':') {
            Some(("tarball" | "rootfs", "")) => Err(ReferenceError::Empty(text.to_owned())),
            Some(("tarball", rest)) => Ok(Self::Rootfs(RootfsRef::Tarball(Input::new(rest)))),
            Some(("rootfs", rest)) => Ok(Self::Rootfs(RootfsRef::Directory(rest.into()))),
            _ => text.parse().map(Self::Image).map_err(|error| match local::hint(text) {
                Some(hint) => ReferenceError::Path { error: Box::new(error), hint },
                None => error,
            }),
        }
    }
}

impl ImageSource {
    /// What is read where the image is on this machine.
    pub fn reads(&self) -> InputPath<'_> {
        let file = match self {
            Self::Rootfs(RootfsRef::Directory(dir)) => return InputPath::Tree(dir),
            Self::Image(ImageRef::Layout { dir, .. } | ImageRef::Directory(dir)) => {
                return InputPath::Layout(dir);
            }
            Self::Image(ImageRef::Registry(_) | ImageRef::Skopeo(_)) => return InputPath::Nothing,
            Self::Rootfs(RootfsRef::Tarball(file))
            | Self::Image(
                ImageRef::LayoutArchive { file, .. } | ImageRef::DockerArchive { file, .. },
            ) => file,
        };
        match file {
            Input::File(path) => InputPath::File(path),
            Input::Stdin => InputPath::Stdin,
        }
    }

    /// What it is apart from where it lies on this machine: of local places only the transport, and
    /// the `name` that the image has in there, else what was asked for.
    pub fn without_path(&self, name: Option<&str>) -> String {
        match self {
            Self::Image(image) => image.without_path(name),
            Self::Rootfs(RootfsRef::Tarball(_)) => "tarball".into(),
            Self::Rootfs(RootfsRef::Directory(_)) => "rootfs".into(),
        }
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => image.fmt(f),
            Self::Rootfs(RootfsRef::Tarball(file)) => write!(f, "tarball:{file}"),
            Self::Rootfs(RootfsRef::Directory(dir)) => write!(f, "rootfs:{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_and_bare_roots() {
        let tarball = |name| ImageSource::Rootfs(RootfsRef::Tarball(Input::new(name)));
        assert_eq!("tarball:a.tar.xz".parse(), Ok(tarball("a.tar.xz")));
        assert_eq!("tarball:-".parse(), Ok(ImageSource::Rootfs(RootfsRef::Tarball(Input::Stdin))));
        assert_eq!(
            "rootfs:/a:b".parse(),
            Ok(ImageSource::Rootfs(RootfsRef::Directory("/a:b".into())))
        );
        assert!(matches!("debian:trixie".parse(), Ok(ImageSource::Image(ImageRef::Registry(_)))));
        for text in ["tarball:a.tar.xz", "rootfs:/a:b", "oci:a:b", "tarball:-"] {
            assert_eq!(text.parse::<ImageSource>().unwrap().to_string(), text);
        }
        let error = "./examples/busybox".parse::<ImageSource>().unwrap_err().to_string();
        assert!(error.ends_with("which is read as oci:./examples/busybox"), "{error}");
        let error = "./none".parse::<ImageSource>().unwrap_err().to_string();
        assert!(
            error.contains("is not an image reference") && !error.contains("here is"),
            "{error}"
        );
        for empty in ["tarball:", "rootfs:"] {
            assert!(
                matches!(empty.parse::<ImageSource>(), Err(ReferenceError::Empty(_))),
                "{empty}"
            );
        }
    }
}
