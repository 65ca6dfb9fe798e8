//! The soft-float routines against QEMU: results and flags in every format and rounding mode.

#[path = "softfloat/operands.rs"]
mod operands;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use c2w_emulator::softfloat::{self as sf, F16, F32, F64, Format, RoundingMode};
use operands::{Random, integer, triple};

const RECORDS: usize = 1_000_000;
const SEED: u64 = 0x5eed_f10a_7000_0001;

/// The operations by number, as `softfloat/oracle.c` knows them.
const NAMES: [&str; 26] = [
    "fadd",
    "fsub",
    "fmul",
    "fdiv",
    "fsqrt",
    "fmadd",
    "fmsub",
    "fnmsub",
    "fnmadd",
    "fmin",
    "fmax",
    "feq",
    "flt",
    "fle",
    "fclass",
    "fcvt.w",
    "fcvt.wu",
    "fcvt.l",
    "fcvt.lu",
    "fcvt.?.w",
    "fcvt.?.wu",
    "fcvt.?.l",
    "fcvt.?.lu",
    "fcvt.h",
    "fcvt.s",
    "fcvt.d",
];
const FROM_INTEGER: std::ops::Range<u64> = 19..23;
const TO_HALF: u64 = 23;

/// One instruction: the operand format is 0 for half, 1 for single, 2 for double precision.
struct Record {
    operation: u64,
    format: u64,
    mode: u8,
    operands: [u64; 3],
}

#[test]
fn matches_qemu() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("softfloat");
    fs::create_dir_all(&directory).expect("create the test directory");
    let mut random = Random(SEED);
    let records: Vec<Record> = (0..RECORDS).map(|_| record(&mut random)).collect();
    let answers = ask_qemu(&directory, &records);

    let mut wrong = 0;
    for (record, &(result, flags)) in records.iter().zip(&answers) {
        let mut own_flags = 0;
        let own = execute(record, &mut own_flags);
        if (own, own_flags) != (result, flags) {
            wrong += 1;
            if wrong <= 20 {
                let [a, b, c] = record.operands;
                eprintln!(
                    "{} format {} mode {}: {a:#x} {b:#x} {c:#x}\n  \
                     ours {own:#x} flags {own_flags:#x}, QEMU {result:#x} flags {flags:#x}",
                    NAMES[record.operation as usize], record.format, record.mode,
                );
            }
        }
    }
    assert_eq!(wrong, 0, "{wrong} of {RECORDS} results differ from QEMU's (seed {SEED:#x})");
}

fn record(random: &mut Random) -> Record {
    let operation = random.below(NAMES.len() as u64);
    let mut format = random.below(3);
    if operation >= TO_HALF && format == operation - TO_HALF {
        format = (format + 1) % 3; // a format converts to the other two
    }
    let operands = match format {
        _ if FROM_INTEGER.contains(&operation) => [integer(random), 0, 0],
        0 => triple::<F16>(random),
        1 => triple::<F32>(random),
        _ => triple::<F64>(random),
    };
    Record { operation, format, mode: random.below(5) as u8, operands }
}

/// Runs the records on the emulated CPU: (result, flags) for each.
fn ask_qemu(directory: &Path, records: &[Record]) -> Vec<(u64, u8)> {
    let oracle = directory.join("oracle");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/softfloat/oracle.c");
    let mut compiler = Command::new("riscv64-linux-gnu-gcc");
    compiler.args(["-O1", "-static", "-o"]).arg(&oracle).arg(source);
    let status = compiler.status().expect(
        "riscv64-linux-gnu-gcc does not run: install the Debian packages \
         gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross",
    );
    assert!(status.success(), "riscv64-linux-gnu-gcc cannot build {}", oracle.display());

    let input = directory.join("records");
    fs::write(&input, encode(records)).expect("write the records");
    let output = Command::new("qemu-riscv64")
        .args(["-cpu", "rv64,Zfh=true"])
        .arg(&oracle)
        .stdin(File::open(&input).expect("open the records"))
        .stderr(Stdio::inherit())
        .output()
        .expect("qemu-riscv64 does not run: install the Debian package qemu-user");
    assert!(output.status.success(), "qemu-riscv64 {} failed: {}", oracle.display(), output.status);

    let answers: Vec<_> = output.stdout.chunks_exact(16).zip(records).map(decode).collect();
    assert_eq!(answers.len(), records.len(), "QEMU stopped before the last record");
    answers
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(records.len() * 32);
    for record in records {
        let code = (record.operation << 32) | (record.format << 8) | u64::from(record.mode);
        bytes.extend(code.to_le_bytes());
        bytes.extend(record.operands.iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

/// Result and flags; of a result in a narrow format, the register's other bits are dropped.
fn decode((answer, record): (&[u8], &Record)) -> (u64, u8) {
    let (result, flags) = answer.split_at(8);
    let result = u64::from_le_bytes(result.try_into().expect("8 bytes"));
    let format = match record.operation {
        11..=18 => 2,
        to @ 23.. => to - TO_HALF,
        _ => record.format,
    };
    (result & (u64::MAX >> [48, 32, 0][format as usize]), flags[0])
}

fn execute(record: &Record, flags: &mut u8) -> u64 {
    match record.format {
        0 => execute_in::<F16>(record, flags),
        1 => execute_in::<F32>(record, flags),
        _ => execute_in::<F64>(record, flags),
    }
}

fn execute_in<F: Format>(record: &Record, flags: &mut u8) -> u64 {
    let [a, b, c] = record.operands;
    let mode = RoundingMode::from_bits(record.mode).expect("a rounding mode");
    match record.operation {
        0 => sf::add::<F>(a, b, mode, flags),
        1 => sf::sub::<F>(a, b, mode, flags),
        2 => sf::mul::<F>(a, b, mode, flags),
        3 => sf::div::<F>(a, b, mode, flags),
        4 => sf::sqrt::<F>(a, mode, flags),
        5 => sf::mul_add::<F>(a, b, c, mode, flags),
        6 => sf::mul_add::<F>(a, b, c ^ F::SIGN, mode, flags),
        7 => sf::mul_add::<F>(a ^ F::SIGN, b, c, mode, flags),
        8 => sf::mul_add::<F>(a ^ F::SIGN, b, c ^ F::SIGN, mode, flags),
        9 => sf::min::<F>(a, b, flags),
        10 => sf::max::<F>(a, b, flags),
        11 => u64::from(sf::eq::<F>(a, b, flags)),
        12 => u64::from(sf::lt::<F>(a, b, flags)),
        13 => u64::from(sf::le::<F>(a, b, flags)),
        14 => sf::class::<F>(a),
        15 => sf::to_i32::<F>(a, mode, flags) as u64,
        16 => sf::to_u32::<F>(a, mode, flags) as i32 as u64,
        17 => sf::to_i64::<F>(a, mode, flags) as u64,
        18 => sf::to_u64::<F>(a, mode, flags),
        19 => sf::from_i32::<F>(a as i32, mode, flags),
        20 => sf::from_u32::<F>(a as u32, mode, flags),
        21 => sf::from_i64::<F>(a as i64, mode, flags),
        22 => sf::from_u64::<F>(a, mode, flags),
        23 => sf::convert::<F, F16>(a, mode, flags),
        24 => sf::convert::<F, F32>(a, mode, flags),
        _ => sf::convert::<F, F64>(a, mode, flags),
    }
}
