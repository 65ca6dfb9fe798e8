//! A token server as docker-registry wants one (distribution, token authentication): it signs what
//! an account may do.

use crate::docker_registry::ACCOUNT;
use crate::docker_registry::certificates::Authority;
use crate::faulty_server::{FaultyServer, Reply, Request};
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `docker login` would get for the account.
pub const IDENTITY_TOKEN: &str = "identity & token";

/// How a client proves itself to the server.
#[derive(Clone, Copy, PartialEq)]
pub enum Proof {
    /// GET with the account's password, or POST with its identity token.
    Any,
    /// GET alone, where the identity token is a password.
    GetOnly,
}

/// The server's address for `Guard::Tokens`, its certificate, and the server.
pub fn start(proof: Proof) -> (String, PathBuf, FaultyServer, Authority) {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("tokens");
    let signer = Signer::new(&certificate, &key);
    let server = FaultyServer::start(move |request| answer(request, proof, &signer));
    (format!("http://{}/token", server.host()), authority.certificate(), server, authority)
}

fn answer(request: &Request, proof: Proof, signer: &Signer) -> Reply {
    let query = match request.method.as_str() {
        "POST" if proof == Proof::GetOnly => return Reply::new(404, "no such page"),
        "POST" => format!("http://x/?{}", request.body),
        _ => format!("http://x{}", request.path),
    };
    let url = Url::parse(&query).unwrap();
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let basic = |user: &str, secret: &str| {
        let pair = BASE64_STANDARD.encode(format!("{user}:{secret}"));
        request.header("authorization") == Some(&format!("Basic {pair}"))
    };
    let (user, password) = ACCOUNT;
    let known = match request.method.as_str() {
        "POST" => {
            asked.get("grant_type").is_some_and(|kind| kind == "refresh_token")
                && asked.get("refresh_token").is_some_and(|token| token == IDENTITY_TOKEN)
        }
        _ => basic(user, password) || (proof == Proof::GetOnly && basic(user, IDENTITY_TOKEN)),
    };
    if !known && request.header("authorization").is_some() {
        return Reply::new(401, "");
    }
    // Who is unknown gets a token that opens nothing.
    let scope = asked.get("scope").filter(|_| known);
    let token = signer.token(&asked["service"], scope.map_or("", String::as_str));
    Reply::new(200, json!({ "access_token": token, "expires_in": 60 }).to_string())
}

/// A key and its certificate.
struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl Signer {
    fn new(certificate: &PathBuf, key: &PathBuf) -> Self {
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_der(), &random).unwrap();
        let certificate = CertificateDer::from_pem_file(certificate).unwrap();
        Self { key, certificate: BASE64_STANDARD.encode(certificate) }
    }

    /// A JSON Web Token (RFC 7519) for `scope`, `repository:NAME:ACTION,...`, or for nothing.
    fn token(&self, service: &str, scope: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let access = match scope.splitn(3, ':').collect::<Vec<_>>()[..] {
            [kind, name, actions] => {
                let actions: Vec<_> = actions.split(',').collect();
                vec![json!({ "type": kind, "name": name, "actions": actions })]
            }
            _ => Vec::new(),
        };
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": "test issuer", "sub": "", "aud": service, "jti": "1",
            "nbf": now - 10, "iat": now, "exp": now + 600, "access": access,
        });
        let text = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = text.join(".");
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}
