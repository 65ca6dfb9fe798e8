//! Images of other CPUs than the machine's, and which of an image's platforms is taken. Each program
//! is one that its emulator alone can execute.

#[path = "../support/tar_builder.rs"]
#[allow(dead_code)]
mod tar_builder;

use crate::container::{C2W, Container, Engine, text};
use crate::{process, trial};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;
use tar_builder::Tar;

/// A program that writes `machine` of uname(2), with all the NULs behind it, and ends with status 7.
struct Program {
    platform: &'static str,
    /// What uname(2) says.
    machine: &'static str,
    /// `e_ident[EI_CLASS]`, `e_ident[EI_DATA]`, `e_machine` and `e_flags` of its ELF header.
    elf: (u8, u8, u16, u32),
    code: &'static str,
}

/// ```asm
/// sub  $512, sp            # struct utsname
/// uname(sp)
/// write(1, sp + 260, 65)
/// exit(7)
/// ```
const PROGRAMS: [Program; 11] = [
    Program {
        platform: "linux/riscv64",
        machine: "riscv64",
        elf: (2, 1, 243, 0),
        code: "130101e0130501009308000a73000000130510009305411013061004930800047300000013057000\
               9308d00573000000",
    },
    Program {
        platform: "linux/amd64",
        machine: "x86_64",
        elf: (2, 1, 62, 0),
        code: "4881ec000200004889e7b83f0000000f05488db42404010000bf01000000ba41000000b801000000\
               0f05bf07000000b83c0000000f05",
    },
    Program {
        platform: "linux/arm64",
        machine: "aarch64",
        elf: (2, 1, 183, 0),
        code: "ff0308d1e0030091081480d2010000d4200080d2e1130491220880d2080880d2010000d4e00080d2\
               a80b80d2010000d4",
    },
    Program { platform: "linux/arm/v7", machine: "armv7l", elf: ARM_ELF, code: ARM_CODE },
    Program { platform: "linux/arm/v6", machine: "armv7l", elf: ARM_ELF, code: ARM_CODE },
    Program { platform: "linux/arm/v5", machine: "armv7l", elf: ARM_ELF, code: ARM_CODE },
    Program {
        platform: "linux/386",
        machine: "i686",
        elf: (1, 1, 3, 0),
        code: "81ec0002000089e3b87a000000cd808d8c2404010000bb01000000ba41000000b804000000cd80bb\
               07000000b801000000cd80",
    },
    Program {
        platform: "linux/ppc64le",
        machine: "ppc64le",
        elf: (2, 1, 21, 2),
        code: "00fe2138780b237c7a0000380200004401006038040181384100a038040000380200004407006038\
               0100003802000044",
    },
    Program {
        platform: "linux/s390x",
        machine: "s390x",
        elf: (2, 2, 22, 0),
        code: "a7fbfe00b904002f0a7aa72900014130f104a74900410a04a72900070a01",
    },
    Program {
        platform: "linux/mips64le",
        machine: "mips64",
        elf: (2, 1, 8, 0x8000_0000),
        code: "00febd672520a003c51302240c000000010004240401a56741000624891302240c00000007000424\
               c21302240c000000",
    },
    Program {
        platform: "linux/loong64",
        machine: "loongarch64",
        elf: (2, 1, 258, 0x43),
        code: "6300f8026400c0020b80820300002b00040480036510c402060481030b00810300002b00041c8003\
               0b74810300002b00",
    },
];

const ARM_ELF: (u8, u8, u16, u32) = (1, 1, 40, 0x0500_0000);
const ARM_CODE: &str = "02dc4de20d00a0e17a70a0e3000000ef0100a0e3411f8de24120a0e30470a0e3000000ef07\
                        00a0e30170a0e3000000ef";

/// For amd64: writes `argv[0]` and ends with the effective user as its status.
const CALLER: &str = "488b74240831d2ffc2803c160075f8bf01000000b8010000000f05b86b0000000f0589c7b83c00\
                      00000f05";

/// For amd64: writes the file that its argument names.
const CAT: &str = "488b7c241031f6b8020000000f0589c34881ec0010000089df4889e6ba0010000031c00f0585c07e13\
                   89c24889e6bf01000000b8010000000f05ebdb89c7b83c0000000f05";

/// For amd64: reads address 0.
const CRASH: &str = "488b042500000000";

pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = PROGRAMS
        .iter()
        .map(|program| {
            let name = program.platform.replace('/', "_");
            trial(format!("platform::{name}"), move || runs(program))
        })
        .collect();
    trials.extend([
        trial("platform::the_best_of_an_index", best_of_an_index),
        trial("platform::levels_of_a_cpu", levels),
        trial("platform::what_is_not_run_is_refused_by_name", refused),
        trial("platform::inspect_shows_the_emulator", inspected),
        trial("platform::a_bare_root_filesystem_by_its_programs", bare_root),
    ]);
    for engine in Engine::all() {
        trials.push(trial(format!("{engine}::foreign_program"), move || module(engine)));
    }
    trials
}

impl Program {
    /// An ELF executable: header, one program header, code.
    fn file(&self) -> Vec<u8> {
        elf(self.elf, self.code)
    }
}

fn elf((class, data, machine, flags): (u8, u8, u16, u32), code: &str) -> Vec<u8> {
    let code: Vec<u8> = (0..code.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&code[at..at + 2], 16))
        .map(Result::unwrap)
        .collect();
    let (wide, start) = (class == 2, 0x1_0000_u64);
    let (header, program_header) = if wide { (64, 56) } else { (52, 32) };
    let mut file = vec![0x7f, b'E', b'L', b'F', class, data, 1];
    file.resize(16, 0);
    let offset = header + program_header;
    let length = offset + code.len() as u64;
    let entry = start + offset;
    let word = if wide { 8 } else { 4 };
    // e_type, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags, e_ehsize, e_phentsize,
    // e_phnum, and no sections.
    let mut fields = vec![(2, 2), (machine.into(), 2), (1, 4)];
    fields.extend([entry, header, 0].map(|value| (value, word)));
    fields.push((flags.into(), 4));
    fields.extend([header, program_header, 1, 0, 0, 0].map(|value| (value, 2)));
    // PT_LOAD: p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align. Where
    // p_flags is depends on the class.
    const READ_EXECUTE: u64 = 5;
    fields.push((1, 4));
    fields.extend(wide.then_some((READ_EXECUTE, 4)));
    fields.extend([0, start, start, length, length].map(|value| (value, word)));
    fields.extend((!wide).then_some((READ_EXECUTE, 4)));
    fields.push((0x1_0000, word));
    for (value, bytes) in fields {
        match data {
            1 => file.extend(&value.to_le_bytes()[..bytes]),
            _ => file.extend(&value.to_be_bytes()[8 - bytes..]),
        }
    }
    file.extend(code);
    file
}

/// Writes an OCI layout with an image for each platform, of a layer for each.
fn layout(folder: &Path, images: &[(&str, Vec<u8>)]) -> String {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| {
        let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(blobs.join(&digest), bytes).unwrap();
        (format!("sha256:{digest}"), bytes.len())
    };
    let manifests = images.iter().map(|(platform, layer)| {
        let mut names = platform.split('/');
        let mut name = || names.next().unwrap_or_default();
        let platform = json!({ "os": name(), "architecture": name(), "variant": name() });
        let (layer, layer_size) = blob(layer);
        let mut config = json!({
            "rootfs": { "type": "layers", "diff_ids": [layer] },
            "config": { "Cmd": ["/program"], "Env": ["PATH=/bin"] },
        });
        config.as_object_mut().unwrap().extend(platform.as_object().unwrap().clone());
        let (config, config_size) = blob(config.to_string().as_bytes());
        let (manifest, size) = blob(
            json!({
                "schemaVersion": 2,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": config, "size": config_size,
                },
                "layers": [{
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": layer, "size": layer_size,
                }],
            })
            .to_string()
            .as_bytes(),
        );
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest, "size": size, "platform": platform,
        })
    });
    let index = json!({ "schemaVersion": 2, "manifests": manifests.collect::<Vec<Value>>() });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    format!("oci:{}", folder.display())
}

fn layer(program: &[u8]) -> Vec<u8> {
    let mode = |header: &mut [u8; 512]| header[100..107].copy_from_slice(b"0000755");
    Tar::new().header(b'0', b"program", program.len() as u64, mode).data(program).end()
}

