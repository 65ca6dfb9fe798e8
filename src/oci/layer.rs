//! A layer's blob as its uncompressed tar, checked twice while it streams: the blob against the
//! manifest's digest and size, the tar against the configuration's DiffID.
//!
//! ```text
//! thread 1    read and hash the blob
//! thread 2    decompress
//! caller      hash the tar, and use it
//! ```

use super::digest::{ContentError, Digest, Verifier};
use super::manifest::Descriptor;
use super::read_ahead::ReadAhead;
use crate::compression::{Compression, Decoder};
use std::io::{self, Read};

/// The uncompressed tar of one layer. Reads fail with an [`io::Error`] around a [`LayerError`].
///
/// A tar reader stops at the end marker: call [`finish`](Self::finish) to check the rest.
pub struct LayerReader {
    tar: Tar,
    layer: Digest,
}

enum Tar {
    /// Uncompressed already, and the DiffID is the blob's digest: one check is both.
    Blob(Uncompressed),
    Other(Verifier<Box<dyn Read + Send>>),
}

/// What is wrong with a layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Its blob has wrong content.
    #[error("layer blob {0}")]
    Blob(ContentError),
    /// Its blob has the right digest, but its uncompressed content has not.
    #[error("layer {layer}: its uncompressed content is not what the configuration says: {source}")]
    DiffId {
        /// The digest of the blob.
        layer: Digest,
        /// What differs.
        source: ContentError,
    },
    /// The blob has the right digest, but is not a well-formed stream; or it could not be read.
    #[error("layer {layer} cannot be decompressed: {source}")]
    Stream {
        /// The digest of the blob.
        layer: Digest,
        /// What the decoder or the source says.
        source: io::Error,
    },
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The uncompressed bytes, with errors that say whose fault they are. Its end is the blob's end
/// too: all of the blob has been checked then.
struct Uncompressed {
    decoder: Decoder<ReadAhead>,
    layer: Digest,
}

impl Read for Uncompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer);
        let error = match read {
            Ok(0) if !buffer.is_empty() => match self.decoder.source().drain() {
                Ok(()) => return Ok(0),
                Err(error) => error,
            },
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) if content_error(&error).is_some() => error,
            // The blob's own fault comes first: a flipped bit shows as any error of the decoder.
            Err(error) => self.decoder.source().drain().err().unwrap_or(error),
        };
        Err(name_layer(error, &self.layer))
    }
}

impl LayerReader {
    /// Uncompresses `blob`, which must be what `descriptor` says and become what `diff_id` says.
    ///
    /// # Errors
    /// [`LayerError`] in an [`io::Error`] when the first bytes cannot be read.
    pub fn new(
        blob: Box<dyn Read + Send>,
        descriptor: &Descriptor,
        diff_id: &Digest,
    ) -> io::Result<Self> {
        let layer = descriptor.digest.clone();
        let blob = Verifier::new(blob, layer.clone(), Some(descriptor.size));
        let decoder = ReadAhead::new(blob)
            .and_then(Decoder::new)
            .map_err(|error| name_layer(error, &layer))?;
        let is_plain = decoder.compression() == Compression::None;
        let bytes = Uncompressed { decoder, layer: layer.clone() };
        let tar = match is_plain {
            true if *diff_id == layer => Tar::Blob(bytes),
            true => Tar::Other(Verifier::new(Box::new(bytes), diff_id.clone(), None)),
            false => {
                let bytes = ReadAhead::new(bytes).map_err(|error| name_layer(error, &layer))?;
                Tar::Other(Verifier::new(Box::new(bytes), diff_id.clone(), None))
            }
        };
        Ok(Self { tar, layer })
    }

    /// Reads what is left of the layer, so that every byte of blob and tar has been checked.
    ///
    /// # Errors
    /// As reading.
    pub fn finish(mut self) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink()).map(drop)
    }
}

impl Read for LayerReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let tar = match &mut self.tar {
            Tar::Blob(bytes) => return bytes.read(buffer),
            Tar::Other(tar) => tar,
        };
        tar.read(buffer).map_err(|error| match error.downcast::<ContentError>() {
            Ok(source) => LayerError::DiffId { layer: self.layer.clone(), source }.into(),
            Err(error) => error,
        })
    }
}

