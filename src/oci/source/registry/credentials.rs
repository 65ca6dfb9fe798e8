//! Credentials that `docker login` and `podman login` left: config.json and auth.json have one
//! format (containers-auth.json(5)).

use crate::oci::ErrorKind;
use crate::oci::manifest::null_default;
use crate::oci::reference::{DOCKER_HUB, Reference};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The key under which Docker keeps Docker Hub's credentials.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A user's proof, and where it was found. It is never printed.
pub(super) struct Credential {
    pub secret: Secret,
    from: PathBuf,
}

pub(super) enum Secret {
    Password {
        user: String,
        password: String,
    },
    /// An OAuth 2 refresh token.
    IdentityToken(String),
}

impl Credential {
    pub(super) fn not_accepted(&self) -> String {
        format!("the credentials in {} are not accepted, log in again", self.from.display())
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AuthFile {
    #[serde(deserialize_with = "null_default")]
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credHelpers", deserialize_with = "null_default")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore", deserialize_with = "null_default")]
    store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(deserialize_with = "null_default")]
    auth: String,
    #[serde(deserialize_with = "null_default")]
    username: String,
    #[serde(deserialize_with = "null_default")]
    password: String,
    #[serde(rename = "identitytoken", deserialize_with = "null_default")]
    identity_token: String,
}

/// The credentials for `reference`. `explicit` is the only file looked at, if given; else
/// `REGISTRY_AUTH_FILE` is; else podman's and Docker's usual files are, in podman's order.
pub(super) fn find(
    reference: &Reference,
    explicit: Option<&Path>,
) -> Result<Option<Credential>, ErrorKind> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(path) = explicit.map(Path::to_owned).or_else(|| variable("REGISTRY_AUTH_FILE")) {
        return in_file(&path, reference, true);
    }
    let home = |below: &str| variable("HOME").map(|home| home.join(below));
    let files = [
        variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        variable("XDG_CONFIG_HOME")
            .or_else(|| home(".config"))
            .map(|dir| dir.join("containers/auth.json")),
        variable("DOCKER_CONFIG").or_else(|| home(".docker")).map(|dir| dir.join("config.json")),
    ];
    for path in files.into_iter().flatten() {
        if let Some(found) = in_file(&path, reference, false)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn in_file(
    path: &Path,
    reference: &Reference,
    must_exist: bool,
) -> Result<Option<Credential>, ErrorKind> {
    let fail = |reason: String| ErrorKind::Credentials(format!("{}: {reason}", path.display()));
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == IoErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    };
    let file: AuthFile =
        serde_json::from_slice(&bytes).map_err(|error| fail(format!("malformed: {error}")))?;
    let secret = file.look_up(reference).map_err(fail)?;
    Ok(secret.map(|secret| Credential { secret, from: path.to_owned() }))
}

impl AuthFile {
    fn look_up(&self, reference: &Reference) -> Result<Option<Secret>, String> {
        let keys = keys(reference);
        // A registry's own helper decides alone; a general store may have nothing to say.
        if let Some(helper) = best(&self.helpers, &keys) {
            return ask_helper(helper, &reference.registry);
        }
        if !self.store.is_empty()
            && let Some(secret) = ask_helper(&self.store, &reference.registry)?
        {
            return Ok(Some(secret));
        }
        best(&self.auths, &keys).map_or(Ok(None), Entry::secret)
    }
}

impl Entry {
    fn secret(&self) -> Result<Option<Secret>, String> {
        if !self.identity_token.is_empty() {
            return Ok(Some(Secret::IdentityToken(self.identity_token.clone())));
        }
        if self.auth.is_empty() {
            let (user, password) = (self.username.clone(), self.password.clone());
            return Ok((!user.is_empty()).then_some(Secret::Password { user, password }));
        }
        let malformed = || "an `auth` is not the base64 of USER:PASSWORD".to_owned();
        let bytes = BASE64_STANDARD.decode(self.auth.trim()).map_err(|_| malformed())?;
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let (user, password) = text.split_once(':').ok_or_else(malformed)?;
        let password = password.trim_end_matches('\0').to_owned();
        Ok(Some(Secret::Password { user: user.to_owned(), password }))
    }
}

