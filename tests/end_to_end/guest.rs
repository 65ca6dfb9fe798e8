//! C programs for the guest, in `guest/`. What needs them is ignored where there is no cross
//! compiler.

use crate::missing;
use libtest_mimic::Trial;
use std::path::Path;
use std::process::Command;

const COMPILER: &str = "riscv64-linux-gnu-gcc";

/// The tests, or one that is ignored in their place.
pub fn trials(name: &str, trials: impl FnOnce() -> Vec<Trial>) -> Vec<Trial> {
    if Command::new(COMPILER).arg("--version").output().is_ok() {
        return trials();
    }
    vec![missing(name, COMPILER)]
}

/// Compiles a program to `output`.
pub fn compile(name: &str, output: &Path) {
    let source = format!("{}/tests/end_to_end/guest/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Command::new(COMPILER);
    compiler.args(["-O2", "-static", "-Wall", "-Werror", "-o"]).arg(output).arg(source);
    assert!(compiler.status().expect("the compiler runs").success());
}
