//! Blobs into files, taken up again where a connection broke.

use super::api::Api;
use super::fault::{Answer, broken};
use super::pace::Paced;
use super::retry::Retry;
use crate::oci::ErrorKind;
use crate::oci::digest::{ContentError, Hasher};
use crate::oci::manifest::Descriptor;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, RANGE};
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Progress in bytes after which a broken connection does not count as a failed try: the number of
/// tries and the pauses start over. It also bounds how many connections a hostile server gets.
const PROGRESS: u64 = 1 << 20;

const BUFFER: usize = 64 << 10;

/// The most bytes that are read of a web page sent in place of a blob.
const MAX_PAGE: u64 = 4096;

/// What is asked for here.
const BLOB: &str = "a blob";

/// A blob's file with what is there of it.
struct Part<'a> {
    blob: &'a Descriptor,
    /// The blob's digest as text.
    blob_name: String,
    file: &'a mut File,
    have: u64,
    /// Where patience last began.
    reached: u64,
    /// Whether what is there came in several answers, which may not belong together.
    pieced: bool,
    hasher: Hasher,
}

impl Api {
    /// Appends to `file` what it lacks of a blob. Whatever comes back as good has the size and the
    /// digest that the descriptor announces; never is more than that size written.
    pub(super) fn receive(&self, blob: &Descriptor, file: &mut File) -> Result<(), ErrorKind> {
        let mut part = Part::found(blob, file)?;
        // What was there before, or was put together, may be wrong: then once more without it.
        for last in [false, true] {
            self.fill(&mut part)?;
            let (pieced, Err(error)) = (part.pieced, part.check()) else { return Ok(()) };
            if !part.lacks() {
                part.restart()?;
            }
            if last || !pieced || self.stopped() {
                return Err(error);
            }
        }
        Ok(())
    }

    fn fill(&self, part: &mut Part) -> Result<(), ErrorKind> {
        let mut retry = self.http.patience();
        while part.lacks() && !self.stopped() {
            let resumes = part.have > 0;
            let error = match self.fetch_rest(part, &mut retry) {
                Ok(None) => break,
                Ok(Some(broken)) => broken,
                // A server that does not know ranges may still send the whole blob.
                Err(error @ (ErrorKind::Registry { .. } | ErrorKind::Content(_))) if resumes => {
                    part.restart()?;
                    error
                }
                Err(error) => return Err(error),
            };
            if part.have.saturating_sub(part.reached) >= PROGRESS {
                part.reached = part.have;
                retry.renew();
            }
            retry.pause(error, None)?;
        }
        Ok(())
    }

    /// Asks for what a blob lacks and adds what comes; gives the fault with which that broke off.
    fn fetch_rest(
        &self,
        part: &mut Part,
        retry: &mut Retry,
    ) -> Result<Option<ErrorKind>, ErrorKind> {
        // With an end: some servers know no other ranges.
        let range = format!("bytes={}-{}", part.have, part.blob.size.saturating_sub(1));
        let range = (part.have > 0).then_some((RANGE, range));
        let response = self.blob(&part.blob.digest, range.as_slice(), retry)?;
        let answer = Answer::of(&response);
        if let Err(error) = part.begin(&response, &answer) {
            let mut body = Vec::new();
            if answer.says_page() {
                let mut page = Paced::new(response, self.http.stall).take(MAX_PAGE);
                // What came of it will do.
                let _ = page.read_to_end(&mut body);
            }
            return Err(if answer.is_page(&body) {
                answer.in_place_of(BLOB, &body)
            } else {
                error
            });
        }
        let broken_off = self.append(response, &answer, part)?;
        Ok(broken_off.map(|error| broken(&error, &answer.url, self.http.stall)))
    }

    /// Adds an answer's body to the file; gives the error with which the body broke off.
    fn append(
        &self,
        body: Response,
        answer: &Answer,
        part: &mut Part,
    ) -> Result<Option<io::Error>, ErrorKind> {
        let mut body = Paced::new(body, self.http.stall);
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
            if part.have == 0 && answer.is_page(&buffer[..count]) {
                return Err(answer.in_place_of(BLOB, &buffer[..count]));
            }
            part.write(&buffer[..count])?;
            self.progress.blob_bytes(&part.blob_name, part.have, part.blob.size);
        }
        Ok(None)
    }
}

impl<'a> Part<'a> {
    /// Takes up what an earlier run or another endpoint left, unless it is too much.
    fn found(blob: &'a Descriptor, file: &'a mut File) -> Result<Self, ErrorKind> {
        let hasher = Hasher::for_digest(&blob.digest);
        let blob_name = blob.digest.to_string();
        let mut part = Self { blob, blob_name, file, have: 0, reached: 0, pieced: false, hasher };
        let length = part.file.metadata().map_err(unwritable)?.len();
        if length > blob.size {
            part.restart()?;
            return Ok(part);
        }
        part.file.rewind().map_err(unwritable)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match part.file.read(&mut buffer).map_err(unwritable)? {
                0 => {
                    part.reached = part.have;
                    return Ok(part);
                }
                count => part.hasher.update(&buffer[..count]),
            }
            part.pieced = true;
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
        self.pieced = false;
        self.hasher = Hasher::for_digest(&self.blob.digest);
        Ok(())
    }

    /// Makes ready for an answer, which goes on where the file ends or is the whole blob.
    ///
    /// # Errors
    /// When it is neither, or its length is not the blob's.
    fn begin(&mut self, response: &Response, answer: &Answer) -> Result<(), ErrorKind> {
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
            let (start, total) = range
                .and_then(content_range)
                .filter(|(start, _)| *start == self.have)
                .ok_or_else(|| answer.fault("with another part of a blob than asked for"))?;
            self.announced(total.unwrap_or(self.blob.size))?;
            if response.content_length().is_some_and(|length| length > self.blob.size - start) {
                return Err(self.too_long());
            }
            self.pieced |= self.have > 0;
            return Ok(());
        }
        self.announced(response.content_length().unwrap_or(self.blob.size))?;
        if self.have > 0 {
            self.restart()?;
        }
        Ok(())
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
    let (start, end) = range.split_once('-')?;
    let (start, end): (u64, u64) = (start.trim().parse().ok()?, end.trim().parse().ok()?);
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    (start <= end && total.is_none_or(|total| end < total)).then_some((start, total))
}

fn unwritable(error: io::Error) -> ErrorKind {
    let hint = "C2W_CACHE_DIR chooses where, with --no-cache TMPDIR";
    ErrorKind::io(format!("write what the registry sends ({hint})"))(error)
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
            ("bytes 7-6/100", None),
            ("bytes 7-100/100", None),
            ("bytes 7-/100", None),
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
