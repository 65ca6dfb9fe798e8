//! Pages for people in place of what was asked for: of networks that want a login, proxies, and web
//! servers that are not registries.

use super::{MANIFEST_PATH, Stored, layer_path, pull, registry};
use crate::faulty_server::{FaultyServer, Reply};

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Hotel \u{1b}[31m\u{202e}WiFi</title>";

fn page() -> Reply {
    Reply::new(200, PAGE).header("Content-Type", "text/html; charset=utf-8")
}

/// The error names who sent the page, its type and its title, and plays with no terminal.
#[track_caller]
fn assert_shown(error: &str, host: &str, what: &str) {
    let expected = format!("{host} answered with text/html in place of {what}: \"Hotel [31m");
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains("WiFi") && error.contains("login page"), "{error}");
    assert!(!error.contains(['\u{1b}', '\u{202e}', '\n']), "{error:?}");
    assert!(error.chars().count() < 400, "{error}");
}

#[test]
fn a_page_in_place_of_anything_is_named() {
    for (path, what) in [(MANIFEST_PATH.to_owned(), "a manifest"), (layer_path(), "a blob")] {
        let server = registry(path.as_str(), |_, _, _| Some(page()));
        assert_shown(&pull(&server).unwrap_err(), &server.host(), what);
        assert_eq!(server.count(&path), 1);

        // By a redirect: what counts is who sent it.
        let portal = FaultyServer::start(|_| page());
        let target = format!("http://{}/login?from=secret", portal.host());
        let server = registry(path.as_str(), move |_, _, _| {
            Some(Reply::new(302, "").header("Location", target.as_str()))
        });
        let error = pull(&server).unwrap_err();
        assert_shown(&error, &portal.host(), what);
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_page_in_place_of_a_token() {
    let server = FaultyServer::start(|request| match request.path.starts_with("/token") {
        true => page(),
        false => {
            let host = request.header("host").unwrap();
            let challenge = format!("Bearer realm=\"http://{host}/token\"");
            Reply::new(401, "").header("WWW-Authenticate", challenge)
        }
    });
    assert_shown(&pull(&server).unwrap_err(), &server.host(), "a token");
}

/// Without a length, as long as the blob, and in the middle of a download.
#[test]
fn pages_of_any_length_in_place_of_a_blob() {
    let chunked = || {
        let body = format!("{:x}\r\n{PAGE}\r\n0\r\n\r\n", PAGE.len());
        Reply { body: body.into(), ..page() }.header("Transfer-Encoding", "chunked")
    };
    let padded = || {
        let mut body = PAGE.as_bytes().to_vec();
        body.resize(400_000, b' ');
        Reply { body, ..page() }
    };
    for (reply, cuts) in [(chunked(), 0), (padded(), 0), (page(), 1), (chunked(), 1)] {
        let server = registry(layer_path(), move |tries, stored, _| {
            let cut = Reply { cut: Some(1000), ..Reply::new(200, stored.layer.as_slice()) };
            Some(if tries < cuts { cut } else { reply.clone() })
        });
        assert_shown(&pull(&server).unwrap_err(), &server.host(), "a blob");
    }
}

#[test]
fn other_texts_are_shown_by_their_first_words() {
    for (reply, words) in [
        (
            Reply::new(200, "Not  a\nregistry").header("Content-Type", "text/plain"),
            "answered with text/plain in place of a manifest: \"Not a registry\"",
        ),
        (Reply::new(200, "[]"), "answered with something in place of a manifest: \"[]\""),
        (
            Reply { status: 511, ..page() },
            "answered 511 Network Authentication Required: text/html \"Hotel",
        ),
    ] {
        let server = registry(MANIFEST_PATH, move |_, _, _| Some(reply.clone()));
        let error = pull(&server).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    // A manifest is one whatever the registry calls it.
    let server = registry(MANIFEST_PATH, |_, stored: &Stored, _| {
        Some(Reply::new(200, stored.manifest.as_str()).header("Content-Type", "text/html"))
    });
    assert!(pull(&server).is_ok());
}
