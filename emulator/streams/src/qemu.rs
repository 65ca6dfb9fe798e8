//! A program as a static ELF file with signal handlers, and how it runs under `qemu-riscv64`.

use super::asm::{Assembler, Rows, reg};
use super::program::{
    self, DATA, DATA_LENGTH, INPUT, OUT, Program, SIGBUS, SIGILL, SIGSEGV, SIGTRAP, TEXT,
};
use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The profile and `fence.i`, no more: all else must trap. Vectors have 128 bits.
const CPU: &str = "rva23u64,zifencei=true,vlen=128";

/// Where the handlers and the entry point are, and what they need.
const START: u64 = 0x0c00_0000;
const SYSTEM: u64 = 0x0d00_0000;
const SYSTEM_LENGTH: u64 = 0x2_0000;
const STACK: u64 = SYSTEM + 0x1000;

/// Offsets in the signal frame (Linux, arch/riscv/include/uapi/asm/ucontext.h, sigcontext.h):
/// `uc_mcontext.sc_regs.pc`, `si_addr`.
const CONTEXT_PC: u32 = 176;
const SIGNAL_ADDRESS: u32 = 16;

const SIGNALS: [u64; 4] = [SIGILL, SIGTRAP, SIGBUS, SIGSEGV];

/// The emulator that the tests compare with.
pub fn qemu() -> PathBuf {
    let cache = || {
        let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home);
        cache.unwrap_or_default().join("c2w/qemu-riscv64")
    };
    let path = env::var_os("QEMU_RISCV64").map_or_else(cache, PathBuf::from);
    assert!(
        path.is_file(),
        "{} is not there: run scripts/get-qemu-user.sh, or set QEMU_RISCV64 to a qemu-riscv64 of \
         version 10 or later",
        path.display()
    );
    path
}

/// Runs the program; gives its output.
pub fn run(rows: &Rows, program: &Program, input: &[u8], directory: &Path) -> Vec<u8> {
    let file = directory.join(format!("streams-{}", std::process::id()));
    fs::write(&file, elf(rows, program, input)).expect("the program is written");
    fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("it is made executable");
    let output = Command::new(qemu())
        .args(["-cpu", CPU])
        .arg(&file)
        .stderr(Stdio::inherit())
        .output()
        .expect("qemu-riscv64 runs");
    assert!(output.status.success(), "qemu-riscv64 {}: {}", file.display(), output.status);
    assert_eq!(output.stdout.len() as u64, program.out_length, "all of the output");
    fs::remove_file(&file).expect("the program is removed");
    output.stdout
}

/// A loadable segment.
struct Segment<'a> {
    address: u64,
    bytes: &'a [u8],
    length: u64,
    flags: u32,
}

/// A static executable of the program.
pub fn elf(rows: &Rows, program: &Program, input: &[u8]) -> Vec<u8> {
    const X: u32 = 1;
    const W: u32 = 2;
    const R: u32 = 4;
    let (start, system) = start_code(rows, program.main);
    let segment = |address, bytes, length, flags| Segment { address, bytes, length, flags };
    let mut segments = vec![
        segment(DATA, &[][..], DATA_LENGTH, R | W),
        segment(START, &start, start.len() as u64, R | X),
        segment(SYSTEM, &system, SYSTEM_LENGTH, R | W),
        segment(TEXT, &program.text, program.text.len() as u64, R | X),
        segment(OUT, &program.out, program.out_length, R | W),
        segment(INPUT, input, input.len() as u64, R),
    ];
    segments.sort_by_key(|segment| segment.address);
    write_elf(START, &segments)
}

fn write_elf(entry: u64, segments: &[Segment<'_>]) -> Vec<u8> {
    const ALIGN: usize = 4096;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, EM_RISCV, EV_CURRENT
    file.extend([2, 0, 243, 0, 1, 0, 0, 0]);
    for number in [entry, 64, 0] {
        file.extend(number.to_le_bytes());
    }
    // EF_RISCV_RVC, double-float ABI
    file.extend(5_u32.to_le_bytes());
    for number in [64, 56, segments.len() as u16, 64, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    let mut offset = ALIGN;
    for segment in segments {
        file.extend(1_u32.to_le_bytes());
        file.extend(segment.flags.to_le_bytes());
        let lengths = [segment.bytes.len() as u64, segment.length];
        for number in [offset as u64, segment.address, segment.address] {
            file.extend(number.to_le_bytes());
        }
        for number in lengths.into_iter().chain([ALIGN as u64]) {
            file.extend(number.to_le_bytes());
        }
        offset += segment.bytes.len().next_multiple_of(ALIGN);
    }
    assert!(file.len() <= ALIGN, "headers of one page");
    for segment in segments {
        file.resize(file.len().next_multiple_of(ALIGN), 0);
        file.extend(segment.bytes);
    }
    file
}

/// The entry point, which installs the signal handler and goes to `main`; and the structures that
/// the kernel wants for it.
fn start_code(rows: &Rows, main: u64) -> (Vec<u8>, Vec<u8>) {
    const SIGALTSTACK: u64 = 132;
    const RT_SIGACTION: u64 = 134;
    const SA_SIGINFO: u64 = 4;
    const SA_ONSTACK: u64 = 0x0800_0000;
    let mut asm = Assembler::new(rows, START);
    let call = |asm: &mut Assembler<'_>, number: u64, arguments: [u64; 4]| {
        for (register, value) in (reg::A0..).zip(arguments) {
            asm.li(register, value);
        }
        asm.li(reg::A7, number);
        asm.insn("ecall", &[]);
    };
    call(&mut asm, SIGALTSTACK, [SYSTEM + 24, 0, 0, 0]);
    for signal in SIGNALS {
        call(&mut asm, RT_SIGACTION, [signal, SYSTEM, 0, 8]);
    }
    asm.jump(reg::ZERO, main);
    let handler = asm.here();
    emit_handler(&mut asm);
    // struct sigaction { handler, flags, mask }, stack_t { sp, flags, size }
    let numbers = [handler, SA_SIGINFO | SA_ONSTACK, 0, STACK, 0, SYSTEM + SYSTEM_LENGTH - STACK];
    (asm.code, numbers.into_iter().flat_map(u64::to_le_bytes).collect())
}

/// `handler(a0: signal, a1: siginfo_t *, a2: ucontext_t *)`
fn emit_handler(asm: &mut Assembler<'_>) {
    asm.load("ld", reg::T1, reg::A2, CONTEXT_PC);
    asm.addi(reg::T2, reg::A0, 0);
    asm.load("ld", reg::T3, reg::A1, SIGNAL_ADDRESS);
    program::emit_log(asm);
    asm.store("sd", reg::T1, reg::A2, CONTEXT_PC);
    asm.jr(reg::RA);
}
