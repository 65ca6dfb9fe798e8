//! Two outcomes of one stream.

use super::program::{CSR_NAMES, CSRS, F, Logged, Outcome, SIGBUS, SIGSEGV, SLOTS, V, X};

/// An exception as far as it is comparable: of an illegal instruction, `si_addr` is the pc and
/// `stval` the bits.
fn comparable(logged: &Logged) -> Logged {
    const WITH_ADDRESS: [u64; 2] = [SIGBUS, SIGSEGV];
    let address = if WITH_ADDRESS.contains(&logged.signal) { logged.address } else { 0 };
    Logged { address, ..*logged }
}

/// Whether two exceptions are the same. Of a misaligned vector element, QEMU may load aligned
/// pieces of 2, 4 or 8 bytes, and then reports the piece that faulted; beyond the host's address
/// space it reports 0.
fn same(own: &Logged, their: &Logged) -> bool {
    let with = |address| Logged { address, ..*own };
    let beyond_host = own.signal == SIGSEGV && !matches!(own.address as i64 >> 46, 0 | -1);
    [0, 1, 3, 7].into_iter().any(|low: u64| with(own.address & !low) == *their)
        || beyond_host && with(0) == *their
}

/// What differs, a line each.
pub fn differences(ours: &Outcome, theirs: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    let log = |outcome: &Outcome| outcome.log.iter().map(comparable).collect::<Vec<_>>();
    let (own_log, their_log) = (log(ours), log(theirs));
    let agreeing =
        own_log.iter().zip(&their_log).take_while(|(own, their)| same(own, their)).count();
    if agreeing < own_log.len().max(their_log.len()) {
        let (own, their) = (own_log.get(agreeing), their_log.get(agreeing));
        found.push(format!("exception {agreeing}: ours {own:x?}, QEMU {their:x?}"));
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
