//! Faults that pass, and faults that do not.

use super::{
    MANIFEST_PATH, Stored, assert_whole, digest, layer_path, options, pull, pull_as, pull_with,
    registry,
};
use crate::faulty_server::{FaultyServer, Reply, Request};
use c2w::oci::store::Store;
use c2w::oci::{self, ErrorKind};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

#[test]
fn passing_faults_are_waited_out() {
    for path in [MANIFEST_PATH.to_owned(), layer_path()] {
        let server = registry(path.as_str(), |tries, _, _| match tries {
            0 => Some(Reply::new(429, "").header("Retry-After", "0")),
            1 => Some(Reply::new(503, "").header("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT")),
            2 => Some(Reply::new(500, "").header("Retry-After", "nonsense")),
            _ => None,
        });
        assert_whole(pull(&server));
        assert_eq!(server.count(&path), 4);
    }
}

#[test]
fn patience_ends() {
    let always = |status: u16, wait: &'static str| {
        registry(MANIFEST_PATH, move |_, _, _| {
            let said = r#"{"errors":[{"code":"BUSY","message":"\u001b[31mgo\naway"}]}"#;
            Some(Reply::new(status, said).header("Retry-After", wait))
        })
    };
    let server = always(503, "0");
    let error = pull_with(&server, "{}", 2).unwrap_err();
    assert!(error.contains("503") && error.contains("BUSY [31mgoaway"), "{error}");
    assert_eq!(server.count(MANIFEST_PATH), 3);

    // An hour is not waited for.
    let server = always(429, "3600");
    let error = pull(&server).unwrap_err();
    assert!(error.contains("429") && error.contains("log in for a higher limit"), "{error}");
    assert_eq!(server.count(MANIFEST_PATH), 1);

    // Some answers do not pass.
    let server = always(418, "0");
    let error = pull(&server).unwrap_err();
    assert!(error.contains("418"), "{error}");
    assert_eq!(server.count(MANIFEST_PATH), 1);
}

#[test]
fn a_cut_download_goes_on_where_it_broke() {
    let server = registry(layer_path(), |tries, stored, request| {
        let start = start_of(request);
        let cut = (tries < 3).then_some(100_000);
        Some(Reply { cut, ..part(&stored.layer, start) })
    });
    assert_whole(pull(&server));
    let seen = server.seen();
    let ranges: Vec<_> = seen.iter().filter(|request| request.path == layer_path()).collect();
    assert_eq!(ranges.len(), 4);
    assert_eq!(ranges[0].header("range"), None);
    assert!(ranges[1..].iter().all(|request| request.header("range").is_some()));
}

/// The layer from `start` on, as RFC 9110 has it.
pub fn part(layer: &[u8], start: usize) -> Reply {
    if start == 0 {
        return Reply::new(200, layer);
    }
    let range = format!("bytes {start}-{}/{}", layer.len() - 1, layer.len());
    Reply::new(206, &layer[start..]).header("Content-Range", range)
}

/// The first byte that a request asks for. Ranges have an end: some servers know no others.
pub fn start_of(request: &Request) -> usize {
    let Some(range) = request.header("range") else { return 0 };
    let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    assert!(start <= end, "{range}");
    start
}

/// Where the requests for the layer began.
fn starts(server: &FaultyServer) -> Vec<usize> {
    server.seen().iter().filter(|request| request.path == layer_path()).map(start_of).collect()
}

#[test]
fn patience_is_for_downloads_that_do_not_get_on() {
    // Five cuts with one retry: each connection brings a MiB.
    let stored = Stored::of_size(6 << 20);
    let (layer, path) = (stored.layer.clone(), stored.layer_path());
    let server = FaultyServer::start(move |request| match &request.path {
        asked if *asked == path => {
            Reply { cut: Some(1 << 20), ..part(&stored.layer, start_of(request)) }
        }
        _ => stored.answer(request),
    });
    assert!(pull_with(&server, "{}", 1).unwrap() == layer);

    let server = registry(layer_path(), |_, stored, request| {
        Some(Reply { cut: Some(1000), ..part(&stored.layer, start_of(request)) })
    });
    let error = pull_with(&server, "{}", 3).unwrap_err();
    assert!(error.contains("the connection broke"), "{error}");
    assert_eq!(server.count(&layer_path()), 4);
}

