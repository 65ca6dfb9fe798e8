//! All that an image's layers hold.

use c2w::oci::{Image, Layer};
use std::io::Read;

/// The layers' tars, wholly read and checked.
pub fn tars(image: &Image) -> Vec<Vec<u8>> {
    let read = |layer: &Layer<'_>| {
        let mut reader = layer.open().unwrap();
        let mut tar = Vec::new();
        reader.read_to_end(&mut tar).unwrap();
        reader.finish().unwrap();
        tar
    };
    image.layers().iter().map(read).collect()
}
