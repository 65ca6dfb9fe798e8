//! registries.conf: mirrors, other names, and registries that are out of bounds.

use super::client::{auth_json, fixture, pull_in_child, pulled};
use crate::docker_registry::{ACCOUNT, DockerRegistry, Guard};
use crate::faulty_server::{FaultyServer, Reply};
use c2w::oci::digest::{Algorithm, Digest};
use std::fs;
use std::path::Path;
use std::process::Command;

fn start() -> DockerRegistry {
    let registry = DockerRegistry::start(Guard::Open);
    registry.push(&fixture("rich"), "latest", "copies/rich:v1");
    registry
}

/// `a.test` with these mirrors; its own place is `location`.
fn conf(location: &str, mirrors: &[&str]) -> String {
    let mirror = |place: &&str| format!("[[registry.mirror]]\nlocation = \"{place}\"\n");
    let mirrors: String = mirrors.iter().map(mirror).collect();
    format!("[[registry]]\nprefix = \"a.test/team\"\nlocation = \"{location}\"\n{mirrors}")
}

fn pull(name: &str, conf: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), conf).unwrap();
    pull_in_child(name, |command| command.env("CONTAINERS_REGISTRIES_CONF", file.path()))
}

/// The digest of the manifest that skopeo finds by this file, or nothing.
fn skopeo(name: &str, conf: &str) -> Option<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), conf).unwrap();
    let mut command = Command::new("skopeo");
    command.arg("--registries-conf").arg(file.path()).args(["inspect", "--raw"]);
    let output = command.arg(format!("docker://{name}")).output().unwrap();
    let digest = Digest::of(Algorithm::Sha256, &output.stdout);
    output.status.success().then(|| digest.to_string())
}

fn copies(registry: &DockerRegistry) -> String {
    format!("{}/copies", registry.host)
}

#[test]
fn another_name_and_mirrors_as_skopeo_has_them() {
    let (registry, expected) = (start(), pulled("rich"));
    let host = &registry.host;
    let copies = copies(&registry);
    let nobody = "127.0.0.1:1/x";
    let digest = expected.split(' ').nth(1).unwrap();
    // skopeo shows an index where c2w goes on to the manifest.
    let index = Digest::of(Algorithm::Sha256, &registry.manifest("copies/rich:v1")).to_string();
    let insecure = |conf: String| conf.replace("\nlocation", "\ninsecure = true\nlocation");
    let good = [
        conf(&copies, &[]),
        conf(nobody, &[&copies]),
        conf(nobody, &["127.0.0.1:1", &format!("{host}/nothing"), &copies]),
        conf(&copies, &[nobody, &format!("{host}/nothing")]),
    ];
    for text in good {
        for (name, raw) in [
            ("a.test/team/rich:v1".into(), index.as_str()),
            (format!("a.test/team/rich@{digest}"), digest),
        ] {
            // skopeo takes plain HTTP only where it is allowed to, even from loopback.
            let text = insecure(text.clone());
            assert!(pull(&name, &text).contains(&expected), "{name}: {text}");
            assert_eq!(skopeo(&name, &text).as_deref(), Some(raw), "{name}: {text}");
        }
    }
    let name = "a.test/team/rich:v1";
    let blocked = format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\nblocked = true");
    for (name, text) in [
        (name, insecure(conf(nobody, &[]))),
        (name, insecure(conf(nobody, &[&copies])) + "pull-from-mirror = \"digest-only\""),
        (&format!("{copies}/rich:v1"), blocked),
    ] {
        assert!(pull(name, &text).contains(&format!("image {name}: ")), "{text}");
        assert_eq!(skopeo(name, &text), None, "{text}");
    }
}

