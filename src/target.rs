//! The machine that a module carries: all that differs between instruction sets, for the stages
//! that must know. The rest of the converter is the same for each of them.

mod user_emulator;

pub use user_emulator::{LICENCE as EMULATOR_LICENCE, UserEmulator};

use c2w_emulator::riscv::board::{RiscvBoard, layout};
use c2w_emulator::riscv::isa;
use c2w_emulator::{AllocateError, BootBoard, GuestMemory};
use c2w_translator::plan::select::Selection;
use c2w_translator::{Linkage, Riscv, Translation};
use std::fmt::Display;

/// How the programs of a platform are executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// By this machine,
    pub target: Target,
    /// and in it by this emulator, when their CPU is not the machine's.
    pub emulator: Option<UserEmulator>,
}

impl Execution {
    /// Whether the machine has vectors. An emulator does without: with them, the code that QEMU 10.0
    /// makes of arm64's is wrong (Python's start fails), on any RISC-V.
    pub fn vectors(self) -> bool {
        self.emulator.is_none()
    }

    /// That of a platform, in Go's words; `level` is that of its variant, where there are levels.
    pub fn of(os: &str, architecture: &str, level: Option<u32>) -> Option<Self> {
        if os != OS {
            return None;
        }
        let own = |target: &Target| target.architecture() == architecture;
        if let Some(target) = Target::ALL.into_iter().find(own) {
            return Some(Self { target, emulator: None });
        }
        let emulator = UserEmulator::of(architecture, level)?;
        Some(Self { target: Target::default(), emulator: Some(emulator) })
    }
}

/// The CPUs of all platforms that are executed, in Go's words, best first.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    let emulated = UserEmulator::ALL.map(|emulator| emulator.architecture);
    Target::ALL.map(Target::architecture).into_iter().chain(emulated)
}

/// The CPU, in Go's words, of a program that starts with `header`, if it is executed here.
pub fn architecture_of(header: &[u8]) -> Option<&'static str> {
    // Little-endian ELF of 64 bits for RISC-V (RISC-V ELF psABI, `EM_RISCV`).
    const RISCV64: ([u8; 6], [u8; 2]) = (*b"\x7fELF\x02\x01", [243, 0]);
    match (header.get(..6), header.get(18..20)) {
        (Some(ident), Some(machine)) if ident == RISCV64.0 && machine == RISCV64.1 => {
            Some(Target::Riscv64.architecture())
        }
        _ => UserEmulator::of_program(header).map(|emulator| emulator.architecture),
    }
}

/// The operating system of all images, in Go's words (`GOOS`).
pub const OS: &str = "linux";

/// An instruction set, and the machine that has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// RV64GC with vectors, on [`RiscvBoard`].
    #[default]
    Riscv64,
}

/// The files of one target in `prebuilt/`, as they are there.
#[derive(Clone, Copy)]
pub struct Prebuilt {
    /// Linux `Image`, compressed with zstd.
    pub kernel: &'static [u8],
    /// PID 1, runc and what they need: a cpio archive, compressed with zstd.
    pub initramfs: &'static [u8],
    /// The emulator as a program for WASI preview 1: a module.
    pub runtime: &'static [u8],
    /// The same for WASI 0.2: a component.
    pub component: &'static [u8],
    /// Each [`UserEmulator`] by its name: a tar archive, compressed with zstd.
    pub emulators: &'static [u8],
}

impl Target {
    /// All there are.
    pub const ALL: [Self; 1] = [Self::Riscv64];

    /// The CPU of its images, in Go's words (`GOARCH`).
    pub fn architecture(self) -> &'static str {
        match self {
            Self::Riscv64 => "riscv64",
        }
    }

    /// Kernel, initramfs and runtime, as they are embedded.
    pub fn prebuilt(self) -> Prebuilt {
        match self {
            Self::Riscv64 => Prebuilt {
                kernel: include_bytes!("../prebuilt/riscv64/Image.zst"),
                initramfs: include_bytes!("../prebuilt/riscv64/initramfs.cpio.zst"),
                runtime: include_bytes!("../prebuilt/riscv64/runtime.wasm"),
                component: include_bytes!("../prebuilt/riscv64/runtime-component.wasm"),
                emulators: include_bytes!("../prebuilt/riscv64/qemu-user.tar.zst"),
            },
        }
    }

    /// The kernel's parameters that are for this CPU.
    pub fn kernel_parameters(self, emulator: Option<UserEmulator>) -> &'static str {
        match (self, emulator) {
            // Three levels of page tables are enough for 256 GiB of addresses: with the fourth that
            // the hart has, fork and exec take 1 % more instructions, and every walk is longer.
            (Self::Riscv64, None) => "no4lvl",
            // Programs of other CPUs know where in 128 TiB their memory has to be.
            (Self::Riscv64, Some(_)) => "",
        }
    }

    /// The kernel's parameter for a console that works before there are drivers.
    pub fn early_console(self) -> &'static str {
        match self {
            Self::Riscv64 => "earlycon=sbi",
        }
    }

    /// The board of its machine.
    pub fn board(self) -> &'static dyn BootBoard {
        match self {
            Self::Riscv64 => &RiscvBoard,
        }
    }

    /// Memory for a machine with these bytes of RAM and root image.
    ///
    /// # Errors
    /// [`AllocateError`].
    pub fn allocate(self, ram: u64, image: u64, cache: u64) -> Result<GuestMemory, AllocateError> {
        let (ram_base, image_base) = match self {
            Self::Riscv64 => (layout::RAM_BASE, layout::IMAGE_BASE),
        };
        GuestMemory::allocate_cached(ram_base, ram, (image_base, image), cache)
    }

    /// The length in bytes of the instruction that `code`, which is not empty, begins with, and its
    /// assembler text if it is a valid one.
    pub fn disassemble(self, code: &[u8]) -> (usize, Option<impl Display + use<>>) {
        match self {
            Self::Riscv64 => {
                let length = usize::from(isa::length(code[0].into())).min(code.len());
                let mut bits = [0; 4];
                bits[..length].copy_from_slice(&code[..length]);
                (length, isa::decode(u32::from_le_bytes(bits)))
            }
        }
    }

    /// What the CPU's manual calls the cause of a trap, and the value that comes with it.
    pub fn trap_names(self) -> [&'static str; 2] {
        match self {
            Self::Riscv64 => ["scause", "stval"],
        }
    }

    /// Makes WebAssembly functions of hot code.
    pub fn translate(self, selection: &Selection<Riscv>, linkage: &Linkage) -> Translation {
        match self {
            Self::Riscv64 => c2w_translator::translate(selection, linkage),
        }
    }
}
