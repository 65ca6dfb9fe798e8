//! c2w.

pub mod ext4;
pub mod oci;
pub mod rootfs;
