//! c2w.

pub mod oci;
