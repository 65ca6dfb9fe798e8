//! Replays the committed corpora: every input that a fuzzer kept, and every one that failed once.

use c2w_fuzz_targets::TARGETS;
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
