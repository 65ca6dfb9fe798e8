//! Redirects, and what must not travel along.

use super::{
    MANIFEST_PATH, Stored, assert_whole, auth_json, options, pull, pull_as, pull_with, registry,
};
use crate::docker_registry::certificates::Authority;
use crate::faulty_server::{FaultyServer, Reply};

#[test]
fn redirects_carry_no_credentials_elsewhere() {
    let stored = Stored::new();
    let storage = FaultyServer::start(move |_| Reply::new(200, stored.layer.as_slice()));
    let target = format!("http://{}/signed?x=1", storage.host());
    let stored = Stored::new();
    let server = FaultyServer::start(move |request| match request.header("authorization") {
        None => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\""),
        Some(_) if request.path == stored.layer_path() => {
            Reply::new(307, "").header("Location", target.as_str())
        }
        Some(_) => stored.answer(request),
    });
    assert_whole(pull_with(&server, &auth_json(&server, "user", "secret"), 0));
    let seen = storage.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/signed?x=1");
    assert_eq!(seen[0].header("authorization"), None);
    assert_eq!(seen[0].header("referer"), None);
}

#[test]
fn endless_redirects_end() {
    let server = registry(MANIFEST_PATH, |_, _, _| {
        Some(Reply::new(302, "").header("Location", MANIFEST_PATH))
    });
    let error = pull(&server).unwrap_err();
    assert!(error.contains("too many redirects"), "{error}");
}

/// A server that sends `path` on to `target`, once it has seen the password.
fn redirecting(path: String, target: String) -> FaultyServer {
    let stored = Stored::new();
    FaultyServer::start(move |request| match request.header("authorization") {
        None => Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\""),
        Some(_) if request.path == path => Reply::new(307, "").header("Location", target.as_str()),
        Some(_) => stored.answer(request),
    })
}

#[test]
fn credentials_do_not_come_back_on_the_second_redirect() {
    let stored = Stored::new();
    let path = stored.layer_path();
    let storage = FaultyServer::start(move |request| match request.path.as_str() {
        "/first" => Reply::new(302, "").header("Location", "/second"),
        _ => Reply::new(200, stored.layer.as_slice()),
    });
    let server = redirecting(path, format!("http://{}/first", storage.host()));
    assert_whole(pull_with(&server, &auth_json(&server, "user", "secret"), 0));
    let seen = storage.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.header("authorization").is_none()), "{seen:?}");
}

#[test]
fn a_redirect_target_cannot_ask_for_credentials() {
    let storage = FaultyServer::start(|_| {
        Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"")
    });
    let target = format!("http://{}/x", storage.host());
    let server = redirecting(Stored::new().layer_path(), target);
    let error = pull_with(&server, &auth_json(&server, "user", "secret"), 0).unwrap_err();
    assert!(error.contains("credentials do not go there"), "{error}");
    assert_eq!(storage.seen().len(), 1);
    assert_eq!(storage.seen()[0].header("authorization"), None);
}

#[test]
fn https_does_not_become_http() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("server");
    let dir = authority.cert_dir(&[(&authority.certificate(), "ca.crt")]);
    let stored = Stored::new();
    let plain = FaultyServer::start(move |_| Reply::new(200, stored.layer.as_slice()));
    let (stored, target) = (Stored::new(), format!("http://{}/x", plain.host()));
    let server = FaultyServer::start_tls((&certificate, &key), move |request| {
        match request.path == stored.layer_path() {
            true => Reply::new(302, "").header("Location", target.as_str()),
            false => stored.answer(request),
        }
    });
    let (mut options, _auth) = options(0);
    options.cert_dir = Some(dir.path().to_owned());
    let error = pull_as(&server, &options).unwrap_err();
    let expected = "a redirect from HTTPS to plain HTTP: refused (it leads to 127.0.0.1:";
    assert!(error.contains(expected), "{error}");
    assert!(plain.seen().is_empty());
    options.tls_verify = Some(false);
    assert_whole(pull_as(&server, &options));
}

#[test]
fn redirects_to_nowhere() {
    for (location, words) in [
        ("ftp://127.0.0.1/x", "away from HTTP"),
        ("file:///etc/passwd", "away from HTTP"),
        ("data:,x", "away from HTTP"),
        ("http://[", "malformed address"),
        ("http://a b/", "malformed address"),
    ] {
        let server = registry(MANIFEST_PATH, move |_, _, _| {
            Some(Reply::new(302, "").header("Location", location))
        });
        let error = pull(&server).unwrap_err();
        assert!(error.contains(words), "{location:?}: {error}");
    }
    // One without a target is an answer like any other.
    let server = registry(MANIFEST_PATH, |_, _, _| Some(Reply::new(302, "")));
    let error = pull(&server).unwrap_err();
    assert!(error.contains("answered 302"), "{error}");
}
