//! The same guest does the same twice: instructions counted, registers, devices and memory.

use c2w_fuzz_targets::{machine, noise};

#[test]
fn random_guests_run_twice_are_the_same() {
    for seed in 1..=100 {
        // Inputs of such a length are run twice and compared.
        machine::check(&noise(seed, 40 * seed as usize));
    }
}
