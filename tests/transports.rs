//! One image through each transport gives one tree. The archives are made by other programs.

use crate::foreign;
use crate::row;
use crate::tree_rows;
use crate::truth;

use c2w::ext4::LIMITS;
use c2w::oci::{self, SourceOptions};
use c2w::rootfs::apply::apply_layer;
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::Tree;
use flate2::Compression;
use flate2::write::GzEncoder;
use foreign::run;
use row::{Rows, assert_same};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

fn truth(name: &str) -> Rows {
    truth::read(&fixture(&format!("{name}.truth.jsonl")))
}

fn skopeo() -> Command {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "--override-os=linux", "--override-arch=riscv64"]);
    command
}

fn skopeo_copy(arguments: &[&str]) {
    run(skopeo().args(["copy", "--quiet"]).args(arguments));
}

/// The tree of an image, as `c2w` would convert it.
fn read(name: &str) -> Result<Rows, String> {
    merge(name).map_err(|error| format!("{error:#}"))
}

fn merge(name: &str) -> anyhow::Result<Rows> {
    let image = oci::open(&name.parse()?, &SourceOptions::default())?;
    let (mut tree, mut spool) = (Tree::new(), Spool::new()?);
    for layer in image.layers() {
        let mut reader = layer.open()?;
        apply_layer(&mut tree, &mut spool, &LIMITS, &mut reader)?;
        reader.finish()?;
    }
    Ok(tree_rows::rows_of(&tree, &spool))
}

fn assert_is(name: &str, expected: &Rows) {
    let found = read(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_same(expected, &found);
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of `name` in the directory, as text.
    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Everything so far as an archive.
    fn tar(&self, name: &str) -> String {
        let archive = self.at(name);
        let list: Vec<_> = fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap()).collect();
        let names = list.iter().map(|entry| entry.file_name());
        let names = names.filter(|name| !name.to_str().unwrap().ends_with(".tar"));
        run(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(self.0.path()).args(names));
        archive
    }
}

/// The layer of a fixture that has one, its DiffID in hexadecimal, and a configuration that names
/// it so many times.
struct Parts {
    tar: Vec<u8>,
    diff_id: String,
    config: String,
}

fn parts(layers: usize) -> Parts {
    let image = format!("oci:{}", fixture("ok-none").display());
    let image = oci::open(&image.parse().unwrap(), &SourceOptions::default()).unwrap();
    let diff_id = image.config.diff_ids[0].clone();
    let tar = fs::read(fixture("ok-none").join("blobs/sha256").join(diff_id.hex())).unwrap();
    let config = json!({
        "os": "linux", "architecture": "riscv64", "config": { "Cmd": ["/bin/sh"] },
        "rootfs": { "type": "layers", "diff_ids": vec![diff_id.to_string(); layers] },
    });
    Parts { tar, diff_id: diff_id.hex().to_owned(), config: config.to_string() }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    row::sha256(bytes)
}

#[test]
fn what_skopeo_writes_is_the_same_image() {
    let dir = Dir::new();
    for (fixture_name, destinations) in [
        ("rich", &["dir", "oci-archive"][..]),
        ("ok-gz", &["dir", "oci-archive", "docker-archive"]),
        ("ok-gzmulti", &["docker-archive"]),
        ("ok-no-layers", &["dir", "oci-archive", "docker-archive"]),
        ("ok-none", &["docker-archive"]),
    ] {
        let expected = truth(fixture_name);
        let source = format!("oci:{}", fixture(fixture_name).display());
        for transport in destinations {
            let place = format!("{transport}:{}", dir.at(&format!("{fixture_name}.{transport}")));
            let tag = if *transport == "dir" { "" } else { ":test/name:v1" };
            skopeo_copy(&[&source, &format!("{place}{tag}")]);
            assert_is(&place, &expected);
            if *transport == "docker-archive" {
                for name in ["test/name:v1", "docker.io/test/name:v1", "@0"] {
                    assert_is(&format!("{place}:{name}"), &expected);
                }
                let error = read(&format!("{place}:other:v1")).unwrap_err();
                assert!(error.contains("the archive has"), "{error}");
            }
        }
    }
    // Its files may be links within the directory, and not out of it.
    let (place, manifest) = (dir.at("ok-gz.dir"), dir.at("ok-gz.dir/manifest.json"));
    fs::rename(&manifest, dir.at("ok-gz.dir/kept")).unwrap();
    symlink("kept", &manifest).unwrap();
    assert_is(&format!("dir:{place}"), &truth("ok-gz"));
    fs::rename(dir.at("ok-gz.dir/kept"), dir.at("kept")).unwrap();
    fs::remove_file(&manifest).unwrap();
    symlink("../kept", &manifest).unwrap();
    let error = read(&format!("dir:{place}")).unwrap_err();
    assert!(error.contains(&format!("`cp -rL {place} COPY`")), "{error}");
    // With all platforms: an index in a directory.
    let place = format!("dir:{}", dir.at("all"));
    skopeo_copy(&["--all", &format!("oci:{}", fixture("rich").display()), &place]);
    assert_is(&place, &truth("rich"));
}

