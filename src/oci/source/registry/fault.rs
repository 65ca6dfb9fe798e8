//! What went wrong between us and a registry, in words. Addresses stay out of them but for host and
//! port: they may carry signatures.

use super::pace::Paced;
use crate::oci::ErrorKind;
use reqwest::blocking::Response;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::error::Error as StdError;
use std::io::{self, Read};
use std::time::Duration;

/// The most bytes read of an error's text.
const MAX_ERROR_TEXT: u64 = 64 << 10;

/// The most characters shown of it.
const MAX_SAID: usize = 300;

/// The registry's own words for a refusal, without what could play with a terminal.
pub(super) fn refusal(response: Response, stall: Duration) -> ErrorKind {
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
    let _ = Paced::new(response, stall).take(MAX_ERROR_TEXT).read_to_end(&mut body);
    let said = serde_json::from_slice::<Body>(&body).ok().and_then(|body| {
        let item = body.errors.into_iter().next()?;
        Some(format!(": {} {}", item.code, item.message))
    });
    let said: String =
        said.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
    let hint = match status {
        StatusCode::TOO_MANY_REQUESTS => "; wait a while, or log in for a higher limit",
        _ => "",
    };
    ErrorKind::Registry { registry, reason: format!("{status}{said}{hint}") }
}

/// A failed exchange.
pub(super) fn transport(error: reqwest::Error, stall: Duration) -> ErrorKind {
    let registry = error.url().map(host).unwrap_or_default();
    let error = error.without_url();
    if let Some(reason) = tls_error(&error) {
        return ErrorKind::Tls { registry, reason: reason.to_string() };
    }
    if error.is_builder() {
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

/// Whether the other side spoke TLS, and it failed.
pub(super) fn is_of_tls(error: &reqwest::Error) -> bool {
    // What is no TLS at all has no valid form either.
    !matches!(tls_error(error), None | Some(rustls::Error::InvalidMessage(_)))
}

/// Whether there is nobody at the address: nobody listens, or nobody has that name. A name server
/// that has a moment's trouble is another thing.
pub(super) fn is_absent(error: &reqwest::Error) -> bool {
    error.is_connect()
        && chain(error).any(|error| {
            let text = error.to_string();
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            kind == Some(io::ErrorKind::ConnectionRefused)
                || text.contains("lookup address") && !text.contains("emporary")
        })
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
