//! Pulls from a real registry: Debian's `docker-registry`, filled by `skopeo`.

#[path = "support/docker_registry.rs"]
mod docker_registry;

use base64::{Engine, prelude::BASE64_STANDARD};
use c2w::oci::{self, ErrorKind, Image, ImageRef, SourceOptions};
use docker_registry::{ACCOUNT, DockerRegistry, Guard};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

/// Options that do not depend on who runs the test: no credentials but those given.
struct Client {
    options: SourceOptions,
    _auth: tempfile::NamedTempFile,
}

fn client(auth: &str) -> Client {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), auth).unwrap();
    let options = SourceOptions {
        auth_file: Some(file.path().to_owned()),
        backoff: Duration::from_millis(1),
        ..SourceOptions::default()
    };
    Client { options, _auth: file }
}

fn anonymous() -> Client {
    client("{}")
}

fn auth_json(host: &str, user: &str, password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#)
}

fn open(name: &str, client: &Client) -> Result<Image, oci::Error> {
    oci::open(&name.parse::<ImageRef>().unwrap(), &client.options)
}

fn error_of(name: &str, client: &Client) -> oci::Error {
    let error = open(name, client).err().expect(name);
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(&error.image), "{text}");
    error
}

fn tars(image: &Image) -> Vec<Vec<u8>> {
    let read = |layer: &oci::Layer<'_>| {
        let mut reader = layer.open().unwrap();
        let mut tar = Vec::new();
        reader.read_to_end(&mut tar).unwrap();
        reader.finish().unwrap();
        tar
    };
    image.layers().iter().map(read).collect()
}

fn assert_same_as_layout(pulled: &Image, layout: &str) {
    let original = open(&format!("oci:{}", fixture(layout).display()), &anonymous()).unwrap();
    assert_eq!(pulled.manifest_digest, original.manifest_digest, "{layout}");
    assert_eq!(pulled.config, original.config, "{layout}");
    assert!(tars(pulled) == tars(&original), "{layout}");
}

#[test]
fn images_come_out_as_they_went_in() {
    let registry = DockerRegistry::start(Guard::Open);
    let host = &registry.host;
    for layout in ["ok-gz", "ok-gzmulti", "ok-zst", "ok-none", "ok-no-layers", "rich"] {
        registry.push(&fixture(layout), "latest", &format!("a/{layout}:v1"));
        let image = open(&format!("{host}/a/{layout}:v1"), &anonymous()).unwrap();
        assert_same_as_layout(&image, layout);
        let digest = &image.manifest_digest;
        let image = open(&format!("docker://{host}/a/{layout}@{digest}"), &anonymous()).unwrap();
        assert_same_as_layout(&image, layout);
        // A second pass over the layers fetches them again.
        assert_same_as_layout(&image, layout);
    }
}

