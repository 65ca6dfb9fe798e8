//! A tar archive of a root filesystem.

use crate::compression::{Decoder, buffered};
use crate::input::Input;
use crate::oci::digest::{Algorithm, Digest, HashReader};
use crate::rootfs::apply::apply_layer;
use crate::rootfs::limits::Limits;
use crate::rootfs::spool::Spool;
use crate::rootfs::tree::Tree;
use anyhow::{Context, Result};
use std::io;

/// Reads the archive as it comes, hashing it on the way. By the rules of layers, with nothing
/// below: what a hostile archive cannot do in an image it cannot do here.
pub(super) fn read(
    input: &Input,
    tree: &mut Tree,
    spool: &mut Spool,
    limits: &Limits,
) -> Result<(Digest, Vec<String>)> {
    let file = input.open().context("cannot open it")?;
    let mut bytes = HashReader::new(file, Algorithm::Sha256);
    let tar = Decoder::new(buffered(&mut bytes)?)?;
    let applied = apply_layer(tree, spool, limits, tar)?;
    // What follows a compressed stream belongs to the file all the same.
    io::copy(&mut bytes, &mut io::sink()).context("cannot read it to its end")?;
    Ok((bytes.digest(), applied.warnings))
}
