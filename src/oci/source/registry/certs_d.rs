//! Directories of a registry's own certificates (containers-certs.d(5)): `*.crt` are authorities,
//! `NAME.cert` with `NAME.key` is the client's certificate.

use super::environment::{config_home, variable};
use crate::oci::ErrorKind;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

/// What such a directory holds.
#[derive(Default)]
pub(super) struct Certificates {
    pub authorities: Vec<CertificateDer<'static>>,
    /// The chain, and the key of its first.
    pub client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// The certificates for `host`: those in `explicit`, if given, or else in the first directory of
/// the usual ones that is for this host.
pub(super) fn find(host: &str, explicit: Option<&Path>) -> Result<Certificates, ErrorKind> {
    if let Some(dir) = explicit {
        return load(dir);
    }
    match usual().iter().map(|base| base.join(host)).find(|dir| dir.is_dir()) {
        Some(dir) => load(&dir),
        None => Ok(Certificates::default()),
    }
}

fn usual() -> Vec<PathBuf> {
    let home = variable("HOME").map(|home| home.join(".config"));
    let own = [home, config_home()].into_iter().flatten().map(|dir| dir.join("containers/certs.d"));
    own.chain(["/etc/containers/certs.d".into(), "/etc/docker/certs.d".into()]).collect()
}

fn load(dir: &Path) -> Result<Certificates, ErrorKind> {
    let mut found = Certificates::default();
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| fail(dir, error))? {
        names.push(entry.map_err(|error| fail(dir, error))?.path());
    }
    names.sort();
    for path in &names {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => found.authorities.extend(certificates(path)?),
            Some("cert") if found.client.is_some() => {
                return Err(fail(path, "a second client certificate: keep one"));
            }
            Some("cert") => {
                let key = key(&path.with_extension("key"))?;
                found.client = Some((certificates(path)?, key));
            }
            Some("key") if !path.with_extension("cert").exists() => {
                return Err(fail(path, "its certificate, with .cert for .key, is not there"));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ErrorKind> {
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match all.map_err(|error| unreadable(path, &error))? {
        none if Vec::is_empty(&none) => Err(fail(path, "holds no PEM certificate")),
        all => Ok(all),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, ErrorKind> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        PemError::NoItemsFound => fail(path, "holds no PEM private key without a password"),
        error => unreadable(path, &error),
    })
}

fn unreadable(path: &Path, error: &PemError) -> ErrorKind {
    match error {
        PemError::Io(error) if error.kind() == IoErrorKind::NotFound => fail(path, "is not there"),
        PemError::Io(error) => fail(path, error),
        // Its text shows bytes of the file.
        _ => fail(path, "is malformed PEM"),
    }
}

fn fail(path: &Path, reason: impl std::fmt::Display) -> ErrorKind {
    ErrorKind::Certificates(format!("{}: {reason}", path.display()))
}
