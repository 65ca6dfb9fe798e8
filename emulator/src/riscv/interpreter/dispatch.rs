//! From an operation to what it does.

use super::fusion::for_each_fusion;
use super::op::for_each_code;

/// Executes an operation of a kind, and goes on.
macro_rules! step {
    (seq $body:ident $bytes:tt) => { step!(integer $body $bytes) };
    (bit $body:ident $bytes:tt) => { step!(bitmanip $body $bytes) };
    (mem $body:ident $bytes:tt) => { step!(memory $body $bytes) };
    (branch $body:ident $bytes:literal) => { flow!($body $bytes) };
    (flow $body:ident $bytes:literal) => { flow!($body $bytes) };
    (loads $body:ident $bytes:literal) => { group!(loads $body $bytes) };
    (stores $body:ident $bytes:literal) => { group!(stores $body $bytes) };
    (stop decode $bytes:literal) => { leave!(Decode) };
    (stop slow $bytes:literal) => { leave!(Slow) };
    (stop enter $bytes:literal) => { leave!(Enter) };
    ($family:ident $body:ident $bytes:tt) => {{
        $family!($body);
        next_slot!(1 $bytes);
    }};
}
/// Defines `named!`, which is `step!` by an operation's name, for the superinstructions.
macro_rules! define_named {
    (
        { $($name:ident = $kind:ident $body:ident $bytes:literal)* }
        $runs:tt
    ) => {
        macro_rules! named { $(($name) => { step!($kind $body $bytes) };)* }
        pub(super) use named;
    };
}
for_each_code!(define_named);

/// Executes the operation that `op!` is.
macro_rules! dispatch {
    (
        { $($name:ident = $kind:ident $body:ident $bytes:literal)* }
        { $($run:ident = $($part:ident)+;)* }
    ) => {
        match op!().code {
            $(Code::$name => step!($kind $body $bytes),)*
            $(Code::$run => {
                $(named!($part);)+
            })*
        }
    };
}
pub(super) use dispatch;
pub(super) use step;
