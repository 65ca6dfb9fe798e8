//! DHCP (RFC 2131, RFC 2132), both ways: the translator answers the guest's questions, and a
//! [`Client`] asks a foreign network for the address that a guest shall have.

mod client;
mod message;
mod search;
mod server;

pub use client::{Client, Lease};
pub(crate) use server::{answer, is_question};
