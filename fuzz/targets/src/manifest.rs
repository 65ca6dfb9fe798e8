//! Manifests, indexes and configurations: any bytes are refused with one line, or understood.

use c2w::oci::image_config::ImageConfig;
use c2w::oci::{guest_config, manifest};

/// Parses the bytes as every document that a registry sends.
///
/// # Panics
/// When a message has more than one line.
pub fn check(bytes: &[u8]) {
    for announced in ["", manifest::media_type::MANIFEST, manifest::media_type::INDEX] {
        if let Err(error) = manifest::parse(bytes, announced) {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
    for layers in [0, 1, 3] {
        match ImageConfig::parse(bytes, layers) {
            Ok(config) => {
                assert_eq!(config.diff_ids.len(), layers);
                config.created_seconds();
                guest_config(&config);
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}