/// Docker before 25: a folder for each layer; equal layers are links to the first.
#[test]
fn the_old_form_of_docker_save() {
    let dir = Dir::new();
    let parts = parts(3);
    dir.write("config.json", &parts.config);
    dir.write("a/layer.tar", &parts.tar);
    dir.write("b/json", "{}");
    symlink("../a/layer.tar", dir.at("b/layer.tar")).unwrap();
    dir.write("c/json", "{}");
    fs::hard_link(dir.at("a/layer.tar"), dir.at("c/layer.tar")).unwrap();
    let layers = ["a/layer.tar", "b/layer.tar", "c/layer.tar"];
    let manifest = json!([{ "Config": "config.json", "RepoTags": null, "Layers": layers }]);
    dir.write("manifest.json", manifest.to_string());
    let archive = dir.tar("old.tar");
    assert_is(&format!("docker-archive:{archive}"), &truth("ok-none"));

    // The same image with one name and another: the names are not part of it.
    let digest = |name: &str| {
        let image = oci::open(&name.parse().unwrap(), &SourceOptions::default()).unwrap();
        image.manifest_digest
    };
    let named = json!([{ "Config": "config.json", "RepoTags": ["x:y"], "Layers": layers }]);
    dir.write("manifest.json", named.to_string());
    let second = format!("docker-archive:{}", dir.tar("named.tar"));
    assert_eq!(digest(&format!("docker-archive:{archive}")), digest(&second));
}

/// Docker 25 and later, with containerd's store: an OCI layout, and `manifest.json` beside it.
#[test]
fn the_new_form_of_docker_save() {
    let dir = Dir::new();
    let parts = parts(1);
    let blob = |bytes: &[u8]| {
        let name = format!("blobs/sha256/{}", sha256(bytes));
        dir.write(&name, bytes);
        name
    };
    let layer = gzip(&parts.tar);
    let (layer_name, config_name) = (blob(&layer), blob(parts.config.as_bytes()));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{}", sha256(parts.config.as_bytes())),
            "size": parts.config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": format!("sha256:{}", sha256(&layer)), "size": layer.len(),
        }],
    });
    let manifest = manifest.to_string();
    blob(manifest.as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": format!("sha256:{}", sha256(manifest.as_bytes())), "size": manifest.len(),
        "annotations": {
            "io.containerd.image.name": "docker.io/library/x:y",
            "org.opencontainers.image.ref.name": "y",
        },
    }] });
    dir.write("index.json", index.to_string());
    dir.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let item = json!([{ "Config": config_name, "RepoTags": ["x:y"], "Layers": [layer_name] }]);
    dir.write("manifest.json", item.to_string());
    let archive = dir.tar("new.tar");
    for name in [
        format!("docker-archive:{archive}"),
        format!("docker-archive:{archive}:docker.io/library/x:y"),
        format!("oci-archive:{archive}"),
        format!("oci-archive:{archive}:y"),
        format!("oci-archive:{archive}:docker.io/library/x:y"),
        format!("oci-archive:{archive}:x:y"),
        format!("oci-archive:{archive}@sha256:{}", sha256(manifest.as_bytes())),
    ] {
        assert_is(&name, &truth("ok-none"));
    }
    let error = read(&format!("oci-archive:{archive}:x:z")).unwrap_err();
    assert!(error.contains("the layout has the tags docker.io/library/x:y, y"), "{error}");
    let image = oci::open(&format!("oci-archive:{archive}").parse().unwrap(), &Default::default());
    assert_eq!(image.unwrap().name_inside(), Some("docker.io/library/x:y"));
    // A layer that is not what the archive calls it.
    dir.write(&layer_name, gzip(b"something else"));
    let error = read(&format!("docker-archive:{}", dir.tar("bad.tar"))).unwrap_err();
    assert!(error.contains("layer blob sha256:"), "{error}");
}

