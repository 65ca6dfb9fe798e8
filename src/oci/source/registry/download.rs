//! Blobs into files, taken up again where a connection broke.

use super::api::Api;
use super::fault::{broken, host};
use super::pace::Paced;
use crate::oci::ErrorKind;
use crate::oci::digest::{ContentError, Hasher};
use crate::oci::manifest::Descriptor;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, RANGE};
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// A connection that brought so many bytes before it broke was worth its while: patience begins
/// anew. So a hostile server gets one connection for each of these, at least.
const WORTH: u64 = 1 << 20;

const BUFFER: usize = 64 << 10;

/// A blob's file with what is there of it.
struct Part<'a> {
    blob: &'a Descriptor,
    file: &'a mut File,
    have: u64,
    hasher: Hasher,
}

impl Api {
    /// Appends to `file` what it lacks of a blob. Whatever comes back as good has the size and the
    /// digest that the descriptor announces; never is more than that size written.
    pub(super) fn receive(&self, blob: &Descriptor, file: &mut File) -> Result<(), ErrorKind> {
        let mut part = Part::found(blob, file)?;
        // What was there before may be wrong: then once more without it.
        for borrowed in [part.have > 0, false] {
            self.fill(&mut part)?;
            let Err(error) = part.check() else { break };
            if !part.lacks() {
                part.restart()?;
            }
            if !borrowed || self.stopped() {
                return Err(error);
            }
        }
        Ok(())
    }

    fn fill(&self, part: &mut Part) -> Result<(), ErrorKind> {
        let mut retry = self.http.patience();
        while part.lacks() && !self.stopped() {
            let range = (part.have > 0).then(|| (RANGE, format!("bytes={}-", part.have)));
            let response = self.blob(&part.blob.digest, range.as_slice(), &mut retry)?;
            let url = response.url().clone();
            let error = match part.fits(&response)? {
                true => {
                    let before = part.have;
                    let Some(error) = self.append(response, part)? else { break };
                    if part.have - before >= WORTH {
                        retry.renew();
                    }
                    broken(&error, &url, self.http.stall)
                }
                false => {
                    part.restart()?;
                    let reason = "another part of a blob than asked for".into();
                    ErrorKind::Registry { registry: host(&url), reason }
                }
            };
            retry.pause(error, None)?;
        }
        Ok(())
    }

    /// Adds an answer's body to the file; gives the error with which the body broke off.
    fn append(&self, answer: Response, part: &mut Part) -> Result<Option<io::Error>, ErrorKind> {
        let mut body = Paced::new(answer, self.http.stall);
        let mut buffer = vec![0; BUFFER];
        while !self.stopped() {
            let count = match body.read(&mut buffer) {
                Ok(0) if part.lacks() => return Ok(Some(io::ErrorKind::UnexpectedEof.into())),
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) if !part.lacks() => return Ok(None),
                Err(error) => return Ok(Some(error)),
            };
            part.write(&buffer[..count])?;
            self.progress.layer_bytes(&part.blob.digest, part.have, part.blob.size);
        }
        Ok(None)
    }
}

impl<'a> Part<'a> {
    /// Takes up what an earlier run or another place left, unless it is too much.
    fn found(blob: &'a Descriptor, file: &'a mut File) -> Result<Self, ErrorKind> {
        let hasher = Hasher::for_digest(&blob.digest);
        let mut part = Self { blob, file, have: 0, hasher };
        let length = part.file.metadata().map_err(unwritable)?.len();
        if length > blob.size {
            part.restart()?;
            return Ok(part);
        }
        part.file.rewind().map_err(unwritable)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match part.file.read(&mut buffer).map_err(unwritable)? {
                0 => return Ok(part),
                count => part.hasher.update(&buffer[..count]),
            }
            part.have = part.file.stream_position().map_err(unwritable)?;
        }
    }

    fn lacks(&self) -> bool {
        self.have < self.blob.size
    }

    fn restart(&mut self) -> Result<(), ErrorKind> {
        self.file.set_len(0).map_err(unwritable)?;
        self.file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
        self.have = 0;
        self.hasher = Hasher::for_digest(&self.blob.digest);
        Ok(())
    }

    /// Whether an answer goes on where the file ends; a whole blob does after a new start.
    ///
    /// # Errors
    /// [`ErrorKind::Content`] when its length is not the blob's.
    fn fits(&mut self, answer: &Response) -> Result<bool, ErrorKind> {
        if answer.status() == StatusCode::PARTIAL_CONTENT {
            let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let Some((start, total)) = range.and_then(content_range) else { return Ok(false) };
            if start != self.have {
                return Ok(false);
            }
            self.announced(total.unwrap_or(self.blob.size))?;
            if answer.content_length().is_some_and(|length| length > self.blob.size - start) {
                return Err(self.too_long());
            }
            return Ok(true);
        }
        self.announced(answer.content_length().unwrap_or(self.blob.size))?;
        if self.have > 0 {
            self.restart()?;
        }
        Ok(true)
    }

    /// Holds a length that a server announces for the whole to the descriptor's.
    fn announced(&self, length: u64) -> Result<(), ErrorKind> {
        let (expected, size) = (self.blob.digest.clone(), self.blob.size);
        match length.cmp(&size) {
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(self.too_long()),
            Ordering::Less => {
                Err(ErrorKind::Content(ContentError::TooShort { expected, got: length, size }))
            }
        }
    }

    fn too_long(&self) -> ErrorKind {
        let (expected, size) = (self.blob.digest.clone(), self.blob.size);
        ErrorKind::Content(ContentError::TooLong { expected, size })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind> {
        if bytes.len() as u64 > self.blob.size - self.have {
            return Err(self.too_long());
        }
        self.file.write_all(bytes).map_err(unwritable)?;
        self.hasher.update(bytes);
        self.have += bytes.len() as u64;
        Ok(())
    }

    fn check(&self) -> Result<(), ErrorKind> {
        self.announced(self.have)?;
        let (expected, actual) = (self.blob.digest.clone(), self.hasher.digest());
        match actual == expected {
            true => Ok(()),
            false => Err(ErrorKind::Content(ContentError::Mismatch { expected, actual })),
        }
    }
}

/// Start and total of `bytes START-END/TOTAL` (RFC 9110, section 14.4); `*` is an unknown total.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.trim().parse().ok()?, total))
}

fn unwritable(error: io::Error) -> ErrorKind {
    let places = "C2W_CACHE_DIR chooses where, with --no-cache TMPDIR";
    ErrorKind::io(format!("write what the registry sends ({places})"))(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let cases = [
            ("bytes 0-99/100", Some((0, Some(100)))),
            ("bytes 7-99/*", Some((7, None))),
            ("bytes 18446744073709551616-1/2", None),
            ("bytes */100", None),
            ("items 0-1/2", None),
            ("bytes 5", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(content_range(text), expected, "{text}");
        }
    }
}
