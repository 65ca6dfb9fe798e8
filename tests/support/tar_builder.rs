//! Builds tar archives a header at a time, so that each can be odd in its own way.

/// Bytes in a block.
pub const BLOCK: usize = 512;

/// An archive that grows. Names over 100 bytes, and targets, get a pax record.
#[derive(Debug, Clone, Default)]
pub struct Tar(Vec<u8>);

/// A header block to be edited.
pub type Header = [u8; BLOCK];

impl Tar {
    pub fn new() -> Self {
        Self::default()
    }

    /// The archive with its end marker.
    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }

    /// The archive as it is.
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Bytes, filled up to whole blocks.
    pub fn data(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// A ustar header: mode 0644 (0755 for directories), owner 0, time 1,000,000,000.
    pub fn header(self, kind: u8, name: &[u8], size: u64, edit: impl FnOnce(&mut Header)) -> Self {
        let mut header = [0; BLOCK];
        header[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        put(&mut header, 100, if kind == b'5' { b"0000755" } else { b"0000644" });
        put(&mut header, 108, b"0000000");
        put(&mut header, 116, b"0000000");
        put(&mut header, 124, format!("{size:011o}").as_bytes());
        put(&mut header, 136, b"07346545000");
        header[156] = kind;
        put(&mut header, 257, b"ustar\x0000");
        edit(&mut header);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        put(&mut header, 148, format!("{sum:06o}\0").as_bytes());
        self.raw(&header)
    }

    fn pax_for_long(self, name: &[u8], target: &[u8]) -> Self {
        let mut records = Vec::new();
        if name.len() > 100 {
            records.push((&b"path"[..], name));
        }
        if target.len() > 100 {
            records.push((b"linkpath", target));
        }
        if records.is_empty() { self } else { self.pax(&records) }
    }

    pub fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let (name, content) = (name.as_ref(), content.as_ref());
        self.pax_for_long(name, b"").header(b'0', name, content.len() as u64, |_| {}).data(content)
    }

    pub fn dir(self, name: impl AsRef<[u8]>) -> Self {
        self.pax_for_long(name.as_ref(), b"").header(b'5', name.as_ref(), 0, |_| {})
    }

    pub fn symlink(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.linked(b'2', name.as_ref(), target.as_ref())
    }

    /// A hard link.
    pub fn link(self, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        self.linked(b'1', name.as_ref(), target.as_ref())
    }

    fn linked(self, kind: u8, name: &[u8], target: &[u8]) -> Self {
        self.pax_for_long(name, target).header(kind, name, 0, |header| {
            let target = &target[..target.len().min(100)];
            header[157..157 + target.len()].copy_from_slice(target);
        })
    }

    /// A device: `kind` is b'3' for characters, b'4' for blocks.
    pub fn device(self, kind: u8, name: &str, major: u32, minor: u32) -> Self {
        self.header(kind, name.as_bytes(), 0, |header| {
            put(header, 329, format!("{major:07o}").as_bytes());
            put(header, 337, format!("{minor:07o}").as_bytes());
        })
    }

    /// A pax header for the next entry.
    pub fn pax(self, records: &[(&[u8], &[u8])]) -> Self {
        let records: Vec<_> = records.iter().map(|(key, value)| record(key, value)).collect();
        self.extension(b'x', &records.concat())
    }

    /// Any header with data that says something of the next entry.
    pub fn extension(self, kind: u8, data: &[u8]) -> Self {
        self.header(kind, b"././@Extension", data.len() as u64, |_| {}).data(data)
    }
}

/// Puts `bytes` at `offset`.
pub fn put(header: &mut Header, offset: usize, bytes: &[u8]) {
    header[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// One pax record, with its true length.
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let digits = (1..).find(|digits| (rest + digits).to_string().len() == *digits).unwrap();
    [format!("{} ", rest + digits).as_bytes(), key, b"=", value, b"\n"].concat()
}
