//! Two outcomes of one stream.

use super::program::{CSR_NAMES, CSRS, F, Logged, Outcome, SIGBUS, SIGSEGV, SLOTS, V, X};

/// An exception as far as it is comparable: of an illegal instruction, `si_addr` is the pc and
/// `stval` the bits.
fn comparable(logged: &Logged) -> Logged {
    let address = match logged.signal {
        // QEMU reads a misaligned element of a vector in aligned pieces, and reports the piece
        // that faults.
        SIGSEGV if is_vector_access(logged.bits) => logged.address & !7,
        SIGBUS | SIGSEGV => logged.address,
        _ => 0,
    };
    Logged { address, ..*logged }
}

/// Whether these are the bits of a vector load or store, by opcode and width.
fn is_vector_access(bits: u32) -> bool {
    matches!(bits & 0x7f, 0x07 | 0x27) && matches!(bits >> 12 & 7, 0 | 5..)
}

/// What differs, a line each.
pub fn differences(ours: &Outcome, theirs: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let log = |outcome: &Outcome| outcome.log.iter().map(comparable).collect::<Vec<_>>();
    let (own_log, their_log) = (log(ours), log(theirs));
    if own_log != their_log {
        let same = own_log.iter().zip(&their_log).take_while(|(own, their)| own == their).count();
        let (own, their) = (own_log.get(same), their_log.get(same));
        found.push(format!("exception {same}: ours {own:x?}, QEMU {their:x?}"));
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