#[test]
fn several_images_in_one_archive() {
    let dir = Dir::new();
    let parts = parts(1);
    dir.write("config", &parts.config);
    dir.write("layer", &parts.tar);
    dir.write("empty", r#"{"os":"linux","architecture":"riscv64","rootfs":{"diff_ids":[]}}"#);
    let manifest = json!([
        { "Config": "config", "RepoTags": ["busybox:1", "localhost/b:1"], "Layers": ["layer"] },
        { "Config": "empty", "RepoTags": ["busybox:2"], "Layers": null },
    ]);
    dir.write("manifest.json", manifest.to_string());
    let archive = format!("docker-archive:{}", dir.tar("two.tar"));
    for name in ["busybox:1", "docker.io/library/busybox:1", "localhost/b:1", "@0"] {
        assert_is(&format!("{archive}:{name}"), &truth("ok-none"));
    }
    for name in ["busybox:2", "@1"] {
        assert_is(&format!("{archive}:{name}"), &truth("ok-no-layers"));
    }
    let error = read(&archive).unwrap_err();
    assert!(
        error.contains("add one of their tags, busybox:1, localhost/b:1, busybox:2"),
        "{error}"
    );
    for name in ["busybox", "@2", "b:1"] {
        let error = read(&format!("{archive}:{name}")).unwrap_err();
        assert!(error.contains("there is no such image; the archive has busybox:1"), "{error}");
    }
}

#[test]
fn archives_that_are_wrong_say_how() {
    let case = |config: &str, manifest: serde_json::Value, words: &str| {
        let dir = Dir::new();
        dir.write("config", config);
        dir.write("layer", parts(1).tar);
        dir.write("manifest.json", manifest.to_string());
        let error = read(&format!("docker-archive:{}", dir.tar("bad.tar"))).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    };
    let item = |config: &str, layers: &[&str]| json!([{ "Config": config, "Layers": layers }]);
    let good = parts(1).config;
    case(&good, item("none", &["layer"]), "it has no file \"none\"");
    case(&good, item("config", &["none"]), "it has no file \"none\"");
    case(&good, item("config", &["../layer"]), "leads out of it");
    case(&good, item("config", &["/etc/passwd"]), "it has no file \"/etc/passwd\"");
    case(&good, item("config", &[]), "0 layers, but its configuration 1 DiffIDs");
    case(&good, item("config", &["layer"; 2000]), "2000 layers, at most");
    case(&good, item("config", &["config"]), "has wrong content");
    case(&good, json!({}), "manifest.json is malformed");
    let twice = good.replacen('{', r#"{"os":"linux","#, 1);
    case(&twice, item("config", &["layer"]), "configuration has the key \"os\" twice");
    case(&good, json!([]), "no such image");
    case("{", item("config", &["layer"]), "configuration is malformed");
    let dir = Dir::new();
    dir.write("manifest.json", r#"[{"Config":"config","Layers":[],"Layers":["layer"]}]"#);
    let error = read(&format!("docker-archive:{}", dir.tar("twice.tar"))).unwrap_err();
    assert!(error.contains("its manifest.json has the key \"Layers\" twice in [0]:"), "{error}");
    let sparc64 = good.replace("riscv64", "sparc64");
    case(&sparc64, item("config", &["layer"]), "no variant that c2w runs, only linux/sparc64");

    let dir = Dir::new();
    dir.write("file", "");
    let archive = dir.tar("other.tar");
    for (transport, words) in [
        ("docker-archive", "not one of `docker save`"),
        ("oci-archive", "the archive is not an OCI layout"),
    ] {
        let error = read(&format!("{transport}:{archive}")).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let error = read(&format!("dir:{}", dir.at("."))).unwrap_err();
    assert!(error.contains("not one of `skopeo copy"), "{error}");
}

#[test]
fn whole_archives_may_be_compressed_and_come_through_a_pipe() {
    let dir = Dir::new();
    let archive = dir.at("image.tar");
    let source = format!("oci:{}", fixture("ok-gz").display());
    skopeo_copy(&[&source, &format!("docker-archive:{archive}")]);
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let packed = dir.at(program);
        run(Command::new(program).arg("-c").arg(&archive).stdout(File::create(&packed).unwrap()));
        assert_is(&format!("docker-archive:{packed}"), &truth("ok-gz"));
        let output = |place: &str, out: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
            command.args(["rootfs", place, &dir.at(out)]).stdin(File::open(&packed).unwrap());
            run(&mut command);
            fs::read(dir.at(out)).unwrap()
        };
        let from_file = output(&format!("docker-archive:{packed}"), "file");
        assert!(from_file == output("docker-archive:-", "stdin"));
        // A pipe cannot be read twice, a redirected file can.
        let mut cat = Command::new("sh");
        let script = "cat \"$1\" | \"$0\" rootfs docker-archive:- \"$2\"";
        cat.args(["-c", script, env!("CARGO_BIN_EXE_c2w"), &packed, &dir.at("pipe")]);
        run(&mut cat);
        assert!(from_file == fs::read(dir.at("pipe")).unwrap());
    }
}

/// `strace` sees each socket, whoever opens it.
#[test]
fn no_network_is_touched() {
    let dir = Dir::new();
    let source = format!("oci:{}", fixture("ok-gz").display());
    let mut places = vec![source.clone(), format!("tarball:{}", dir.at("root.tar"))];
    for transport in ["dir", "oci-archive", "docker-archive"] {
        let place = format!("{transport}:{}", dir.at(transport));
        skopeo_copy(&[&source, &place]);
        places.push(place);
    }
    fs::create_dir(dir.at("root")).unwrap();
    run(Command::new("tar").args(["-cf", &dir.at("root.tar"), "-C", &dir.at("root"), "."]));
    places.push(format!("rootfs:{}", dir.at("root")));
    let sockets = |arguments: &[&str]| {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", "trace=%network", "-o", &dir.at("trace")]);
        strace.arg(env!("CARGO_BIN_EXE_c2w")).args(arguments).env("HOME", dir.at("."));
        let output = strace.output().expect("this test needs strace");
        let trace = fs::read_to_string(dir.at("trace")).unwrap();
        (output.status.success(), trace.contains("socket("))
    };
    for place in places {
        assert_eq!(sockets(&["rootfs", &place, &dir.at("out")]), (true, false), "{place}");
        assert_eq!(sockets(&["inspect", &place]), (true, false), "{place}");
    }
    // The same check of a registry sees something.
    assert_eq!(sockets(&["inspect", "localhost:1/none"]), (false, true));
}

#[test]
fn compressions_as_other_programs_write_them() {
    let dir = Dir::new();
    let source = format!("oci:{}", fixture("ok-none").display());
    for format in ["gzip", "zstd", "zstd:chunked"] {
        let place = format!("oci:{}", dir.at(&format.replace(':', "-")));
        skopeo_copy(&["--dest-compress-format", format, &source, &format!("{place}:v1")]);
        assert_is(&place, &truth("ok-none"));
    }
    // containers/image reads these, too, and Docker's archives may have them.
    for program in ["bzip2", "xz"] {
        let parts = parts(1);
        dir.write("layer", &parts.tar);
        let packed = run(Command::new(program).arg("-c").arg(dir.at("layer"))).stdout;
        dir.write("layer", &packed);
        dir.write("config", &parts.config);
        let item = json!([{ "Config": "config", "Layers": ["layer"] }]);
        dir.write("manifest.json", item.to_string());
        let place = format!("docker-archive:{}", dir.tar(&format!("{program}.tar")));
        assert_is(&place, &truth("ok-none"));
    }
}

/// eStargz: each entry is a gzip member of its own, then a table of contents, and a footer of an
/// empty member with an extra field.
#[test]
fn estargz() {
    let dir = Dir::new();
    let mut parts = parts(1);
    let toc = dir.at("stargz.index.json");
    fs::write(&toc, r#"{"version":1,"entries":[]}"#).unwrap();
    let end = parts.tar.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    let entries = &parts.tar[..end.next_multiple_of(512)];
    let mut index = Command::new("tar");
    index.args(["--format=ustar", "-C", &dir.at("."), "-cf", "-", "stargz.index.json"]);
    let index = run(&mut index).stdout;
    let blob: Vec<u8> = entries.chunks(1024).chain([&index[..]]).flat_map(gzip).collect();
    let mut footer = flate2::GzBuilder::new()
        .extra([&b"SG\x16\0"[..], format!("{:016x}STARGZ", 0).as_bytes()].concat())
        .write(Vec::new(), Compression::none());
    footer.flush().unwrap();
    let blob = [blob, footer.finish().unwrap()].concat();
    let tar = [entries, &index].concat();
    parts.config = parts.config.replace(&parts.diff_id, &sha256(&tar));
    dir.write("config", &parts.config);
    dir.write("layer", blob);
    dir.write("manifest.json", json!([{ "Config": "config", "Layers": ["layer"] }]).to_string());
    let found = read(&format!("docker-archive:{}", dir.tar("estargz.tar"))).unwrap();
    let mut expected = truth("ok-none");
    // Without a snapshotter that knows it, the table of contents is a file like others.
    expected.extend(
        found.get_key_value(&b"/stargz.index.json"[..]).map(|(k, v)| (k.clone(), v.clone())),
    );
    assert_eq!(expected.len(), truth("ok-none").len() + 1);
    assert_same(&expected, &found);
}

#[test]
fn what_umoci_writes() {
    let dir = Dir::new();
    let (layout, bundle) = (dir.at("layout"), dir.at("new"));
    let image = format!("{layout}:v1");
    run(Command::new("umoci").args(["init", "--layout", &layout]));
    run(Command::new("umoci").args(["new", "--image", &image]));
    let config = ["config", "--os=linux", "--architecture=riscv64", "--image", &image];
    run(Command::new("umoci").args(config));
    fs::create_dir_all(format!("{bundle}/etc")).unwrap();
    fs::write(format!("{bundle}/etc/a"), "a").unwrap();
    symlink("a", format!("{bundle}/etc/b")).unwrap();
    let insert = |arguments: &[&str]| {
        run(Command::new("umoci")
            .args(["insert", "--rootless", "--image", &image])
            .args(arguments));
    };
    insert(&[&format!("{bundle}/etc"), "/etc"]);
    insert(&["--whiteout", "/etc/a"]);
    let found = read(&format!("oci:{image}")).unwrap();
    let names: Vec<_> = found.keys().map(|path| path.escape_ascii().to_string()).collect();
    assert_eq!(names, ["/", "/etc", "/etc/b"]);
}

/// podman's storage, with skopeo on both sides.
#[test]
#[ignore = "needs root, to give files their owners there"]
fn as_root_podmans_storage_through_skopeo() {
    let dir = Dir::new();
    let place = |name: &str| {
        let (storage, run) = (dir.at("storage"), dir.at("run"));
        format!("containers-storage:[vfs@{storage}+{run}]localhost/{name}:v1")
    };
    for name in ["ok-gz", "ok-gzmulti", "ok-deep", "ok-hardlink-chain"] {
        skopeo_copy(&[&format!("oci:{}", fixture(name).display()), &place(name)]);
        assert_is(&place(name), &truth(name));
    }
    // This skopeo keeps the media type of a zstd layer and not its compression.
    skopeo_copy(&[&format!("oci:{}", fixture("ok-zst").display()), &place("ok-zst")]);
    assert_is(&place("ok-zst"), &truth("ok-gz"));
    let error = read(&place("none")).unwrap_err();
    assert!(error.contains("skopeo cannot read it") && error.contains("not resolve"), "{error}");
}

#[test]
fn a_daemon_that_is_not_there_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    command.args(["inspect", "docker-daemon:app:v1"]).env("DOCKER_HOST", "unix:///none.sock");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("skopeo cannot read it") && said.contains("none.sock"), "{said}");

    let empty = Dir::new();
    let output = command.env("PATH", empty.at(".")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("apt-get install skopeo"), "{said}");
    assert!(said.contains("docker save app:v1 | c2w docker-archive:-"), "{said}");
}

/// The copy that skopeo is making is removed, too. The slow skopeo stands in for a large image.
#[test]
fn an_interrupt_leaves_no_copy_behind() {
    let dir = Dir::new();
    fs::create_dir(dir.at("tmp")).unwrap();
    let slow = "#!/bin/sh\nfor last; do :; done\ntouch \"${last#dir:}/begun\"\nexec sleep 2\n";
    dir.write("bin/skopeo", slow);
    fs::set_permissions(dir.at("bin/skopeo"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    command.args(["inspect", "containers-storage:x"]).env("TMPDIR", dir.at("tmp"));
    let path = format!("{}:{}", dir.at("bin"), std::env::var("PATH").unwrap());
    let mut c2w = command.env("PATH", path).spawn().unwrap();
    let copies = || fs::read_dir(dir.at("tmp")).unwrap().map(|entry| entry.unwrap().path());
    while !copies().any(|copy| copy.join("begun").exists()) {
        assert!(c2w.try_wait().unwrap().is_none(), "it ended before skopeo began");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let process = rustix::process::Pid::from_child(&c2w);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(c2w.wait().unwrap().code(), Some(130));
    assert_eq!(copies().count(), 0);
}
