//! An HTTP client with the patience that registries need: timeouts, retries, honest errors.

use crate::oci::ErrorKind;
use crate::oci::SourceOptions;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Certificate, StatusCode, Url};
use serde::Deserialize;
use std::error::Error as StdError;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;

/// The longest pause that a registry may ask for; a longer one is an error.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The most bytes read of an error's text.
const MAX_ERROR_TEXT: u64 = 64 << 10;

pub(super) struct Http {
    client: Client,
    retries: u32,
    backoff: Duration,
}

/// What is left of the patience for one request or download.
pub(super) struct Retry {
    left: u32,
    pause: Duration,
}

impl Retry {
    /// Waits before the next try, or gives `error` back when there is none.
    pub(super) fn pause(
        &mut self,
        error: ErrorKind,
        asked: Option<Duration>,
    ) -> Result<(), ErrorKind> {
        let pause = self.pause.max(asked.unwrap_or_default());
        if self.left == 0 || pause > MAX_PAUSE {
            return Err(error);
        }
        std::thread::sleep(pause);
        self.left -= 1;
        self.pause *= 2;
        Ok(())
    }
}

impl Http {
    /// A client; `direct` ones ignore the proxies of the environment.
    pub(super) fn new(options: &SourceOptions, direct: bool) -> Result<Self, ErrorKind> {
        // An error says that a provider is installed already: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("c2w/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            // In reqwest's blocking client this is the limit for the head of an answer and for
            // each read of its body, not for the whole.
            .timeout(options.stall_timeout)
            .referer(false)
            .redirect(Policy::custom(follow))
            .tls_certs_only(certificates(options)?)
            .tls_danger_accept_invalid_certs(!options.tls_verify);
        if direct {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| transport(error, options.stall_timeout))?;
        Ok(Self { client, retries: options.retries, backoff: options.backoff })
    }

    pub(super) fn patience(&self) -> Retry {
        Retry { left: self.retries, pause: self.backoff }
    }

    /// Whether an HTTPS server answers at `url`. An untrusted one is an error; all else, plain
    /// HTTP among it, is no.
    pub(super) fn speaks_tls(&self, url: &str, stall: Duration) -> Result<bool, ErrorKind> {
        let Err(error) = self.client.get(url).send() else { return Ok(true) };
        let distrust = matches!(tls_error(&error), Some(rustls::Error::InvalidCertificate(_)));
        if distrust { Err(transport(error, stall)) } else { Ok(false) }
    }

    /// Sends a request until an answer comes that will not pass by itself.
    pub(super) fn send(
        &self,
        retry: &mut Retry,
        stall: Duration,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<Response, ErrorKind> {
        loop {
            let (error, asked) = match request(&self.client).send() {
                Ok(response) if !may_pass(response.status()) => return Ok(response),
                Ok(response) => {
                    let asked = retry_after(&response);
                    (refusal(response), asked)
                }
                Err(error) => match transport(error, stall) {
                    error @ ErrorKind::Unreachable { .. } => (error, None),
                    error => return Err(error),
                },
            };
            retry.pause(error, asked)?;
        }
    }
}

/// reqwest itself drops `Authorization` when host, port or scheme change.
fn follow(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
    if from_https && attempt.url().scheme() != "https" {
        return attempt.error("a redirect from HTTPS to plain HTTP is refused");
    }
    attempt.follow()
}

fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn certificates(options: &SourceOptions) -> Result<Vec<Certificate>, ErrorKind> {
    let failed =
        |reason: String| ErrorKind::Credentials(format!("certificate authority: {reason}"));
    let native = rustls_native_certs::load_native_certs();
    let named = std::env::var_os("SSL_CERT_FILE").is_some();
    if let Some(error) = native.errors.first().filter(|_| named && native.certs.is_empty()) {
        return Err(failed(format!("SSL_CERT_FILE: {error}")));
    }
    // One odd certificate in the system's store must not spoil the rest.
    let mut usable = rustls::RootCertStore::empty();
    let native = native.certs.into_iter().filter(|cert| usable.add(cert.clone()).is_ok());
    let der = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned().chain(native);
    let mut all: Vec<Certificate> =
        der.filter_map(|cert| Certificate::from_der(&cert).ok()).collect();
    if let Some(path) = &options.ca_file {
        let pem =
            std::fs::read(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
        let own = Certificate::from_pem_bundle(&pem)
            .map_err(|error| failed(format!("{}: {}", path.display(), innermost(&error))))?;
        if own.is_empty() {
            return Err(failed(format!("{} holds no PEM certificate", path.display())));
        }
        all.extend(own);
    }
    Ok(all)
}

/// The registry's own words for a refusal, without what could play with a terminal.
pub(super) fn refusal(response: Response) -> ErrorKind {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let (status, registry) = (response.status(), host(response.url()));
    let mut body = Vec::new();
    // The status alone is worth reporting when its text does not come.
    let _ = response.take(MAX_ERROR_TEXT).read_to_end(&mut body);
    let said = serde_json::from_slice::<Body>(&body).ok().and_then(|body| {
        let item = body.errors.into_iter().next()?;
        Some(format!(": {} {}", item.code, item.message))
    });
    let said: String =
        said.unwrap_or_default().chars().filter(|c| !c.is_control()).take(300).collect();
    let hint = match status {
        StatusCode::TOO_MANY_REQUESTS => "; wait a while, or log in for a higher limit",
        _ => "",
    };
    ErrorKind::Registry { registry, reason: format!("{status}{said}{hint}") }
}

/// A failed exchange. Addresses stay out of the text: they may carry signatures.
pub(super) fn transport(error: reqwest::Error, stall: Duration) -> ErrorKind {
    let registry = error.url().map(host).unwrap_or_default();
    let error = error.without_url();
    if let Some(reason) = tls_error(&error) {
        return ErrorKind::Tls { registry, reason: reason.to_string() };
    }
    if error.is_redirect() || error.is_builder() {
        return ErrorKind::Registry { registry, reason: innermost(&error) };
    }
    let reason = match error.is_timeout() {
        true if error.is_connect() => "no connection in time".to_owned(),
        true => format!("no answer within {stall:?}"),
        false => innermost(&error),
    };
    ErrorKind::Unreachable { registry, reason }
}

/// A body that broke off.
pub(super) fn broken(error: &io::Error, url: &Url, stall: Duration) -> ErrorKind {
    let text = match error.get_ref() {
        Some(inner) => innermost(inner),
        None => error.to_string(),
    };
    let reason = if text.contains("timed out") {
        format!("no further byte within {stall:?}")
    } else {
        format!("the connection broke: {text}")
    };
    ErrorKind::Unreachable { registry: host(url), reason }
}

/// Host and port of an address.
pub(super) fn host(url: &Url) -> String {
    match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

/// `source()` of an [`io::Error`] leaves out the error inside of it.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
