//! Bodies of the interpreter loop's groups: neighbours that load, or store, doublewords at one base
//! register, as a function's entry and exit and a copy loop do. One translation serves them all.
//!
//! The group's slots are as they would be alone. In the first one, `c` and `d` tell of the whole
//! group: doublewords from its lowest address to the first one's, and from its lowest address to
//! its end ([`mod@crate::riscv::interpreter::group`]).

/// Host address of what the base register points to, when the whole group lies in one page.
macro_rules! group_base {
    ($translate:ident) => {{
        let below = u64::from(op!().c) * 8;
        let lowest = x!(b).wrapping_add(imm!()).wrapping_sub(below);
        let address: usize = $translate!(lowest, u64::from(op!().d) * 8);
        address.wrapping_add(below as usize).wrapping_sub(op!().imm as isize as usize)
    }};
}
pub(super) use group_base;

/// One load or store of a group, in the slot `$at` bytes behind the first one.
macro_rules! group_part {
    (loads $base:ident $at:expr) => {{
        let address = $base.wrapping_add(part!($at).imm as isize as usize);
        let pointer = core::ptr::with_exposed_provenance::<u64>(address);
        set_part_x!($at, unsafe { pointer.read_unaligned() });
    }};
    (stores $base:ident $at:expr) => {{
        let address = $base.wrapping_add(part!($at).imm as isize as usize);
        let pointer = core::ptr::with_exposed_provenance_mut::<u64>(address);
        unsafe { pointer.write_unaligned(part_x!($at)) }
    }};
}
pub(super) use group_part;

/// What a group does, in the terms of the loop's own macros; `$bytes` is the distance of its parts.
macro_rules! group {
    (loads $count:ident $bytes:literal) => {{
        let base = group_base!(readable);
        group!(loads base $count $bytes)
    }};
    (stores $count:ident $bytes:literal) => {{
        let base = group_base!(writable);
        group!(stores base $count $bytes)
    }};
    ($kind:ident $base:ident x2 $bytes:literal) => { group!($kind $base $bytes 2 [0 1]) };
    ($kind:ident $base:ident x3 $bytes:literal) => { group!($kind $base $bytes 3 [0 1 2]) };
    ($kind:ident $base:ident x4 $bytes:literal) => { group!($kind $base $bytes 4 [0 1 2 3]) };
    ($kind:ident $base:ident x5 $bytes:literal) => { group!($kind $base $bytes 5 [0 1 2 3 4]) };
    ($kind:ident $base:ident x6 $bytes:literal) => { group!($kind $base $bytes 6 [0 1 2 3 4 5]) };
    ($kind:ident $base:ident x7 $bytes:literal) => { group!($kind $base $bytes 7 [0 1 2 3 4 5 6]) };
    ($kind:ident $base:ident x8 $bytes:literal) => { group!($kind $base $bytes 8 [0 1 2 3 4 5 6 7]) };
    ($kind:ident $base:ident $bytes:literal $count:literal [$($part:literal)*]) => {{
        $(group_part!($kind $base $part * $bytes);)*
        next_slot!($count ($count * $bytes));
    }};
}
pub(super) use group;