#[test]
fn the_error_names_all_places() {
    let registry = start();
    let text = conf(&format!("{}/x", registry.host), &["127.0.0.1:1/y", "127.0.0.1:2/z"]);
    let said = pull("a.test/team/rich:v1", &text);
    let own = format!("there is no such image at {}", registry.host);
    let parts = [&own, "; its mirrors failed, too: 127.0.0.1:1: ", "; 127.0.0.1:2: "];
    let mut rest = said.as_str();
    for part in parts {
        rest = rest.split_once(part).unwrap_or_else(|| panic!("{part}: {said}")).1;
    }
    assert!(!said.trim_end().lines().next_back().unwrap().is_empty());

    let said = pull("a.test/team/rich:v1", &(conf("b.test", &[]) + "blocked = true"));
    assert!(said.contains("a.test/team is blocked in registries.conf"), "{said}");
    let said = pull("a.test/team/rich:v1", "[[registry]]\nlocation = 1\n");
    assert!(said.contains("line 2: "), "{said}");
}

/// A mirror that hands on what `registry` answers, but for what `lie` makes of it.
fn lying(
    registry: &DockerRegistry,
    lie: impl Fn(&str, Vec<u8>) -> Reply + Send + Sync + 'static,
) -> FaultyServer {
    let host = registry.host.clone();
    // reqwest wants one for its client; the second time it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    FaultyServer::start(move |request| {
        let mut get = client.get(format!("http://{host}{}", request.path));
        for name in ["accept", "range"] {
            if let Some(value) = request.header(name) {
                get = get.header(name, value);
            }
        }
        let answer = get.send().unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").cloned();
        let mut reply = match status {
            200 => lie(&request.path, answer.bytes().unwrap().into()),
            _ => Reply::new(status, answer.bytes().unwrap()),
        };
        if let Some(kind) = kind {
            reply = reply.header("Content-Type", kind.to_str().unwrap());
        }
        reply
    })
}

#[test]
fn a_wrong_answer_of_a_mirror_does_not_win() {
    let (registry, expected) = (start(), pulled("rich"));
    let digest = expected.split(' ').nth(1).unwrap();
    let by_digest = format!("a.test/team/rich@{digest}");
    let mirror = |asked: &str, lie: fn(&str, Vec<u8>) -> Reply| {
        let server = lying(&registry, lie);
        let text = conf(&copies(&registry), &[&format!("{}/copies", server.host())]);
        for name in ["a.test/team/rich:v1", &by_digest] {
            let said = pull(name, &text);
            assert!(said.contains(&expected), "{name}: {said}");
            // It came as far as the lie.
            let seen = server.take();
            assert!(seen.iter().any(|request| request.path.contains(asked)), "{seen:?}");
        }
    };
    fn flip(mut body: Vec<u8>) -> Vec<u8> {
        body[0] ^= 1;
        body
    }
    // Layers and configuration: other bytes, fewer, more, a cut, nothing at all.
    mirror("/blobs/", |path, body| {
        Reply::new(200, if path.contains("blobs") { flip(body) } else { body })
    });
    mirror("/blobs/", |path, mut body| {
        body.truncate(if path.contains("blobs") { 9 } else { usize::MAX });
        Reply::new(200, body)
    });
    mirror("/blobs/", |path, mut body| {
        body.extend(path.contains("blobs").then_some(0));
        Reply::new(200, body)
    });
    mirror("/blobs/", |path, body| Reply {
        cut: path.contains("blobs").then_some(5),
        ..Reply::new(200, body)
    });
    mirror("/blobs/", |path, body| {
        if path.contains("blobs") { Reply::new(404, "") } else { Reply::new(200, body) }
    });
    mirror("/manifests/", |path, body| {
        Reply::new(200, if path.contains("manifests") { flip(body) } else { body })
    });
    // A tag's manifest may be another one, but not one that is wrong about itself.
    mirror("/manifests/", |path, body| {
        let wrong = path.contains("manifests").then(|| format!("sha256:{}", "0".repeat(64)));
        let reply = Reply::new(200, body);
        wrong.into_iter().fold(reply, |reply, digest| reply.header("Docker-Content-Digest", digest))
    });
}

