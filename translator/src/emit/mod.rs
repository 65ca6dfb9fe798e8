//! Regions become WebAssembly functions.

pub mod builder;
pub mod facts;
pub mod memory;
pub mod region;
