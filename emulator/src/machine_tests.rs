//! Saved state that no machine can have come to.

use super::*;
use crate::devices::test_host::TestHost;
use crate::engine::cpu::CpuSnapshot;
use crate::riscv::board::RiscvBoard;
use crate::riscv::csr::Csrs;
use crate::riscv::hart::Registers;
use alloc::vec;

type Cpu = CpuSnapshot<Registers>;

fn memory() -> GuestMemory {
    GuestMemory::allocate(0x8000_0000, 1 << 20, 0, 0).unwrap()
}

/// The state of a machine that has not run, after `change`.
fn restored(change: impl FnOnce(&mut MachineState, &mut Cpu)) -> Result<Machine, RestoreError> {
    let mut kernel = [0; 64];
    kernel[48..56].copy_from_slice(b"RISCV\0\0\0");
    let config = BootConfig {
        kernel: &kernel,
        initramfs: &[],
        command_line: "",
        disks: &[],
        vectors: true,
        ports: &["a"],
        mount_tag: "b",
        seed: &[],
    };
    let saved =
        Machine::boot(&RiscvBoard, memory(), &config).unwrap().save(&mut TestHost::default());
    let header = header(&RiscvBoard);
    let mut state: MachineState = postcard::from_bytes(&saved[header.len()..]).unwrap();
    let mut cpu: Cpu = postcard::from_bytes(&state.cpu).unwrap();
    change(&mut state, &mut cpu);
    state.cpu = postcard::to_allocvec(&cpu).unwrap();
    let body = postcard::to_allocvec(&state).unwrap();
    Machine::restore(&RiscvBoard, memory(), &[header, body].concat())
}

#[test]
fn a_state_with_counts_about_to_overflow_is_refused() {
    assert!(restored(|_, _| {}).is_ok());
    for (steps, traps) in [(u64::MAX, 0), (1 << 63, 0), (3, 4)] {
        let changed = restored(|_, cpu| (cpu.steps, cpu.traps) = (steps, traps));
        assert_eq!(changed.err(), Some(RestoreError::NotASnapshot), "{steps} {traps}");
    }
}

#[test]
fn a_state_with_registers_that_no_software_wrote_is_refused() {
    let changes: [fn(&mut Csrs); 5] = [
        |csrs| csrs.satp = 1 << 60,
        |csrs| csrs.sstatus = u64::MAX,
        |csrs| csrs.sie = u64::MAX,
        |csrs| csrs.stvec = 2,
        |csrs| csrs.frm = 8,
    ];
    for change in changes {
        let changed = restored(|_, cpu| change(cpu.registers.csrs_mut()));
        assert_eq!(changed.err(), Some(RestoreError::NotASnapshot));
    }
}

#[test]
fn a_state_with_a_thousand_ports_is_refused_before_they_are_made() {
    let changed = restored(|state, _| state.ports = vec![String::new(); 1000]);
    assert_eq!(changed.err(), Some(RestoreError::NotASnapshot));
}

#[test]
fn a_state_at_the_end_of_time_stays_there() {
    let mut machine = restored(|state, _| state.ticks = u64::MAX).unwrap();
    machine.run(10_000, &mut TestHost::default());
    assert_eq!(machine.ticks(&mut TestHost::default()), u64::MAX);
}
