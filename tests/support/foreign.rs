//! Programs that judge ours.

use std::process::{Command, Output};

/// Runs a program that must succeed.
pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    let output =
        command.output().unwrap_or_else(|error| panic!("this test needs {program:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}
