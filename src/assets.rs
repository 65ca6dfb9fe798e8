//! The guest's own software and the runtime: prebuilt and embedded, or from a directory.

use crate::target::{Prebuilt, Target, UserEmulator};
use crate::wasi_target::WasiTarget;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Linux `Image`, compressed.
const KERNEL: &str = "Image.zst";
/// PID 1, runc and what they need, compressed.
const INITRAMFS: &str = "initramfs.cpio.zst";
/// The emulator as a program for WASI preview 1.
const RUNTIME: &str = "runtime.wasm";
/// The same for WASI 0.2.
const COMPONENT: &str = "runtime-component.wasm";
/// QEMU's user-mode emulators: a tar archive, compressed.
const EMULATORS: &str = "qemu-user.tar.zst";

/// What every module is made of beside the image.
#[derive(Clone)]
pub struct Assets {
    kernel: Cow<'static, [u8]>,
    initramfs: Cow<'static, [u8]>,
    runtime: Cow<'static, [u8]>,
    component: Cow<'static, [u8]>,
    emulators: Cow<'static, [u8]>,
}

/// Why a directory's assets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing to use.
    #[error(
        "{} holds none of {KERNEL}, {INITRAMFS}, {RUNTIME}, {COMPONENT} and {EMULATORS}, which \
         scripts/build-*.sh make",
        .0.display()
    )]
    Nothing(PathBuf),
}

impl Default for Assets {
    fn default() -> Self {
        Self::embedded(Target::default())
    }
}

impl Assets {
    /// Those that this program was built with.
    pub fn embedded(target: Target) -> Self {
        let Prebuilt { kernel, initramfs, runtime, component, emulators } = target.prebuilt();
        Self {
            kernel: kernel.into(),
            initramfs: initramfs.into(),
            runtime: runtime.into(),
            component: component.into(),
            emulators: emulators.into(),
        }
    }

    /// The files in `dir` that are named as in `prebuilt/`, the embedded ones for the others.
    ///
    /// # Errors
    /// [`AssetsError`].
    pub fn from_dir(dir: &Path, target: Target) -> Result<Self, AssetsError> {
        let mut assets = Self::embedded(target);
        let mut found = false;
        let places = [
            (KERNEL, &mut assets.kernel),
            (INITRAMFS, &mut assets.initramfs),
            (RUNTIME, &mut assets.runtime),
            (COMPONENT, &mut assets.component),
            (EMULATORS, &mut assets.emulators),
        ];
        for (name, asset) in places {
            let path = dir.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => (*asset, found) = (bytes.into(), true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(AssetsError::Read { path, source }),
            }
        }
        if found { Ok(assets) } else { Err(AssetsError::Nothing(dir.to_owned())) }
    }

    /// Linux `Image`, decompressed.
    ///
    /// # Errors
    /// When it is not a zstd stream.
    pub fn kernel(&self) -> io::Result<Vec<u8>> {
        zstd::decode_all(&*self.kernel)
    }

    /// The initramfs, decompressed.
    ///
    /// # Errors
    /// As for [`Self::kernel`].
    pub fn initramfs(&self) -> io::Result<Vec<u8>> {
        zstd::decode_all(&*self.initramfs)
    }

    /// The emulator as a program for this WASI.
    pub fn runtime(&self, wasi: WasiTarget) -> &[u8] {
        self.runtime_file(wasi).1
    }

    fn runtime_file(&self, wasi: WasiTarget) -> (&'static str, &Cow<'static, [u8]>) {
        match wasi {
            WasiTarget::Preview1 => (RUNTIME, &self.runtime),
            WasiTarget::Preview2 => (COMPONENT, &self.component),
        }
    }

    /// The user-mode emulators: a tar archive, compressed with zstd.
    pub fn emulators(&self) -> &[u8] {
        &self.emulators
    }

    /// SHA-256 in hexadecimal of each file that a module of an image is made of, by name: what
    /// `prebuilt/SHA256SUMS` has. The emulators are among them if the image is for one.
    pub fn checksums(
        &self,
        wasi: WasiTarget,
        emulator: Option<UserEmulator>,
    ) -> Vec<(&'static str, String)> {
        let (kernel, initramfs) = ((KERNEL, &self.kernel), (INITRAMFS, &self.initramfs));
        let always = [kernel, initramfs, self.runtime_file(wasi)];
        let files = always.into_iter().chain(emulator.map(|_| (EMULATORS, &self.emulators)));
        let sum = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        files.map(|(name, bytes)| (name, sum(bytes))).collect()
    }
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checksums(WasiTarget::default(), None)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_are_those_of_the_list() {
        let list = include_str!("../prebuilt/SHA256SUMS");
        for target in Target::ALL {
            let emulator = Some(UserEmulator::ALL[0]);
            let assets = Assets::embedded(target);
            let sums = WasiTarget::ALL.map(|wasi| assets.checksums(wasi, emulator));
            for (name, sum) in sums.concat() {
                let line = format!("{sum}  {}/{name}\n", target.architecture());
                assert!(list.contains(&line), "{line}");
            }
        }
    }

    #[test]
    fn a_directory_replaces_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let error = Assets::from_dir(dir.path(), Target::default()).unwrap_err().to_string();
        assert!(error.contains("holds none of"), "{error}");
        std::fs::write(dir.path().join(KERNEL), zstd::encode_all(&b"kernel"[..], 1).unwrap())
            .unwrap();
        let assets = Assets::from_dir(dir.path(), Target::default()).unwrap();
        assert_eq!(assets.kernel().unwrap(), b"kernel");
        for wasi in WasiTarget::ALL {
            assert!(assets.runtime(wasi) == Assets::default().runtime(wasi));
        }
        std::fs::write(dir.path().join(COMPONENT), b"component").unwrap();
        let assets = Assets::from_dir(dir.path(), Target::default()).unwrap();
        assert_eq!(assets.runtime(WasiTarget::Preview2), b"component");
        std::fs::create_dir(dir.path().join(RUNTIME)).unwrap();
        let error = Assets::from_dir(dir.path(), Target::default()).unwrap_err().to_string();
        assert!(error.contains(RUNTIME), "{error}");
    }
}
