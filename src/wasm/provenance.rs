//! Where a module comes from: a custom section that says it, and reading it back.
//!
//! Nothing in it depends on the machine that converted: the same image gives the same bytes.

use super::scan::{ScanError, Scanner};
use crate::target::{EMULATOR_LICENCE, UserEmulator};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Read, Seek};

/// Name of the custom section.
pub const SECTION: &str = "c2w.provenance";

/// The longest section that is read: it holds a reference, digests and numbers.
const MAX_LENGTH: u64 = 64 << 10;

/// Where a module comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The image's reference; of a local one only the transport and the name or tag that it has
    /// there, as its path says nothing elsewhere.
    pub source: String,
    /// Digest of the image's manifest, or of the bare root filesystem.
    pub digest: String,
    /// What the image runs on.
    pub platform: String,
    /// Version of the converter.
    pub c2w: String,
    /// RAM in MiB.
    pub memory_mib: u64,
    /// Bytes of the root image that the module carries, which are those not zero.
    pub root_image: u64,
    /// Bytes that are stored of them.
    #[serde(default)]
    pub root_image_stored: u64,
    /// The ports that the image says its programs listen on: `80/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// The checksum of the machine, by the function's name.
    #[serde(default)]
    pub machine: String,
    /// What runs the image's programs, when their CPU is not the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulator: Option<EmulatorProvenance>,
    /// SHA-256 of kernel, initramfs and runtime by file name, and of the emulators if there is one.
    pub assets: BTreeMap<String, String>,
}

/// A program of others that a module carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmulatorProvenance {
    /// Its name.
    pub program: String,
    /// The Debian package that it is from.
    pub package: String,
    /// That package's version.
    pub version: String,
    /// Its licence, by its SPDX identifier.
    pub licence: String,
}

impl From<UserEmulator> for EmulatorProvenance {
    fn from(emulator: UserEmulator) -> Self {
        let (package, version) = UserEmulator::package();
        Self {
            program: emulator.program.into(),
            package: package.into(),
            version: version.into(),
            licence: EMULATOR_LICENCE.into(),
        }
    }
}

impl Display for EmulatorProvenance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { program, package, version, licence } = self;
        write!(f, "{program}, Debian's {package} {version}, {licence}")
    }
}

/// Why a file has no provenance.
#[derive(Debug, thiserror::Error)]
pub enum ProvenanceError {
    /// The file is of another kind.
    #[error("it is not a WebAssembly module or component")]
    NotWasm,
    /// The file ends early, or goes on behind its end.
    #[error(
        "it is not a whole WebAssembly module or component: it was cut off, or something was added \
         to it"
    )]
    Broken,
    /// A module of somebody else.
    #[error(
        "it is a WebAssembly module or component, but c2w did not make it: it has no section \
         {SECTION}"
    )]
    Missing,
    /// The section is there but not readable.
    #[error("its section {SECTION} is damaged")]
    Damaged,
    /// The file cannot be read.
    #[error(transparent)]
    Io(io::Error),
}

impl From<ScanError> for ProvenanceError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::NotWasm => Self::NotWasm,
            ScanError::Broken => Self::Broken,
            ScanError::Io(error) => Self::Io(error),
        }
    }
}

impl Provenance {
    /// The contents of the custom section, its name included.
    pub(super) fn section(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).expect("strings and numbers");
        [&[SECTION.len() as u8], SECTION.as_bytes(), &text].concat()
    }

    /// Finds the section in a module or component, passing over all others unread.
    ///
    /// # Errors
    /// [`ProvenanceError`].
    pub fn read(module: &mut (impl Read + Seek)) -> Result<Self, ProvenanceError> {
        let mut scanner = Scanner::new(module)?;
        while let Some(section) = scanner.next()? {
            if section.id == 0 && section.length <= MAX_LENGTH {
                let bytes = scanner.contents(section)?;
                if let Some(text) = contents(&bytes) {
                    return serde_json::from_slice(text).map_err(|_| ProvenanceError::Damaged);
                }
            }
        }
        Err(ProvenanceError::Missing)
    }
}

/// What follows the name, if it is ours.
fn contents(section: &[u8]) -> Option<&[u8]> {
    section.strip_prefix(&[SECTION.len() as u8])?.strip_prefix(SECTION.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn example() -> Provenance {
        Provenance {
            source: "docker.io/library/debian:trixie".into(),
            digest: "sha256:00".into(),
            platform: "linux/riscv64".into(),
            c2w: "0.1.0".into(),
            memory_mib: 256,
            root_image: 4096,
            root_image_stored: 5,
            exposed_ports: vec!["80/tcp".into()],
            machine: "xxh3:00".into(),
            emulator: None,
            assets: BTreeMap::from([("Image.zst".into(), "ff".into())]),
        }
    }

    fn module(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (id, bytes) in sections {
            module.push(*id);
            module.extend([bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8]);
            module.extend(bytes);
        }
        module
    }

    fn read(bytes: &[u8]) -> Result<Provenance, ProvenanceError> {
        Provenance::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn what_is_written_is_read() {
        let other = (0, b"\x04name...".to_vec());
        let ours = (0, example().section());
        let bytes = module(&[other.clone(), (11, vec![0; 300]), ours]);
        assert_eq!(read(&bytes).unwrap(), example());
        assert!(matches!(read(&module(&[other])), Err(ProvenanceError::Missing)));
    }

    #[test]
    fn what_is_no_module_says_so() {
        let whole = module(&[(0, example().section())]);
        for end in 0..whole.len() {
            let error = read(&whole[..end]).unwrap_err();
            let is_module_without_sections = end == 8;
            match error {
                ProvenanceError::Missing => assert!(is_module_without_sections),
                ProvenanceError::NotWasm => assert!(end < 8, "{end}"),
                ProvenanceError::Broken => assert!(end > 8, "{end}"),
                other => panic!("{end}: {other}"),
            }
        }
        assert!(matches!(read(b"\x7fELF\x02\x01\x01\0..."), Err(ProvenanceError::NotWasm)));
        let mut endless = whole[..8].to_vec();
        endless.extend([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(read(&endless), Err(ProvenanceError::Broken)));
        let damaged = (0, [&[14], SECTION.as_bytes(), b"{"].concat());
        assert!(matches!(read(&module(&[damaged])), Err(ProvenanceError::Damaged)));
    }
}