#[test]
fn unknown_images_and_platforms() {
    let registry = DockerRegistry::start(Guard::Open);
    let host = &registry.host;
    registry.push(&fixture("ok-gz"), "latest", "a/b:v1");
    for name in ["a/b:v2", "no/such", &format!("a/b@sha256:{}", "0".repeat(64))] {
        let error = error_of(&format!("{host}/{name}"), &anonymous());
        assert!(matches!(error.kind, ErrorKind::NotFound(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let mut client = anonymous();
    client.options.platform = "linux/amd64".parse().unwrap();
    let error = error_of(&format!("{host}/a/b:v1"), &client);
    assert!(error.to_string().contains("no linux/amd64 variant, only linux/riscv64"), "{error}");
}

#[test]
fn a_password_opens_the_registry() {
    let registry = DockerRegistry::start(Guard::Password);
    let host = &registry.host;
    registry.push(&fixture("rich"), "latest", "private/rich:v1");
    let name = format!("{host}/private/rich:v1");

    let error = error_of(&name, &anonymous());
    assert!(matches!(error.kind, ErrorKind::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("log in with"), "{error}");

    let (user, password) = ACCOUNT;
    let error = error_of(&name, &client(&auth_json(host, user, "guess")));
    assert!(matches!(error.kind, ErrorKind::Unauthorized { .. }), "{error}");
    assert!(error.to_string().contains("are not accepted"), "{error}");
    assert!(!error.to_string().contains("guess"), "{error}");

    let image = open(&name, &client(&auth_json(host, user, password))).unwrap();
    assert_same_as_layout(&image, "rich");
}

#[test]
fn a_credential_helper_is_asked() {
    let registry = DockerRegistry::start(Guard::Password);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let helper = |body: &str| in_helper_path(&registry.host, body);
    let (user, password) = ACCOUNT;
    let good = format!(
        "read -r key; [ \"$1 $key\" = 'get {}' ] && echo '{{\"Username\":\"{user}\",\
         \"Secret\":\"{password}\"}}'",
        registry.host
    );
    assert!(helper(&good).contains("pulled 1 layers"));
    let nothing = helper("echo 'credentials not found in native keychain'; exit 1");
    assert!(nothing.contains("log in with"), "{nothing}");
    let broken = helper("echo no keyring; exit 1");
    assert!(broken.contains("docker-credential-c2wtest failed: no keyring"), "{broken}");
}

/// Runs [`child_pull`] with `script` as the helper of `host`; gives what it printed.
fn in_helper_path(host: &str, script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("docker-credential-c2wtest");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    let made = Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    assert!(made.success());
    let config = format!(r#"{{"credHelpers":{{"{host}":"c2wtest"}}}}"#);
    fs::write(dir.path().join("config.json"), config).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    pull_in_child(&format!("{host}/a:v1"), |command| {
        command.env("DOCKER_CONFIG", dir.path()).env("PATH", path)
    })
}

#[test]
fn tls_needs_trust() {
    let registry = DockerRegistry::start(Guard::Tls);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let name = format!("{}/a:v1", registry.host);

    let error = error_of(&name, &anonymous());
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");

    let mut trusting = anonymous();
    trusting.options.ca_file = Some(registry.ca_file());
    assert_same_as_layout(&open(&name, &trusting).unwrap(), "ok-gz");

    let mut careless = anonymous();
    careless.options.tls_verify = false;
    assert_same_as_layout(&open(&name, &careless).unwrap(), "ok-gz");

    // The certificate is for 127.0.0.1 only.
    let other = name.replace("127.0.0.1", "localhost");
    let error = error_of(&other, &trusting);
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");

    let mut wrong = anonymous();
    wrong.options.ca_file = Some(fixture("CASES.json"));
    let error = error_of(&name, &wrong);
    assert!(error.to_string().contains("holds no PEM certificate"), "{error}");
}

#[test]
fn the_environment_names_authorities_and_credentials() {
    let registry = DockerRegistry::start(Guard::Tls);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let name = format!("{}/a:v1", registry.host);
    let said = pull_in_child(&name, |command| command.env("SSL_CERT_FILE", registry.ca_file()));
    assert!(said.contains("pulled 1 layers"), "{said}");
    let said = pull_in_child(&name, |command| command.env("SSL_CERT_FILE", "/nowhere"));
    assert!(said.contains("SSL_CERT_FILE"), "{said}");

    let registry = DockerRegistry::start(Guard::Password);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let dir = tempfile::tempdir().unwrap();
    let (user, password) = ACCOUNT;
    let json = auth_json(&registry.host, user, password);
    fs::create_dir(dir.path().join("containers")).unwrap();
    fs::write(dir.path().join("containers/auth.json"), &json).unwrap();
    fs::write(dir.path().join("config.json"), &json).unwrap();
    let name = format!("{}/a:v1", registry.host);
    for (variable, value) in [
        ("REGISTRY_AUTH_FILE", dir.path().join("config.json")),
        ("DOCKER_CONFIG", dir.path().to_owned()),
        ("XDG_RUNTIME_DIR", dir.path().to_owned()),
        ("XDG_CONFIG_HOME", dir.path().to_owned()),
    ] {
        let said = pull_in_child(&name, |command| command.env(variable, value));
        assert!(said.contains("pulled 1 layers"), "{variable}: {said}");
    }
    let said = pull_in_child(&name, |command| command.env("REGISTRY_AUTH_FILE", "/nowhere"));
    assert!(said.contains("cannot get credentials: /nowhere"), "{said}");
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = error_of(&format!("127.0.0.1:{port}/a"), &anonymous());
    assert!(matches!(error.kind, ErrorKind::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("refused") && text.contains(&port.to_string()), "{text}");

    let error = error_of("registry.invalid/a", &anonymous());
    assert!(matches!(error.kind, ErrorKind::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("cannot reach registry.invalid"), "{error}");
}

#[test]
fn proxies_of_the_environment_are_used_but_not_for_this_machine() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let first_line = std::thread::spawn(move || {
        let mut line = String::new();
        let (stream, _) = proxy.accept().unwrap();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    let said = pull_in_child("registry.invalid/a", |command| command.env("HTTPS_PROXY", &address));
    assert_eq!(first_line.join().unwrap(), "CONNECT registry.invalid:443 HTTP/1.1\r\n");
    assert!(said.contains("cannot reach registry.invalid"), "{said}");

    let registry = DockerRegistry::start(Guard::Open);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let name = format!("{}/a:v1", registry.host);
    let said = pull_in_child(&name, |command| command.env("ALL_PROXY", &address));
    assert!(said.contains("pulled 1 layers"), "{said}");
}

/// Runs [`child_pull`] in a process of its own, whose environment `set` changes; gives its output.
fn pull_in_child(name: &str, set: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child_pull", "--exact", "--ignored", "--nocapture"]).env("C2W_TEST_IMAGE", name);
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"] {
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
    let options = SourceOptions { backoff: Duration::from_millis(1), ..SourceOptions::default() };
    match oci::open(&name.parse().unwrap(), &options) {
        Ok(image) => println!("pulled {} layers", tars(&image).len()),
        Err(error) => println!("{error}"),
    }
}
