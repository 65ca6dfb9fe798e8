//! What executes guest code and knows no instruction set: accesses, translations of addresses, the index
//! of translated code, time, observation.

pub(crate) mod access;
pub(crate) mod address_spaces;
pub(crate) mod bus;
pub(crate) mod clock;
pub mod code_index;
pub mod observe;
pub(crate) mod pointer;
pub mod state_box;
pub(crate) mod tlb;
