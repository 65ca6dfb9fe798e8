//! What the program's options do, seen from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const IMAGE: &str = "oci:examples/busybox:latest";

fn c2w(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_c2w")).args(arguments).output().unwrap()
}

/// What a successful run printed.
fn stdout(arguments: &[&str]) -> String {
    let output = c2w(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a run that failed said, which is one line.
fn refusal(arguments: &[&str]) -> String {
    let output = c2w(arguments);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Converts the example with more options; gives the module and what was said.
fn convert(image: &str, options: &[&str]) -> (Vec<u8>, String) {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("out.wasm");
    let output = c2w(&[&[image, module.to_str().unwrap()], options].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{options:?}: {said}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a file is left over");
    (fs::read(module).unwrap(), said)
}

#[test]
fn version_and_help_in_the_usual_ways() {
    let version = stdout(&["--version"]);
    assert_eq!(version, format!("c2w {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!([stdout(&["-v"]), stdout(&["-V"])], [version.clone(), version]);
    let help = stdout(&["help"]);
    assert_eq!(help, stdout(&["--help"]));
    let words = ["docker-archive:", "--memory", "--aot", "inspect", "rootfs", "cache"];
    for word in words.into_iter().chain(["--train", "--build-arg"]) {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(stdout(&["help", "run"]).contains("--profile"));
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["completions", shell]);
        assert!(script.contains("c2w") && script.contains("rootfs"), "{shell}");
    }
    let page = stdout(&["man"]);
    assert!(page.contains(".TH c2w 1") && page.contains("build\\-arg"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    stdout(&["man", dir.path().join("man1").to_str().unwrap()]);
    for name in ["c2w.1", "c2w-run.1", "c2w-inspect.1", "c2w-rootfs.1", "c2w-cache-ls.1"] {
        let page = fs::read_to_string(dir.path().join("man1").join(name)).unwrap();
        assert!(page.contains(".SH"), "{name}");
    }
}

#[test]
fn container2wasms_options_are_done_noted_or_refused() {
    let (expected, _) = convert(IMAGE, &["--memory", "96"]);
    let options = ["--build-arg", "VM_MEMORY_SIZE_MB=96", "--builder", "podman", "--legacy"];
    let (module, said) = convert(IMAGE, &options);
    assert!(module == expected);
    for option in ["--builder", "--legacy"] {
        assert!(said.contains(&format!("note: {option} has no effect")), "{said}");
    }
    let (module, said) =
        convert(IMAGE, &["--memory=96", "--build-arg=OPTIMIZATION_MODE=native", "-q"]);
    assert!(module == expected && said.is_empty(), "{said}");

    let refused: &[(&[&str], &str)] = &[
        (&["--dockerfile", "x"], "there is no Dockerfile"),
        (&["--show-dockerfile"], "there is no Dockerfile"),
        (&["--to-js"], "--to-js: c2w writes one WASI module"),
        (&["--external-bundle"], "name the image to convert"),
        (&["--target-stage", "x"], "there are no stages"),
        (&["--extra-flag", "--x"], "no builder"),
        (&["--pack", "x"], "QEMU"),
        (&["--build-arg", "VM_MEMORY_SIZE_MB=1"], "write a number from 64 to 3072"),
        (&["--build-arg", "LINUX_LOGLEVEL=9"], "write a number from 0 to 8"),
        (&["--build-arg", "NOBODY=1"], "VM_MEMORY_SIZE_MB"),
        (&["--build-arg", "x"], "write KEY=VALUE"),
    ];
    for (options, reason) in refused {
        let said = refusal(&[options, &[IMAGE, "/nowhere/out.wasm"][..]].concat());
        assert!(said.contains(reason) && said.lines().count() == 1, "{options:?}: {said}");
    }
}

#[test]
fn a_module_tells_where_it_comes_from_but_not_from_which_folder() {
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg("examples/busybox").arg(dir.path()).status();
    assert!(copied.unwrap().success());
    // The same image, known by a name there.
    let index = dir.path().join("busybox/index.json");
    let text = fs::read_to_string(&index).unwrap();
    let name = r#""annotations":{"io.containerd.image.name":"docker.io/library/busybox:1.37","#;
    fs::write(&index, text.replace(r#""annotations":{"#, name)).unwrap();
    let elsewhere = format!("oci:{}:latest", dir.path().join("busybox").display());
    let (module, said) = convert(IMAGE, &[]);
    let (named, _) = convert(&elsewhere, &[]);
    let end = |module: &[u8]| module.windows(14).rposition(|name| name == b"c2w.provenance");
    let before = |module: &[u8]| module[..end(module).unwrap() - 4].to_vec();
    assert!(before(&module) == before(&named));

    let file = dir.path().join("out.wasm");
    let inspect = |module: &[u8]| -> serde_json::Value {
        fs::write(&file, module).unwrap();
        serde_json::from_str(&stdout(&["inspect", "--json", file.to_str().unwrap()])).unwrap()
    };
    assert_eq!(inspect(&named)["source"], "oci:docker.io/library/busybox:1.37");
    let json = inspect(&module);
    let image: serde_json::Value =
        serde_json::from_str(&stdout(&["inspect", "--json", IMAGE])).unwrap();
    assert_eq!(json["source"], "oci:latest");
    assert_eq!(json["digest"], image["digest"]);
    assert_eq!(json["platform"], "linux/riscv64");
    assert_eq!(json["memory_mib"], 256);
    assert_eq!(json["size"], module.len());
    let sums = fs::read_to_string("prebuilt/SHA256SUMS").unwrap();
    for (name, sum) in json["assets"].as_object().unwrap() {
        assert!(sums.contains(&format!("{}  {name}\n", sum.as_str().unwrap())), "{name}");
    }
    let text = stdout(&["inspect", file.to_str().unwrap()]);
    assert!(text.contains("made by") && text.contains("runtime.wasm"), "{text}");
    // As large as the conversion has said.
    let mib = format!("{:.1} MiB", json["root_image"].as_f64().unwrap() / f64::from(1 << 20));
    assert!(said.contains(&format!("(root image {mib},")), "{mib}: {said}");
    assert!(text.contains(&mib), "{mib}: {text}");

    let said = refusal(&["inspect", "prebuilt/runtime.wasm"]);
    assert!(said.contains("c2w did not make it"), "{said}");
    fs::write(&file, &module[..module.len() / 2]).unwrap();
    let said = refusal(&["inspect", file.to_str().unwrap()]);
    assert!(said.contains("no WebAssembly module"), "{said}");
}

#[test]
fn as_much_is_said_as_is_asked_for() {
    let (module, said) = convert(IMAGE, &[]);
    assert!(said.lines().count() == 1 && said.contains("MiB (root image"), "{said}");
    let (quiet, said) = convert(IMAGE, &["--quiet"]);
    assert!(quiet == module && said.is_empty(), "{said}");
    let (plain, said) = convert(IMAGE, &["--progress=plain"]);
    let lines: Vec<_> = said.lines().collect();
    let stages = ["looking for the image", "layer 1 of ", "root image", "booting", "the module"];
    assert!(plain == module && lines.len() > stages.len(), "{said}");
    for (line, stage) in lines.iter().filter(|line| !line.contains("layer 2")).zip(stages) {
        assert!(line.starts_with("c2w: ") && line.contains(stage), "{said}");
    }
    let (translated, said) = convert(IMAGE, &["--aot=auto", "--progress=plain"]);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.iter().any(|line| line.ends_with("looking for hot code")), "{said}");
    assert!(lines.len() > 2 && lines[lines.len() - 2].starts_with("translated "), "{said}");
    let (quiet, said) = convert(IMAGE, &["--aot=auto", "--quiet"]);
    assert!(quiet == translated && quiet != module && said.is_empty(), "{said}");
    let (logged, said) = convert(IMAGE, &["--loglevel", "7"]);
    assert!(said.contains("Linux version") && logged != module, "{said}");
    assert!(convert(IMAGE, &["--debug-image"]).1.contains("Linux version"));
}

#[test]
fn assets_of_ones_own_take_the_place_of_the_embedded_ones() {
    let dir = tempfile::tempdir().unwrap();
    let assets = dir.path().to_str().unwrap();
    let said = refusal(&[IMAGE, "/nowhere/out.wasm", "--assets", assets]);
    assert!(said.contains("holds none of Image.zst"), "{said}");
    for name in ["Image.zst", "initramfs.cpio.zst", "runtime.wasm"] {
        fs::copy(Path::new("prebuilt").join(name), dir.path().join(name)).unwrap();
    }
    assert!(convert(IMAGE, &["--assets", assets]).0 == convert(IMAGE, &[]).0);

    let output = dir.path().join("out.wasm");
    let broken: [(&str, &[u8], &str); 2] = [
        ("runtime.wasm", b"\0asm\x01\0\0\0", "C2W_PLACEMENT"),
        ("Image.zst", b"no zstd", "--assets"),
    ];
    for (name, bytes, reason) in broken {
        fs::write(dir.path().join(name), bytes).unwrap();
        let said = refusal(&[IMAGE, output.to_str().unwrap(), "--assets", assets]);
        assert!(said.contains(reason) && !output.exists(), "{said}");
        fs::copy(Path::new("prebuilt").join(name), dir.path().join(name)).unwrap();
    }
}