/// The programs of these platforms, in an index in this order.
fn index_of(platforms: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<_> = platforms
        .iter()
        .map(|&platform| {
            let of = |program: &&Program| platform.starts_with(program.platform);
            let program = PROGRAMS.iter().find(of).expect("a platform of the list");
            (platform, layer(&program.file()))
        })
        .collect();
    let reference = layout(folder.path(), &images);
    (folder, reference)
}

fn c2w_run(reference: &str, options: &[&str]) -> Output {
    process::run(Command::new(C2W).arg("run").args(options).arg(reference), b"")
}

fn inspect(arguments: &[impl AsRef<OsStr>]) -> Value {
    let output = Command::new(C2W).args(["inspect", "--json"]).args(arguments).output().unwrap();
    let shown = serde_json::from_slice(&output.stdout);
    shown.unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

/// What such a program has written, up to the first NUL: behind it may be what the kernel said.
fn machine(output: &Output) -> String {
    assert_eq!(output.stdout.len(), 65, "{output:?}");
    text(output.stdout.split(|&byte| byte == 0).next().unwrap())
}

fn runs(program: &Program) {
    let (_folder, reference) = index_of(&[program.platform]);
    let output = c2w_run(&reference, &["--platform", program.platform]);
    let said = text(&output.stderr);
    assert_eq!(
        (output.status.code(), machine(&output).as_str()),
        (Some(7), program.machine),
        "{said}"
    );
    match program.machine {
        "riscv64" => assert!(said.is_empty(), "{said}"),
        _ => {
            assert!(said.starts_with(&format!("c2w: note: {} ", program.platform)), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    // The user's choice or not: it is the only one. And -q leaves the line out.
    let output = c2w_run(&reference, &["-q"]);
    assert_eq!(machine(&output), program.machine);
    assert!(output.stderr.is_empty(), "{output:?}");
}

fn best_of_an_index() {
    let best = |platforms: &[&str]| {
        let (_folder, reference) = index_of(platforms);
        machine(&c2w_run(&reference, &[]))
    };
    assert_eq!(best(&["linux/arm64", "linux/amd64", "linux/riscv64"]), "riscv64");
    assert_eq!(best(&["linux/s390x", "linux/arm64", "linux/amd64"]), "x86_64");
    assert_eq!(best(&["linux/s390x", "linux/arm64"]), "aarch64");
    assert_eq!(best(&["linux/s390x", "linux/ppc64le"]), "ppc64le");
    assert_eq!(best(&["linux/amd64/v4", "linux/arm64"]), "aarch64");
}

fn levels() {
    let platform_of = |platforms: &[&str], wanted: &str| {
        let (_folder, reference) = index_of(platforms);
        inspect(&["--platform", wanted, &reference])["platform"].as_str().unwrap().to_owned()
    };
    let amd64 = ["linux/amd64/v3", "linux/amd64", "linux/amd64/v2"];
    assert_eq!(platform_of(&amd64, "linux/amd64"), "linux/amd64");
    assert_eq!(platform_of(&amd64, "linux/amd64/v2"), "linux/amd64/v2");
    assert_eq!(platform_of(&amd64[1..2], "linux/amd64/v3"), "linux/amd64");
    let arm = ["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"];
    assert_eq!(platform_of(&arm, "linux/arm"), "linux/arm/v7");
    assert_eq!(platform_of(&arm, "linux/arm/v6"), "linux/arm/v6");
    assert_eq!(platform_of(&arm[..1], "linux/arm/v7"), "linux/arm/v5");
}

fn refused() {
    let (_folder, reference) = index_of(&["linux/amd64/v4"]);
    for wanted in ["linux/ppc64", "linux/amd64/v4", "windows/amd64", "linux/sparc64"] {
        for command in ["run", "rootfs"] {
            let mut line = Command::new(C2W);
            line.args([command, "--platform", wanted, &reference]);
            if command == "rootfs" {
                line.arg("/dev/null");
            }
            let output = process::run(&mut line, b"");
            let said = text(&output.stderr);
            assert!(!output.status.success() && said.contains(wanted), "{said}");
            assert!(said.contains("it runs linux/riscv64, linux/amd64, linux/arm64"), "{said}");
        }
    }
    let said = text(&c2w_run(&reference, &[]).stderr);
    assert!(said.contains("no variant that c2w runs, only linux/amd64/v4"), "{said}");
    let said = text(&c2w_run(&reference, &["--target-arch", "arm64"]).stderr);
    assert!(said.contains("no linux/arm64 variant, only linux/amd64/v4"), "{said}");
}

fn bare_root() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("bin")).unwrap();
    let path = root.path().join("bin/sh");
    let program = PROGRAMS.iter().find(|program| program.platform == "linux/s390x").unwrap();
    std::fs::write(&path, program.file()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    // Not one of the system's.
    let tool = root.path().join("a-tool-of-others");
    let other = PROGRAMS.iter().find(|program| program.platform == "linux/arm64").unwrap();
    std::fs::write(&tool, other.file()).unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = c2w_run(&format!("rootfs:{}", root.path().display()), &[]);
    assert_eq!(machine(&output), "s390x");
    assert!(text(&output.stderr).contains("linux/s390x is emulated by qemu-s390x"), "{output:?}");
}

/// An image for amd64 with the programs that need no other.
fn foreign() -> &'static Container {
    static IMAGE: OnceLock<Container> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end_to_end-foreign");
        let _ = std::fs::remove_dir_all(&folder);
        let program = elf((2, 1, 62, 0), CALLER);
        let [cat, crash] = [CAT, CRASH].map(|code| elf((2, 1, 62, 0), code));
        let mode = |mode: &'static [u8; 7]| {
            move |header: &mut [u8; 512]| header[100..107].copy_from_slice(mode)
        };
        let layer = Tar::new()
            .dir("bin/")
            .header(b'0', b"bin/caller", program.len() as u64, mode(b"0004711"))
            .data(&program)
            .header(b'0', b"bin/cat", cat.len() as u64, mode(b"0000755"))
            .data(&cat)
            .header(b'0', b"bin/crash", crash.len() as u64, mode(b"0000755"))
            .data(&crash)
            .symlink("bin/another-name", "caller")
            .end();
        Container::convert(layout(&folder, &[("linux/amd64", layer)]), "foreign")
    })
}

