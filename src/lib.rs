//! c2w.

pub mod ext4;
pub mod rootfs;
pub mod oci;
