//! A reader on a thread of its own, so that hashing, inflating and what is done with the bytes go
//! on side by side.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes handed over at once: a few of these fit a core's cache.
const CHUNK: usize = 128 << 10;
/// Chunks that wait to be read at most.
const DEPTH: usize = 8;

/// Reads what another thread has read ahead, in order, up to and including its error.
pub(super) struct ReadAhead {
    /// An empty chunk is the end.
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// Chunks that were read, to be filled again.
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    ended: bool,
}

impl ReadAhead {
    /// Starts to read `inner`. The thread ends with the input, with its first error, or when this
    /// reader is gone.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(super) fn new(inner: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, chunks) = sync_channel(DEPTH);
        let (used, to_fill) = channel();
        thread::Builder::new()
            .name("layer".to_owned())
            .spawn(move || read_all(inner, &sender, &to_fill))?;
        Ok(Self { chunks, used, chunk: Vec::new(), position: 0, ended: false })
    }

    /// Reads what is left.
    ///
    /// # Errors
    /// Those of the inner reader.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while !self.fill_buf()?.is_empty() {
            self.position = self.chunk.len();
        }
        Ok(())
    }
}

fn read_all(
    mut inner: impl Read,
    sender: &SyncSender<io::Result<Vec<u8>>>,
    to_fill: &Receiver<Vec<u8>>,
) {
    loop {
        let mut chunk = to_fill.try_recv().unwrap_or_default();
        chunk.resize(CHUNK, 0);
        let (count, error) = fill(&mut inner, &mut chunk);
        chunk.truncate(count);
        // What came before an error is handed over before it.
        if (count > 0 || error.is_none()) && sender.send(Ok(chunk)).is_err() {
            return;
        }
        if let Some(error) = error {
            let _ = sender.send(Err(error));
            return;
        }
        if count == 0 {
            return;
        }
    }
}

/// Reads until `bytes` is full, the input ends or fails.
fn fill(inner: &mut impl Read, bytes: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut filled = 0;
    while filled < bytes.len() {
        match inner.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Some(error)),
        }
    }
    (filled, None)
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() && !self.ended {
            // A thread that is gone without a last word has failed: that is not the end of the
            // data.
            let gone = |_| io::Error::other("reading on was tried after an error");
            let next = self.chunks.recv().map_err(gone)??;
            self.ended = next.is_empty();
            let used = std::mem::replace(&mut self.chunk, next);
            let _ = self.used.send(used);
            self.position = 0;
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, count: usize) {
        self.position = (self.position + count).min(self.chunk.len());
    }
}

impl Read for ReadAhead {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(bytes)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time, then fails.
    struct Failing(usize);

    impl Read for Failing {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| io::Error::other("no more"))?;
            bytes[0] = 7;
            Ok(1)
        }
    }

    #[test]
    fn all_bytes_arrive_in_order_and_the_end_stays_the_end() {
        let bytes: Vec<u8> = (0..30 * CHUNK + 5).map(|i| (i / 100) as u8).collect();
        let mut reader = ReadAhead::new(io::Cursor::new(bytes.clone())).unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all == bytes);
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
    }

    #[test]
    fn an_error_comes_after_all_that_was_read() {
        let mut reader = ReadAhead::new(Failing(CHUNK + 3)).unwrap();
        let mut all = Vec::new();
        assert_eq!(reader.read_to_end(&mut all).unwrap_err().to_string(), "no more");
        assert_eq!(all.len(), CHUNK + 3);
        assert!(reader.read(&mut [0]).is_err());
    }

    #[test]
    fn the_thread_ends_when_nobody_reads() {
        let (sender, ended) = channel::<()>();
        struct Endless(#[expect(dead_code, reason = "dropped with the reader")] Sender<()>);
        impl Read for Endless {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
        }
        drop(ReadAhead::new(Endless(sender)).unwrap());
        assert!(ended.recv().is_err());
    }
}
