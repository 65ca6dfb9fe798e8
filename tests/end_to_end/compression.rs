//! A container is the same however its image is stored, and however little of it is in memory.

use crate::container::{Container, Engine, busybox_reference, text};
use crate::{engine_trial, process, trial};
use libtest_mimic::Trial;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use wasmparser::{DataKind, Parser, Payload};

/// What is read of the image: most of it.
const READS: &str = "md5sum /bin/busybox; ls -lR /etc /bin | md5sum; find / -xdev | wc -l";

/// Bytes of a file that does not fit into memory together with others.
const NOISE: usize = 24 << 20;

pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = ["none", "fast", "small"]
        .into_iter()
        .map(|how| trial(format!("compression::{how}"), move || same_as_balanced(how)))
        .collect();
    trials.push(trial("compression::a_damaged_unit_is_reported", damaged));
    trials.extend(
        Engine::all().into_iter().map(|engine| {
            engine_trial(engine, "image_larger_than_its_cache", larger_than_its_cache)
        }),
    );
    trials
}

fn same_as_balanced(how: &str) {
    let option = format!("--compress={how}");
    let container = Container::convert_with(busybox_reference(), how, &[&option]);
    let size = |container: &Container| fs::metadata(&container.module).unwrap().len();
    assert_ne!(size(&container), size(Container::busybox()));
    for engine in [Engine::COMMAND, Engine::COMPONENT, Engine::Native] {
        let read = |container: &Container| container.stdout(engine, &["sh", "-c", READS]);
        assert_eq!(read(&container), read(Container::busybox()), "{engine}");
    }
}

/// What cannot be unpacked ends the run; nobody goes on with other bytes.
fn damaged() {
    let container = Container::busybox().altered("damaged", |module| {
        // The last of what is stored are units of the root image.
        let end = units_end(module);
        module[end - 400_000..end].fill(0xff);
    });
    let mut command = container.command(Engine::COMMAND, &["sh", "-c", READS]);
    let output = process::run(&mut command, b"");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    let reason = "c2w: the machine's memory cannot be read: unit ";
    assert!(said.contains(reason) && said.contains(" of its root image is damaged"), "{said}");
    // Natively the whole file is checked first.
    let output = process::run(&mut container.command(Engine::Native, &["true"]), b"");
    assert!(text(&output.stderr).contains("it is damaged"), "{output:?}");
}

/// Where what is stored of units ends.
fn units_end(module: &[u8]) -> usize {
    let sections = Parser::new(0).parse_all(module).map(Result::unwrap);
    let data = sections.filter_map(|section| match section {
        Payload::DataSection(segments) => Some(segments),
        _ => None,
    });
    let segments = data.flat_map(IntoIterator::into_iter).map(Result::unwrap);
    let units = segments.last().expect("data");
    assert!(matches!(units.kind, DataKind::Passive));
    units.range.end as usize
}

/// Bytes that no compression makes fewer.
fn noise() -> Vec<u8> {
    let block = |number: u32| Sha256::digest(number.to_le_bytes());
    (0..NOISE as u32 / 32).flat_map(block).collect()
}

/// The example with a file of noise, and little room for it.
fn noisy() -> &'static Container {
    static NOISY: OnceLock<Container> = OnceLock::new();
    NOISY.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end_to_end-noisy");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        let blobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/busybox/blobs/sha256");
        let largest = fs::read_dir(blobs).unwrap().map(|blob| blob.unwrap());
        let layer = largest.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap().path();
        let unpacked = Command::new("tar").arg("-xf").arg(layer).arg("-C").arg(&root).status();
        assert!(unpacked.unwrap().success());
        fs::write(root.join("noise"), noise()).unwrap();
        let reference = format!("rootfs:{}", root.display());
        Container::convert_with(reference, "noisy", &["--image-cache=8"])
    })
}

/// Three times, so that what was evicted comes again.
fn larger_than_its_cache(engine: Engine) {
    let script =
        "for i in 1 2 3; do sha256sum < /noise; md5sum < /bin/busybox; done | uniq -c | wc -l
        sha256sum < /noise; cd /tmp && dd if=/noise bs=1M count=3 skip=20 2> /dev/null | md5sum";
    let sum: String = Sha256::digest(noise()).iter().map(|byte| format!("{byte:02x}")).collect();
    let found = noisy().stdout(engine, &["sh", "-c", script]);
    assert!(found.starts_with(&format!("6\n{sum}  -\n")), "{found}");
}
