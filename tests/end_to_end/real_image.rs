//! A real distribution from a registry, compared with the same programs under QEMU.
//!
//! Ignored unless asked for (`cargo test --test end_to_end -- --ignored`): it needs root and, the
//! first time, minutes to put the image together.

#[path = "../support/docker_registry.rs"]
mod docker_registry;

use crate::container::{Container, Engine};
use crate::{process, trial};
use docker_registry::{DockerRegistry, Guard};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Commands with one right output.
const COMMANDS: [(&str, &[&str]); 7] = [
    ("python_modules", &["python3", "-c", "import json, ssl, sqlite3; print(6 * 7)"]),
    ("python_floats", &["python3", "-c", PYTHON_FLOATS]),
    ("python_sqlite", &["python3", "-c", PYTHON_SQLITE]),
    ("perl", &["perl", "-e", r#"printf "%.17g %s\n", exp($_ / 7), "x" x $_ for 1 .. 50"#]),
    ("bash", &["bash", "-c", BASH]),
    ("apt", &["apt", "--version"]),
    ("every_file", &["sh", "-c", "find /usr -xdev -type f -exec sha256sum {} + | sort -k 2"]),
];

const PYTHON_FLOATS: &str = "import hashlib, math, struct
values = [f(i / 7) for i in range(1, 2000) for f in (math.sin, math.exp, math.sqrt, math.log)]
print(hashlib.sha256(struct.pack(f'{len(values)}d', *values)).hexdigest(), sum(values))";

const PYTHON_SQLITE: &str = "import sqlite3
base = sqlite3.connect('/tmp/test.db')
base.execute('create table t (a integer primary key, b text)')
base.executemany('insert into t (b) values (?)', ((str(n * n),) for n in range(2000)))
base.commit()
print(base.execute('select count(*), sum(b), max(b) from t').fetchall())";

const BASH: &str = r#"declare -A a=([x]=1 [y]=2); for k in x y; do echo "$k=${a[$k]}"; done
seq 5 | grep -c 3; false | true; echo $? "${PIPESTATUS[@]}"
printf '%q\n' $'a\tb c'; echo {1..5} $((2 ** 40))"#;

pub fn trials() -> Vec<Trial> {
    let compare = |(name, command)| {
        trial(format!("real_image::{name}"), move || {
            let found = debian().stdout(Engine::COMMAND, command);
            assert!(!found.is_empty());
            assert!(found == under_qemu(command), "{found}");
        })
    };
    COMMANDS.into_iter().map(|case| compare(case).with_ignored_flag(true)).collect()
}

/// The image, pulled by its name in a registry.
fn debian() -> &'static Container {
    static DEBIAN: OnceLock<Container> = OnceLock::new();
    DEBIAN.get_or_init(|| {
        let registry = DockerRegistry::start(Guard::Open);
        registry.push(layout(), "latest", "library/debian:trixie");
        Container::convert(format!("{}/library/debian:trixie", registry.host), "debian")
    })
}

/// The layout, put together once for all runs of the tests.
fn layout() -> &'static Path {
    static LAYOUT: OnceLock<PathBuf> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let layout = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
        if !layout.join("index.json").exists() {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/build-test-image.sh");
            let status = Command::new(script).arg(&layout).status().expect("the script runs");
            assert!(status.success(), "{script} failed");
        }
        layout
    })
}

/// What a command prints in the same root under QEMU's user mode emulation.
fn under_qemu(command: &[&str]) -> String {
    static ROOT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let bundle = tempfile::tempdir().unwrap();
        let mut umoci = Command::new("umoci");
        umoci.arg("raw").arg("unpack").arg("--image");
        umoci.arg(format!("{}:latest", layout().display())).arg(bundle.path().join("root"));
        assert!(umoci.status().expect("umoci runs").success());
        bundle
    });
    // Found along the PATH of the child, which is the container's.
    let mut chroot = Command::new("/usr/sbin/chroot");
    chroot.arg(root.path().join("root")).args(command).env_clear();
    chroot.env("PATH", "/usr/bin:/bin").env("HOME", "/root");
    let output = process::run(&mut chroot, b"");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