#[test]
fn a_mirror_that_breaks_down_is_given_up() {
    let (registry, expected) = (start(), pulled("rich"));
    let mirror = lying(&registry, |path, body| match path.contains("manifests") {
        true => Reply::new(200, body),
        false => Reply::new(503, ""),
    });
    let text = conf(&copies(&registry), &[&format!("{}/copies", mirror.host())]);
    let said = pull("a.test/team/rich:v1", &text);
    assert!(said.contains(&expected), "{said}");
    // The configuration was asked for, and asked for again; no layer any more.
    let blobs = mirror.seen().iter().filter(|request| request.path.contains("blobs")).count();
    assert_eq!(blobs, 2);
}

#[test]
fn insecure_is_for_one_place_until_the_command_line_says_otherwise() {
    let (registry, expected) = (DockerRegistry::start(Guard::Tls), pulled("rich"));
    registry.push(&fixture("rich"), "latest", "copies/rich:v1");
    let secure = conf(&copies(&registry), &[&copies(&registry)]);
    let mirror = format!("{secure}insecure = true\n");
    let own = secure.replacen("\nlocation", "\ninsecure = true\nlocation", 1);
    let said = |text: &str, verify: Option<&str>| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        pull_in_child("a.test/team/rich:v1", |command| {
            command.env("CONTAINERS_REGISTRIES_CONF", file.path());
            verify.map(|verify| command.env("C2W_TEST_TLS_VERIFY", verify));
            command
        })
    };
    for text in [&mirror, &own] {
        assert!(said(text, None).contains(&expected), "{text}");
        assert!(said(text, Some("true")).contains("no secure connection"), "{text}");
    }
    assert!(said(&secure, None).contains("no secure connection"));
    assert!(said(&secure, Some("false")).contains(&expected));
}

#[test]
fn passwords_go_to_the_place_that_they_are_for() {
    let (registry, expected) = (DockerRegistry::start(Guard::Password), pulled("rich"));
    registry.push(&fixture("rich"), "latest", "copies/rich:v1");
    let mirror = FaultyServer::start(|_| {
        Reply::new(401, "").header("WWW-Authenticate", "Basic realm=\"x\"")
    });
    let (user, password) = ACCOUNT;
    let dir = tempfile::tempdir().unwrap();
    let (conf_file, auth_file) = (dir.path().join("conf"), dir.path().join("auth"));
    let text = conf(&copies(&registry), &[&format!("{}/copies", mirror.host())]);
    fs::write(&conf_file, text).unwrap();
    fs::write(&auth_file, auth_json(&registry.host, user, password)).unwrap();
    let said = pull_in_child("a.test/team/rich:v1", |command| {
        command.env("CONTAINERS_REGISTRIES_CONF", &conf_file).env("REGISTRY_AUTH_FILE", &auth_file)
    });
    assert!(said.contains(&expected), "{said}");
    assert!(!mirror.seen().is_empty());
    assert!(mirror.seen().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn files_in_the_usual_places() {
    let (registry, expected) = (start(), pulled("rich"));
    let name = "a.test/team/rich:v1";
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let (good, bad) = (conf(&copies(&registry), &[]), conf("127.0.0.1:1/x", &[]));
    let said = |files: &[(&str, &str)]| {
        let home = tempfile::tempdir().unwrap();
        for (file, text) in files {
            write(&home.path().join("containers").join(file), text);
        }
        pull_in_child(name, |command| command.env("XDG_CONFIG_HOME", home.path()))
    };
    assert!(said(&[("registries.conf", &good)]).contains(&expected));
    // Drop-in files override, the last one most, and nothing else in their folder is read.
    let drop_ins = [
        ("registries.conf", bad.as_str()),
        ("registries.conf.d/10.conf", &bad),
        ("registries.conf.d/20.conf", &good),
        ("registries.conf.d/30.conf.bak", &bad),
    ];
    assert!(said(&drop_ins).contains(&expected));
    assert!(said(&drop_ins[1..]).contains(&expected));
    assert!(said(&[("registries.conf", &bad)]).contains("cannot reach 127.0.0.1:1"));
}
