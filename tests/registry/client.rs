//! c2w as the tests use it: in this process, or in one with an environment of its own.

use crate::tars::tars;
use base64::{Engine, prelude::BASE64_STANDARD};
use c2w::oci::{self, Image, ImageRef, SourceOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

/// Options that do not depend on who runs the test: no credentials but those given.
pub struct Client {
    pub options: SourceOptions,
    _auth: tempfile::NamedTempFile,
}

pub fn client(auth: &str) -> Client {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), auth).unwrap();
    let options = SourceOptions {
        auth_file: Some(file.path().to_owned()),
        backoff: Duration::from_millis(1),
        ..SourceOptions::default()
    };
    Client { options, _auth: file }
}

pub fn anonymous() -> Client {
    client("{}")
}

/// An anonymous client that finds a registry's certificates in `dir`.
pub fn with_certificates(dir: &tempfile::TempDir) -> Client {
    let mut client = anonymous();
    client.options.cert_dir = Some(dir.path().to_owned());
    client
}

pub fn auth_json(host: &str, user: &str, password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#)
}

pub fn open(name: &str, client: &Client) -> Result<Image, oci::Error> {
    oci::open(&name.parse::<ImageRef>().unwrap(), &client.options)
}

pub fn error_of(name: &str, client: &Client) -> oci::Error {
    let error = open(name, client).err().expect(name);
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(&error.image), "{text}");
    error
}

pub fn assert_same_as_layout(pulled: &Image, layout: &str) {
    let original = open(&format!("oci:{}", fixture(layout).display()), &anonymous()).unwrap();
    assert_eq!(pulled.manifest_digest, original.manifest_digest, "{layout}");
    assert_eq!(pulled.config, original.config, "{layout}");
    assert!(tars(pulled) == tars(&original), "{layout}");
}

/// What a process of its own says that pulled [`fixture`] `layout`.
pub fn pulled(layout: &str) -> String {
    let image = open(&format!("oci:{}", fixture(layout).display()), &anonymous()).unwrap();
    format!("pulled {} with {} layers", image.manifest_digest, tars(&image).len())
}

/// Runs [`child_pull`] in a process of its own, whose environment `set` changes; gives its output.
pub fn pull_in_child(name: &str, set: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["registry::client::child_pull", "--exact", "--ignored", "--nocapture"]);
    command.env("C2W_TEST_IMAGE", name);
    for variable in [
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "CONTAINERS_REGISTRIES_CONF",
        "REQUEST_METHOD",
    ] {
        command.env_remove(variable);
    }
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(variable).env_remove(variable.to_lowercase());
    }
    for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"] {
        command.env(variable, nowhere.path());
    }
    let output = set(&mut command).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "other tests run it with an environment of their own"]
fn child_pull() {
    let name = std::env::var("C2W_TEST_IMAGE").expect("C2W_TEST_IMAGE");
    let options = SourceOptions {
        backoff: Duration::from_millis(1),
        connect_timeout: Duration::from_secs(5),
        retries: 1,
        cert_dir: std::env::var_os("C2W_TEST_CERT_DIR").map(PathBuf::from),
        tls_verify: std::env::var("C2W_TEST_TLS_VERIFY").ok().map(|value| value == "true"),
        ..SourceOptions::default()
    };
    let reference = match name.parse() {
        Ok(reference) => reference,
        Err(error) => return println!("{error}"),
    };
    match oci::open(&reference, &options) {
        Ok(image) => {
            println!("pulled {} with {} layers", image.manifest_digest, tars(&image).len());
        }
        Err(error) => println!("{error}"),
    }
}
