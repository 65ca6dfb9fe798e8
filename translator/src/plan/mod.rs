//! What of a profile is translated, and how it is cut into functions.
//!
//! ```text
//! profile --code--> pages by content --select, trace--> regions --outline--> more of them
//!                                                          |
//!                          structure, loops, strip, assumption: what is known of each
//! ```
//!
//! Nothing in here knows an instruction set but by [`crate::guest::Guest`], or how a function is
//! written.

mod assumption;
pub mod code;
pub(crate) mod loops;
mod outline;
pub mod profile;
pub mod region;
pub mod select;
pub(crate) mod strip;
pub(crate) mod structure;
#[cfg(test)]
mod toy;
mod trace;
