//! Certificates: the registry's and ours.

use super::client::{
    anonymous, assert_same_as_layout, error_of, fixture, open, pull_in_child, pulled,
    with_certificates,
};
use crate::docker_registry::certificates::Authority;
use crate::docker_registry::{DockerRegistry, Guard};
use c2w::oci::ErrorKind;
use std::fs;
use std::path::Path;
use std::process::Command;

fn start(guard: Guard) -> (DockerRegistry, String) {
    let registry = DockerRegistry::start(guard);
    registry.push(&fixture("ok-gz"), "latest", "a:v1");
    let name = format!("{}/a:v1", registry.host);
    (registry, name)
}

#[test]
fn tls_needs_trust() {
    let (registry, name) = start(Guard::Tls);
    let error = error_of(&name, &anonymous());
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");
    assert!(error.to_string().contains("--cert-dir"), "{error}");

    let dir = registry.cert_dir();
    let trusting = with_certificates(&dir);
    assert_same_as_layout(&open(&name, &trusting).unwrap(), "ok-gz");

    let mut careless = anonymous();
    careless.options.tls_verify = Some(false);
    assert_same_as_layout(&open(&name, &careless).unwrap(), "ok-gz");

    // The certificate is not for this name.
    let other = name.replace("127.0.0.1", "localhost");
    let error = error_of(&other, &trusting);
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");

    // Another authority.
    let dir = DockerRegistry::start(Guard::Tls).cert_dir();
    let error = error_of(&name, &with_certificates(&dir));
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");
}

#[test]
fn a_certificate_may_sign_itself() {
    let (registry, name) = start(Guard::SelfSigned);
    assert!(matches!(error_of(&name, &anonymous()).kind, ErrorKind::Tls { .. }));
    let dir = registry.cert_dir();
    let trusting = with_certificates(&dir);
    assert_same_as_layout(&open(&name, &trusting).unwrap(), "ok-gz");
    let error = error_of(&name.replace("127.0.0.1", "localhost"), &trusting);
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");

    // Another one that is just as much an authority.
    let dir = DockerRegistry::start(Guard::SelfSigned).cert_dir();
    let error = error_of(&name, &with_certificates(&dir));
    assert!(matches!(error.kind, ErrorKind::Tls { .. }), "{error}");
}

#[test]
fn a_registry_may_ask_who_we_are() {
    let (registry, name) = start(Guard::TlsClients);
    let dir = registry.cert_dir();
    assert_same_as_layout(&open(&name, &with_certificates(&dir)).unwrap(), "ok-gz");

    for file in ["client.cert", "client.key"] {
        fs::remove_file(dir.path().join(file)).unwrap();
    }
    let error = error_of(&name, &with_certificates(&dir));
    let text = error.to_string();
    assert!(matches!(error.kind, ErrorKind::Tls { .. }) && text.contains("ertificate"), "{text}");
}

#[test]
fn certificates_that_cannot_be_used() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("one");
    let (_, other) = authority.issue("two");
    let (certificate, key) = (certificate.as_path(), key.as_path());
    let text = fixture("CASES.json");
    let cases: [(&[(&Path, &str)], &str); 8] = [
        (&[(&text, "ca.crt")], "ca.crt: holds no PEM certificate"),
        (&[(key, "ca.crt")], "ca.crt: holds no PEM certificate"),
        (&[(certificate, "a.cert")], "a.key: is not there"),
        (&[(key, "a.key")], "a.key: its certificate, with .cert for .key, is not there"),
        (&[(certificate, "a.cert"), (certificate, "a.key")], "a.key: holds no PEM private key"),
        (&[(certificate, "a.cert"), (&other, "a.key")], "client certificate and key"),
        (
            &[(certificate, "a.cert"), (key, "a.key"), (certificate, "b.cert"), (key, "b.key")],
            "b.cert: a second client certificate",
        ),
        (&[(&fixture("CASES.json"), "a.cert"), (key, "a.key")], "a.cert: holds no PEM certificate"),
    ];
    for (files, words) in cases {
        let dir = authority.cert_dir(files);
        let error = error_of("127.0.0.1:1/a", &with_certificates(&dir)).to_string();
        assert!(error.contains("cannot use the certificates") && error.contains(words), "{error}");
    }
    let mut client = anonymous();
    client.options.cert_dir = Some("/nowhere".into());
    let error = error_of("127.0.0.1:1/a", &client).to_string();
    assert!(error.contains("/nowhere: No such file"), "{error}");
}

#[test]
fn certificates_in_the_usual_places() {
    let (registry, name) = start(Guard::TlsClients);
    let home = tempfile::tempdir().unwrap();
    for base in [".config/containers/certs.d", "config/containers/certs.d"] {
        let dir = home.path().join(base).join(&registry.host);
        fs::create_dir_all(&dir).unwrap();
        for file in fs::read_dir(registry.cert_dir().path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), dir.join(file.file_name())).unwrap();
        }
    }
    let expected = pulled("ok-gz");
    let said = pull_in_child(&name, |command| command.env("HOME", home.path()));
    assert!(said.contains(&expected), "{said}");
    let config = home.path().join("config");
    let said = pull_in_child(&name, |command| command.env("XDG_CONFIG_HOME", config));
    assert!(said.contains(&expected), "{said}");
    let said = pull_in_child(&name, |command| command);
    assert!(said.contains("no secure connection"), "{said}");
}

#[test]
fn the_environment_names_authorities() {
    let (registry, name) = start(Guard::Tls);
    let (dir, expected) = (registry.cert_dir(), pulled("ok-gz"));
    let ca = dir.path().join("ca.crt");
    let said = pull_in_child(&name, |command| command.env("SSL_CERT_FILE", ca));
    assert!(said.contains(&expected), "{said}");
    let hashed = Command::new("openssl").arg("rehash").arg(dir.path()).status().unwrap();
    assert!(hashed.success());
    let said = pull_in_child(&name, |command| command.env("SSL_CERT_DIR", dir.path()));
    assert!(said.contains(&expected), "{said}");
    let said = pull_in_child(&name, |command| command.env("SSL_CERT_FILE", "/nowhere"));
    assert!(said.contains("SSL_CERT_FILE /nowhere holds no usable certificate"), "{said}");
}
