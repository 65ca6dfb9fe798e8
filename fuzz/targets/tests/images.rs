//! e2fsck finds nothing wrong with the images of the committed inputs, and of some random ones.

use c2w_fuzz_targets::{ext4, layers, noise};
use std::fs;
use std::path::Path;
use std::process::Command;

type Make = fn(&[u8]) -> Option<Vec<u8>>;

#[test]
fn images_are_sound() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let directory = tempfile::tempdir().expect("a temporary folder");
    let makers: [(&str, Make); 2] = [("ext4", ext4::image), ("layers", layers::image)];
    for (name, make) in makers {
        let committed = fs::read_dir(corpus.join(name)).expect("a corpus of each target");
        let committed = committed.map(|entry| fs::read(entry.expect("a file").path()));
        let random = (1..=50).map(|seed| Ok(noise(seed, 60 * seed as usize)));
        let mut images = 0;
        for input in committed.chain(random) {
            let Some(image) = make(&input.expect("a readable file")) else { continue };
            let path = directory.path().join("image");
            fs::write(&path, image).expect("a file can be written");
            let output = Command::new("e2fsck").arg("-fn").arg(&path).output();
            let output = output.expect("this test needs e2fsck: install e2fsprogs");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{name}: {text}");
            images += 1;
        }
        assert!(images >= 10, "{name}: only {images} inputs make an image");
    }
}
