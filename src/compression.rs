//! Compressed streams, told apart by their first bytes: media types and names of files lie
//! (containers/image does the same).

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// The largest zstd window, as a power of two: 128 MiB, what `zstd --ultra -22` writes. It bounds
/// the memory that a hostile stream can take.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The most memory for xz in KiB; `xz -9` takes about 65 MiB.
const XZ_MEMORY_KIB: u32 = 140 << 10;

/// Enough of the first bytes to know every compression.
const MAGIC_LENGTH: u64 = 10;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, one member or several (eStargz is such).
    Gzip,
    /// RFC 8878, frames and skippable frames (zstd:chunked has both).
    Zstd,
    /// bzip2, one stream or several.
    Bzip2,
    /// xz, one stream or several.
    Xz,
}

impl Compression {
    /// What a stream that begins with `bytes` is.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            // A frame, or a skippable frame in front of one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // Behind the level, the first block's or the end's magic number: a file of an archive
            // may be called "BZh9".
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
                Self::Bzip2
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// The decompressed bytes of a stream, however it is compressed.
pub struct Decoder<R: BufRead>(Kind<R>);

enum Kind<R: BufRead> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<zstd::Decoder<'static, R>>),
    Bzip2(Box<MultiBzDecoder<R>>),
    Xz(Box<XzReader<R>>),
}

/// The bytes of `source`, of which a [`Decoder`] sees enough at once.
///
/// # Errors
/// When `source` fails.
pub fn buffered<R: Read>(source: R) -> io::Result<impl BufRead + use<R>> {
    let mut source = BufReader::with_capacity(64 << 10, source);
    let mut magic = Vec::new();
    source.by_ref().take(MAGIC_LENGTH).read_to_end(&mut magic)?;
    Ok(Cursor::new(magic).chain(source))
}

impl<R: BufRead> Decoder<R> {
    /// Looks at the bytes that `source` has in its buffer.
    ///
    /// # Errors
    /// When `source` fails.
    pub fn new(mut source: R) -> io::Result<Self> {
        Ok(Self(match Compression::of(source.fill_buf()?) {
            Compression::None => Kind::Plain(source),
            Compression::Gzip => Kind::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(source)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Kind::Zstd(Box::new(decoder))
            }
            Compression::Bzip2 => Kind::Bzip2(Box::new(MultiBzDecoder::new(source))),
            Compression::Xz => {
                Kind::Xz(Box::new(XzReader::new_mem_limit(source, true, XZ_MEMORY_KIB)))
            }
        }))
    }

    /// How the source is compressed.
    pub fn compression(&self) -> Compression {
        match self.0 {
            Kind::Plain(_) => Compression::None,
            Kind::Gzip(_) => Compression::Gzip,
            Kind::Zstd(_) => Compression::Zstd,
            Kind::Bzip2(_) => Compression::Bzip2,
            Kind::Xz(_) => Compression::Xz,
        }
    }

    /// What comes compressed.
    pub fn source(&mut self) -> &mut R {
        match &mut self.0 {
            Kind::Plain(source) => source,
            Kind::Gzip(decoder) => decoder.get_mut(),
            Kind::Zstd(decoder) => decoder.get_mut(),
            Kind::Bzip2(decoder) => decoder.get_mut(),
            Kind::Xz(decoder) => decoder.inner_mut(),
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Plain(source) => source.read(buffer),
            Kind::Gzip(decoder) => decoder.read(buffer),
            Kind::Zstd(decoder) => decoder.read(buffer),
            Kind::Bzip2(decoder) => decoder.read(buffer),
            Kind::Xz(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        let cases = [
            (&b"\x1f\x8b\x08\0"[..], Compression::Gzip),
            (b"\x28\xb5\x2f\xfd\0", Compression::Zstd),
            (b"\x5a\x2a\x4d\x18\0", Compression::Zstd),
            (b"BZh91AY&SY", Compression::Bzip2),
            (b"BZh9\x17\x72\x45\x38\x50\x90", Compression::Bzip2),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"", Compression::None),
            (b"\x1f\x8b", Compression::None),
            // The names of files with which a tar archive may begin.
            (b"BZh91AY.txt\0\0", Compression::None),
            (b"\xfd7zXZ.txt", Compression::None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Compression::of(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_source_that_gives_a_byte_at_a_time_is_known_all_the_same() {
        struct Dribble<'a>(&'a [u8]);
        impl Read for Dribble<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = buffer.len().min(1);
                self.0.read(&mut buffer[..count])
            }
        }
        let packed = zstd::encode_all(&b"content"[..], 1).unwrap();
        let mut decoder = Decoder::new(buffered(Dribble(&packed)).unwrap()).unwrap();
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).unwrap();
        assert_eq!((decoder.compression(), &content[..]), (Compression::Zstd, &b"content"[..]));
    }

    /// An xz stream whose dictionary would be 4 GiB (its block header with a checksum that holds).
    #[test]
    fn memory_for_xz_is_bounded() {
        let stream = [0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0, 0xff, 0x12, 0xd9, 0x41];
        let block = [2, 0, 0x21, 1, 40, 0, 0, 0];
        let mut crc = flate2::Crc::new();
        crc.update(&block);
        let bytes = [&stream[..], &block, &crc.sum().to_le_bytes(), &[0; 64]].concat();
        let mut decoder = Decoder::new(&bytes[..]).unwrap();
        let error = decoder.read(&mut [0; 10]).unwrap_err().to_string();
        assert!(error.contains("mem"), "{error}");
    }
}