#[test]
fn a_body_that_ends_early_without_an_error_is_a_cut() {
    let server = registry(layer_path(), |tries, stored, request| {
        let reply = part(&stored.layer, start_of(request));
        // Chunks know their end; this one comes after 1000 bytes.
        let mut body = b"3e8\r\n".to_vec();
        body.extend_from_slice(&reply.body[..1000]);
        body.extend_from_slice(b"\r\n0\r\n\r\n");
        let chunked = Reply { body, ..reply.clone() }.header("Transfer-Encoding", "chunked");
        Some(if tries < 2 { chunked } else { reply })
    });
    assert_whole(pull(&server));
    assert_eq!(starts(&server), [0, 1000, 2000]);
}

#[test]
fn the_wrong_part_is_not_taken() {
    for wrong in ["bytes 0-399999/400000", "bytes 99999-399999/400000", "items 1-2/3", ""] {
        let server = registry(layer_path(), move |tries, stored, request| {
            let start = start_of(request);
            Some(match tries {
                0 => Reply { cut: Some(100_000), ..part(&stored.layer, 0) },
                1 => Reply::new(206, &stored.layer[start..]).header("Content-Range", wrong),
                _ => part(&stored.layer, start),
            })
        });
        assert_whole(pull(&server));
        assert_eq!(starts(&server), [0, 100_000, 0], "{wrong}");
    }
}

/// Whatever comes in place of the rest, the blob is asked for from its beginning.
#[test]
fn a_server_that_is_at_a_loss_with_ranges_sends_all_of_it() {
    type Nonsense = fn(&[u8], usize) -> Reply;
    let nonsense: [(&str, Nonsense); 9] = [
        ("416", |_, _| Reply::new(416, "").header("Content-Range", "bytes */400000")),
        ("400", |_, _| Reply::new(400, "<html>no ranges")),
        ("501", |_, _| Reply::new(501, "")),
        ("the rest as if it were all", |layer, start| Reply::new(200, &layer[start..])),
        ("too much", |layer, start| Reply::new(200, [&layer[start..], layer].concat())),
        ("another total", |layer, start| {
            Reply::new(206, &layer[start..]).header("Content-Range", "bytes 100000-399999/400001")
        }),
        ("less than the total", |layer, start| {
            Reply::new(206, &layer[start..]).header("Content-Range", "bytes 100000-399999/300000")
        }),
        ("several parts", |_, _| {
            Reply::new(206, "--x").header("Content-Type", "multipart/byteranges; boundary=x")
        }),
        ("other bytes", |layer, start| Reply {
            body: layer[..300_000].into(),
            ..part(layer, start)
        }),
    ];
    for (name, nonsense) in nonsense {
        let server = registry(layer_path(), move |tries, stored, request| {
            let start = start_of(request);
            Some(match (tries, start) {
                (0, _) => Reply { cut: Some(100_000), ..part(&stored.layer, 0) },
                (_, 0) => part(&stored.layer, 0),
                _ => nonsense(&stored.layer, start),
            })
        });
        assert_whole(pull(&server));
        assert_eq!(starts(&server), [0, 100_000, 0], "{name}");
    }
}

