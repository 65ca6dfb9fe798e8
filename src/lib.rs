//! c2w turns a container image into one WebAssembly module.
//!
//! ```text
//! reference -> source -> layers -> tree -> ext4 image -> machine snapshot -> wasm module
//! [----------- oci ----------]  [rootfs] [-- ext4 --]  [----- boot -----]  [--- wasm ---]
//! ```
//!
//! [`convert`] joins the stages; each can be used and tested alone.

pub mod assets;
pub mod boot;
pub mod cli;
pub mod compression;
pub mod convert;
mod emulator_disk;
mod entropy;
mod errno;
pub mod ext4;
pub mod image_source;
pub mod input;
mod interrupt;
mod local;
mod network;
mod observe;
pub mod oci;
mod printable;
pub mod progress;
pub mod rootfs;
pub mod rootfs_source;
pub mod run;
mod scratch;
pub mod shared;
mod shell_words;
pub mod size;
pub mod space;
pub mod sparse;
pub mod staged;
pub mod target;
mod terminal;
pub mod timing;
pub mod train;
pub mod units;
pub mod wasi_target;
pub mod wasm;
mod writable;
