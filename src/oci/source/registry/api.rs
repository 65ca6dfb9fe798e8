//! The HTTP interface of one repository.

use super::auth::{Authorizer, Challenge};
use super::credentials::{self, Credential};
use super::http::{Http, Retry, broken, host, refusal};
use super::{SourceOptions, lock};
use crate::oci::ErrorKind;
use crate::oci::digest::{Algorithm, ContentError, Digest, Verifier};
use crate::oci::manifest::{Descriptor, MAX_MANIFEST, media_type};
use crate::oci::reference::{DOCKER_HUB, Reference};
use crate::oci::store::Store;
use crate::progress::Progress;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::io::Read;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The HTTP interface of one repository.
pub(super) struct Api {
    pub(super) http: Http,
    /// `https://host/v2/repository/`
    base: String,
    scope: String,
    pub(super) stall: Duration,
    pub(super) progress: Arc<dyn Progress>,
    credential: Option<Credential>,
    authorization: Mutex<Option<HeaderValue>>,
    stop: AtomicBool,
    pub(super) store: Option<Store>,
}

impl Api {
    pub(super) fn connect(
        reference: &Reference,
        options: &SourceOptions,
    ) -> Result<Self, ErrorKind> {
        let host = match reference.registry.as_str() {
            DOCKER_HUB => "registry-1.docker.io",
            other => other,
        };
        let loopback = is_loopback(host);
        let http = Http::new(options, loopback)?;
        let stall = options.stall_timeout;
        let may_be_plain = loopback || !options.tls_verify;
        let plain = may_be_plain && !http.speaks_tls(&format!("https://{host}/v2/"), stall)?;
        let scheme = if plain { "http" } else { "https" };
        Ok(Self {
            http,
            base: format!("{scheme}://{host}/v2/{}/", reference.repository),
            scope: format!("repository:{}:pull", reference.repository),
            stall,
            progress: Arc::clone(&options.progress),
            credential: credentials::find(reference, options.auth_file.as_deref())?,
            authorization: Mutex::new(None),
            stop: AtomicBool::new(false),
            store: options.store.clone(),
        })
    }

    /// Lets the downloads under way end early.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The manifest or index that `reference` names, and what it turned out to be.
    pub(super) fn root(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>), ErrorKind> {
        let name = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".into()),
        };
        let (headers, bytes) = self.document(&format!("manifests/{name}"))?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let announced = text("docker-content-digest").and_then(|digest| digest.parse().ok());
        let digest = match reference.digest.clone().or(announced) {
            Some(digest) => digest,
            None => Digest::of(Algorithm::Sha256, &bytes),
        };
        check(&bytes, &digest)?;
        let media_type = text(CONTENT_TYPE.as_str()).and_then(|text| text.split(';').next());
        let media_type = media_type.unwrap_or_default().trim().to_owned();
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        Ok((descriptor, bytes))
    }

    /// The unchecked bytes of a manifest or an index, at most [`MAX_MANIFEST`].
    pub(super) fn document(&self, path: &str) -> Result<(HeaderMap, Vec<u8>), ErrorKind> {
        let accept = [
            media_type::INDEX,
            media_type::MANIFEST,
            media_type::DOCKER_LIST,
            media_type::DOCKER_MANIFEST,
        ];
        let mut retry = self.http.patience();
        loop {
            let response = self.get(path, &[(ACCEPT, accept.join(", "))], &mut retry)?;
            let (headers, url) = (response.headers().clone(), response.url().clone());
            let mut bytes = Vec::new();
            match response.take(MAX_MANIFEST + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 > MAX_MANIFEST => {
                    return Err(ErrorKind::TooLarge {
                        what: "manifest",
                        digest: path.trim_start_matches("manifests/").to_owned(),
                        size: bytes.len() as u64,
                        limit: MAX_MANIFEST,
                    });
                }
                Ok(_) => return Ok((headers, bytes)),
                Err(error) => retry.pause(broken(&error, &url, self.stall), None)?,
            }
        }
    }

    /// Sends one GET, logging in when the registry asks for it.
    pub(super) fn get(
        &self,
        path: &str,
        headers: &[(HeaderName, String)],
        retry: &mut Retry,
    ) -> Result<Response, ErrorKind> {
        let url = format!("{}{path}", self.base);
        let mut answered = false;
        loop {
            let authorization = lock(&self.authorization).clone();
            let response = self.http.send(retry, self.stall, |client| {
                let mut request = client.get(&url);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                match &authorization {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            })?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => return Ok(response),
                StatusCode::UNAUTHORIZED if !answered => {
                    answered = true;
                    self.log_in(response, authorization, retry)?;
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    return Err(self.unauthorized(&response));
                }
                StatusCode::NOT_FOUND => {
                    return Err(ErrorKind::NotFound(format!(" at {}", host(response.url()))));
                }
                _ => return Err(refusal(response)),
            }
        }
    }

    /// Gets the authorization that `response` asks for, unless another thread already replaced the
    /// one that was `used`. Tokens live for minutes: a long pull needs several.
    fn log_in(
        &self,
        response: Response,
        used: Option<HeaderValue>,
        retry: &mut Retry,
    ) -> Result<(), ErrorKind> {
        let mut current = lock(&self.authorization);
        if *current != used {
            return Ok(());
        }
        let Some(challenge) = Challenge::find(response.headers()) else {
            return Err(self.unauthorized(&response));
        };
        let authorizer = Authorizer {
            http: &self.http,
            stall: self.stall,
            credential: self.credential.as_ref(),
            plain: self.base.starts_with("http:"),
            scope: &self.scope,
        };
        let answer = authorizer.answer(&challenge, retry)?;
        *current = Some(answer.ok_or_else(|| self.unauthorized(&response))?);
        Ok(())
    }

    fn unauthorized(&self, response: &Response) -> ErrorKind {
        let reason = match &self.credential {
            Some(credential) => credential.not_accepted(),
            None => "there is no such image, or it is not public: check the name, or log in with \
                     `docker login` or `podman login`"
                .into(),
        };
        ErrorKind::Unauthorized { registry: host(response.url()), reason }
    }
}

fn check(bytes: &[u8], digest: &Digest) -> Result<(), ErrorKind> {
    Verifier::new(bytes, digest.clone(), None).drain().map_err(|error| {
        match error.downcast::<ContentError>() {
            Ok(content) => ErrorKind::Content(content),
            Err(error) => ErrorKind::io("check the manifest")(error),
        }
    })
}

/// Whether `host`, maybe with a port, is this machine: `localhost`, 127.0.0.0/8 or ::1.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts() {
        for host in ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["docker.io", "10.0.0.1:5000", "127.0.0.1.example", "localhost.example:80"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
