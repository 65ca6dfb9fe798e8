//! Registries that say or send too much.

use super::{
    MANIFEST_PATH, Stored, digest, layer_path, options, pull, pull_as, pull_with, registry,
};
use crate::faulty_server::{FaultyServer, Reply};

/// A body that never ends.
fn endless(announced: &str) -> Reply {
    let reply = Reply { stall: true, ..Reply::new(200, "") };
    reply.header("Content-Length", announced)
}

#[test]
fn a_wrong_length_is_refused_before_a_byte_is_read() {
    for (announced, words) in [
        ("400001", "is longer than the 400000 bytes"),
        ("9223372036854775807", "is longer than the 400000 bytes"),
        ("399999", "after 399999 of 400000 bytes"),
    ] {
        let server = registry(layer_path(), move |_, _, _| Some(endless(announced)));
        let error = pull(&server).unwrap_err();
        assert!(error.contains(words), "{announced}: {error}");
        assert_eq!(server.count(&layer_path()), 1);
    }
    let server = registry(MANIFEST_PATH, |_, _, _| Some(endless("4194305")));
    let error = pull(&server).unwrap_err();
    assert!(error.contains("has 4194305 bytes, at most 4194304 are allowed"), "{error}");
}

#[test]
fn no_more_is_read_than_announced() {
    let server = registry(layer_path(), |_, stored, _| {
        // One chunk more than the layer; then silence, which nobody waits for.
        let mut body = format!("{:x}\r\n", stored.layer.len()).into_bytes();
        body.extend_from_slice(&stored.layer);
        body.extend_from_slice(b"\r\n1\r\nx\r\n");
        let reply = Reply { stall: true, ..Reply::new(200, body) };
        Some(reply.header("Transfer-Encoding", "chunked"))
    });
    let error = pull(&server).unwrap_err();
    assert!(error.contains("is longer than the 400000 bytes"), "{error}");
}

#[test]
fn a_part_may_not_be_longer_than_the_rest() {
    for range in ["bytes 100000-400000/400001", "bytes 100000-399999/400000"] {
        let server = registry(layer_path(), move |_, stored, request| {
            Some(match request.header("range") {
                None => Reply { cut: Some(100_000), ..Reply::new(200, stored.layer.as_slice()) },
                Some(_) => {
                    let body = [&stored.layer[100_000..], b"x"].concat();
                    Reply::new(206, body).header("Content-Range", range)
                }
            })
        });
        let error = pull_with(&server, "{}", 1).unwrap_err();
        assert!(error.contains("is longer than the 400000 bytes"), "{range}: {error}");
        assert_eq!(server.count(&layer_path()), 2);
    }
}

#[test]
fn heads_are_bounded() {
    let long = "x".repeat(1 << 20);
    let server = registry(MANIFEST_PATH, move |_, stored, _| {
        Some(Reply::new(200, stored.manifest.as_str()).header("X-Long", long.as_str()))
    });
    let (options, _auth) = options(0);
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("message head is too large"), "{error}");

    let server = registry(MANIFEST_PATH, |_, stored, _| {
        let reply = Reply::new(200, stored.manifest.as_str());
        Some((0..1000).fold(reply, |reply, i| reply.header(&format!("X-{i}"), "y")))
    });
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("message head is too large"), "{error}");
}

#[test]
fn what_a_registry_says_is_shown_in_part() {
    let text = "\\u001b[31m\\u202e\\n".to_owned() + &"long ".repeat(10_000);
    let server = registry(MANIFEST_PATH, move |_, _, _| {
        Some(Reply::new(418, format!(r#"{{"errors":[{{"code":"X","message":"{text}"}}]}}"#)))
    });
    let error = pull(&server).unwrap_err();
    assert!(error.contains("418") && error.contains("long long"), "{error}");
    assert!(error.chars().count() < 600, "{}", error.len());
    assert!(!error.contains(['\u{1b}', '\u{202e}', '\n']), "{error:?}");

    // Nor does anybody wait for all of it.
    let server = registry(MANIFEST_PATH, |_, _, _| {
        let body = " ".repeat(64 << 10);
        let reply = Reply { stall: true, ..Reply::new(418, body) };
        Some(reply.header("Content-Length", "9223372036854775807"))
    });
    assert!(pull(&server).unwrap_err().contains("418"));
}

#[test]
fn manifests_by_digest_are_held_to_it() {
    let stored = Stored::new();
    let child = format!("/v2/a/manifests/{}", digest(stored.manifest.as_bytes()));
    let index = format!(
        r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2,"manifests":[
        {{"mediaType":"{}","digest":"{}","size":{},
        "platform":{{"os":"linux","architecture":"riscv64"}}}}]}}"#,
        super::MANIFEST_TYPE,
        digest(stored.manifest.as_bytes()),
        stored.manifest.len()
    );
    for (body, words) in [
        (stored.manifest.replace("vnd.oci", "vnd.icO"), "has wrong content"),
        (format!("{} ", stored.manifest), "is longer than the"),
        (stored.manifest[1..].to_owned(), "is cut short"),
        (stored.manifest.clone(), ""),
    ] {
        let (stored, index, child) = (stored.clone(), index.clone(), child.clone());
        let server = FaultyServer::start(move |request| match request.path.as_str() {
            MANIFEST_PATH => Reply::new(200, index.as_str())
                .header("Content-Type", "application/vnd.oci.image.index.v1+json"),
            path if path == child => Reply::new(200, body.as_str()),
            _ => stored.answer(request),
        });
        match pull(&server) {
            Ok(layer) => assert!(words.is_empty() && layer == stored_layer()),
            Err(error) => assert!(!words.is_empty() && error.contains(words), "{error}"),
        }
    }
}

fn stored_layer() -> Vec<u8> {
    Stored::new().layer
}
