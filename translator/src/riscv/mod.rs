//! RISC-V instructions.

pub mod float;
pub mod fused;
pub mod integer;
pub mod system;
pub mod vector;
