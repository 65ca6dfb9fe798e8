//! How fast the layers of an OCI layout become a tree, and how fast their inflater is alone:
//! `cargo run --release --example layer_speed -- LAYOUT` (see `scripts/bench-layers.sh`).

use anyhow::{Context, Result};
use c2w::ext4::LIMITS;
use c2w::oci::{self, ImageRef, SourceOptions};
use c2w::rootfs::apply::apply_layer;
use c2w::rootfs::spool::Spool;
use c2w::rootfs::tree::Tree;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<()> {
    let layout = std::env::args().nth(1).context("usage: layer_speed LAYOUT")?;
    let reference: ImageRef = format!("oci:{layout}").parse()?;
    let image = oci::open(&reference, &SourceOptions::default())?;
    for layer in image.layers() {
        let digest = &layer.descriptor.digest;
        let blob = Path::new(&layout).join("blobs").join(digest.algorithm()).join(digest.hex());
        let bytes = measure("inflater alone", || inflate(&blob))?;
        measure("layer to tree", || {
            let mut reader = layer.open()?;
            apply_layer(&mut Tree::new(), &mut Spool::new()?, &LIMITS, &mut reader)?;
            reader.finish()?;
            Ok(bytes)
        })?;
    }
    Ok(())
}

/// Runs `work`, which gives the bytes of the tar that went through, and prints their rate.
fn measure(name: &str, work: impl FnOnce() -> Result<u64>) -> Result<u64> {
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let (wall, start) = (Instant::now(), cpu());
    let bytes = work()?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu() - start);
    let rate = bytes as f64 / 1e6 / wall;
    println!("{name:<15} {rate:7.0} MB/s of tar   {wall:.2} s wall   {cpu:.2} s cpu");
    Ok(bytes)
}

/// Uncompresses a blob, and does nothing else with it.
fn inflate(blob: &Path) -> Result<u64> {
    let mut file = BufReader::with_capacity(128 << 10, File::open(blob)?);
    let magic = { io::BufRead::fill_buf(&mut file)?.first_chunk::<2>().copied() };
    let mut tar: Box<dyn Read> = match magic {
        Some([0x1f, 0x8b]) => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Some([0x28, 0xb5]) => Box::new(zstd::Decoder::with_buffer(file)?),
        _ => Box::new(file),
    };
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0;
    loop {
        match tar.read(&mut buffer)? {
            0 => return Ok(total),
            count => total += count as u64,
        }
    }
}
