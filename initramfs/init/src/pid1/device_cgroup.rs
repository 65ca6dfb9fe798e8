//! Which devices the container may use: a program that the kernel asks at each opening and making
//! of a device node (Documentation/admin-guide/cgroup-v2.rst, "Device controller").
//!
//! The container runtime attaches the first one, made of [`DEFAULT`]. A run that gives more takes
//! its place.

use super::bpf::{self, Instruction};
use crate::failure::{OrFail, Result};
use c2w_guest_abi::DeviceAccess;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;

/// The container's control group: the path in [`super::spec`].
const CONTROL_GROUP: &str = "/sys/fs/cgroup/c2w";

/// The two kinds of devices, by `BPF_DEVCG_DEV_*` of <linux/bpf.h>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A block device.
    Block = 1,
    /// A character device.
    Character = 2,
}

/// What may be done with which devices; a number that is missing means every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Character or block.
    pub kind: Kind,
    /// The driver's number.
    pub major: Option<u32>,
    /// The device's, of its driver.
    pub minor: Option<u32>,
    /// What may be done.
    pub access: DeviceAccess,
}

impl Rule {
    const fn make_any(kind: Kind) -> Self {
        let access = DeviceAccess { read: false, write: false, mknod: true };
        Self { kind, major: None, minor: None, access }
    }

    const fn open(major: u32, minor: Option<u32>) -> Self {
        let kind = Kind::Character;
        Self { kind, major: Some(major), minor, access: DeviceAccess::ALL }
    }

    /// `BPF_DEVCG_ACC_*` of <linux/bpf.h>.
    fn access_bits(self) -> i32 {
        let DeviceAccess { read, write, mknod } = self.access;
        i32::from(mknod) | i32::from(read) << 1 | i32::from(write) << 2
    }
}

/// Docker's rules, those that runc adds included: any node may be made, only the harmless ones
/// opened.
pub const DEFAULT: [Rule; 12] = [
    Rule::make_any(Kind::Character),
    Rule::make_any(Kind::Block),
    // null, zero, full, random, urandom
    Rule::open(1, Some(3)),
    Rule::open(1, Some(5)),
    Rule::open(1, Some(7)),
    Rule::open(1, Some(8)),
    Rule::open(1, Some(9)),
    // tty, console, ptmx; pseudo terminals
    Rule::open(5, Some(0)),
    Rule::open(5, Some(1)),
    Rule::open(5, Some(2)),
    Rule::open(136, None),
    // net/tun, useless without CAP_NET_ADMIN
    Rule::open(10, Some(200)),
];

/// Lets the container use every device.
pub fn allow_all() -> Result<()> {
    let group = control_group()?;
    detach(&group, &attached(&group)?)
}

/// Lets it use what these rules say, beside [`DEFAULT`].
pub fn allow(rules: impl Iterator<Item = Rule>) -> Result<()> {
    let group = control_group()?;
    let rules: Vec<_> = DEFAULT.into_iter().chain(rules).collect();
    let ours = bpf::load_device_program(&program(&rules)).or_fail("loading device rules")?;
    // All that are attached must agree, so nothing is allowed in between.
    let former = attached(&group)?;
    bpf::attach_device_program(&group, &ours).or_fail("attaching device rules")?;
    detach(&group, &former)
}

fn control_group() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(CONTROL_GROUP, flags, Mode::empty())
        .or_fail("opening the container's control group")
}

fn attached(group: &OwnedFd) -> Result<Vec<OwnedFd>> {
    bpf::device_programs(group).or_fail("looking for device rules")
}

fn detach(group: &OwnedFd, programs: &[OwnedFd]) -> Result<()> {
    programs.iter().try_for_each(|program| {
        bpf::detach_device_program(group, program).or_fail("detaching device rules")
    })
}

/// A program that returns 1 when one of the rules allows all that is asked for, else 0.
fn program(rules: &[Rule]) -> Vec<Instruction> {
    // struct bpf_cgroup_dev_ctx: access << 16 | kind, major, minor.
    const CONTEXT: u8 = 1;
    const KIND: u8 = 2;
    const ACCESS: u8 = 3;
    const MAJOR: u8 = 4;
    const MINOR: u8 = 5;
    const REFUSED: u8 = 6;
    let mut program = vec![
        Instruction::load_u32(KIND, CONTEXT, 0),
        Instruction::copy(ACCESS, KIND),
        Instruction::and(KIND, 0xffff),
        Instruction::shift_right(ACCESS, 16),
        Instruction::load_u32(MAJOR, CONTEXT, 4),
        Instruction::load_u32(MINOR, CONTEXT, 8),
    ];
    for rule in rules {
        let numbers = [(MAJOR, rule.major), (MINOR, rule.minor)];
        let mut tests = vec![
            Instruction::copy(REFUSED, ACCESS),
            Instruction::and(REFUSED, !rule.access_bits()),
        ];
        let equal = [(KIND, Some(rule.kind as u32)), (REFUSED, Some(0))];
        let equal = equal.into_iter().chain(numbers);
        let equal: Vec<(u8, u32)> =
            equal.filter_map(|(register, number)| Some((register, number?))).collect();
        // From each test over the later ones and the two instructions that allow.
        tests.extend(equal.iter().enumerate().map(|(index, &(register, number))| {
            Instruction::jump_unless_equal(register, number, equal.len() - index + 1)
        }));
        program.extend(tests);
        program.extend(Instruction::return_value(1));
    }
    program.extend(Instruction::return_value(0));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: u32 = 2;
    const WRITE: u32 = 4;
    const MAKE: u32 = 1;

    fn allowed(rules: &[Rule], kind: Kind, numbers: (u32, u32), access: u32) -> bool {
        let context = [access << 16 | kind as u32, numbers.0, numbers.1];
        bpf::execute(&program(rules), context) == 1
    }

    #[test]
    fn by_default_nodes_are_made_and_harmless_ones_opened() {
        use Kind::{Block, Character};
        for (kind, numbers, access, expected) in [
            (Character, (1, 3), READ | WRITE, true),
            (Character, (136, 7), READ | WRITE | MAKE, true),
            (Character, (10, 229), MAKE, true),
            (Block, (259, 0), MAKE, true),
            (Character, (10, 229), READ, false),
            (Character, (1, 1), READ, false),
            (Block, (1, 3), READ, false),
            (Block, (259, 0), READ | MAKE, false),
        ] {
            let found = allowed(&DEFAULT, kind, numbers, access);
            assert_eq!(found, expected, "{kind:?} {numbers:?} {access}");
        }
    }

    #[test]
    fn a_rule_allows_what_it_says_and_no_more() {
        let access = DeviceAccess { read: true, write: false, mknod: false };
        let rule = Rule { kind: Kind::Block, major: Some(7), minor: Some(70_000), access };
        let rules: Vec<_> = DEFAULT.into_iter().chain([rule]).collect();
        let allowed = |numbers, access| allowed(&rules, Kind::Block, numbers, access);
        assert!(allowed((7, 70_000), READ));
        assert!(!allowed((7, 70_000), READ | WRITE));
        assert!(!allowed((7, 70_001), READ));
        assert!(!allowed((8, 70_000), READ));
    }

    #[test]
    fn nothing_is_allowed_by_no_rule() {
        assert!(!allowed(&[], Kind::Character, (1, 3), READ));
    }
}
