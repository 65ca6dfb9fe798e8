//! A machine's memory in units, packed one by one: written to a temporary file, from where the boot
//! reads them when they are touched, and packaging takes them as they are.

mod pack;
mod source;
mod writer;

pub use pack::Compress;
pub use source::FileUnits;
pub use writer::{UnitFile, UnitWriter, Written};
