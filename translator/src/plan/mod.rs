//! What of a profile is translated, and how it is cut into functions.

pub mod loops;
pub mod outline;
pub mod profile;
pub mod region;
pub mod select;
pub mod strip;
pub mod structure;
pub mod trace;
