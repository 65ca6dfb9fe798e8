//! Watching a hart run, block by block: for profiles and traces.
//!
//! A block is what ran between two moments at which control could come from elsewhere: it starts
//! where a branch, a trap or the slow path went, runs straight through branches that are not
//! taken, and ends with the first taken one, at the end of its page, or before an instruction of
//! the slow path, which is a block of its own.

/// A block that was executed.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Address of its first instruction.
    pub pc: u64,
    /// The same, guest-physical: one for all processes that share the page.
    pub physical: u64,
    /// Whether it ran with the user's privilege.
    pub user: bool,
    /// Whether it is one instruction that the slow path executed.
    pub slow: bool,
    /// Instructions executed.
    pub instructions: u64,
    /// Its code.
    pub code: &'a [u8],
    /// Address of the instruction executed next.
    pub next: u64,
}

/// Told of what a hart does.
pub trait Observer {
    /// A block was executed.
    fn block(&mut self, block: &Block<'_>);

    /// Some instructions were passed over; from now on a block stands for `weight` of its kind.
    fn gap(&mut self, _weight: u32) {}

    /// A trap goes to the handler: its cause and value, as the instruction set numbers them, at `pc`.
    fn trap(&mut self, _pc: u64, _cause: u64, _value: u64) {}
}
