//! Answers to a registry's 401: basic credentials, or a token from the registry's token server
//! ([distribution, token authentication]).
//!
//! [distribution, token authentication]:
//! https://distribution.github.io/distribution/spec/auth/token/

use super::challenge::Challenge;
use super::credentials::{Credential, Secret};
use super::fault::{Answer, broken, excerpt, host, is_markup, refusal};
use super::http::{Http, Request, is_loopback};
use super::pace::Paced;
use super::retry::Retry;
use crate::oci::ErrorKind;
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::HeaderValue;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::io::Read;

/// The most bytes of a token server's answer.
const MAX_TOKEN: u64 = 1 << 20;

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
        let bad = |reason: String| {
            ErrorKind::Credentials(format!("the registry's token server {reason}"))
        };
        let malformed = |_| bad(format!("has a malformed address, {:?}", excerpt(text)));
        let url = Url::parse(text).map_err(malformed)?;
        let loopback = |url: &Url| url.host_str().is_some_and(is_loopback);
        let as_plain = self.registry.scheme() == "http" && url.host() == self.registry.host();
        match url.scheme() {
            "https" => Ok(url),
            "http" if as_plain || (loopback(&url) && loopback(self.registry)) => Ok(url),
            scheme => Err(bad(format!("at {} ({scheme}) speaks no HTTPS: refused", host(&url)))),
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
            // A redirect takes no password along.
            let asked = response.url().origin() == realm.origin();
            return Err(match (response.status().as_u16(), self.credential.filter(|_| asked)) {
                (400..=403, Some(credential)) => ErrorKind::Unauthorized {
                    registry: host(response.url()),
                    reason: credential.not_accepted(),
                },
                _ => refusal(response, self.http.stall),
            });
        }
        let answer = Answer::of(&response);
        let mut body = Vec::new();
        Paced::new(response, self.http.stall)
            .take(MAX_TOKEN)
            .read_to_end(&mut body)
            .map_err(|error| broken(&error, &answer.url, self.http.stall))?;
        token_in(&body).ok_or_else(|| match is_markup(&body) {
            true => answer.in_place_of("a token", &body),
            // Its words may be a secret.
            false => answer.fault("without a token"),
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

    #[test]
    fn tokens_by_either_name() {
        assert_eq!(token_in(br#"{"token":"a"}"#).as_deref(), Some("a"));
        assert_eq!(token_in(br#"{"access_token":"b","expires_in":60}"#).as_deref(), Some("b"));
        assert_eq!(token_in(br#"{"token":""}"#), None);
        assert_eq!(token_in(b"<html>"), None);
    }
}