/// What a server sends again and again is not progress, however much it is.
#[test]
fn beginning_again_has_an_end() {
    type Answer = fn(&[u8]) -> Reply;
    let answers: [(Answer, &str); 2] = [
        (|_| Reply::new(416, ""), "416"),
        (|layer| Reply { cut: Some(2 << 20), ..part(layer, 0) }, "the connection broke"),
    ];
    for (to_range, words) in answers {
        let stored = Stored::of_size(6 << 20);
        let path = stored.layer_path();
        let server = FaultyServer::start(move |request| match &request.path {
            asked if *asked != path => stored.answer(request),
            _ if start_of(request) > 0 => to_range(&stored.layer),
            _ => Reply { cut: Some(2 << 20), ..part(&stored.layer, 0) },
        });
        let error = pull_with(&server, "{}", 3).unwrap_err();
        assert!(error.contains(words), "{error}");
        let path = Stored::of_size(6 << 20).layer_path();
        assert!(server.count(&path) <= 5, "{}", server.count(&path));
    }
}

#[test]
fn a_server_without_ranges_starts_again() {
    let server = registry(layer_path(), |tries, stored, _| {
        let cut = (tries < 2).then_some(100_000);
        Some(Reply { cut, ..Reply::new(200, stored.layer.as_slice()) })
    });
    assert_whole(pull(&server));
    assert_eq!(server.count(&layer_path()), 3);
}

#[test]
fn the_next_run_goes_on_where_this_one_broke() {
    let cache = tempfile::tempdir().unwrap();
    let (mut options, _auth) = options(0);
    options.store = Some(Store::open(cache.path()).unwrap());
    // What the second run finds is right; what the third finds has been spoilt.
    for spoil in [false, true] {
        let server = registry(layer_path(), |tries, stored, request| {
            let cut = (tries == 0).then_some(100_000);
            Some(Reply { cut, ..part(&stored.layer, start_of(request)) })
        });
        assert!(pull_as(&server, &options).unwrap_err().contains("the connection broke"));
        if spoil {
            let partial = cache.path().join("partial");
            let partial = fs::read_dir(partial).unwrap().next().unwrap().unwrap().path();
            let mut bytes = fs::read(&partial).unwrap();
            bytes[5] ^= 1;
            fs::write(&partial, bytes).unwrap();
        }
        assert_whole(pull_as(&server, &options));
        let starts = starts(&server);
        assert_eq!(starts[..2], [0, 100_000]);
        assert_eq!(starts[2..], if spoil { vec![0] } else { vec![] });
        // And the run after that asks for nothing but what the tag stands for.
        let before = server.seen().len();
        assert_whole(pull_as(&server, &options));
        let asked: Vec<_> = server.seen()[before..].iter().map(|r| r.path.clone()).collect();
        assert_eq!(asked, [MANIFEST_PATH]);
        fs::remove_dir_all(cache.path().join("blobs/sha256")).unwrap();
        fs::create_dir(cache.path().join("blobs/sha256")).unwrap();
    }
}

#[test]
fn a_cut_manifest_is_fetched_again() {
    let server = registry(MANIFEST_PATH, |tries, stored, _| {
        (tries == 0).then(|| Reply { cut: Some(9), ..Reply::new(200, stored.manifest.as_str()) })
    });
    assert_whole(pull(&server));
    let server = registry(MANIFEST_PATH, |_, stored, _| {
        Some(Reply { cut: Some(9), ..Reply::new(200, stored.manifest.as_str()) })
    });
    let error = pull(&server).unwrap_err();
    assert!(error.contains("the connection broke"), "{error}");
}

#[test]
fn silence_is_noticed() {
    let (mut options, _auth) = options(1);
    options.stall_timeout = Duration::from_secs(1);
    let silent = |path: String, after: usize| {
        registry(path, move |_, stored, _| {
            Some(Reply {
                cut: Some(after),
                stall: true,
                ..Reply::new(200, stored.layer.as_slice())
            })
        })
    };
    let server = silent(layer_path(), 1000);
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("no further byte within 1s"), "{error}");
    assert_eq!(server.count(&layer_path()), 2);

    let server = silent(MANIFEST_PATH.into(), 0);
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("no further byte within 1s"), "{error}");
}

