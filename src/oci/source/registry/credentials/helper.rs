//! Credential helpers, programs that keep secrets elsewhere (docker-credential-helpers' protocol).

use super::Secret;
use crate::oci::reference::DOCKER_HUB;
use serde::Deserialize;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

/// The key under which Docker keeps Docker Hub's credentials.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What `docker-credential-HELPER` has for `key`. Docker and podman have two names for Docker Hub.
pub(super) fn ask(helper: &str, key: &str) -> Result<Option<Secret>, String> {
    if helper.is_empty() || helper.contains(['/', '\\']) {
        return Err(format!("{helper:?} is not the name of a credential helper"));
    }
    let program = format!("docker-credential-{helper}");
    if key == DOCKER_HUB
        && let Some(secret) = get(&program, DOCKER_HUB_KEY)?
    {
        return Ok(Some(secret));
    }
    get(&program, key)
}

fn get(program: &str, key: &str) -> Result<Option<Secret>, String> {
    let output = run(program, key).map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        // The protocol says it in words only.
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        return match said.contains("credentials not found") {
            true => Ok(None),
            false => Err(format!("{program} failed: {said}")),
        };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{program} gave no credentials"))?;
    let (user, secret) = (answer.username, answer.secret);
    Ok(Some(match user.as_str() {
        "<token>" => Secret::IdentityToken { user, token: secret },
        _ => Secret::Password { user, password: secret },
    }))
}

fn run(program: &str, key: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper need not read it: its answer decides.
        let _ = stdin.write_all(key.as_bytes());
    }
    child.wait_with_output()
}