/// Of an image, and of its module; the latter says that it is emulated, and was trained.
fn inspected() {
    let container = foreign();
    let module = inspect(&[&container.module]);
    assert_eq!(module["platform"], "linux/amd64");
    assert_eq!(module["emulator"]["program"], "qemu-x86_64");
    assert_eq!(module["emulator"]["licence"], "GPL-2.0-only");
    assert!(module["emulator"]["version"].as_str().unwrap().contains("+ds-"), "{module}");
    assert!(module["assets"]["qemu-user.tar.zst"].is_string(), "{module}");
    // The program's 11 MiB are not the image's.
    assert!(module["root_image"].as_u64().unwrap() < 1 << 20, "{module}");
    let (_folder, reference) = index_of(&["linux/arm64"]);
    let image = inspect(&[&reference]);
    assert_eq!(image["emulator"]["program"], "qemu-aarch64");
    for key in ["package", "version", "licence"] {
        assert_eq!(image["emulator"][key], module["emulator"][key]);
    }
    assert!(inspect(&[&Container::busybox().module])["emulator"].is_null());
    assert!(container.said.contains("\ntranslated "), "{}", container.said);
}

/// A program by the name that it was called by, with its owner's rights, which its caller may not
/// read.
fn module(engine: Engine) {
    let container = foreign();
    assert!(
        container.said.contains("linux/amd64 is emulated by qemu-x86_64"),
        "{}",
        container.said
    );
    let run = |arguments: &[&str]| process::run(&mut container.command(engine, arguments), b"");
    for name in ["caller", "another-name", "/bin/caller"] {
        let output = run(&["--user=1000", name]);
        let said = text(&output.stderr);
        assert_eq!(
            (text(&output.stdout).as_str(), output.status.code()),
            (name, Some(0)),
            "{said}"
        );
    }
    let shown = text(&run(&["cat", "/proc/cpuinfo"]).stdout);
    assert!(shown.contains("model name\t: QEMU TCG CPU") && !shown.contains("isa"), "{shown}");
    assert!(shown.contains(" avx2 ") && !shown.contains("avx512"), "{shown}");
    // As process 1, which the kernel would keep from dying by its own hand.
    assert_eq!(run(&["crash"]).status.code(), Some(engine.status(139)));
    assert_eq!(run(&["no-such-program"]).status.code(), Some(engine.status(127)));
}
