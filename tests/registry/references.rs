//! What an image's name leads to: the same as with skopeo.

use super::client::pull_in_child;
use crate::faulty_server::{FaultyServer, Reply};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The names' registries, each a part of its own of one server.
fn conf(host: &str) -> String {
    let table = |(prefix, part): (&str, &str)| {
        format!(
            "[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{host}/{part}\"\ninsecure = true\n"
        )
    };
    let registries = [
        ("docker.io", "hub"),
        ("localhost", "localhost"),
        ("localhost:5000", "port"),
        ("*.test", "wild"),
        ("a.b", "ab"),
    ];
    registries.map(table).concat()
}

/// The manifest that was asked for, if any was, and forgets it.
fn asked(server: &FaultyServer) -> Option<String> {
    let seen = server.take();
    seen.into_iter().map(|request| request.path).find(|path| path.contains("/manifests/"))
}

fn skopeo(name: &str, conf: &Path) {
    let mut command = Command::new("skopeo");
    command.arg("--registries-conf").arg(conf).args(["inspect", "--raw"]);
    command.arg(format!("docker://{name}")).output().unwrap();
}

#[test]
fn names_lead_where_skopeo_goes() {
    let hex = "0123456789abcdef".repeat(4);
    let (longest, too_long) = ("t".repeat(128), "t".repeat(129));
    let server = FaultyServer::start(|request| match request.path.as_str() {
        "/v2/" => Reply::new(200, "{}"),
        _ => Reply::new(404, ""),
    });
    let conf_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(conf_file.path(), conf(&server.host())).unwrap();
    let names = [
        "debian",
        "debian:trixie",
        "library/debian",
        "docker.io/debian",
        "index.docker.io/debian:v1",
        "docker.io/team/a/b/c:V1.2-3_4",
        "riscv64/debian",
        "a__b/c-d.e---f",
        "localhost/a",
        "localhost:5000/a:v1",
        "x.test/a",
        "y.x.test:443/a/b:v1",
        "a.b/c",
        &format!("debian:{longest}"),
        &format!("debian@sha256:{hex}"),
        &format!("x.test/a/b@sha256:{hex}"),
        // None of these is a name.
        "",
        "Debian",
        "a/B",
        "a//b",
        "a/",
        "/a",
        "-a",
        "a_",
        "a.-b",
        "a___b",
        "a:",
        "a:.x",
        "a:-x",
        "a:x:y",
        "a b",
        "a@sha256:12",
        &format!("a@md5:{hex}"),
        &format!("debian:{too_long}"),
        "x_y.test/a",
        "x.test:port/a",
        "-x.test/a",
        &hex,
    ];
    let mut refused = 0;
    for name in names {
        skopeo(name, conf_file.path());
        let expected = asked(&server);
        let said = pull_in_child(&format!("docker://{name}"), |command| {
            command.env("CONTAINERS_REGISTRIES_CONF", conf_file.path())
        });
        assert_eq!(asked(&server), expected, "{name}: {said}");
        refused += usize::from(expected.is_none());
    }
    assert_eq!(refused, 22, "skopeo refuses what is not a name, and nothing else");
}
