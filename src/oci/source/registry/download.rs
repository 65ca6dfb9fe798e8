//! Blobs into files, taken up again where a connection broke.

use super::api::Api;
use super::http::broken;
use crate::oci::ErrorKind;
use crate::oci::digest::ContentError;
use crate::oci::manifest::Descriptor;
use crate::oci::store;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::RANGE;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

impl Api {
    /// The unchecked bytes of a blob, no more of them than its descriptor announces.
    pub(super) fn download(&self, blob: &Descriptor) -> Result<File, ErrorKind> {
        let receive = |file: &mut File| self.receive(blob, file);
        match &self.store {
            Some(store) => store.fetch(&blob.digest, blob.size, receive),
            None => store::nameless(receive),
        }
    }

    /// Appends to `file` what it lacks of a blob.
    fn receive(&self, blob: &Descriptor, file: &mut File) -> Result<(), ErrorKind> {
        let temporary = || ErrorKind::io("write a temporary file (TMPDIR chooses where)");
        let path = format!("blobs/{}", blob.digest);
        let mut retry = self.http.patience();
        let mut have = file.metadata().map_err(temporary())?.len();
        loop {
            let range = (have > 0).then(|| (RANGE, format!("bytes={have}-")));
            let response = self.get(&path, range.as_slice(), &mut retry)?;
            let url = response.url().clone();
            if response.status() != StatusCode::PARTIAL_CONTENT {
                have = 0;
                file.set_len(0).map_err(temporary())?;
            }
            file.seek(SeekFrom::Start(have)).map_err(temporary())?;
            let broke = self.append(response, file, &mut have, blob)?;
            match broke {
                Some(error) if have < blob.size => {
                    retry.pause(broken(&error, &url, self.stall), None)?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Adds an answer's body to `file` and its length to `have`; gives the error with which the
    /// body broke off.
    fn append(
        &self,
        mut body: Response,
        file: &mut File,
        have: &mut u64,
        blob: &Descriptor,
    ) -> Result<Option<io::Error>, ErrorKind> {
        let mut buffer = vec![0; 64 << 10];
        while !self.stopped() {
            let count = match body.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Some(error)),
            };
            *have += count as u64;
            if *have > blob.size {
                let (expected, size) = (blob.digest.clone(), blob.size);
                return Err(ErrorKind::Content(ContentError::TooLong { expected, size }));
            }
            file.write_all(&buffer[..count])
                .map_err(ErrorKind::io("write a temporary file (TMPDIR chooses where)"))?;
            self.progress.layer_bytes(&blob.digest, *have, blob.size);
        }
        Ok(None)
    }
}
