//! Names that the container asks its name server for, where the host has no servers to pass the
//! question on to but looks up addresses itself.

use crate::dns::{Question, Status};
use crate::sockets::{Interest, LookupError, Sockets};
use alloc::vec::Vec;
use c2w_nat::Nat;
use core::net::SocketAddr;

/// Questions that may wait for an answer; others get none, and are asked again.
const MAX_LOOKUPS: usize = 64;

/// Look-ups under way.
pub struct Names<S: Sockets> {
    lookups: Vec<Lookup<S::Lookup>>,
}

struct Lookup<L> {
    lookup: L,
    question: Question,
    /// The guest's port, and whom it has asked.
    port: u16,
    server: SocketAddr,
}

impl<S: Sockets> Names<S> {
    pub fn new() -> Self {
        Self { lookups: Vec::new() }
    }

    pub fn interests(&self) -> impl Iterator<Item = Interest<'_, S>> {
        self.lookups.iter().map(|one| Interest::Lookup(&one.lookup))
    }

    /// Answers a question from `port` to `server`, or begins to look its name up.
    pub fn ask(
        &mut self,
        port: u16,
        server: SocketAddr,
        message: &[u8],
        nat: &mut Nat,
        sockets: &mut S,
    ) {
        let Some(question) = Question::parse(message) else { return };
        if !question.is_about_addresses() {
            // That there is no such record keeps programs from asking again.
            nat.datagram(server, port, &question.answer(Status::Found, &[]));
            return;
        }
        if self.lookups.len() == MAX_LOOKUPS {
            return;
        }
        match sockets.resolve(&question.name) {
            Ok(lookup) => self.lookups.push(Lookup { lookup, question, port, server }),
            Err(error) => {
                nat.datagram(server, port, &question.answer(error.into(), &[]));
            }
        }
    }

    /// Answers what has been looked up. Returns whether that was anything.
    pub fn advance(&mut self, nat: &mut Nat, sockets: &mut S) -> bool {
        let before = self.lookups.len();
        self.lookups.retain_mut(|Lookup { lookup, question, port, server }| {
            let answer = match sockets.resolved(lookup) {
                None => return true,
                Some(Ok(addresses)) => question.answer(Status::Found, &addresses),
                Some(Err(error)) => question.answer(error.into(), &[]),
            };
            nat.datagram(*server, *port, &answer);
            false
        });
        self.lookups.len() < before
    }
}

impl From<LookupError> for Status {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NoSuchName => Self::NoSuchName,
            LookupError::Failed => Self::ServerFailure,
        }
    }
}
