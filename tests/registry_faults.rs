//! Registries that are slow, broken, hostile, or behind a token server.

#[path = "support/faulty_server.rs"]
mod faulty_server;

use base64::{Engine, prelude::BASE64_STANDARD};
use c2w::oci::digest::{Algorithm, Digest};
use c2w::oci::{self, ErrorKind, SourceOptions};
use faulty_server::{FaultyServer, Reply, Request};
use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const MANIFEST_PATH: &str = "/v2/a/manifests/v1";

/// An image of one plain layer, as a registry holds it.
#[derive(Clone)]
struct Stored {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

impl Stored {
    fn new() -> Self {
        let layer: Vec<u8> = (0..100_000u32).flat_map(|i| (i / 3).to_le_bytes()).collect();
        let config = format!(
            r#"{{"os":"linux","architecture":"riscv64","rootfs":{{"diff_ids":["{}"]}}}}"#,
            digest(&layer)
        );
        let manifest = format!(
            r#"{{"mediaType":"{MANIFEST_TYPE}","schemaVersion":2,"config":{{
            "mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},
            "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}",
            "size":{}}}]}}"#,
            digest(config.as_bytes()),
            config.len(),
            digest(&layer),
            layer.len()
        );
        Self { manifest, config, layer }
    }

    fn layer_path(&self) -> String {
        format!("/v2/a/blobs/{}", digest(&self.layer))
    }

    /// What a good registry answers.
    fn answer(&self, request: &Request) -> Reply {
        let manifest = format!("/v2/a/manifests/{}", digest(self.manifest.as_bytes()));
        let config = format!("/v2/a/blobs/{}", digest(self.config.as_bytes()));
        match request.path.as_str() {
            path if path == MANIFEST_PATH || path == manifest => {
                Reply::new(200, self.manifest.as_str()).header("Content-Type", MANIFEST_TYPE)
            }
            path if path == config => Reply::new(200, self.config.as_str()),
            path if path == self.layer_path() => Reply::new(200, self.layer.as_slice()),
            _ => Reply::new(404, ""),
        }
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// A registry that answers `path` by `fault`, which gets the number of the try, from 0; `None` and
/// all else are answered well.
fn registry(
    path: impl Into<String>,
    fault: impl Fn(usize, &Stored, &Request) -> Option<Reply> + Send + Sync + 'static,
) -> FaultyServer {
    let (path, stored, tries) = (path.into(), Stored::new(), AtomicUsize::new(0));
    FaultyServer::start(move |request| {
        let fault = (request.path == path)
            .then(|| fault(tries.fetch_add(1, Ordering::SeqCst), &stored, request))
            .flatten();
        fault.unwrap_or_else(|| stored.answer(request))
    })
}

fn layer_path() -> String {
    Stored::new().layer_path()
}

fn pull_with(server: &FaultyServer, auth: &str, retries: u32) -> Result<Vec<u8>, String> {
    let auth_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(auth_file.path(), auth).unwrap();
    let options = SourceOptions {
        auth_file: Some(auth_file.path().to_owned()),
        stall_timeout: Duration::from_secs(10),
        backoff: Duration::from_millis(1),
        retries,
        ..SourceOptions::default()
    };
    pull_as(server, &options)
}

fn pull_as(server: &FaultyServer, options: &SourceOptions) -> Result<Vec<u8>, String> {
    let reference = format!("{}/a:v1", server.host()).parse().unwrap();
    let image = oci::open(&reference, options).map_err(|error| error.to_string())?;
    let layers = image.layers();
    let mut layer = layers[0].open().map_err(|error| error.to_string())?;
    let mut tar = Vec::new();
    layer.read_to_end(&mut tar).map_err(|error| error.to_string())?;
    layer.finish().map_err(|error| error.to_string())?;
    Ok(tar)
}

fn pull(server: &FaultyServer) -> Result<Vec<u8>, String> {
    pull_with(server, "{}", 4)
}

fn assert_whole(result: Result<Vec<u8>, String>) {
    assert!(result.unwrap() == Stored::new().layer);
}

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
        let start: usize = match request.header("range") {
            Some(range) => range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?,
            None => 0,
        };
        let status = if start > 0 { 206 } else { 200 };
        let cut = (tries < 3).then_some(100_000);
        Some(Reply { cut, ..Reply::new(status, &stored.layer[start..]) })
    });
    assert_whole(pull(&server));
    let seen = server.seen();
    let ranges: Vec<_> = seen.iter().filter(|request| request.path == layer_path()).collect();
    assert_eq!(ranges.len(), 4);
    assert_eq!(ranges[0].header("range"), None);
    assert!(ranges[1..].iter().all(|request| request.header("range").is_some()));
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
    let options = SourceOptions {
        stall_timeout: Duration::from_secs(1),
        retries: 1,
        backoff: Duration::from_millis(1),
        ..SourceOptions::default()
    };
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
        (answer(|_| Reply::new(200, "<html>")), "malformed"),
        (answer(|_| Reply::new(200, "")), "malformed"),
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

fn auth_json(server: &FaultyServer, user: &str, password: &str) -> String {
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.host())
}

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

#[test]
fn a_challenge_nobody_can_answer() {
    for challenge in ["Negotiate", "Bearer realm=\"ftp://x/\"", "Bearer realm=\"nonsense\""] {
        let server = registry(MANIFEST_PATH, move |_, _, _| {
            Some(Reply::new(401, "").header("WWW-Authenticate", challenge))
        });
        assert!(pull(&server).is_err(), "{challenge}");
        assert_eq!(server.count(MANIFEST_PATH), 1);
    }
}

#[test]
fn an_image_that_is_dropped_stops_its_downloads() {
    let server = registry(layer_path(), |_, stored, _| {
        Some(Reply { cut: Some(5), stall: true, ..Reply::new(200, stored.layer.as_slice()) })
    });
    let options = SourceOptions { retries: 0, ..SourceOptions::default() };
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
