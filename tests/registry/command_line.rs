//! The options of the program.

use super::client::{auth_json, fixture};
use crate::docker_registry::{ACCOUNT, DockerRegistry, Guard};
use std::fs;
use std::process::{Command, Output};

/// Runs `c2w rootfs` without cache and configuration of whoever runs the test.
fn rootfs(image: &str, options: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    for variable in ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"] {
        command.env(variable, nowhere.path());
    }
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE"] {
        command.env_remove(variable);
    }
    command.args(["rootfs", "--no-cache"]).args(options).args([image, "-"]).output().unwrap()
}

fn error_of(image: &str, options: &[&str]) -> String {
    let output = rootfs(image, options);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{options:?}: {said}");
    said
}

#[test]
fn options_say_how_to_reach_a_registry() {
    let layout = format!("oci:{}:latest", fixture("rich").display());
    let expected = rootfs(&layout, &[]).stdout;
    assert!(!expected.is_empty());

    let tls = DockerRegistry::start(Guard::TlsClients);
    tls.push(&fixture("rich"), "latest", "a:v1");
    let name = format!("{}/a:v1", tls.host);
    let dir = tls.cert_dir();
    let dir = dir.path().to_str().unwrap();
    assert!(rootfs(&name, &["--cert-dir", dir]).stdout == expected);
    assert!(rootfs(&name, &["--cert-dir", dir, "--tls-verify"]).stdout == expected);
    assert!(error_of(&name, &[]).contains("no secure connection"));

    let password = DockerRegistry::start(Guard::Password);
    password.push(&fixture("rich"), "latest", "a:v1");
    let name = format!("{}/a:v1", password.host);
    let (user, secret) = ACCOUNT;
    assert!(rootfs(&name, &["--creds", &format!("{user}:{secret}")]).stdout == expected);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), auth_json(&password.host, user, secret)).unwrap();
    let file = file.path().to_str().unwrap();
    assert!(rootfs(&name, &["--authfile", file, "--tls-verify=false"]).stdout == expected);
    let said = error_of(&name, &["--authfile", file, "--creds", user]);
    assert!(said.contains("the credentials in --creds are not accepted"), "{said}");
    assert!(error_of(&name, &["--creds", ":x"]).contains("write USER[:PASSWORD]"));
    assert!(error_of(&name, &["--authfile", "/nowhere"]).contains("/nowhere"));
}
