//! Boots a kernel with an initramfs and shows its console, until it waits for input.
//!
//! `cargo run --release -p c2w-emulator --example boot -- Image initramfs.cpio [command line]`

use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::board::layout;
use c2w_emulator::{BootConfig, Exit, GuestMemory, Host, Machine, PortId};
use std::io::Write;
use std::time::Instant;

struct Console;

impl Host for Console {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }
    fn realtime_ns(&mut self) -> u64 {
        0
    }
    fn entropy(&mut self, buffer: &mut [u8]) {
        buffer.fill(0x5a);
    }
    fn port_output(&mut self, port: PortId, bytes: &[u8]) {
        println!("[port {port}: {} bytes]", bytes.len());
    }
    fn debug_output(&mut self, bytes: &[u8]) {
        let _ = std::io::stdout().write_all(bytes);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut file =
        || std::fs::read(arguments.next().expect("a file name")).expect("a readable file");
    let (kernel, initramfs) = (file(), file());
    let command_line = arguments.next().unwrap_or("earlycon=sbi console=hvc0".into());
    let memory = GuestMemory::allocate(layout::RAM_BASE, 256 << 20, layout::IMAGE_BASE, 0)
        .expect("room for RAM");
    let config = BootConfig {
        kernel: &kernel,
        initramfs: &initramfs,
        command_line: &command_line,
        disks: &[],
        vectors: true,
        ports: &["c2w.control", "c2w.stdin", "c2w.stdout", "c2w.stderr"],
        mount_tag: "c2w",
        seed: &[1; 64],
    };
    let mut machine = Machine::boot(&RiscvBoard, memory, &config).expect("a bootable kernel");
    let start = Instant::now();
    loop {
        match machine.run(1 << 24, &mut Console) {
            Exit::Budget => {
                eprintln!("[{} M steps, pc {:#x}]", machine.steps() >> 20, machine.pc())
            }
            Exit::Idle(Some(tick)) if tick < 1 << 40 => machine.skip_to(tick),
            other => {
                eprintln!("[{other:?}]");
                break;
            }
        }
        if machine.steps() > 400 << 20 {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let millions = machine.steps() as f64 / 1e6;
    eprintln!("{millions:.1} M steps in {seconds:.3} s: {:.0} MIPS", millions / seconds);
}