#[test]
fn a_trickle_is_as_good_as_silence() {
    let server = registry(layer_path(), |_, stored, _| {
        let trickle = Some(Duration::from_millis(10));
        Some(Reply { trickle, ..Reply::new(200, stored.layer.as_slice()) })
    });
    let (mut options, _auth) = options(0);
    options.stall_timeout = Duration::from_millis(500);
    let error = pull_as(&server, &options).unwrap_err();
    assert!(error.contains("less than 4096 bytes came within 2s"), "{error}");
}

#[test]
fn wrong_bytes_are_refused() {
    let wrong = |change: fn(&mut Vec<u8>)| {
        let server = registry(layer_path(), move |_, stored, _| {
            let mut layer = stored.layer.clone();
            change(&mut layer);
            Some(Reply::new(200, layer))
        });
        pull(&server).unwrap_err()
    };
    let name = digest(&Stored::new().layer).to_string();
    for (error, words) in [
        (wrong(|layer| layer[777] ^= 1), "has wrong content"),
        (wrong(|layer| layer.truncate(777)), "after 777 of 400000 bytes"),
        (wrong(|layer| layer.push(0)), "is longer than the 400000 bytes"),
    ] {
        assert!(error.contains(words) && error.contains(&name), "{error}");
    }
}

#[test]
fn wrong_manifests_are_refused() {
    let answer = |reply: fn(&Stored) -> Reply| {
        let server = registry(MANIFEST_PATH, move |_, stored, _| Some(reply(stored)));
        pull(&server).unwrap_err()
    };
    for (error, words) in [
        (answer(|_| Reply::new(200, "{")), "malformed"),
        (answer(|_| Reply::new(200, "")), "with nothing in place of a manifest"),
        (answer(|_| Reply::new(200, vec![b' '; (4 << 20) + 1])), "at most 4194304 are allowed"),
        (
            answer(|stored| {
                let other = digest(b"other").to_string();
                Reply::new(200, stored.manifest.as_str()).header("Docker-Content-Digest", other)
            }),
            "has wrong content",
        ),
        (
            answer(|stored| {
                let index = "application/vnd.oci.image.index.v1+json";
                Reply::new(200, stored.manifest.as_str()).header("Content-Type", index)
            }),
            "contradicts itself",
        ),
    ] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_missing_blob_is_named() {
    let server = registry(layer_path(), |_, _, _| Some(Reply::new(404, "")));
    let error = pull(&server).unwrap_err();
    let name = digest(&Stored::new().layer).to_string();
    assert!(error.contains(&name) && error.contains("is not there"), "{error}");
}

#[test]
fn an_image_that_is_dropped_stops_its_downloads() {
    let server = registry(layer_path(), |_, stored, _| {
        Some(Reply { cut: Some(5), stall: true, ..Reply::new(200, stored.layer.as_slice()) })
    });
    let (options, _auth) = options(0);
    let reference = format!("{}/a:v1", server.host()).parse().unwrap();
    let image = oci::open(&reference, &options).unwrap();
    assert_eq!(image.layers().len(), 1);
    // Returns although the download waits for a byte.
    drop(image);
    assert!(matches!(
        oci::open(&format!("{}/b", server.host()).parse().unwrap(), &options),
        Err(oci::Error { kind: ErrorKind::NotFound(_), .. })
    ));
}

#[test]
fn a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (mut options, _auth) = options(0);
    options.stall_timeout = Duration::from_millis(50);
    options.connect_timeout = Duration::from_millis(50);
    let reference = format!("{address}/a").parse().unwrap();
    let error = oci::open(&reference, &options).err().unwrap().to_string();
    assert!(error.contains("no answer within 50ms"), "{error}");

    // Nor even accepts connections: its queue is full.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    options.stall_timeout = Duration::from_secs(10);
    let error = oci::open(&reference, &options).err().unwrap().to_string();
    assert!(error.contains("no connection in time"), "{error}");
}
