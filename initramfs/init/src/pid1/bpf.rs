//! bpf(2), as far as programs for the device controller need it.

use std::io::{Error, Result};
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

// <linux/bpf.h>
const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_DETACH: i32 = 9;
const PROG_GET_FD_BY_ID: i32 = 13;
const PROG_QUERY: i32 = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// One instruction (RFC 9669), as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    opcode: u8,
    /// Destination in the lower half, source in the upper.
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    const fn new(opcode: u8, registers: u8, offset: i16, immediate: i32) -> Self {
        Self { opcode, registers, offset, immediate }
    }

    /// `to = *(u32 *)(from + offset)`
    pub const fn load_u32(to: u8, from: u8, offset: i16) -> Self {
        Self::new(0x61, from << 4 | to, offset, 0)
    }

    /// `to = from`
    pub const fn copy(to: u8, from: u8) -> Self {
        Self::new(0xbf, from << 4 | to, 0, 0)
    }

    /// `register &= bits`, which clears the upper half.
    pub const fn and(register: u8, bits: i32) -> Self {
        Self::new(0x54, register, 0, bits)
    }

    /// `register >>= bits`, with zeros.
    pub const fn shift_right(register: u8, bits: i32) -> Self {
        Self::new(0x77, register, 0, bits)
    }

    /// `if register != number`, leave out the next `count` instructions.
    pub const fn jump_unless_equal(register: u8, number: u32, count: usize) -> Self {
        Self::new(0x56, register, count as i16, number as i32)
    }

    /// `return value`
    pub const fn return_value(value: i32) -> [Self; 2] {
        [Self::new(0xb7, 0, 0, value), Self::new(0x95, 0, 0, 0)]
    }
}

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

#[repr(C)]
struct Attach {
    group: RawFd,
    program: RawFd,
    kind: u32,
    flags: u32,
}

#[repr(C)]
struct Query {
    group: RawFd,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    unused: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next_id: u32,
    flags: u32,
}

/// Has the kernel check a program.
pub fn load_device_program(program: &[Instruction]) -> Result<OwnedFd> {
    // Only programs that call helpers of the kernel's need another.
    let license = c"Apache-2.0";
    let mut load = Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    open(PROG_LOAD, &mut load)
}

/// Attaches a program to a control group, beside those that are attached already.
pub fn attach_device_program(group: &OwnedFd, program: &OwnedFd) -> Result<()> {
    let flags = ALLOW_MULTI;
    let (group, program) = (group.as_raw_fd(), program.as_raw_fd());
    bpf(PROG_ATTACH, &mut Attach { group, program, kind: CGROUP_DEVICE, flags }).map(drop)
}

/// Detaches a program from a control group.
pub fn detach_device_program(group: &OwnedFd, program: &OwnedFd) -> Result<()> {
    let (group, program) = (group.as_raw_fd(), program.as_raw_fd());
    bpf(PROG_DETACH, &mut Attach { group, program, kind: CGROUP_DEVICE, flags: 0 }).map(drop)
}

/// The programs that are attached to a control group.
pub fn device_programs(group: &OwnedFd) -> Result<Vec<OwnedFd>> {
    // The kernel's own limit (BPF_CGROUP_MAX_PROGS).
    let mut ids = [0u32; 64];
    let mut query = Query {
        group: group.as_raw_fd(),
        kind: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        unused: 0,
    };
    bpf(PROG_QUERY, &mut query)?;
    let open = |&id: &u32| open(PROG_GET_FD_BY_ID, &mut ById { id, next_id: 0, flags: 0 });
    ids.iter().take(query.count as usize).map(open).collect()
}

/// bpf(2). What addresses in `attributes` point to must live on until it returns.
#[allow(unsafe_code)]
fn bpf<T>(command: i32, attributes: &mut T) -> Result<RawFd> {
    // SAFETY: the kernel reads and writes `attributes`, whose size it is told, and what their
    // addresses point to: slices of the callers, with their lengths beside them.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>())
    };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result as RawFd) }
}

/// A command of bpf(2) that returns a descriptor.
#[allow(unsafe_code)]
fn open<T>(command: i32, attributes: &mut T) -> Result<OwnedFd> {
    let number = bpf(command, attributes)?;
    // SAFETY: a new descriptor that nothing else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What a program returns for a context, as the kernel's interpreter finds it.
#[cfg(test)]
pub fn execute(program: &[Instruction], context: [u32; 3]) -> u64 {
    let mut registers = [0u64; 11];
    let mut next = 0;
    loop {
        let Instruction { opcode, registers: both, offset, immediate } = program[next];
        let (to, from) = (usize::from(both & 15), usize::from(both >> 4));
        next += 1;
        match opcode {
            0x61 => registers[to] = context[offset as usize / 4].into(),
            0xbf => registers[to] = registers[from],
            0xb7 => registers[to] = immediate as u64,
            0x54 => registers[to] = (registers[to] as u32 & immediate as u32).into(),
            0x77 => registers[to] >>= immediate,
            0x56 if registers[to] as u32 != immediate as u32 => next += offset as usize,
            0x56 => {}
            0x95 => return registers[0],
            other => panic!("opcode {other:#x}"),
        }
    }
}
