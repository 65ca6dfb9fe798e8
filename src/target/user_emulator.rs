//! QEMU's user-mode emulators: programs of the guest that run programs of another CPU there. The
//! guest's kernel starts one by the ELF header of what is to be executed (Linux,
//! Documentation/admin-guide/binfmt-misc.rst).

use c2w_guest_abi::BinaryFormat;

/// Their licence, by its SPDX identifier.
pub const LICENCE: &str = "GPL-2.0-only";

/// Where they come from: a Debian package, `NAME VERSION CHECKSUM`.
const PACKAGE: &str = include_str!("../../qemu-user/VERSIONS");

/// A user-mode emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserEmulator {
    /// The CPU whose programs it runs, in Go's words (`GOARCH`).
    pub architecture: &'static str,
    /// The program's name.
    pub program: &'static str,
    /// The most that variants of the CPU may ask for, where they are levels.
    highest_level: Option<u32>,
    elf: Elf,
}

/// What tells the programs of a CPU apart (ELF, `e_ident` and `e_machine`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Elf {
    class: Class,
    data: Data,
    machine: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Elf32 = 1,
    Elf64 = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Little = 1,
    Big = 2,
}

const fn emulator(architecture: &'static str, program: &'static str, elf: Elf) -> UserEmulator {
    UserEmulator { architecture, program, highest_level: None, elf }
}

const fn elf(class: Class, data: Data, machine: u16) -> Elf {
    Elf { class, data, machine }
}

/// Bytes of an ELF header up to `e_machine`.
const HEADER: usize = 20;

impl UserEmulator {
    /// All of them, those first that more images need.
    pub const ALL: [Self; 8] = [
        // The fourth level is AVX-512, which QEMU does not have.
        emulator("amd64", "qemu-x86_64", elf(Class::Elf64, Data::Little, 62)).up_to(3),
        emulator("arm64", "qemu-aarch64", elf(Class::Elf64, Data::Little, 183)),
        emulator("arm", "qemu-arm", elf(Class::Elf32, Data::Little, 40)).up_to(8),
        emulator("386", "qemu-i386", elf(Class::Elf32, Data::Little, 3)),
        emulator("ppc64le", "qemu-ppc64le", elf(Class::Elf64, Data::Little, 21)),
        emulator("s390x", "qemu-s390x", elf(Class::Elf64, Data::Big, 22)),
        emulator("mips64le", "qemu-mips64el", elf(Class::Elf64, Data::Little, 8)),
        emulator("loong64", "qemu-loongarch64", elf(Class::Elf64, Data::Little, 258)),
    ];

    const fn up_to(mut self, level: u32) -> Self {
        self.highest_level = Some(level);
        self
    }

    /// What its programs are to find as /proc/cpuinfo, where it does not make one up itself: in the
    /// form of Linux on that CPU. Empty when what the machine's kernel says is to stay.
    pub fn cpuinfo(&self) -> &'static str {
        match self.architecture {
            // The CPU model "max", as cpuid shows it.
            "amd64" | "386" => include_str!("x86_cpuinfo.txt"),
            _ => "",
        }
    }

    /// The Debian package that it is from, and its version.
    pub fn package() -> (&'static str, &'static str) {
        let line = PACKAGE.lines().find(|line| !line.starts_with('#'));
        let mut words = line.unwrap_or_default().split_whitespace();
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The one for a CPU, and for a variant of it that is a `level`.
    pub fn of(architecture: &str, level: Option<u32>) -> Option<Self> {
        let runs = |emulator: &Self| {
            let enough = |highest| level.is_some_and(|level| level <= highest);
            emulator.architecture == architecture && emulator.highest_level.is_none_or(enough)
        };
        Self::ALL.into_iter().find(runs)
    }

    /// The one for the program that `header` is the beginning of.
    pub fn of_program(header: &[u8]) -> Option<Self> {
        let matches = |emulator: &Self| {
            let BinaryFormat { magic, mask, .. } = emulator.format();
            let wanted = magic.iter().zip(&mask);
            header.len() >= HEADER
                && header.iter().zip(wanted).all(|(byte, (magic, mask))| byte & mask == *magic)
        };
        Self::ALL.into_iter().find(matches)
    }

    /// What the guest's kernel is to start it for: executables and shared objects of its CPU,
    /// whatever ABI they name.
    pub fn format(&self) -> BinaryFormat {
        const EXECUTABLE: u16 = 2;
        // A shared object, which a position-independent executable is, has the number 3.
        const EITHER: u16 = 0xfffe;
        let number = |value: u16| match self.elf.data {
            Data::Little => value.to_le_bytes(),
            Data::Big => value.to_be_bytes(),
        };
        let ident = [0x7f, b'E', b'L', b'F', self.elf.class as u8, self.elf.data as u8, 1];
        let (mut magic, mut mask) = ([0; HEADER], [0; HEADER]);
        magic[..7].copy_from_slice(&ident);
        mask[..7].fill(0xff);
        magic[16..18].copy_from_slice(&number(EXECUTABLE));
        mask[16..18].copy_from_slice(&number(EITHER));
        magic[18..].copy_from_slice(&number(self.elf.machine));
        mask[18..].fill(0xff);
        BinaryFormat { interpreter: self.program.into(), magic: magic.into(), mask: mask.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_end_where_the_emulator_does() {
        let of = |architecture, level| {
            UserEmulator::of(architecture, level).map(|emulator| emulator.program)
        };
        assert_eq!(of("amd64", Some(1)), Some("qemu-x86_64"));
        assert_eq!(of("amd64", Some(3)), Some("qemu-x86_64"));
        assert_eq!(of("amd64", Some(4)), None);
        assert_eq!(of("arm", Some(5)), Some("qemu-arm"));
        assert_eq!(of("s390x", None), Some("qemu-s390x"));
        assert_eq!(of("ppc64", None), None);
    }

    #[test]
    fn programs_are_known_by_their_headers() {
        let header = |class, data, abi, kind: [u8; 2], machine: [u8; 2]| {
            let mut header = vec![0x7f, b'E', b'L', b'F', class, data, 1, abi];
            header.resize(16, 0);
            header.extend(kind);
            header.extend(machine);
            header
        };
        let program = |header: &[u8]| UserEmulator::of_program(header).map(|found| found.program);
        assert_eq!(program(&header(2, 1, 0, [2, 0], [62, 0])), Some("qemu-x86_64"));
        // Position-independent, and with GNU's extensions.
        assert_eq!(program(&header(2, 1, 3, [3, 0], [62, 0])), Some("qemu-x86_64"));
        assert_eq!(program(&header(2, 2, 0, [0, 2], [0, 22])), Some("qemu-s390x"));
        assert_eq!(program(&header(2, 1, 0, [3, 0], [2, 1])), Some("qemu-loongarch64"));
        // An object file, big-endian POWER, RISC-V itself, a short file.
        assert_eq!(program(&header(2, 1, 0, [1, 0], [62, 0])), None);
        assert_eq!(program(&header(2, 2, 0, [0, 2], [0, 21])), None);
        assert_eq!(program(&header(2, 1, 0, [2, 0], [243, 0])), None);
        assert_eq!(program(&header(2, 1, 0, [2, 0], [62, 0])[..19]), None);
    }
}
