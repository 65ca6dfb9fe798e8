//! `c2w inspect`, and which image of an index a command takes.

use crate::docker_registry;

use docker_registry::{DockerRegistry, Guard};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)
}

/// What `c2w` prints, or the error.
fn c2w(arguments: &[&str]) -> Result<String, String> {
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    command.args(arguments).env("C2W_CACHE_DIR", cache.path()).env("HOME", cache.path());
    command.env("XDG_RUNTIME_DIR", cache.path());
    let output = command.output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

fn inspect(name: &str) -> Value {
    let text = c2w(&["inspect", "--json", name]).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap()
}

fn rich() -> String {
    format!("oci:{}", fixture("rich").display())
}

#[test]
fn all_that_an_image_says() {
    let found = inspect(&rich());
    let layers = found["layers"].as_array().unwrap();
    let sizes: u64 = layers.iter().map(|layer| layer["size"].as_u64().unwrap()).sum();
    assert_eq!(
        found["digest"],
        "sha256:3dbc518e09b67cf02aaf9ca9f4d6af06fbe32168410d0effd053be278082481f"
    );
    assert_eq!(found["platform"], "linux/riscv64");
    assert_eq!((layers.len(), found["size"].as_u64().unwrap()), (3, sizes));
    assert_eq!(layers[1]["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    assert_eq!(found["config"]["Entrypoint"], json!(["/bin/sh", "-c"]));
    assert_eq!(found["config"]["Volumes"], json!({ "/data": {} }));

    let text = c2w(&["inspect", &rich()]).unwrap();
    for layer in layers {
        for key in ["digest", "diffId", "mediaType"] {
            assert!(text.contains(layer[key].as_str().unwrap()), "{text}");
        }
    }
    for line in
        ["platform    linux/riscv64", "entrypoint  [\"/bin/sh\",\"-c\"]", "volumes     /data"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn no_layer_is_fetched() {
    let registry = DockerRegistry::start(Guard::Open);
    registry.push(&fixture("rich"), "latest", "a/rich:v1");
    let name = format!("{}/a/rich:v1", registry.host);
    let found = inspect(&name);
    assert_eq!(found["source"], *name);
    assert_eq!(found["layers"], inspect(&rich())["layers"]);
    // Without its layers a layout is of no use, but it can be inspected.
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").arg(fixture("rich")).arg(dir.path()).status();
    assert!(status.unwrap().success());
    for layer in found["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().replace(':', "/");
        fs::remove_file(dir.path().join("rich/blobs").join(digest)).unwrap();
    }
    assert_eq!(
        inspect(&format!("oci:{}", dir.path().join("rich").display()))["layers"],
        found["layers"]
    );
}

#[test]
fn any_platform_can_be_looked_at_and_some_run() {
    for (arguments, platform) in [
        (["--platform", "linux/arm/v6"], "linux/arm/v6"),
        (["--platform", "linux/arm64"], "linux/arm64/v8"),
        (["--target-arch", "aarch64"], "linux/arm64/v8"),
        (["--target-arch", "riscv64"], "linux/riscv64"),
    ] {
        let found = c2w(&["inspect", "--json", arguments[0], arguments[1], &rich()]).unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["platform"], platform, "{arguments:?}");
    }
    let error = c2w(&["inspect", "--platform", "linux/s390x", &rich()]).unwrap_err();
    assert!(
        error.contains("no linux/s390x variant, only") && error.contains("linux/riscv64"),
        "{error}"
    );
    for arguments in [["--target-arch", "sparc64"], ["--platform", "linux/sparc64"]] {
        let error = c2w(&["rootfs", arguments[0], arguments[1], &rich(), "out"]).unwrap_err();
        assert!(error.contains("c2w does not run linux/sparc64"), "{error}");
    }
    let both = ["inspect", "--platform", "linux/arm", "--target-arch", "arm", &rich()];
    assert!(c2w(&both).unwrap_err().contains("cannot be used with"));
}

#[test]
fn plain_roots_and_modules() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("root")).unwrap();
    fs::write(dir.path().join("root/file"), "content").unwrap();
    let name = format!("rootfs:{}", dir.path().join("root").display());
    let found = inspect(&name);
    assert_eq!((found["source"].as_str(), found["size"].as_u64()), (Some(&*name), Some(7)));
    assert!(c2w(&["inspect", &name]).unwrap().contains(found["digest"].as_str().unwrap()));

    let module = dir.path().join("out.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    let error = c2w(&["inspect", module.to_str().unwrap()]).unwrap_err();
    assert!(error.contains("c2w did not make it"), "{error}");
}

/// A name that the registry does not have, of what lies in the current directory.
#[test]
fn what_lies_here_is_hinted_at() {
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(fixture("rich")).arg(dir.path()).status();
    assert!(copied.unwrap().success());
    fs::write(dir.path().join("out.wasm"), b"\0asm\x01\0\0\0").unwrap();
    // Nobody listens there.
    let conf = "[[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.1:1\"\n";
    fs::write(dir.path().join("registries.conf"), conf).unwrap();
    let said = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
        command.args(arguments).current_dir(dir.path()).env("HOME", dir.path());
        command.env("C2W_CACHE_DIR", dir.path().join("cache"));
        command.env("CONTAINERS_REGISTRIES_CONF", dir.path().join("registries.conf"));
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, words) in [
        (&["inspect", "rich"][..], "here is a directory of that name, which is read as oci:rich\n"),
        (&["rootfs", "rich:latest", "out"], "which is read as oci:rich\n"),
        (&["rootfs", "./rich", "out"], "which is read as oci:./rich\n"),
        (&["rootfs", "out.wasm", "out"], "out.wasm is a module, not an image"),
    ] {
        let said = said(arguments);
        assert!(said.contains(words) && said.lines().count() == 1, "{arguments:?}: {said}");
    }
    let said = said(&["inspect", "none"]);
    assert!(said.contains("cannot reach") && !said.contains("here is"), "{said}");
}

#[test]
fn what_an_image_says_cannot_play_with_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    let status = Command::new("umoci").arg("init").arg("--layout").arg(&layout).status();
    assert!(status.expect("this test needs umoci").success());
    let image = format!("{}:v1", layout.display());
    let umoci = |arguments: &[&str]| {
        let output = Command::new("umoci").args(arguments).args(["--image", &image]).output();
        assert!(output.unwrap().status.success(), "{arguments:?}");
    };
    umoci(&["new"]);
    umoci(&["config", "--os=linux", "--architecture=riscv64", "--config.label=a=\u{1b}[31m\nb"]);
    let text = c2w(&["inspect", &format!("oci:{image}")]).unwrap();
    assert!(text.contains("labels    a=\u{fffd}[31m\u{fffd}b"), "{text}");
    let found = inspect(&format!("oci:{image}"));
    assert_eq!(found["config"]["Labels"]["a"], "\u{1b}[31m\nb");
}