fn content_error(error: &io::Error) -> Option<&ContentError> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn name_layer(error: io::Error, layer: &Digest) -> io::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<LayerError>()) {
        return error;
    }
    match error.downcast::<ContentError>() {
        Ok(content) => LayerError::Blob(content).into(),
        Err(source) => LayerError::Stream { layer: layer.clone(), source }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::Algorithm;
    use super::*;
    use std::io::{Cursor, Write};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn open(blob: &[u8], claimed: &[u8], tar: &[u8]) -> io::Result<LayerReader> {
        let digest = Digest::of(Algorithm::Sha256, claimed);
        let json = format!(r#"{{"digest":"{digest}","size":{}}}"#, claimed.len());
        let descriptor: Descriptor = serde_json::from_str(&json).unwrap();
        let diff_id = Digest::of(Algorithm::Sha256, tar);
        LayerReader::new(Box::new(Cursor::new(blob.to_vec())), &descriptor, &diff_id)
    }

    fn read(blob: &[u8], claimed: &[u8], tar: &[u8]) -> Result<Vec<u8>, String> {
        let mut layer = open(blob, claimed, tar).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        layer.read_to_end(&mut all).map_err(|error| error.to_string())?;
        layer.finish().map_err(|error| error.to_string())?;
        Ok(all)
    }

    #[test]
    fn every_form_of_a_layer_gives_the_same_tar() {
        let tar: Vec<u8> = (0..200_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        let (head, tail) = tar.split_at(1000);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(&tar)].concat();
        let forms = [
            tar.clone(),
            gzip(&tar),
            [gzip(head), gzip(b""), gzip(tail)].concat(),
            zstd(&tar),
            [zstd(head), skippable[..11].to_vec(), zstd(tail)].concat(),
            skippable,
        ];
        for blob in forms {
            assert!(read(&blob, &blob, &tar).unwrap() == tar);
        }
        assert_eq!(read(b"", b"", b"").unwrap(), b"");
    }

    #[test]
    fn a_flipped_bit_anywhere_is_the_blobs_fault() {
        let tar = b"0123456789".repeat(500);
        for good in [tar.clone(), gzip(&tar), zstd(&tar)] {
            let digest = Digest::of(Algorithm::Sha256, &good).to_string();
            for at in (0..good.len()).step_by(good.len().div_ceil(40)) {
                let mut bad = good.clone();
                bad[at] ^= 4;
                let error = read(&bad, &good, &tar).unwrap_err();
                assert!(error.starts_with("layer blob") && error.contains(&digest), "{error}");
            }
            let error = read(&good[..good.len() - 1], &good, &tar).unwrap_err();
            assert!(error.contains("ended after"), "{error}");
            let error = read(&[&good[..], b"x"].concat(), &good, &tar).unwrap_err();
            assert!(error.contains("longer than"), "{error}");
        }
    }

    #[test]
    fn errors_after_the_tars_end_surface_at_finish() {
        let tar = vec![7; 300_000];
        for blob in [tar.clone(), gzip(&tar), zstd(&tar)] {
            let mut layer = open(&blob, &blob, b"other").unwrap();
            layer.read_exact(&mut [0; 512]).unwrap();
            let error = layer.finish().unwrap_err().to_string();
            assert!(error.contains("not what the configuration says"), "{error}");
        }
    }

    #[test]
    fn streams_with_a_right_digest_that_are_no_streams() {
        let tar = b"0123456789".repeat(500);
        let cut = |blob: Vec<u8>| blob[..blob.len() - 9].to_vec();
        let trailing = [gzip(&tar), b"garbage".to_vec()].concat();
        for blob in [cut(gzip(&tar)), cut(zstd(&tar)), trailing] {
            let error = read(&blob, &blob, &tar).unwrap_err();
            assert!(error.contains("cannot be decompressed"), "{error}");
        }
    }

    #[test]
    fn a_zstd_window_over_the_limit_is_refused() {
        // A frame header with a window descriptor of 2^31 bytes, then one raw block.
        let blob = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x09, 0, 0, b'x'];
        let error = read(&blob, &blob, b"x").unwrap_err();
        assert!(error.contains("too much memory"), "{error}");
    }
}
