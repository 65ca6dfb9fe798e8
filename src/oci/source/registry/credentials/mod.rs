//! A user's proof towards a registry: from the command line, or from what `docker login` and
//! `podman login` left.

mod auth_file;
mod helper;

use super::environment::{config_home, variable};
use crate::oci::reference::Reference;
use crate::oci::{ErrorKind, SourceOptions};
use auth_file::AuthFile;
use std::path::PathBuf;

/// A proof, and where it was found. It is never printed.
pub(super) struct Credential {
    pub secret: Secret,
    from: String,
}

pub(super) enum Secret {
    Password {
        user: String,
        password: String,
    },
    /// An OAuth 2 refresh token, and the name that goes with it where it serves as a password.
    IdentityToken {
        user: String,
        token: String,
    },
}

impl Credential {
    pub(super) fn not_accepted(&self) -> String {
        format!("the credentials in {} are not accepted, log in again", self.from)
    }
}

/// The credentials for `reference`: those of the command line; else those of the one file that
/// `--authfile` or `REGISTRY_AUTH_FILE` names; else of the first of the usual files that has any
/// (containers-auth.json(5)).
pub(super) fn find(
    reference: &Reference,
    options: &SourceOptions,
) -> Result<Option<Credential>, ErrorKind> {
    if let Some(creds) = &options.creds {
        let (user, password) = (creds.user.clone(), creds.password.clone());
        let secret = Secret::Password { user, password };
        return Ok(Some(Credential { secret, from: "--creds".into() }));
    }
    let named = options.auth_file.clone().or_else(|| variable("REGISTRY_AUTH_FILE"));
    let (files, must_exist) = match named {
        Some(path) => (vec![path], true),
        None => (usual(), false),
    };
    for path in files {
        let fail = |reason| ErrorKind::Credentials(format!("{}: {reason}", path.display()));
        let Some(file) = AuthFile::read(&path, must_exist).map_err(fail)? else { continue };
        if let Some(secret) = file.look_up(reference).map_err(fail)? {
            return Ok(Some(Credential { secret, from: path.display().to_string() }));
        }
    }
    Ok(None)
}

/// podman's files, then Docker's.
fn usual() -> Vec<PathBuf> {
    let run = variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json"));
    let uid = rustix::process::getuid();
    let run = run.unwrap_or_else(|| format!("/run/containers/{uid}/auth.json").into());
    let docker =
        variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
    let files = [
        Some(run),
        config_home().map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ];
    files.into_iter().flatten().collect()
}
