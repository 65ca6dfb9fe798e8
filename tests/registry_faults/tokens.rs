//! Token servers, and registries that lead to wrong ones.

use super::{
    MANIFEST_PATH, Stored, assert_whole, auth_json, options, pull, pull_as, pull_with, registry,
};
use crate::docker_registry::certificates::Authority;
use crate::faulty_server::{FaultyServer, Reply, Request};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A registry whose tokens are good for `uses` requests each, and its token server in one.
fn with_tokens(uses: usize) -> FaultyServer {
    let (stored, tokens, used) = (Stored::new(), AtomicUsize::new(0), AtomicUsize::new(0));
    FaultyServer::start(move |request| {
        if request.path.starts_with("/token") {
            used.store(0, Ordering::SeqCst);
            let number = tokens.fetch_add(1, Ordering::SeqCst) + 1;
            return Reply::new(200, format!(r#"{{"access_token":"t{number}"}}"#));
        }
        let good = format!("Bearer t{}", tokens.load(Ordering::SeqCst));
        let fresh = used.fetch_add(1, Ordering::SeqCst) < uses;
        if fresh && request.header("authorization") == Some(&good) {
            return stored.answer(request);
        }
        let challenge = format!(
            "Bearer realm=\"http://{}/token\",service=\"s & t\"",
            request.header("host").unwrap()
        );
        Reply::new(401, "").header("WWW-Authenticate", challenge)
    })
}

#[test]
fn tokens_are_fetched_and_renewed() {
    let scope = "/token?scope=repository%3Aa%3Apull&service=s+%26+t";
    let server = with_tokens(100);
    assert_whole(pull(&server));
    assert_eq!(server.count(scope), 1);
    let asked = server.seen().into_iter().find(|request| request.path == scope).unwrap();
    assert_eq!(asked.header("authorization"), None);

    let server = with_tokens(1);
    assert_whole(pull_with(&server, &auth_json(&server, "user", "secret"), 0));
    assert_eq!(server.count(scope), 3);
    let asked = server.seen().into_iter().find(|request| request.path == scope).unwrap();
    let basic = format!("Basic {}", BASE64_STANDARD.encode("user:secret"));
    assert_eq!(asked.header("authorization"), Some(basic.as_str()));
}

#[test]
fn an_identity_token_is_posted() {
    let server = with_tokens(100);
    let auth = format!(r#"{{"auths":{{"{}":{{"identitytoken":"i&d"}}}}}}"#, server.host());
    assert_whole(pull_with(&server, &auth, 0));
    let asked = server.seen().into_iter().find(|request| request.method == "POST").unwrap();
    assert_eq!(asked.path, "/token");
    assert_eq!(
        asked.body,
        "scope=repository%3Aa%3Apull&service=s+%26+t&grant_type=refresh_token&client_id=c2w\
         &refresh_token=i%26d"
    );
}

#[test]
fn token_servers_that_refuse() {
    let token_server = |reply: Reply| {
        FaultyServer::start(move |request| {
            if request.path.starts_with("/token") {
                return reply.clone();
            }
            let host = request.header("host").unwrap();
            let challenge = format!("Bearer realm=\"http://{host}/token\"");
            Reply::new(401, "").header("WWW-Authenticate", challenge)
        })
    };
    let cases = [
        (Reply::new(401, ""), "are not accepted"),
        (Reply::new(404, ""), "404"),
        (Reply::new(200, "{}"), "without a token"),
        (Reply::new(200, r#"{"token":"a\nb"}"#), "no header can hold"),
        // A token that opens nothing.
        (Reply::new(200, r#"{"token":"t"}"#), "are not accepted"),
    ];
    for (reply, words) in cases {
        let server = token_server(reply);
        let error = pull_with(&server, &auth_json(&server, "user", "secret"), 0).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let server = token_server(Reply::new(200, r#"{"token":"t"}"#));
    let error = pull(&server).unwrap_err();
    assert!(error.contains("there is no such image, or it is not public"), "{error}");
}

/// What `c2w` says of a registry that asks for credentials in this way, with some and without. The
/// manifest is asked for once: nothing that the registry could accept is ever sent.
fn refusals(reply: Reply) -> [String; 2] {
    ["{}", "secret"].map(|auth| {
        let reply = reply.clone();
        let server = registry(MANIFEST_PATH, move |_, _, _| Some(reply.clone()));
        let auth = match auth {
            "secret" => auth_json(&server, "user", "secret"),
            none => none.to_owned(),
        };
        let error = pull_with(&server, &auth, 0).unwrap_err();
        assert_eq!(server.count(MANIFEST_PATH), 1);
        assert!(server.seen().iter().all(|request| request.header("authorization").is_none()));
        assert!(!error.contains("not accepted") && !error.contains("secret"), "{error}");
        error
    })
}

#[test]
fn a_challenge_nobody_can_answer_is_shown() {
    for (challenge, words) in [
        ("Negotiate", "is not understood (WWW-Authenticate: \"Negotiate\")"),
        ("Bearer service=\"s\"", "(WWW-Authenticate: \"Bearer service=\\\"s\\\"\")"),
        ("Bearer realm=\"\"", "is not understood"),
        ("<\u{202e}\u{e4}\t>", "is not understood (WWW-Authenticate: \"<\\u{202e}\u{e4} >\")"),
        ("", "sends no WWW-Authenticate"),
        ("Bearer realm=\"ftp://x/\"", "token server at x (ftp) speaks no HTTPS: refused"),
        ("Bearer realm=\"http://x.test/\"", "at x.test (http) speaks no HTTPS: refused"),
        ("Bearer realm=\"Our Registry\"", "has a malformed address, \"Our Registry\""),
        ("Bearer realm=\"/v2/token\"", "has a malformed address, \"/v2/token\""),
        ("Bearer realm=//x.test/t", "has a malformed address, \"//x.test/t\""),
    ] {
        let reply = Reply::new(401, "").header("WWW-Authenticate", challenge);
        for error in refusals(reply) {
            assert!(error.contains(words), "{challenge}: {error}");
            assert!(!error.contains('\u{202e}'), "{error:?}");
        }
    }
    let [anonymous, known] = refusals(Reply::new(401, ""));
    assert!(anonymous.contains("sends no WWW-Authenticate"), "{anonymous}");
    assert!(known.contains("sends no WWW-Authenticate"), "{known}");
    let [anonymous, known] = refusals(Reply::new(403, ""));
    assert!(anonymous.contains("or it is not public"), "{anonymous}");
    assert!(known.contains("403 Forbidden, and it does not ask for credentials"), "{known}");
    let long = format!("Negotiate {}", "x".repeat(5000));
    let [error, _] = refusals(Reply::new(401, "").header("WWW-Authenticate", long));
    assert!(error.chars().count() < 400, "{error}");
}

#[test]
fn a_challenge_that_is_a_little_off_is_answered() {
    for parameters in [
        "realm=http://here/token,service=s",
        "realm='http://here/token' service='s'",
        "Realm = \"http://here/token\" ;service=\"s\",",
    ] {
        for schemes in ["bearer ", "Basic realm=x, BEARER ", "Negotiate, Basic realm=\"x\" Bearer "]
        {
            let challenge = format!("{schemes}{parameters}");
            let stored = Stored::new();
            let server = FaultyServer::start(move |request| {
                let here = format!("//{}/", request.header("host").unwrap());
                match (request.path.as_str(), request.header("authorization")) {
                    ("/token?scope=repository%3Aa%3Apull&service=s", _) => {
                        Reply::new(200, r#"{"token":"t"}"#)
                    }
                    (_, Some("Bearer t")) => stored.answer(request),
                    _ => Reply::new(401, "")
                        .header("WWW-Authenticate", challenge.replace("//here/", &here)),
                }
            });
            assert_whole(pull_with(&server, &auth_json(&server, "user", "secret"), 0));
        }
    }
}

/// A token is not a password: one that is not sent was not refused either.
#[test]
fn an_identity_token_does_not_answer_a_demand_for_a_password() {
    let server = registry(MANIFEST_PATH, |_, _, _| {
        Some(Reply::new(401, "").header("WWW-Authenticate", "Basic realm=x"))
    });
    let auth = format!(r#"{{"auths":{{"{}":{{"identitytoken":"secret"}}}}}}"#, server.host());
    let error = pull_with(&server, &auth, 0).unwrap_err();
    assert!(error.contains("there is an identity token only"), "{error}");
    assert_eq!(server.count(MANIFEST_PATH), 1);
}

#[test]
fn no_password_goes_to_plain_http_elsewhere() {
    // Nobody listens at these: a request would be another error.
    for host in [
        "192.0.2.1",
        "evil.test",
        "127.0.0.1.evil.test",
        "user@evil.test",
        "localhost.evil.test:80",
    ] {
        let realm = format!("http://{host}/token");
        let server = registry(MANIFEST_PATH, move |_, _, _| {
            let challenge = format!("Bearer realm=\"{realm}\"");
            Some(Reply::new(401, "").header("WWW-Authenticate", challenge))
        });
        let error = pull_with(&server, &auth_json(&server, "user", "secret"), 0).unwrap_err();
        assert!(error.contains("speaks no HTTPS: refused"), "{host}: {error}");
    }
}

#[test]
fn a_token_server_cannot_hand_the_password_on() {
    let elsewhere = FaultyServer::start(|_| Reply::new(200, r#"{"token":"t"}"#));
    let target = format!("http://{}/x", elsewhere.host());
    let start = || {
        let target = target.clone();
        FaultyServer::start(move |request| match request.path.starts_with("/token") {
            true => Reply::new(307, "").header("Location", target.as_str()),
            false => {
                let realm = format!("http://{}/token", request.header("host").unwrap());
                let challenge = format!("Bearer realm=\"{realm}\"");
                Reply::new(401, "").header("WWW-Authenticate", challenge)
            }
        })
    };
    let server = start();
    let error = pull_with(&server, &auth_json(&server, "user", "secret"), 0).unwrap_err();
    assert!(error.contains("are not accepted"), "{error}");
    assert!(elsewhere.seen().iter().all(|request| request.header("authorization").is_none()));
    // An identity token is in the body, which goes nowhere else at all.
    let before = elsewhere.seen().len();
    let server = start();
    let auth = format!(r#"{{"auths":{{"{}":{{"identitytoken":"secret"}}}}}}"#, server.host());
    let error = pull_with(&server, &auth, 0).unwrap_err();
    assert!(error.contains("answered 307"), "{error}");
    assert_eq!(elsewhere.seen().len(), before);
}

/// A registry with TLS that wants a token from `realm`.
fn secure(authority: &Authority, realm: String) -> FaultyServer {
    let (stored, (certificate, key)) = (Stored::new(), authority.issue("server"));
    FaultyServer::start_tls((&certificate, &key), move |request| {
        match request.header("authorization") {
            Some("Bearer t") => stored.answer(request),
            _ => {
                let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
                Reply::new(401, "").header("WWW-Authenticate", challenge)
            }
        }
    })
}

#[test]
fn a_token_server_must_prove_itself_as_the_registry_must() {
    let (authority, other) = (Authority::new(), Authority::new());
    let dir = authority.cert_dir(&[(&authority.certificate(), "ca.crt")]);
    let answer = |_: &Request| Reply::new(200, r#"{"token":"t"}"#);
    let ((certificate, key), (odd, odd_key)) = (authority.issue("tokens"), other.issue("tokens"));
    let good = FaultyServer::start_tls((&certificate, &key), answer);
    let bad = FaultyServer::start_tls((&odd, &odd_key), answer);
    let plain = FaultyServer::start(answer);
    let (mut options, _auth) = options(0);
    options.cert_dir = Some(dir.path().to_owned());
    options.creds = Some("user:secret".parse().unwrap());

    let server = secure(&authority, format!("https://{}/token", good.host()));
    assert_whole(pull_as(&server, &options));
    assert_eq!(good.seen().len(), 1);
    // All on this machine: then the wire is not one.
    let server = secure(&authority, format!("http://{}/token", plain.host()));
    assert_whole(pull_as(&server, &options));

    let server = secure(&authority, format!("https://{}/token", bad.host()));
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("no secure connection"), "{error}");
    assert!(bad.seen().is_empty());
    let server = secure(&authority, "http://evil.test/token".into());
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("speaks no HTTPS: refused"), "{error}");
}
