//! Names of images: refused, or the same when they are printed and read again.

use c2w::oci::{ImageRef, Platform};

/// Parses the bytes as the name of an image and as a platform.
///
/// # Panics
/// When what is printed is not what was read.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(image) = text.parse::<ImageRef>() {
        let printed = image.to_string();
        let again: ImageRef = printed.parse().expect(&printed);
        assert_eq!(again.to_string(), printed);
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let printed = platform.to_string();
        assert_eq!(printed.parse::<Platform>().expect(&printed), platform);
    }
}
