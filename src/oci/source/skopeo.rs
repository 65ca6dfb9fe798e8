//! What only its own programs can read, a Docker daemon and podman's storage: skopeo copies the
//! image into a temporary directory
//! ([why so](../../../docs/decisions/0008-skopeo-for-local-storage.md)).

use super::files::Files;
use super::skopeo_dir::SkopeoDir;
use super::{Blob, Source};
use crate::interrupt::Guard;
use crate::oci::ErrorKind;
use crate::oci::manifest::Descriptor;
use crate::oci::platform::Platform;
use crate::oci::reference::SkopeoRef;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// skopeo's name for a Docker daemon.
const DOCKER: &str = "docker-daemon";

/// A copy of the image, which goes with this.
pub(super) struct Copied {
    copy: SkopeoDir,
    _dir: TempDir,
    _guard: Guard,
}

impl Copied {
    /// Of the first of these platforms that the image has.
    pub(super) fn open(image: &SkopeoRef, platforms: &[Platform]) -> Result<Self, ErrorKind> {
        let temporary = ErrorKind::io("make a temporary directory (TMPDIR chooses where)");
        let dir = tempfile::Builder::new().prefix("c2w-").tempdir().map_err(temporary)?;
        let guard = Guard::new(dir.path());
        copy_one_of("skopeo", image, platforms, dir.path())?;
        let copy = SkopeoDir::open(Files::directory(dir.path())?)?;
        Ok(Self { copy, _dir: dir, _guard: guard })
    }
}

impl Source for Copied {
    fn roots(&self) -> Result<Vec<Descriptor>, ErrorKind> {
        self.copy.roots()
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        self.copy.manifest(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob, ErrorKind> {
        self.copy.blob(descriptor)
    }
}

fn copy_one_of(
    program: &str,
    image: &SkopeoRef,
    platforms: &[Platform],
    dir: &Path,
) -> Result<(), ErrorKind> {
    let mut first = None;
    for platform in platforms {
        match copy(program, image, platform, dir) {
            // What it says when a list of images has none for the platform.
            Err(ErrorKind::Skopeo(why)) if why.contains("no image found") => {
                first.get_or_insert(ErrorKind::Skopeo(why));
            }
            result => return result,
        }
    }
    first.map_or(Ok(()), Err)
}

fn copy(
    program: &str,
    image: &SkopeoRef,
    platform: &Platform,
    dir: &Path,
) -> Result<(), ErrorKind> {
    let platform = platform.normal();
    let mut command = Command::new(program);
    command.arg(format!("--override-os={}", platform.os));
    command.arg(format!("--override-arch={}", platform.architecture));
    if !platform.variant.is_empty() {
        command.arg(format!("--override-variant={}", platform.variant));
    }
    command.args(["copy", "--quiet"]);
    // Unlike docker(1), skopeo does not look there by itself.
    if let Some(host) = std::env::var_os("DOCKER_HOST").filter(|_| image.transport == DOCKER) {
        command.arg("--src-daemon-host").arg(host);
    }
    command.arg(format!("{}:{}", image.transport, image.name));
    command.arg(format!("dir:{}", dir.display()));
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|error| not_started(image, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(ErrorKind::Skopeo(reason(&said).unwrap_or_else(|| output.status.to_string())))
}

fn not_started(image: &SkopeoRef, error: &io::Error) -> ErrorKind {
    let save = match image.transport {
        DOCKER => "docker save",
        _ => "podman save",
    };
    let why = match error.kind() {
        io::ErrorKind::NotFound => "which is not installed".to_owned(),
        _ => format!("which does not start: {error}"),
    };
    ErrorKind::NoSkopeo(format!(
        "{}: is read with skopeo, {why}: `apt-get install skopeo`, or pipe the image in with \
         `{save} {} | c2w docker-archive:-`",
        image.transport, image.name
    ))
}

/// The message of the last line, `time="..." level=fatal msg="..."`.
fn reason(said: &str) -> Option<String> {
    let line = said.lines().rfind(|line| !line.trim().is_empty())?;
    let message = line.split_once("msg=\"").and_then(|(_, rest)| rest.strip_suffix('"'));
    Some(message.unwrap_or(line).replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_skopeo_the_error_says_what_to_install() {
        let image = SkopeoRef { transport: "docker-daemon", name: "app:v1".into() };
        let (platforms, dir) = (Platform::all(), Path::new("none"));
        let error =
            copy_one_of("no-such-program", &image, &platforms, dir).unwrap_err().to_string();
        assert!(error.contains("apt-get install skopeo"), "{error}");
        assert!(error.contains("docker save app:v1 | c2w docker-archive:-"), "{error}");
    }

    #[test]
    fn what_skopeo_says_is_its_last_line() {
        let said =
            "time=\"1\" level=warning msg=\"a\"\ntime=\"2\" level=fatal msg=\"no \\\"b\\\"\"\n";
        assert_eq!(reason(said).unwrap(), "no \"b\"");
        assert_eq!(reason("plain words\n\n").unwrap(), "plain words");
        assert_eq!(reason(" \n"), None);
    }
}
