//! A machine's snapshot and the prebuilt runtime become one WebAssembly module, alone or in the
//! component that the runtime is in.
//!
//! ```text
//! linear memory of the module
//! 0                 the runtime's own data and stack, as its linker laid them out
//! image             the root image
//! pages             RAM's non-zero pages, packed
//! runs, state       where they belong; the machine's registers and devices
//! translation       where translated guest code can be entered, if there is any
//! RAM               zero; the runtime puts the pages there at its start
//! ```
//!
//! Everything that is not zero lies side by side: runtimes map such data copy-on-write instead
//! of copying it (wasmtime does while the data fills at least half of its span).

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
