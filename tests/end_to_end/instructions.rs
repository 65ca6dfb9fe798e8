//! Random instructions as a program in the container: the native build and the module do what QEMU
//! does. `emulator/streams` compares many more of them, without Linux and WebAssembly.

use crate::container::{Container, Engine, assert_success};
use crate::{engine_trial, process};
use c2w_streams::generate::Generator;
use c2w_streams::program::{self, Outcome, Program, SIGBUS};
use c2w_streams::stream::Stream;
use c2w_streams::{compare, input, qemu};
use libtest_mimic::Trial;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

const STREAMS: u64 = 192;

/// The guest's kernel lets user mode execute these, QEMU does not.
const NOT_IN_QEMU: [&str; 3] = ["cbo.clean", "cbo.flush", "cbo.inval"];

/// The program comes on standard input.
const RUN: [&str; 3] = ["sh", "-c", "cat > /tmp/streams; chmod +x /tmp/streams; exec /tmp/streams"];

pub fn trials() -> Vec<Trial> {
    let test = |engine| engine_trial(engine, "instructions", check);
    Engine::all().into_iter().map(test).collect()
}

/// The program, and what comes of it.
struct Expected {
    program: Program,
    elf: Vec<u8>,
    outcomes: Vec<Outcome>,
}

fn expected() -> &'static Expected {
    static EXPECTED: OnceLock<Expected> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let generator = Generator::new().without(&NOT_IN_QEMU);
        let streams: Vec<Stream> = (0..STREAMS).map(|seed| generator.stream(seed)).collect();
        let program = program::build(&generator.rows, &streams, generator.vectors);
        let input = input();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("end_to_end-instructions");
        fs::create_dir_all(&folder).expect("a folder for QEMU's program");
        let out = qemu::run(&generator.rows, &program, &input, &folder);
        let elf = qemu::elf(&generator.rows, &program, &input);
        let outcomes = outcomes(&program, &out);
        Expected { program, elf, outcomes }
    })
}

/// Of a misaligned atomic, Linux reports the instruction's address, QEMU the memory's.
fn outcomes(program: &Program, out: &[u8]) -> Vec<Outcome> {
    let mut outcomes = program::outcomes(program, out);
    for logged in outcomes.iter_mut().flat_map(|outcome| &mut outcome.log) {
        if logged.signal == SIGBUS {
            logged.address = 0;
        }
    }
    outcomes
}

fn check(engine: Engine) {
    let expected = expected();
    let output = process::run(&mut Container::busybox().command(engine, &RUN), &expected.elf);
    assert_success(&output);
    let outcomes = outcomes(&expected.program, &output.stdout);
    for (seed, (own, their)) in outcomes.iter().zip(&expected.outcomes).enumerate() {
        let differences = compare::differences(own, their);
        assert!(differences.is_empty(), "stream {seed}:\n{}", differences.join("\n"));
    }
}
