//! Answers to a registry's 401: basic credentials, or a token from the registry's token server
//! ([distribution, token authentication]).
//!
//! [distribution, token authentication]: https://distribution.github.io/distribution/spec/auth/token/

use super::credentials::{Credential, Secret};
use super::http::{Http, Retry, broken, host, refusal};
use crate::oci::ErrorKind;
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use std::io::Read;
use std::time::Duration;

/// The most bytes of a token server's answer.
const MAX_TOKEN: u64 = 1 << 20;

/// What a registry asks for (RFC 9110, section 11.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The first challenge that can be answered, a token before a password.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<Self> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| Self::parse(value.to_str().ok()?))
            .collect();
        all.iter().find(|challenge| **challenge != Self::Basic).or(all.first()).cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => {
                let parameters = parameters(rest);
                let get = |name: &str| {
                    let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.clone())
                };
                Some(Self::Bearer {
                    realm: get("realm")?,
                    service: get("service"),
                    scope: get("scope"),
                })
            }
            _ => None,
        }
    }
}

/// `name="value", name=value`, with backslash escapes in quotes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=') {
            name.push(c);
        }
        if chars.next().is_none() {
            return found;
        }
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                value.extend(if c == '\\' { chars.next() } else { Some(c) });
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                value.push(c);
            }
        }
        found.push((name.trim().to_owned(), value));
    }
}

/// What answering a challenge needs.
pub(super) struct Authorizer<'a> {
    pub http: &'a Http,
    pub stall: Duration,
    pub credential: Option<&'a Credential>,
    /// Whether a token may be asked for without TLS.
    pub plain: bool,
    /// `repository:NAME:pull`, when the registry names no scope.
    pub scope: &'a str,
}

impl Authorizer<'_> {
    /// The `Authorization` that answers `challenge`; `None` when it wants credentials and there are
    /// none.
    pub(super) fn answer(
        &self,
        challenge: &Challenge,
        retry: &mut Retry,
    ) -> Result<Option<HeaderValue>, ErrorKind> {
        let secret = self.credential.map(|credential| &credential.secret);
        match (challenge, secret) {
            (Challenge::Basic, Some(Secret::Password { user, password })) => {
                header(format!("Basic {}", basic(user, password))).map(Some)
            }
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service, scope }, secret) => {
                let realm = self.realm(realm)?;
                let scope = scope.as_deref().unwrap_or(self.scope);
                let mut pairs = vec![("scope", scope)];
                pairs.extend(service.as_deref().map(|service| ("service", service)));
                let token = self.token(&realm, pairs, secret, retry)?;
                header(format!("Bearer {token}")).map(Some)
            }
        }
    }

    /// A token server gets the password: it must be as safe as the registry.
    fn realm(&self, text: &str) -> Result<Url, ErrorKind> {
        let bad = |reason| ErrorKind::Credentials(format!("the registry's token server {reason}"));
        let url = Url::parse(text).map_err(|_| bad("has a malformed address"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.plain => Ok(url),
            _ => Err(bad("speaks no HTTPS: refused")),
        }
    }

    fn token<'a>(
        &self,
        realm: &Url,
        mut pairs: Vec<(&str, &'a str)>,
        secret: Option<&'a Secret>,
        retry: &mut Retry,
    ) -> Result<String, ErrorKind> {
        let response = match secret {
            // OAuth 2, for the identity tokens of `docker login`.
            Some(Secret::IdentityToken(token)) => {
                pairs.extend([("grant_type", "refresh_token"), ("client_id", "c2w")]);
                pairs.push(("refresh_token", token));
                let body = encode(realm, &pairs).query().unwrap_or_default().to_owned();
                let post = |client: &Client| -> RequestBuilder {
                    let form = "application/x-www-form-urlencoded";
                    client.post(realm.clone()).header(CONTENT_TYPE, form).body(body.clone())
                };
                self.http.send(retry, self.stall, post)?
            }
            password => {
                let url = encode(realm, &pairs);
                self.http.send(retry, self.stall, |client| match password {
                    Some(Secret::Password { user, password }) => client
                        .get(url.clone())
                        .header(AUTHORIZATION, format!("Basic {}", basic(user, password))),
                    _ => client.get(url.clone()),
                })?
            }
        };
        if !response.status().is_success() {
            return Err(match (response.status().as_u16(), self.credential) {
                (400..=403, Some(credential)) => ErrorKind::Unauthorized {
                    registry: host(response.url()),
                    reason: credential.not_accepted(),
                },
                _ => refusal(response),
            });
        }
        let url = response.url().clone();
        let mut body = Vec::new();
        response
            .take(MAX_TOKEN)
            .read_to_end(&mut body)
            .map_err(|error| broken(&error, &url, self.stall))?;
        token_in(&body).ok_or_else(|| ErrorKind::Registry {
            registry: host(&url),
            reason: "without a token".into(),
        })
    }
}

fn token_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.token.or(answer.access_token).filter(|token| !token.is_empty())
}

/// The address with the pairs added to its query, percent-encoded.
fn encode(url: &Url, pairs: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(pairs);
    url
}

fn basic(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

/// A header that does not show in logs.
fn header(text: String) -> Result<HeaderValue, ErrorKind> {
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| ErrorKind::Credentials("a token has characters no header can hold".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let own = |text: &str| text.to_owned();
        Some(Challenge::Bearer {
            realm: own(realm),
            service: service.map(own),
            scope: scope.map(own),
        })
    }

    #[test]
    fn challenges() {
        let cases = [
            (
                r#"Bearer realm="https://a/t",service="s",scope="repository:a,b:pull,push""#,
                bearer("https://a/t", Some("s"), Some("repository:a,b:pull,push")),
            ),
            (
                r#"bearer  realm=https://a , service="a\"b""#,
                bearer("https://a ", Some("a\"b"), None),
            ),
            (r#"Bearer realm="open"#, bearer("open", None, None)),
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Bearer service=\"x\"", None),
            ("Bearer", None),
            ("Bearer ====", None),
            ("Negotiate", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Challenge::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"x\""));
        assert_eq!(Challenge::find(&headers), Some(Challenge::Basic));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"https://a\""));
        assert_eq!(Challenge::find(&headers), bearer("https://a", None, None));
        assert_eq!(Challenge::find(&HeaderMap::new()), None);
    }

    #[test]
    fn tokens_by_either_name() {
        assert_eq!(token_in(br#"{"token":"a"}"#).as_deref(), Some("a"));
        assert_eq!(token_in(br#"{"access_token":"b","expires_in":60}"#).as_deref(), Some("b"));
        assert_eq!(token_in(br#"{"token":""}"#), None);
        assert_eq!(token_in(b"<html>"), None);
    }
}
