#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| c2w_fuzz_targets::units::check(data));
