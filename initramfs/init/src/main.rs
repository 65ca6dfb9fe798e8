//! The guest's init: one static binary in two roles.
//!
//! - [`pid1`]: PID 1 of the machine. Creates the container, then carries its streams.
//! - [`agent`]: PID 1 of the container. Waits inside it and becomes the command by `execve`.
//!
//! [`handoff`] is what they say to each other; `c2w-guest-abi` is what PID 1 and the host say.
#![deny(unsafe_code)]

mod agent;
mod attributes;
mod command;
mod failure;
mod handoff;
mod pid1;
mod user;

/// The first argument that selects the agent's role.
const AGENT_ROLE: &str = "agent";

fn main() {
    if std::env::args_os().nth(1).is_some_and(|role| role == AGENT_ROLE) {
        agent::main()
    } else {
        pid1::main()
    }
}
