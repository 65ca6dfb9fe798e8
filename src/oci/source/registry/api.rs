//! The HTTP interface of one repository at one endpoint.

use super::auth::Authorizer;
use super::certs_d;
use super::challenge::{self, Challenge};
use super::credentials::{self, Credential, Secret};
use super::fault::{Answer, broken, excerpt, host, is_markup, refusal};
use super::http::{Http, Request, is_loopback};
use super::pace::Paced;
use super::registries_conf::PullSource;
use super::retry::Retry;
use super::{lock, tls};
use crate::oci::digest::{Algorithm, ContentError, Digest, Verifier};
use crate::oci::manifest::{Descriptor, MAX_MANIFEST, media_type};
use crate::oci::reference::{DOCKER_HUB, Reference};
use crate::oci::{ErrorKind, SourceOptions};
use crate::progress::Progress;
use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) struct Api {
    pub(super) http: Http,
    pub(super) progress: Arc<dyn Progress>,
    /// `https://host/v2/repository/`
    base: Url,
    reference: Reference,
    /// The next endpoint is as good: this one is asked once.
    is_mirror: bool,
    credential: Option<Credential>,
    authorization: Mutex<Option<HeaderValue>>,
    stop: Arc<AtomicBool>,
}

impl Api {
    pub(super) fn connect(
        source: &PullSource,
        options: &SourceOptions,
        progress: Arc<dyn Progress>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ErrorKind> {
        let reference = &source.reference;
        let host = match reference.registry.as_str() {
            DOCKER_HUB => "registry-1.docker.io",
            other => other,
        };
        let own = certs_d::find(&reference.registry, options.cert_dir.as_deref())?;
        let verify = options.tls_verify.unwrap_or(!source.insecure);
        let http = Http::new(options, &tls::config(verify, own)?, verify)?;
        let address = format!("https://{host}/v2/{}/", reference.repository);
        let mut base = Url::parse(&address).map_err(|error| ErrorKind::Address {
            registry: host.to_owned(),
            reason: error.to_string(),
        })?;
        let may_be_plain = !verify || base.host_str().is_some_and(is_loopback);
        if may_be_plain && !http.speaks_tls(&base.join("/v2/").unwrap_or(base.clone()))? {
            // Cannot fail between these two.
            let _ = base.set_scheme("http");
        }
        Ok(Self {
            http,
            progress,
            base,
            reference: reference.clone(),
            is_mirror: source.is_mirror,
            credential: credentials::find(reference, options)?,
            authorization: Mutex::new(None),
            stop,
        })
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The manifest or index that the reference names, and what it turned out to be.
    pub(super) fn root(&self) -> Result<(Descriptor, Vec<u8>), ErrorKind> {
        let reference = &self.reference;
        let name = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| "latest".into()),
        };
        let patience =
            if self.is_mirror { Retry::new(0, Duration::ZERO) } else { self.http.patience() };
        let Document { headers, answer, bytes } = self.document(&name, patience)?;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let announced = text("docker-content-digest").and_then(|digest| digest.parse().ok());
        let digest = match reference.digest.clone().or(announced) {
            Some(digest) => digest,
            None => Digest::of(Algorithm::Sha256, &bytes),
        };
        check(&bytes, &digest, None)?;
        // Whatever a mirror greets us with must not keep us from the next endpoint.
        let is_json = match self.is_mirror {
            true => serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(&bytes).is_ok(),
            false => bytes.trim_ascii_start().starts_with(b"{"),
        };
        if !is_json {
            return Err(answer.in_place_of("a manifest", &bytes));
        }
        let media_type = text(CONTENT_TYPE.as_str()).and_then(|text| text.split(';').next());
        let media_type = media_type.unwrap_or_default().trim().to_owned();
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        Ok((descriptor, bytes))
    }

