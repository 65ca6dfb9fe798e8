//! The files that `docker login` and `podman login` write: config.json and auth.json have one
//! format (containers-auth.json(5)).

use super::{Secret, helper};
use crate::oci::json::null_default;
use crate::oci::reference::{DOCKER_HUB, Reference};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthFile {
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

impl AuthFile {
    /// The file at `path`; `None` when it is not there, unless it must be.
    pub(super) fn read(path: &Path, must_exist: bool) -> Result<Option<Self>, String> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                // serde's text may show a part of a secret.
                .map_err(|error| {
                    format!("malformed JSON at line {} column {}", error.line(), error.column())
                }),
            Err(error) if error.kind() == IoErrorKind::NotFound && !must_exist => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    pub(super) fn look_up(&self, reference: &Reference) -> Result<Option<Secret>, String> {
        let keys = keys(reference);
        // A registry's own helper decides alone; a general store may have nothing to say.
        if let Some((key, program)) = best(&self.helpers, &keys) {
            return helper::ask(program, key);
        }
        if !self.store.is_empty()
            && let Some(secret) = helper::ask(&self.store, &reference.registry)?
        {
            return Ok(Some(secret));
        }
        best(&self.auths, &keys).map_or(Ok(None), |(_, entry)| entry.secret())
    }
}

impl Entry {
    fn secret(&self) -> Result<Option<Secret>, String> {
        let (user, password) = self.pair()?;
        let token = self.identity_token.clone();
        Ok(match user.is_empty() {
            _ if !token.is_empty() => Some(Secret::IdentityToken { user, token }),
            true => None,
            false => Some(Secret::Password { user, password }),
        })
    }

    fn pair(&self) -> Result<(String, String), String> {
        if self.auth.is_empty() {
            return Ok((self.username.clone(), self.password.clone()));
        }
        let malformed = || "an `auth` is not the base64 of USER:PASSWORD".to_owned();
        let bytes = BASE64_STANDARD.decode(self.auth.trim()).map_err(|_| malformed())?;
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let (user, password) = text.split_once(':').ok_or_else(malformed)?;
        Ok((user.to_owned(), password.trim_end_matches('\0').to_owned()))
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

/// The entry of the most special key, and that key.
fn best<'a, T>(map: &'a BTreeMap<String, T>, keys: &'a [String]) -> Option<(&'a str, &'a T)> {
    keys.iter().find_map(|key| {
        let (_, value) = map.iter().find(|(name, _)| normal(name) == *key)?;
        Some((key.as_str(), value))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn user(json: &str, reference: &str) -> Option<String> {
        let file: AuthFile = serde_json::from_str(json).unwrap();
        match file.look_up(&reference.parse().unwrap()).unwrap()? {
            Secret::Password { user, password } => Some(format!("{user} {password}")),
            Secret::IdentityToken { user, token } => Some(format!("{user} token {token}")),
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
            ("idtok.example/x", Some("x token t")),
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
        assert!(error.contains("not the name of a credential helper"), "{error}");
    }
}
