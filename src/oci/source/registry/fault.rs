//! What went wrong between us and a registry, in words. Addresses stay out of them but for host and
//! port: they may carry signatures.

use super::pace::Paced;
use crate::oci::ErrorKind;
use reqwest::blocking::Response;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::error::Error as StdError;
use std::io::{self, Read};
use std::time::Duration;

/// The most bytes read of an error's text.
const MAX_ERROR_TEXT: u64 = 64 << 10;

/// The most characters shown of it.
const MAX_SAID: usize = 300;

/// The most characters shown of what is not what was asked for.
const MAX_EXCERPT: usize = 100;

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
    let (status, answer) = (response.status(), Answer::of(&response));
    let mut body = Vec::new();
    // The status alone is worth reporting when its text does not come.
    let _ = Paced::new(response, stall).take(MAX_ERROR_TEXT).read_to_end(&mut body);
    let said = serde_json::from_slice::<Body>(&body).ok().and_then(|body| {
        let item = body.errors.into_iter().next()?;
        Some(format!(": {} {}", item.code, item.message))
    });
    let said = said.unwrap_or_else(|| match words(&body) {
        words if words.is_empty() => String::new(),
        words => format!(": {} {words:?}", answer.kind),
    });
    let said: String = said.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
    let hint = match status {
        StatusCode::TOO_MANY_REQUESTS => "; wait a while, or log in for a higher limit",
        _ => "",
    };
    answer.fault(format!("{status}{said}{hint}"))
}

/// Where an answer came from, after redirects, and what it calls itself.
pub(super) struct Answer {
    pub url: Url,
    kind: String,
}

impl Answer {
    pub(super) fn of(response: &Response) -> Self {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|text| text.split(';').next()).unwrap_or_default();
        let kind = match kind.trim() {
            "" => "something".to_owned(),
            kind => excerpt(kind),
        };
        Self { url: response.url().clone(), kind }
    }

    /// Whether this is a page for people: what login pages of networks, proxies and web servers
    /// send with status 200 in place of anything.
    pub(super) fn is_page(&self, body: &[u8]) -> bool {
        self.says_page() && is_markup(body)
    }

    /// Whether it calls itself a page for people.
    pub(super) fn says_page(&self) -> bool {
        let kind = self.kind.to_ascii_lowercase();
        matches!(kind.as_str(), "text/html" | "application/xhtml+xml")
    }

    /// The fault of an answer with something else than `what` in it.
    pub(super) fn in_place_of(&self, what: &str, body: &[u8]) -> ErrorKind {
        let came = match words(body) {
            words if words.is_empty() => format!("with nothing in place of {what}"),
            words => format!("with {} in place of {what}: {words:?}", self.kind),
        };
        let hint = match is_markup(body) {
            true => "; it may be the login page of a network, or a proxy's",
            false => "",
        };
        self.fault(format!("{came}{hint}"))
    }

    pub(super) fn fault(&self, reason: impl Into<String>) -> ErrorKind {
        ErrorKind::Registry { registry: host(&self.url), reason: reason.into() }
    }
}

/// Whether a text begins as HTML does: no manifest, token or compressed layer begins so.
pub(super) fn is_markup(body: &[u8]) -> bool {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    matches!(text, [b'<', next, ..] if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?'))
}

/// A page's title, or the first words of any other text.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_ERROR_TEXT as usize)]);
    let title = is_markup(body).then(|| title(&text)).flatten();
    excerpt(title.unwrap_or(&text))
}

fn title(page: &str) -> Option<&str> {
    let at = page.to_ascii_lowercase().find("<title")?;
    let (_, text) = page[at..].split_once('>')?;
    let title = text.split('<').next()?;
    (!title.trim().is_empty()).then_some(title)
}

/// The beginning of a text on one line.
pub(super) fn excerpt(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    // Enough, even if most of it is spaces.
    let shown: String = shown.take(64 * MAX_EXCERPT).collect();
    let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
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
    // An answer that is not TLS is reported as an invalid message.
    !matches!(tls_error(error), None | Some(rustls::Error::InvalidMessage(_)))
}

/// Whether the connection was refused or the name does not exist. A passing failure of the name
/// server does not count.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str) -> Answer {
        Answer { url: Url::parse("https://portal.test:8443/secret?x").unwrap(), kind: kind.into() }
    }

    #[test]
    fn what_came_is_shown_by_its_title_or_its_first_words() {
        let page = b"\n<!DOCTYPE html>\n<HTML><head><Title lang=en> Hotel\n\x1b[31m WiFi</title>";
        let error = answer("text/html").in_place_of("a manifest", page).to_string();
        let expected = "portal.test:8443 answered with text/html in place of a manifest: \
                        \"Hotel [31m WiFi\"; it may be the login page";
        assert!(error.starts_with(expected), "{error}");
        for (body, expected) in [
            (&b""[..], "with nothing in place of a token"),
            (b" \n\0", "with nothing in place of a token"),
            (b"Access\tdenied", "with text/plain in place of a token: \"Access denied\""),
            (b"<p>no title", "in place of a token: \"<p>no title\"; it may be"),
            (b"<html><title></title>x", "in place of a token: \"<html><title></title>x\""),
            (&[0xff; 5000], "in place of a token: \"\u{fffd}\u{fffd}"),
        ] {
            let error = answer("text/plain").in_place_of("a token", body).to_string();
            assert!(error.contains(expected) && error.chars().count() < 300, "{error}");
        }
    }

    #[test]
    fn pages_are_told_from_other_things() {
        for page in [&b"<!doctype html>"[..], b"\xef\xbb\xbf \r\n<html>", b"<?xml?>", b"<p>"] {
            assert!(answer("text/html").is_page(page) && is_markup(page));
            assert!(!answer("application/octet-stream").is_page(page));
        }
        for other in [&b"{}"[..], b"", b"<", b"< b", b"<\xff", b"\x1f\x8b<html>"] {
            assert!(!answer("text/html").is_page(other));
        }
    }
}
