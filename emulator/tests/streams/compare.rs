//! Two outcomes of one stream.

use crate::program::{CSR_NAMES, CSRS, F, Logged, Outcome, SLOTS, V, X};

/// A way to fail: the signal that Linux makes of an exception.
fn signal(cause: u64) -> u64 {
    const SIGILL: u64 = 4;
    const SIGTRAP: u64 = 5;
    const SIGBUS: u64 = 7;
    const SIGSEGV: u64 = 11;
    match cause {
        2 => SIGILL,
        3 => SIGTRAP,
        // Misaligned loads, stores and atomics.
        4 | 6 => SIGBUS,
        // Access faults and page faults.
        1 | 5 | 7 | 12 | 13 | 15 => SIGSEGV,
        _ => 0,
    }
}

/// An exception of the emulator as QEMU's log would have it. Of an address, only that of a memory
/// access is comparable: of an illegal instruction, `stval` has the bits and `si_addr` the pc.
fn comparable(logged: &Logged, signal: u64) -> Logged {
    let address = if signal == 7 || signal == 11 { logged.address } else { 0 };
    Logged { pc: logged.pc, cause: signal, address }
}

/// What differs, a line each.
pub fn differences(ours: &Outcome, theirs: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let own_log = ours.log.iter().map(|logged| comparable(logged, signal(logged.cause)));
    let their_log = theirs.log.iter().map(|logged| comparable(logged, logged.cause));
    let (own_log, their_log): (Vec<_>, Vec<_>) = (own_log.collect(), their_log.collect());
    if own_log != their_log {
        let same = own_log.iter().zip(&their_log).take_while(|(own, their)| own == their).count();
        found.push(format!(
            "exception {same}: ours {:x?} (scause {:?}), QEMU {:x?}",
            own_log.get(same),
            ours.log.get(same).map(|logged| logged.cause),
            their_log.get(same)
        ));
    }
    let number = |block: &[u8], at: usize| {
        u64::from_le_bytes(block[at..at + 8].try_into().expect("8 bytes"))
    };
    for at in (0..ours.block.len()).step_by(8) {
        let (own, their) = (number(&ours.block, at), number(&theirs.block, at));
        if own != their {
            found.push(format!("{}: ours {own:#018x}, QEMU {their:#018x}", name(at)));
        }
    }
    for at in (0..ours.data.len()).step_by(8) {
        let (own, their) = (number(&ours.data, at), number(&theirs.data, at));
        if own != their {
            found.push(format!("data {at:#06x}: ours {own:#018x}, QEMU {their:#018x}"));
        }
    }
    found
}

/// What a place in a block is.
fn name(at: usize) -> String {
    match at {
        _ if at < F => format!("x{}", (at - X) / 8),
        _ if at < V => format!("f{}", (at - F) / 8),
        _ if at < CSRS => format!("v{} bytes {}..", (at - V) / 16, at % 16),
        _ if at < SLOTS => CSR_NAMES[(at - CSRS) / 8].to_string(),
        _ => format!("slot {}", (at - SLOTS) / 8),
    }
}
