//! Answers to a registry's 401: basic credentials, or a token from the registry's token server
//! ([distribution, token authentication]).
//!
//! [distribution, token authentication]: https://distribution.github.io/distribution/spec/auth/token/

use super::credentials::{Credential, Secret};
use super::fault::{broken, host, refusal};
use super::http::{Http, Request, is_loopback};
use super::pace::Paced;
use super::retry::Retry;
use crate::oci::ErrorKind;
use base64::{Engine, prelude::BASE64_STANDARD};
use http_auth::{ChallengeParser, ChallengeRef};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::io::Read;

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
        let mut all = Vec::new();
        for value in headers.get_all(WWW_AUTHENTICATE) {
            // A malformed challenge ends its header.
            let challenges = ChallengeParser::new(value.to_str().unwrap_or_default());
            all.extend(challenges.map_while(Result::ok).filter_map(|one| Self::of(&one)));
        }
        all.iter().find(|challenge| **challenge != Self::Basic).or(all.first()).cloned()
    }

    fn of(challenge: &ChallengeRef<'_>) -> Option<Self> {
        let get = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        match challenge.scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Self::Basic),
            "bearer" => Some(Self::Bearer {
                realm: get("realm")?,
                service: get("service"),
                scope: get("scope"),
            }),
            _ => None,
        }
    }
}

/// What answering a challenge needs.
pub(super) struct Authorizer<'a> {
    pub http: &'a Http,
    pub credential: Option<&'a Credential>,
    /// An address of the registry.
    pub registry: &'a Url,
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
        match (challenge, self.secret()) {
            (Challenge::Basic, Some(Secret::Password { user, password })) => {
                basic(user, password).map(Some)
            }
            (Challenge::Basic, _) => Ok(None),
            (Challenge::Bearer { realm, service, scope }, _) => {
                let realm = self.realm(realm)?;
                let scope = scope.as_deref().unwrap_or(self.scope);
                let mut pairs = vec![("scope", scope)];
                pairs.extend(service.as_deref().map(|service| ("service", service)));
                let token = self.token(&realm, &pairs, retry)?;
                header(format!("Bearer {token}")).map(Some)
            }
        }
    }

    fn secret(&self) -> Option<&Secret> {
        self.credential.map(|credential| &credential.secret)
    }

    /// A token server gets the password. The registry chooses which, but not that it travels in
    /// plain text further than it would to a plain registry itself.
    fn realm(&self, text: &str) -> Result<Url, ErrorKind> {
        let bad = |reason| ErrorKind::Credentials(format!("the registry's token server {reason}"));
        let url = Url::parse(text).map_err(|_| bad("has a malformed address"))?;
        let loopback = |url: &Url| url.host_str().is_some_and(is_loopback);
        let as_plain = self.registry.scheme() == "http" && url.host() == self.registry.host();
        match url.scheme() {
            "https" => Ok(url),
            "http" if as_plain || (loopback(&url) && loopback(self.registry)) => Ok(url),
            _ => Err(bad("speaks no HTTPS: refused")),
        }
    }

    fn token(
        &self,
        realm: &Url,
        pairs: &[(&str, &str)],
        retry: &mut Retry,
    ) -> Result<String, ErrorKind> {
        let mut get = Request::get(encode(realm, pairs));
        let mut response = None;
        match self.secret() {
            Some(Secret::Password { user, password }) => {
                get.authorization = Some(basic(user, password)?);
            }
            Some(Secret::IdentityToken { user, token }) => {
                get.authorization = Some(basic(user, token)?);
                let refresh = self.http.send(&refresh(realm, pairs, token), retry)?;
                response = Some(refresh).filter(|answer| !knows_no_post(answer.status()));
            }
            None => {}
        }
        let response = match response {
            Some(response) => response,
            None => self.http.send(&get, retry)?,
        };
        if !response.status().is_success() {
            return Err(match (response.status().as_u16(), self.credential) {
                (400..=403, Some(credential)) => ErrorKind::Unauthorized {
                    registry: host(response.url()),
                    reason: credential.not_accepted(),
                },
                _ => refusal(response, self.http.stall),
            });
        }
        let url = response.url().clone();
        let mut body = Vec::new();
        Paced::new(response, self.http.stall)
            .take(MAX_TOKEN)
            .read_to_end(&mut body)
            .map_err(|error| broken(&error, &url, self.http.stall))?;
        token_in(&body).ok_or_else(|| ErrorKind::Registry {
            registry: host(&url),
            reason: "without a token".into(),
        })
    }
}

/// The request of OAuth 2 for a new access token (RFC 6749, section 6).
fn refresh(realm: &Url, pairs: &[(&str, &str)], token: &str) -> Request {
    let mut pairs = pairs.to_vec();
    pairs.extend([("grant_type", "refresh_token"), ("client_id", "c2w"), ("refresh_token", token)]);
    let mut bare = realm.clone();
    bare.set_query(None);
    let form = encode(&bare, &pairs).query().unwrap_or_default().to_owned();
    Request { form: Some(form), ..Request::get(realm.clone()) }
}

/// What token servers without that request answer; a wrong token gets the same from some.
fn knows_no_post(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 404 | 405)
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

fn basic(user: &str, secret: &str) -> Result<HeaderValue, ErrorKind> {
    header(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}"))))
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
    use proptest::prelude::*;

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
            (r#"bearer realm=a , service="a\"b""#, bearer("a", Some("a\"b"), None)),
            (r#"Basic realm="x", Bearer realm="y",service="z""#, bearer("y", Some("z"), None)),
            (r#"Bearer realm="y",Basic realm="x""#, bearer("y", None, None)),
            (r#"Basic realm="x", ===="#, None),
            (r#"Bearer realm="open"#, None),
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Bearer service=\"x\"", None),
            ("Bearer", None),
            ("Bearer ====", None),
            ("Negotiate", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(text));
            assert_eq!(Challenge::find(&headers), expected, "{text}");
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

    const HEADERS: &str = "(Basic |Bearer |realm=|scope=|[,\"= a-z\\\\\t\u{e4}]){0,20}";

    proptest! {
        #[test]
        fn any_header_is_a_challenge_or_none(text in HEADERS) {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            if let Some(Challenge::Bearer { .. }) = Challenge::find(&headers) {
                let text = text.to_lowercase();
                prop_assert!(text.contains("bearer") && text.contains("realm"));
            }
        }
    }
}
