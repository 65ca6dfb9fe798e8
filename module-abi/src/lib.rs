//! What three programs agree on that never meet: the converter, which writes a module; the
//! translator, whose functions become part of it; and the runtime, which is the rest of it.
//!
//! ```text
//! converter  --Placement-->  runtime       where the machine lies in linear memory
//! converter  <--exports----  runtime       names of statics and helpers
//! translator --helpers---->  runtime       what translated code calls
//! runtime    --Region----->  translator    how translated code is called
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod helpers;
mod placement;
mod signature;

pub use helpers::{HELPERS, Helpers, REGION};
pub use placement::{CopyUnits, Placement, Range};
pub use signature::{Signature, ValueType};

/// The exported global with the address of the runtime's [`Placement`].
pub const PLACEMENT_EXPORT: &str = "C2W_PLACEMENT";

/// The exported global with the address of the CPU's state, which translated code reads and writes.
pub const STATE_EXPORT: &str = "C2W_STATE";
