//! Content digests ([image-spec descriptor, "Digests"]) and the reader that holds bytes to them.
//!
//! [image-spec descriptor, "Digests"]:
//! https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests

use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt::{self, Write as _};
use std::io::{self, Read};
use std::str::FromStr;

/// The hash functions that image-spec registers and registries use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `sha256`, 64 hexadecimal digits.
    Sha256,
    /// `sha512`, 128 hexadecimal digits.
    Sha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// `sha256` or `sha512`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A digest, `algorithm:hex`, always of valid form: safe as a part of a path or an URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.digest()
    }

    /// The digest of all that `reader` gives.
    ///
    /// # Errors
    /// When it fails.
    pub fn of_reader(algorithm: Algorithm, reader: impl Read) -> io::Result<Self> {
        let mut reader = HashReader::new(reader, algorithm);
        io::copy(&mut reader, &mut io::sink())?;
        Ok(reader.digest())
    }

    /// The name of the hash function, as in an OCI layout's `blobs/<algorithm>/`.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    /// The lower-case hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// A text that is not a digest this program can check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a digest: write sha256: and 64, or sha512: and 128, lower-case hexadecimal digits"
)]
pub struct InvalidDigest(pub String);

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest(text.chars().take(160).collect());
        let (name, hex) = text.split_once(':').ok_or_else(invalid)?;
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(invalid)?;
        let is_hex = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || hex.len() != algorithm.hex_length() {
            return Err(invalid());
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A digest in the making.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Of no bytes yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Of the kind that `digest` is.
    pub fn for_digest(digest: &Digest) -> Self {
        Self::new(digest.algorithm)
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> Digest {
        match self.0.clone() {
            State::Sha256(hasher) => Self::named(Algorithm::Sha256, &hasher.finalize()),
            State::Sha512(hasher) => Self::named(Algorithm::Sha512, &hasher.finalize()),
        }
    }

    fn named(algorithm: Algorithm, hash: &[u8]) -> Digest {
        let mut hex = String::with_capacity(algorithm.hex_length());
        for byte in hash {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        }
        Digest { algorithm, hex }
    }
}

/// Passes bytes on and hashes them.
pub struct HashReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashReader<R> {
    /// Hashes what is read of `inner`.
    pub fn new(inner: R, algorithm: Algorithm) -> Self {
        Self { inner, hasher: Hasher::new(algorithm) }
    }

    /// The digest of all that was read so far.
    pub fn digest(&self) -> Digest {
        self.hasher.digest()
    }
}

impl<R: Read> Read for HashReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Bytes that are not what their digest or descriptor says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The stream ended before the descriptor's size.
    #[error("{expected} ended after {got} of {size} bytes: the copy is cut short, fetch it again")]
    TooShort {
        /// The digest that names the bytes.
        expected: Digest,
        /// Bytes that came.
        got: u64,
        /// Bytes that the descriptor announces.
        size: u64,
    },
    /// The stream goes on after the descriptor's size.
    #[error("{expected} is longer than the {size} bytes its descriptor announces: refused")]
    TooLong {
        /// The digest that names the bytes.
        expected: Digest,
        /// Bytes that the descriptor announces.
        size: u64,
    },
    /// The bytes hash to something else.
    #[error("{expected} has wrong content: its bytes have the digest {actual}")]
    Mismatch {
        /// The digest that names the bytes.
        expected: Digest,
        /// What the bytes hash to.
        actual: Digest,
    },
}

impl From<ContentError> for io::Error {
    fn from(error: ContentError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Passes bytes on and, at their end, fails unless they have the expected digest and size.
///
/// No more than the announced size is ever passed on. The last error repeats at each read.
pub struct Verifier<R> {
    inner: R,
    hasher: Hasher,
    expected: Digest,
    size: Option<u64>,
    read: u64,
}

impl<R: Read> Verifier<R> {
    /// Holds `inner` to `expected` and, if known, to `size` in bytes.
    pub fn new(inner: R, expected: Digest, size: Option<u64>) -> Self {
        let hasher = Hasher::new(expected.algorithm);
        Self { inner, hasher, expected, size, read: 0 }
    }

    /// Reads, and thereby checks, what is left.
    ///
    /// # Errors
    /// Those of the inner reader, and [`ContentError`] in an [`io::Error`].
    pub fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }

    fn check_end(&self) -> Result<(), ContentError> {
        let expected = self.expected.clone();
        if let Some(size) = self.size.filter(|size| self.read < *size) {
            return Err(ContentError::TooShort { expected, got: self.read, size });
        }
        let actual = self.hasher.digest();
        if actual != expected {
            return Err(ContentError::Mismatch { expected, actual });
        }
        Ok(())
    }
}

impl<R: Read> Read for Verifier<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count == 0 {
            self.check_end()?;
            return Ok(0);
        }
        self.read += count as u64;
        if let Some(size) = self.size.filter(|size| self.read > *size) {
            return Err(ContentError::TooLong { expected: self.expected.clone(), size }.into());
        }
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(bytes: &[u8]) -> Digest {
        Digest::of(Algorithm::Sha256, bytes)
    }

    fn read_all(bytes: &[u8], expected: Digest, size: Option<u64>) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        let mut reader = Verifier::new(bytes, expected, size);
        reader.read_to_end(&mut all).map(|_| all).map_err(|error| error.to_string())
    }

    #[test]
    fn known_digests() {
        assert_eq!(
            digest_of(b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let long = Digest::of(Algorithm::Sha512, b"abc");
        assert!(long.hex().starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(long.to_string().parse(), Ok(long));
    }

    #[test]
    fn what_is_no_digest() {
        let hex = "a".repeat(64);
        for bad in ["", "sha256", "sha256:", "sha256:../../x", &hex] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        for bad in [format!("sha1:{hex}"), format!("sha256:{hex}a"), format!("sha512:{hex}")] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert!(format!("sha256:{}", "A".repeat(64)).parse::<Digest>().is_err());
    }

    #[test]
    fn good_bytes_pass_and_bad_bytes_do_not() {
        let right = digest_of(b"hello");
        assert_eq!(read_all(b"hello", right.clone(), Some(5)).unwrap(), b"hello");
        assert_eq!(read_all(b"hello", right.clone(), None).unwrap(), b"hello");
        let wrong = read_all(b"hallo", right.clone(), Some(5)).unwrap_err();
        assert!(wrong.contains(&right.to_string()), "{wrong}");
        assert!(wrong.contains(&digest_of(b"hallo").to_string()), "{wrong}");
        let short = read_all(b"hell", right.clone(), Some(5)).unwrap_err();
        assert!(short.contains("after 4 of 5 bytes"), "{short}");
        let long = read_all(b"hello!", right, Some(5)).unwrap_err();
        assert!(long.contains("longer than the 5 bytes"), "{long}");
    }

    #[test]
    fn the_error_repeats() {
        let mut reader = Verifier::new(&b"x"[..], digest_of(b"y"), None);
        assert!(reader.drain().is_err());
        assert!(reader.drain().is_err());
    }
}