/// What may stand in a file for `reference`, the most special first: podman allows
/// `registry/name/space`, Docker does not.
fn keys(reference: &Reference) -> Vec<String> {
    let mut key = format!("{}/{}", reference.registry, reference.repository);
    let mut keys = Vec::new();
    loop {
        keys.push(key.clone());
        match key.rfind('/') {
            Some(slash) => key.truncate(slash),
            None => return keys,
        }
    }
}

fn best<'a, T>(map: &'a BTreeMap<String, T>, keys: &[String]) -> Option<&'a T> {
    keys.iter().find_map(|key| map.iter().find(|(name, _)| normal(name) == *key)).map(|(_, v)| v)
}

/// Old files have addresses as keys, and many names for Docker Hub.
fn normal(key: &str) -> String {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    match bare.split_once('/') {
        None if matches!(bare, "index.docker.io" | "registry-1.docker.io") => DOCKER_HUB.into(),
        _ => bare.to_owned(),
    }
}

/// Asks `docker-credential-HELPER get` (docker-credential-helpers' protocol).
fn ask_helper(helper: &str, registry: &str) -> Result<Option<Secret>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    if helper.is_empty() || helper.contains(['/', '\\']) {
        return Err(format!("{helper:?} is no name of a credential helper"));
    }
    let program = format!("docker-credential-{helper}");
    let fail = |error: std::io::Error| format!("{program}: {error}");
    let key = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fail)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper need not read it: its answer tells.
        let _ = stdin.write_all(key.as_bytes());
    }
    let output = child.wait_with_output().map_err(fail)?;
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
    Ok(Some(match answer.username.as_str() {
        "<token>" => Secret::IdentityToken(answer.secret),
        _ => Secret::Password { user: answer.username, password: answer.secret },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(json: &str, reference: &str) -> Option<String> {
        let file: AuthFile = serde_json::from_str(json).unwrap();
        match file.look_up(&reference.parse().unwrap()).unwrap()? {
            Secret::Password { user, password } => Some(format!("{user} {password}")),
            Secret::IdentityToken(token) => Some(format!("token {token}")),
        }
    }

    #[test]
    fn the_forms_of_docker_and_podman() {
        let auth = |pair: &str| BASE64_STANDARD.encode(pair);
        let json = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{}"}},
            "host:5000":{{"auth":"{}"}}, "host:5000/a/b":{{"auth":"{}"}},
            "idtok.example":{{"auth":"{}","identitytoken":"t"}}, "empty.example":{{}},
            "plain.example":{{"username":"u","password":"p"}}}},"HttpHeaders":{{}}}}"#,
            auth("hub:h:1"),
            auth("five:5"),
            auth("ab:2"),
            auth("x:")
        );
        let cases = [
            ("debian", Some("hub h:1")),
            ("docker.io/a/b", Some("hub h:1")),
            ("host:5000/x", Some("five 5")),
            ("host:5000/a/bc", Some("five 5")),
            ("host:5000/a/b/c", Some("ab 2")),
            ("idtok.example/x", Some("token t")),
            ("plain.example/x", Some("u p")),
            ("empty.example/x", None),
            ("other.example/x", None),
        ];
        for (reference, expected) in cases {
            assert_eq!(user(&json, reference).as_deref(), expected, "{reference}");
        }
        assert_eq!(user(r#"{"auths":null}"#, "debian"), None);
    }

    #[test]
    fn what_is_malformed_says_so_without_the_secret() {
        let secret = BASE64_STANDARD.encode("nocolon");
        let json = format!(r#"{{"auths":{{"docker.io":{{"auth":"{secret}"}}}}}}"#);
        let file: AuthFile = serde_json::from_str(&json).unwrap();
        let error = file.look_up(&"debian".parse().unwrap()).err().unwrap();
        assert!(error.contains("USER:PASSWORD") && !error.contains("nocolon"), "{error}");
        let json = r#"{"credHelpers":{"docker.io":"../evil"}}"#;
        let file: AuthFile = serde_json::from_str(json).unwrap();
        let error = file.look_up(&"debian".parse().unwrap()).err().unwrap();
        assert!(error.contains("no name of a credential helper"), "{error}");
    }
}
