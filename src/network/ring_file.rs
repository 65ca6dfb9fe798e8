//! Files of rings ([`c2w_network::Rings`]).

use super::words;
use c2w_network::RingFile;
use rustix::io::{Errno, pread, pwrite};
use std::os::fd::OwnedFd;

/// A file that two processes share.
pub struct FileOfRing(pub OwnedFd);

impl RingFile for FileOfRing {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let mut read = 0;
        while read < buffer.len() {
            match pread(&self.0, &mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(words(error)),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let mut written = 0;
        while written < bytes.len() {
            match pwrite(&self.0, &bytes[written..], offset + written as u64) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(words(error)),
            }
        }
        Ok(())
    }
}
