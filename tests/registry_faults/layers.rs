//! Images of several layers.

use super::downloads::{part, start_of};
use super::{MANIFEST_PATH, MANIFEST_TYPE, digest, options};
use crate::faulty_server::{FaultyServer, Reply, Request};
use crate::tars::tars;
use c2w::oci::{self, SourceOptions};
use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a registry answers for each path, and the layers.
struct Image {
    documents: HashMap<String, String>,
    layers: Vec<Vec<u8>>,
}

impl Image {
    fn new(sizes: &[u32]) -> Self {
        let fill = |(number, size): (u32, &u32)| -> Vec<u8> {
            (0..*size).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 ^ number as u8).collect()
        };
        let layers: Vec<_> = (0..).zip(sizes).map(fill).collect();
        let digests: Vec<_> = layers.iter().map(|layer| digest(layer).to_string()).collect();
        let config = format!(
            r#"{{"os":"linux","architecture":"riscv64","rootfs":{{"diff_ids":{digests:?}}}}}"#
        );
        let descriptor = |kind: &str, digest: &str, size: usize| {
            let kind = format!("application/vnd.oci.image.{kind}");
            format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let blobs: Vec<_> = (digests.iter().zip(&layers))
            .map(|(digest, layer)| descriptor("layer.v1.tar", digest, layer.len()))
            .collect();
        let config_digest = digest(config.as_bytes()).to_string();
        let manifest = format!(
            r#"{{"mediaType":"{MANIFEST_TYPE}","schemaVersion":2,"config":{},"layers":[{}]}}"#,
            descriptor("config.v1+json", &config_digest, config.len()),
            blobs.join(",")
        );
        let config = (format!("/v2/a/blobs/{config_digest}"), config);
        Self { documents: HashMap::from([(MANIFEST_PATH.into(), manifest), config]), layers }
    }

    fn layer(&self, request: &Request) -> Option<&[u8]> {
        let path = |layer: &Vec<u8>| format!("/v2/a/blobs/{}", digest(layer));
        self.layers.iter().find(|layer| path(layer) == request.path).map(Vec::as_slice)
    }

    fn document(&self, request: &Request) -> Reply {
        match self.documents.get(&request.path) {
            Some(text) => Reply::new(200, text.as_str()).header("Content-Type", MANIFEST_TYPE),
            None => Reply::new(404, ""),
        }
    }
}

fn pull(server: &FaultyServer, options: &SourceOptions) -> Vec<Vec<u8>> {
    let reference = format!("{}/a:v1", server.host()).parse().unwrap();
    let image = oci::open(&reference, options).unwrap();
    tars(&image)
}

#[test]
fn three_layers_come_at_once() {
    let image = Image::new(&[1000; 6]);
    let expected = image.layers.clone();
    // None is sent before three are asked for.
    let three = Barrier::new(3);
    let server = FaultyServer::start(move |request| match image.layer(request) {
        Some(layer) => {
            three.wait();
            Reply::new(200, layer)
        }
        None => image.document(request),
    });
    let (options, _auth) = options(0);
    assert!(pull(&server, &options) == expected);
}

#[test]
fn a_registry_at_its_worst_is_outlasted() {
    let image = Image::new(&[0, 1, 300_000, 65_536, 1_000_000, 777_777]);
    let expected = image.layers.clone();
    let number = AtomicU32::new(1);
    let server = FaultyServer::start(move |request| {
        // Five of eight answers have a fault of their own.
        let number = number.fetch_add(1, Ordering::SeqCst);
        let chance = number.wrapping_mul(2_654_435_761) >> 16;
        let Some(layer) = image.layer(request) else {
            return match chance % 3 {
                0 => Reply::new(503, "").header("Retry-After", "0"),
                _ => image.document(request),
            };
        };
        let good = part(layer, start_of(request));
        match chance % 8 {
            0 => Reply::new(429, "").header("Retry-After", "0"),
            1 => Reply { cut: Some(good.body.len() / 3), ..good },
            2 => Reply { cut: Some(good.body.len().saturating_sub(1)), ..good },
            3 => Reply { cut: Some(0), ..good },
            4 => part(layer, 0),
            _ => good,
        }
    });
    let (options, _auth) = options(50);
    let options = SourceOptions { backoff: Duration::ZERO, ..options };
    for _ in 0..5 {
        assert!(pull(&server, &options) == expected);
    }
}
