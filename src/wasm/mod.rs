//! A machine's snapshot and the prebuilt runtime become one WebAssembly module, alone or in the
//! component that the runtime is in.
//!
//! ```text
//! linear memory of the module
//! 0                 the runtime's own data and stack, as its linker laid them out
//! units, state      the index of units; the machine's registers and devices
//! translation       where translated guest code can be entered, if there is any
//! image             zero; frames for units of the root image that the guest has touched
//! RAM               zero; units are put there when the guest touches them
//! ```
//!
//! What is stored of the units is no part of linear memory: it is a passive data segment, from which
//! the runtime copies.

mod checksum;
mod code;
mod component;
mod error;
mod functions;
mod layout;
mod package;
mod parts;
mod provenance;
mod scan;
mod sections;
mod segments;
mod snapshot;
mod template;
#[cfg(test)]
mod tests;

pub use error::{PackageError, TemplateError};
pub use package::{Summary, package};
pub use parts::Parts;
pub use provenance::{EmulatorProvenance, Provenance, ProvenanceError};
pub use scan::wasi_target;
pub use segments::sparse_copy;
pub use snapshot::{Snapshot, SnapshotError};
pub use template::Template;
