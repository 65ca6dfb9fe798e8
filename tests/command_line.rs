//! What the program's options do, seen from outside.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

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

/// The example's module, and a folder for it.
fn module() -> &'static str {
    static MODULE: OnceLock<(tempfile::TempDir, String)> = OnceLock::new();
    let (_, path) = MODULE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.wasm").into_os_string().into_string().unwrap();
        fs::write(&path, convert(IMAGE, &["-q"]).0).unwrap();
        (dir, path)
    });
    path
}

/// What `c2w` prints with `module` in place of `@`, and its status.
fn run(line: &[&str]) -> (String, Option<i32>) {
    let words = line.iter().map(|&word| if word == "@" { module() } else { word });
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    let command = command.args(words).env("SEEN", "outside").stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

#[test]
fn a_run_takes_what_docker_run_takes() {
    let lines: &[(&[&str], &str)] = &[
        (&["run", "@", "uname", "-s"], "Linux\n"),
        (&["run", "@", "--", "uname", "-s"], "Linux\n"),
        (&["run", "--", "@", "echo", "-n", "--", "-q"], "-- -q"),
        (&["run", "@", "echo", "--", "--help"], "-- --help\n"),
        (&["run", "-i", "-e", "A=1", "-e", "SEEN", "@", "sh", "-c", "echo $A$SEEN"], "1outside\n"),
        (&["run", "-iw", "/tmp", "@", "pwd"], "/tmp\n"),
        (
            &["run", "-iw/tmp", "-u7:8", "@", "--", "-w", "/etc", "sh", "-c", "pwd; id -u"],
            "/etc\n7\n",
        ),
        (&["run", "--workdir=/tmp", "@", "-w", "/etc", "--", "pwd"], "/etc\n"),
        (&["run", "--hostname", "-box", "@", "hostname"], "-box\n"),
        (&["run", "-h", "box", "@", "hostname"], "box\n"),
        (&["run", "--entrypoint", "echo", "@", "-n", "hi"], "hi"),
        (&["run", "--entrypoint=id", "@", "-u"], "0\n"),
        (&["run", "@", "--", "--entrypoint", "id", "--", "-u"], "0\n"),
        (
            &[
                "run",
                "--read-only",
                "--read-only",
                "@",
                "sh",
                "-c",
                "touch /x 2>/dev/null || echo no",
            ],
            "no\n",
        ),
        (
            &[
                "run",
                "--tmpfs",
                "/t",
                "--cap-drop=ALL",
                "--cap-add",
                "kill",
                "@",
                "sh",
                "-c",
                "mount | grep -c ' /t '; grep -c 0000000000000020 /proc/self/status",
            ],
            "1\n3\n",
        ),
        (&["run", "--no-tty", "-it", "--no-tty", "@", "sh", "-c", "tty"], "not a tty\n"),
        (&["-q", "run", "--timings", "@", "true"], "module"),
    ];
    for (line, expected) in lines {
        let (printed, status) = run(line);
        match line[0] {
            "-q" => assert!(printed.starts_with(expected), "{line:?}: {printed}"),
            _ => assert_eq!(printed, *expected, "{line:?}"),
        }
        assert!(status == Some(0) || *expected == "not a tty\n", "{line:?}: {status:?}");
    }
    let file = Path::new(module()).with_file_name("variables");
    fs::write(&file, "# c\n\nA=x y\nB=1\r\nSEEN\nUNSET\n").unwrap();
    let print = "echo \"$A|$B|$SEEN|${UNSET-none}\"";
    let file = file.to_str().unwrap();
    let (printed, _) = run(&["run", "--env-file", file, "-e", "B=2", "@", "sh", "-c", print]);
    assert_eq!(printed, "x y|2|outside|none\n");
}

/// One line, that says what to do: 2 for what c2w reads, 125 for what a module would.
#[test]
fn a_run_that_makes_no_sense_says_why() {
    let lines: &[(&[&str], i32, &str)] = &[
        (&["run"], 2, "<IMAGE>"),
        (&["run", "--bogus", "@"], 2, "'--bogus'"),
        (&["run", "--entrypiont", "sh", "@"], 2, "did you mean --entrypoint"),
        (&["run", "-p", "80:80:80:80", "@"], 2, "[[IP:][PORT]:]PORT"),
        (&["run", "--network=none", "-p", "80:80", "@"], 2, "leave out --network none"),
        (&["run", "-d", "@"], 2, "foreground"),
        (&["run", "-iz", "@"], 2, "'-z'"),
        (&["run", "-e"], 2, "--env"),
        (&["run", "--tty=green", "@"], 2, "cooked and raw"),
        (&["run", "--network", "host", "@"], 2, "there are user"),
        (&["run", "--tmpfs", "/t:volume", "@"], 2, "'volume'"),
        (&["run", "@", "--tmpfs", "/t", "--tmpfs", "/t/"], 125, "two mounts at /t"),
        (&["run", "--env-file", "/no/file", "@"], 125, "/no/file"),
        (&["run", "@", "--", "--tty=green"], 125, "cooked and raw"),
        (&["run", "@", "--bogus"], 125, "-- -- before a command"),
        (&["run", "@", "--", "--bogus"], 125, "-- -- before a command"),
        (&["run", "@", "--", "--", "-x"], 127, "\"-x\""),
        (&["run", "--memory", "512", "@"], 2, "leave out --memory"),
        (&["--memory=512", "run", "@"], 2, "leave out --memory"),
        (&["run", "--loglevel=7", "@"], 2, "leave out --loglevel"),
        (&["run", "--platform", "linux/riscv64", "@"], 2, "leave out --platform"),
        (&["run", "--creds", "a:b", "@"], 2, "leave out --creds"),
        (&["run", "@", "--no-cache"], 2, "leave out --no-cache"),
        (&["run", "absent.wasm"], 2, "no file absent.wasm"),
        (&["run", "wasm:prebuilt/riscv64/runtime.wasm"], 125, "c2w did not make it"),
        (&["run", "wasm:README.md"], 125, "WebAssembly module"),
        (&["@"], 2, "c2w run or a WASI runtime"),
        (&["absent.wasm", "/nowhere/out"], 2, "an image of this name"),
        (&["rootfs"], 2, "<IMAGE>"),
        (&["inspect", "--bogus", "x"], 2, "--bogus"),
        (&["cache", "prune", "--keep", "much"], 2, "500M"),
        (&["completions", "klingon"], 2, "bash"),
        (&["--memory", "1", IMAGE], 2, "64 to 3072"),
        (&["--memory", "", IMAGE], 2, "'--memory <MIB>': write a number of MiB"),
        (&["-m", "1.5g", IMAGE], 2, "fractions are not taken"),
        (&["run", "--env-file", "/dev/zero", "@"], 125, "more than 1048576 bytes"),
        (&["--aot=off", "--train=x", IMAGE], 2, "--aot=off"),
        (&["a b"], 2, "\"a b\""),
        (&["--platform=windows/amd64", IMAGE, "/nowhere/out"], 2, "does not run windows/amd64"),
    ];
    for (line, status, reason) in lines {
        let (said, is) = run(line);
        let one_line = said.starts_with("c2w: ") && said.lines().count() == 1;
        assert!(one_line && said.contains(reason), "{line:?}: {said}");
        assert_eq!(is, Some(*status), "{line:?}: {said}");
    }
    // A reader that went away is not a failure, a full disk is.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    let output = command.args(["completions", "bash"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));
}

#[test]
fn a_module_is_told_by_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(module(), dir.path().join("app")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_c2w"));
    let command = command.current_dir(dir.path()).args(["run", "app", "echo", "hi"]);
    assert_eq!(command.output().unwrap().stdout, b"hi\n");
    // What is read is not written over.
    let bytes = fs::read(module()).unwrap();
    let (said, _) = run(&["run", "--profile", module(), "@", "true"]);
    assert!(said.contains("the file that is read"), "{said}");
    assert!(fs::read(module()).unwrap() == bytes);
    for length in [4, 8, 1000, bytes.len() / 2, bytes.len() - 1] {
        fs::write(dir.path().join("part.wasm"), &bytes[..length]).unwrap();
        let part = dir.path().join("part.wasm");
        let (said, status) = run(&["run", part.to_str().unwrap(), "true"]);
        assert!(said.contains("WebAssembly module") && said.lines().count() == 1, "{said}");
        assert_eq!(status, Some(125));
    }
}

#[test]
fn training_says_what_it_did_not_do() {
    let train = [
        "--train",
        "ls /etc | wc -l",
        "--train",
        "sh -c 'printf \"a\\\\033[1m\\\\nb\\\\n\" >&2; exit 3'",
    ];
    let (_, said) = convert(IMAGE, &[&train[..], &["--aot-budget=100"]].concat());
    let warnings: Vec<_> = said.lines().filter(|line| line.starts_with("c2w: warning: ")).collect();
    assert!(warnings[0].contains("no shell runs it, so that | means nothing"), "{said}");
    assert!(warnings[0].ends_with("write --train \"sh -c 'ls /etc | wc -l'\""), "{said}");
    assert!(
        warnings[1].contains("ls /etc | wc -l") && warnings[1].contains("status 1: ls: "),
        "{said}"
    );
    assert!(warnings[2].ends_with("status 3: b") && warnings.len() == 3, "{said}");
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
    let help = stdout(&["help", "run"]);
    assert_eq!([stdout(&["run", "--help"]), stdout(&["run", "-h"])], [help.clone(), help.clone()]);
    // The container's options come from the module's own list.
    for option in c2w_session::options::OPTIONS {
        assert!(help.contains(&format!("--{}", option.long)), "{}: {help}", option.long);
    }
    assert!(help.contains("--profile") && help.contains("-h, --hostname <NAME>"), "{help}");
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["completions", shell]);
        for word in ["c2w", "rootfs", "entrypoint", "cap-add"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = stdout(&["man"]);
    assert!(page.contains(".TH c2w 1") && page.contains("build\\-arg"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    stdout(&["man", dir.path().join("man1").to_str().unwrap()]);
    for name in ["c2w.1", "c2w-run.1", "c2w-inspect.1", "c2w-rootfs.1", "c2w-cache-ls.1"] {
        let page = fs::read_to_string(dir.path().join("man1").join(name)).unwrap();
        assert!(page.contains(".SH"), "{name}");
        assert!(name != "c2w-run.1" || page.contains("entrypoint"), "{page}");
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
        (
            &["--build-arg", "VM_MEMORY_SIZE_MB=1"],
            "VM_MEMORY_SIZE_MB=1: write a number of MiB from 64 to 3072",
        ),
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
        assert!(sums.contains(&format!("{}  riscv64/{name}\n", sum.as_str().unwrap())), "{name}");
    }
    let text = stdout(&["inspect", file.to_str().unwrap()]);
    assert!(text.contains("made by") && text.contains("runtime.wasm"), "{text}");
    // As large as the conversion has said.
    let mib = |field: &str| json[field].as_f64().unwrap() / f64::from(1 << 20);
    let mib = format!("{:.1} MiB in {:.1}", mib("root_image"), mib("root_image_stored"));
    assert!(said.contains(&format!("(root image {mib},")), "{mib}: {said}");
    assert!(text.contains(&mib), "{mib}: {text}");

    let said = refusal(&["inspect", "prebuilt/riscv64/runtime.wasm"]);
    assert!(said.contains("c2w did not make it"), "{said}");
    fs::write(&file, &module[..module.len() / 2]).unwrap();
    let said = refusal(&["inspect", file.to_str().unwrap()]);
    assert!(said.contains("not a whole WebAssembly module"), "{said}");
}

/// What differs from a module of the same image is what the file says of itself, and the runtime.
#[test]
fn a_component_is_inspected_as_a_module() {
    let dir = tempfile::tempdir().unwrap();
    let (module, component) = (dir.path().join("1.wasm"), dir.path().join("2.wasm"));
    fs::write(&module, convert(IMAGE, &[]).0).unwrap();
    let (bytes, said) = convert(IMAGE, &["--target=wasip2"]);
    fs::write(&component, &bytes).unwrap();
    let json = |file: &Path| -> serde_json::Value {
        serde_json::from_str(&stdout(&["inspect", "--json", file.to_str().unwrap()])).unwrap()
    };
    let (mut one, mut other) = (json(&module), json(&component));
    assert_eq!((&one["target"], &other["target"]), (&"wasip1".into(), &"wasip2".into()));
    assert_eq!(other["size"], bytes.len());
    let sums = fs::read_to_string("prebuilt/SHA256SUMS").unwrap();
    let sum = other["assets"]["runtime-component.wasm"].as_str().unwrap();
    assert!(sums.contains(&format!("{sum}  riscv64/runtime-component.wasm\n")), "{sum}");
    for json in [&mut one, &mut other] {
        for own in ["target", "size"] {
            assert!(json.as_object_mut().unwrap().remove(own).is_some());
        }
        let assets = json["assets"].as_object_mut().unwrap();
        assets.retain(|name, _| !name.starts_with("runtime"));
        assert_eq!(assets.len(), 2);
    }
    assert_eq!(one, other);

    let text = stdout(&["inspect", component.to_str().unwrap()]);
    let has = |name: &str, value: &str| {
        text.lines().any(|line| line.split_whitespace().take(2).eq([name, value]))
    };
    let mib = format!("{:.1}", bytes.len() as f64 / f64::from(1 << 20));
    assert!(has("target", "wasip2") && has("component", &mib), "{text}");
    assert!(said.contains(&format!("{mib} MiB (root image")), "{said}");
    fs::write(&component, &bytes[..bytes.len() / 2]).unwrap();
    for command in ["inspect", "run"] {
        let said = refusal(&[command, component.to_str().unwrap()]);
        assert!(said.contains("not a whole WebAssembly module or component"), "{said}");
    }
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
    let names = ["Image.zst", "initramfs.cpio.zst", "runtime.wasm", "runtime-component.wasm"];
    for name in names {
        fs::copy(Path::new("prebuilt/riscv64").join(name), dir.path().join(name)).unwrap();
    }
    assert!(convert(IMAGE, &["--assets", assets]).0 == convert(IMAGE, &[]).0);

    let output = dir.path().join("out.wasm");
    let module = fs::read("prebuilt/riscv64/runtime.wasm").unwrap();
    let broken: [(&str, &[u8], &str, &str); 5] = [
        ("runtime.wasm", b"\0asm\x01\0\0\0", "wasip1", "C2W_PLACEMENT"),
        ("runtime-component.wasm", b"\0asm\x0d\0\x01\0", "wasip2", "no core module"),
        ("runtime-component.wasm", &module, "wasip2", "for wasip2 is a module, for wasip1"),
        ("runtime-component.wasm", b"no wasm", "wasip2", "not a WebAssembly module or component"),
        ("Image.zst", b"no zstd", "wasip2", "--assets"),
    ];
    for (name, bytes, target, reason) in broken {
        fs::write(dir.path().join(name), bytes).unwrap();
        let output_name = output.to_str().unwrap();
        let said = refusal(&[IMAGE, output_name, "--assets", assets, "--target", target]);
        assert!(said.contains(reason) && !output.exists(), "{said}");
        fs::copy(Path::new("prebuilt/riscv64").join(name), dir.path().join(name)).unwrap();
    }
}
