//! Accesses to memory.

/// What an access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Instruction fetch.
    Fetch,
    /// Load.
    Read,
    /// Store, and the load of an atomic operation.
    Write,
    /// Management of a cache block: a load or a store must be permitted; faults are a store's.
    Manage,
}
