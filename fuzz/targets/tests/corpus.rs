//! Replays the committed corpora: every input that a fuzzer kept, and every one that failed once.

use c2w_fuzz_targets::{TARGETS, snapshot};
use std::fs;
use std::path::Path;

#[test]
fn every_committed_input_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for (name, check) in TARGETS {
        let mut inputs: Vec<_> = fs::read_dir(corpus.join(name))
            .expect("a corpus of each target")
            .map(|entry| entry.expect("a readable folder").path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            // Shown when an input fails.
            println!("{name}: {}", input.display());
            check(&fs::read(&input).expect("a readable file"));
        }
    }
}

/// When the form of saved state changes, all old snapshots are refused, and nothing behind that is
/// tested any more.
#[test]
fn some_committed_snapshots_are_restored() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/snapshot");
    let inputs = fs::read_dir(corpus).expect("a corpus");
    let bytes = inputs.map(|entry| fs::read(entry.expect("a readable folder").path()));
    let restored = bytes.filter(|bytes| snapshot::is_restored(bytes.as_ref().expect("a file")));
    let restored = restored.count();
    assert!(restored >= 10, "{restored}: make new seeds and merge them: fuzz/README.md");
}
