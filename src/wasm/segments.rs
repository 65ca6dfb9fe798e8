//! The parts of a memory that are not zero: runs of pages.

use std::ops::Range;

/// The unit in which memory is searched for zeros, in bytes.
const PAGE: usize = 4096;

/// The runs of pages that are not all zero, as ranges of page numbers. A last, shorter page
/// counts.
fn non_zero_runs(memory: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (number, page) in memory.chunks(PAGE).enumerate() {
        if is_zero(page) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => runs.push(number..number + 1),
        }
    }
    runs
}

/// A copy of a memory, in which pages of zeros need no memory of the host.
pub fn sparse_copy(memory: &[u8]) -> Vec<u8> {
    let mut copy = vec![0; memory.len()];
    for run in non_zero_runs(memory) {
        let bytes = run.start * PAGE..(run.end * PAGE).min(memory.len());
        copy[bytes.clone()].copy_from_slice(&memory[bytes]);
    }
    copy
}

/// Of a page or less. The C library compares, as fast in a build for debugging.
fn is_zero(page: &[u8]) -> bool {
    const ZEROS: [u8; PAGE] = [0; PAGE];
    *page == ZEROS[..page.len()]
}

#[cfg(test)]
// One run is what is meant, not the numbers in it.
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_any_of_its_bytes() {
        let mut memory = vec![0; 5 * PAGE + 10];
        for (at, runs) in [(0, vec![0..1]), (PAGE + 4095, vec![1..2]), (5 * PAGE + 9, vec![5..6])] {
            memory[at] = 1;
            assert_eq!(non_zero_runs(&memory), runs, "{at}");
            memory[at] = 0;
        }
        assert!(non_zero_runs(&memory).is_empty());
    }

    #[test]
    fn neighbours_make_one_run() {
        let mut memory = vec![0; 4 * PAGE];
        memory[PAGE] = 1;
        memory[2 * PAGE] = 1;
        assert_eq!(non_zero_runs(&memory), [1..3]);
    }
}
