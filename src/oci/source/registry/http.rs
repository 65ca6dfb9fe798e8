//! An HTTP client with the patience that registries need: timeouts, retries, and redirects that
//! take no secret along.

use super::fault::{host, is_absent, is_of_tls, refusal, transport};
use super::retry::{Retry, retry_after};
use crate::oci::{ErrorKind, SourceOptions};
use reqwest::blocking::{Client, ClientBuilder, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Proxy, StatusCode, Url};
use rustls::ClientConfig;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;

/// The schemes of a proxy's address.
const PROXIES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// One request: a GET, or the POST of a form.
pub(super) struct Request {
    pub url: Url,
    pub headers: Vec<(HeaderName, String)>,
    /// For the host of `url` and nobody else.
    pub authorization: Option<HeaderValue>,
    /// The body, percent-encoded. It holds secrets.
    pub form: Option<String>,
}

impl Request {
    pub(super) fn get(url: Url) -> Self {
        Self { url, headers: Vec::new(), authorization: None, form: None }
    }
}

pub(super) struct Http {
    /// For this machine.
    direct: Client,
    /// Through the environment's proxies.
    proxied: Client,
    verify: bool,
    /// Whether any server ever answered.
    answered: AtomicBool,
    retries: u32,
    backoff: Duration,
    /// The longest time without a byte.
    pub stall: Duration,
}

impl Http {
    /// A client that speaks TLS as `tls` says, and with `verify` never leaves it again.
    pub(super) fn new(
        options: &SourceOptions,
        tls: &ClientConfig,
        verify: bool,
    ) -> Result<Self, ErrorKind> {
        check_proxies()?;
        let build = |builder: ClientBuilder| {
            builder
                .user_agent(concat!("c2w/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(options.connect_timeout)
                // In reqwest's blocking client this is the limit for the head of an answer and
                // for each read of its body, not for the whole.
                .timeout(options.stall_timeout)
                .redirect(Policy::none())
                .tls_backend_preconfigured(tls.clone())
                .build()
                .map_err(|error| transport(error, options.stall_timeout))
        };
        Ok(Self {
            direct: build(Client::builder().no_proxy())?,
            proxied: build(Client::builder())?,
            verify,
            answered: AtomicBool::new(false),
            retries: options.retries,
            backoff: options.backoff,
            stall: options.stall_timeout,
        })
    }

    pub(super) fn patience(&self) -> Retry {
        Retry::new(self.retries, self.backoff)
    }

    /// Whether an HTTPS server answers at `url`. One that we cannot come to terms with is an error;
    /// all else, plain HTTP among it, is no.
    pub(super) fn speaks_tls(&self, url: &Url) -> Result<bool, ErrorKind> {
        match self.client(url).get(url.clone()).send() {
            Ok(_) => Ok(true),
            Err(error) if is_of_tls(&error) => Err(transport(error, self.stall)),
            Err(_) => Ok(false),
        }
    }

    /// Sends a request until an answer comes that is not a passing fault. Nobody waits for a
    /// registry that was never there.
    pub(super) fn send(&self, request: &Request, retry: &mut Retry) -> Result<Response, ErrorKind> {
        loop {
            let (error, asked) = match self.follow(request) {
                Ok(response) if !may_pass(response.status()) => return Ok(response),
                Ok(response) => {
                    let asked = retry_after(&response);
                    (refusal(response, self.stall), asked)
                }
                Err(Failure { error, may_pass: true }) => (error, None),
                Err(Failure { error, .. }) => return Err(error),
            };
            retry.pause(error, asked)?;
        }
    }

    /// Follows redirects. Credentials are dropped for good when host, port or scheme change.
    fn follow(&self, request: &Request) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        let mut authorization = request.authorization.as_ref();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(&url, request, authorization)?;
            let Some(next) = target(&response).filter(|_| request.form.is_none()) else {
                return Ok(response);
            };
            let next = next.map_err(|reason| refused(&url, reason))?;
            if self.verify && url.scheme() == "https" && next.scheme() != "https" {
                let reason = "a redirect from HTTPS to plain HTTP: refused";
                return Err(refused(&url, &format!("{reason} (it leads to {})", host(&next))));
            }
            if next.origin() != url.origin() {
                authorization = None;
            }
            url = next;
        }
        Err(refused(&url, "too many redirects"))
    }

    fn exchange(
        &self,
        url: &Url,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let client = self.client(url);
        let mut builder = match &request.form {
            None => client.get(url.clone()),
            Some(form) => client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
        };
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(value) = authorization {
            builder = builder.header(AUTHORIZATION, value);
        }
        let sent = builder.send().map_err(|error| {
            let absent = is_absent(&error) && !self.answered.load(Ordering::Relaxed);
            let error = transport(error, self.stall);
            let may_pass = !absent && matches!(error, ErrorKind::Unreachable { .. });
            Failure { error, may_pass }
        });
        self.answered.fetch_or(sent.is_ok(), Ordering::Relaxed);
        sent
    }

    fn client(&self, url: &Url) -> &Client {
        if is_loopback(url.host_str().unwrap_or_default()) { &self.direct } else { &self.proxied }
    }
}

/// Where an answer sends us, if it does.
fn target(response: &Response) -> Option<Result<Url, &'static str>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let url = location.to_str().ok().and_then(|text| response.url().join(text).ok());
    Some(match url {
        Some(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Some(_) => Err("a redirect away from HTTP: refused"),
        None => Err("a redirect to a malformed address"),
    })
}

fn refused(from: &Url, reason: &str) -> Failure {
    let error = ErrorKind::Registry { registry: host(from), reason: reason.to_owned() };
    Failure { error, may_pass: false }
}

/// A request without an answer.
struct Failure {
    error: ErrorKind,
    may_pass: bool,
}

fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// Whether `host`, without a port, is this machine: `localhost`, 127.0.0.0/8 or ::1.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// reqwest passes over a proxy that it cannot read, and would connect without.
fn check_proxies() -> Result<(), ErrorKind> {
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        for name in [name.to_owned(), name.to_lowercase()] {
            let Ok(value) = std::env::var(&name) else { continue };
            let scheme = value.split_once("://").map_or("http", |(scheme, _)| scheme);
            let known = PROXIES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
            if !value.is_empty() && (!known || Proxy::all(&value).is_err()) {
                // The address may hold a password.
                let reason = "no address of a proxy: write for example http://proxy:3128 or \
                              socks5h://proxy:1080";
                return Err(ErrorKind::Proxy(format!("{name}: {reason}")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_hosts() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["docker.io", "10.0.0.1", "127.0.0.1.example", "localhost.example", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