    /// A manifest or an index: its bytes have the digest and the size that `descriptor` says.
    pub(super) fn manifest(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ErrorKind> {
        let digest = &descriptor.digest;
        let document = self
            .document(&digest.to_string(), self.http.patience())
            .map_err(|error| missing(error, digest))?;
        check(&document.bytes, digest, Some(descriptor.size))?;
        Ok(document.bytes)
    }

    /// The unchecked bytes of a manifest or an index, at most [`MAX_MANIFEST`].
    fn document(&self, name: &str, mut retry: Retry) -> Result<Document, ErrorKind> {
        let accept = [
            media_type::INDEX,
            media_type::MANIFEST,
            media_type::DOCKER_LIST,
            media_type::DOCKER_MANIFEST,
        ];
        let too_large = |size| ErrorKind::TooLarge {
            what: "manifest",
            digest: name.to_owned(),
            size,
            limit: MAX_MANIFEST,
        };
        let path = format!("manifests/{name}");
        loop {
            let response = self.get(&path, &[(ACCEPT, accept.join(", "))], &mut retry)?;
            if let Some(size) = response.content_length().filter(|size| *size > MAX_MANIFEST) {
                return Err(too_large(size));
            }
            let (headers, answer) = (response.headers().clone(), Answer::of(&response));
            let mut bytes = Vec::new();
            let mut body = Paced::new(response, self.http.stall).take(MAX_MANIFEST + 1);
            match body.read_to_end(&mut bytes) {
                Ok(size) if size as u64 > MAX_MANIFEST => return Err(too_large(size as u64)),
                Ok(_) if is_markup(&bytes) => {
                    return Err(answer.in_place_of("a manifest", &bytes));
                }
                Ok(_) => return Ok(Document { headers, answer, bytes }),
                Err(error) => retry.pause(broken(&error, &answer.url, self.http.stall), None)?,
            }
        }
    }

    /// A blob, or the part of it that `headers` ask for.
    pub(super) fn blob(
        &self,
        digest: &Digest,
        headers: &[(HeaderName, String)],
        retry: &mut Retry,
    ) -> Result<Response, ErrorKind> {
        let path = format!("blobs/{digest}");
        self.get(&path, headers, retry).map_err(|error| missing(error, digest))
    }

    /// Sends one GET, logging in when the registry asks for it.
    fn get(
        &self,
        path: &str,
        headers: &[(HeaderName, String)],
        retry: &mut Retry,
    ) -> Result<Response, ErrorKind> {
        let url = self.base.join(path).map_err(|error| ErrorKind::Registry {
            registry: host(&self.base),
            reason: format!("nothing: {path} makes no address ({error})"),
        })?;
        let mut answered = false;
        loop {
            let authorization = lock(&self.authorization).clone();
            let request = Request {
                headers: headers.to_vec(),
                authorization: authorization.clone(),
                ..Request::get(url.clone())
            };
            let response = self.http.send(&request, retry)?;
            match response.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => return Ok(response),
                StatusCode::UNAUTHORIZED if !answered => {
                    answered = true;
                    self.log_in(&response, authorization, retry)?;
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    return Err(self.unauthorized(&response, authorization.is_some()));
                }
                StatusCode::NOT_FOUND => {
                    return Err(ErrorKind::NotFound(format!(" at {}", host(response.url()))));
                }
                _ => return Err(refusal(response, self.http.stall)),
            }
        }
    }

    /// Gets the authorization that `response` asks for, unless another thread already replaced the
    /// one that was `used`. Tokens live for minutes: a long pull needs several.
    fn log_in(
        &self,
        response: &Response,
        used: Option<HeaderValue>,
        retry: &mut Retry,
    ) -> Result<(), ErrorKind> {
        let mut current = lock(&self.authorization);
        if *current != used {
            return Ok(());
        }
        // A host that a redirect led to has nothing to ask for.
        if response.url().origin() != self.base.origin() {
            return Err(self.unauthorized(response, used.is_some()));
        }
        let challenge = Challenge::find(response.headers()).ok_or_else(|| unreadable(response))?;
        let authorizer = Authorizer {
            http: &self.http,
            credential: self.credential.as_ref(),
            registry: &self.base,
            scope: &format!("repository:{}:pull", self.reference.repository),
        };
        let answer = authorizer.answer(&challenge, retry)?;
        *current = Some(answer.ok_or_else(|| self.unauthorized(response, used.is_some()))?);
        Ok(())
    }

    /// Why access is refused to a request, which had an authorization or `none`. Only credentials
    /// that were sent can have been refused.
    fn unauthorized(&self, response: &Response, authorized: bool) -> ErrorKind {
        let ours = response.url().origin() == self.base.origin();
        let reason = match &self.credential {
            Some(credential) if authorized && ours => credential.not_accepted(),
            Some(_) if !ours => format!(
                "{} where a redirect of {} led, and credentials do not go there",
                response.status(),
                host(&self.base)
            ),
            Some(Credential { secret: Secret::IdentityToken { .. }, .. })
                if response.status() == StatusCode::UNAUTHORIZED =>
            {
                "it wants a name and a password, and there is an identity token only: log in with \
                 `docker login` or `podman login`, or use --creds"
                    .into()
            }
            Some(_) => format!("{}, and it does not ask for credentials", response.status()),
            None => "there is no such image, or it is not public: check the name, or log in with \
                     `docker login` or `podman login`, or use --creds"
                .into(),
        };
        ErrorKind::Unauthorized { registry: host(response.url()), reason }
    }
}

/// A manifest or an index, unchecked, and how it came.
struct Document {
    headers: HeaderMap,
    answer: Answer,
    bytes: Vec<u8>,
}

/// Nobody can tell what to send.
fn unreadable(response: &Response) -> ErrorKind {
    let reason = match excerpt(&challenge::text(response.headers())) {
        text if text.is_empty() => "it asks for credentials without saying how (it sends no \
                                    WWW-Authenticate): ask who runs it, or a proxy before it"
            .to_owned(),
        text => format!("what it asks for is not understood (WWW-Authenticate: {text:?})"),
    };
    ErrorKind::Unauthorized { registry: host(response.url()), reason }
}

fn missing(error: ErrorKind, digest: &Digest) -> ErrorKind {
    match error {
        ErrorKind::NotFound(_) => ErrorKind::MissingBlob(digest.clone()),
        error => error,
    }
}

fn check(bytes: &[u8], digest: &Digest, size: Option<u64>) -> Result<(), ErrorKind> {
    Verifier::new(bytes, digest.clone(), size).drain().map_err(|error| {
        match error.downcast::<ContentError>() {
            Ok(content) => ErrorKind::Content(content),
            Err(error) => ErrorKind::io("check the manifest")(error),
        }
    })
}
