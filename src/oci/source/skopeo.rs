//! Places that only their own programs can read, a Docker daemon and podman's storage: skopeo hands
//! the image over as an archive.

use crate::oci::ErrorKind;
use crate::oci::platform::Platform;
use crate::oci::reference::SkopeoRef;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, Stdio};

/// The most that is kept of what skopeo says.
const MAX_SAID: u64 = 64 << 10;

/// The image as a Docker archive in a nameless temporary file.
pub(super) fn archive(image: &SkopeoRef, platform: &Platform) -> Result<File, ErrorKind> {
    archive_by("skopeo", image, platform)
}

fn archive_by(program: &str, image: &SkopeoRef, platform: &Platform) -> Result<File, ErrorKind> {
    let mut command = Command::new(program);
    command.arg(format!("--override-os={}", platform.os));
    command.arg(format!("--override-arch={}", platform.architecture));
    if !platform.variant.is_empty() {
        command.arg(format!("--override-variant={}", platform.variant));
    }
    command.args(["copy", "--quiet"]).arg(format!("{}:{}", image.transport, image.name));
    command.arg("docker-archive:/dev/stdout");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut skopeo = command.spawn().map_err(|error| not_started(image, &error))?;

    let stderr = skopeo.stderr.take().expect("it is piped");
    let said = std::thread::spawn(move || {
        let (mut said, mut stderr) = (Vec::new(), stderr);
        // What is lost is only the text of an error.
        let _ = stderr.by_ref().take(MAX_SAID).read_to_end(&mut said);
        let _ = io::copy(&mut stderr, &mut io::sink());
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut stdout = skopeo.stdout.take().expect("it is piped");
    let copied = copy(&mut stdout);
    drop(stdout);
    let status = skopeo.wait().map_err(ErrorKind::io("wait for skopeo"))?;
    let said = said.join().unwrap_or_default();
    if !status.success() {
        return Err(ErrorKind::Skopeo(reason(&said).unwrap_or_else(|| status.to_string())));
    }
    copied.map_err(ErrorKind::io("write a temporary file (TMPDIR chooses where)"))
}

fn copy(from: &mut impl Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(from, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn not_started(image: &SkopeoRef, error: &io::Error) -> ErrorKind {
    let save = match image.transport {
        "docker-daemon" => "docker save",
        _ => "podman save",
    };
    let why = match error.kind() {
        io::ErrorKind::NotFound => "which is not installed".to_owned(),
        _ => format!("which does not start: {error}"),
    };
    ErrorKind::Place(format!(
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
        let platform = Platform::linux_riscv64();
        let error = archive_by("no-such-program", &image, &platform).unwrap_err().to_string();
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
