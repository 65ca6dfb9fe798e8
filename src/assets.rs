//! The guest's own software and the runtime: prebuilt, embedded, compressed.

use std::io;

/// Linux `Image`, decompressed.
///
/// # Errors
/// When the embedded copy is damaged, which its build has made sure it is not.
pub fn kernel() -> io::Result<Vec<u8>> {
    zstd::decode_all(&include_bytes!("../prebuilt/Image.zst")[..])
}

/// The initramfs, decompressed.
///
/// # Errors
/// As for [`kernel`].
pub fn initramfs() -> io::Result<Vec<u8>> {
    zstd::decode_all(&include_bytes!("../prebuilt/initramfs.cpio.zst")[..])
}

/// The emulator as a WASI program.
pub const RUNTIME: &[u8] = include_bytes!("../prebuilt/runtime.wasm");
