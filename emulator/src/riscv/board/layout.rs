//! The machine's physical address map and interrupt numbers.
//!
//! ```text
//! 0x0010_0000   syscon    power off, reboot
//! 0x0010_1000   rtc       goldfish real-time clock
//! 0x0010_2000   vmgenid   16 bytes that change when the machine was copied
//! 0x0c00_0000   plic      interrupt controller, 4 MiB
//! 0x1000_1000   virtio    console, then 0x1000 each: rng, 9p
//! 0x8000_0000   RAM
//! 0x4_0000_0000 root image (pmem-region)
//! ```

/// Frequency of the `time` CSR in Hz.
pub const TIMEBASE_HZ: u64 = 10_000_000;
/// Nanoseconds of one tick of the `time` CSR.
pub const TICK_NS: u64 = 1_000_000_000 / TIMEBASE_HZ;

/// A device's place: its registers and its interrupt source (0: none).
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// First physical address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
    /// PLIC interrupt source.
    pub irq: u32,
}

/// Power off and reboot.
pub const SYSCON: Place = Place { base: 0x0010_0000, size: 0x1000, irq: 0 };
/// Real-time clock.
pub const RTC: Place = Place { base: 0x0010_1000, size: 0x1000, irq: 1 };
/// VM generation ID.
pub const VMGENID: Place = Place { base: 0x0010_2000, size: 0x1000, irq: 2 };
/// Interrupt controller.
pub const PLIC: Place = Place { base: 0x0c00_0000, size: 0x40_0000, irq: 0 };
/// virtio console.
pub const CONSOLE: Place = Place { base: 0x1000_1000, size: 0x1000, irq: 3 };
/// virtio entropy source.
pub const RNG: Place = Place { base: 0x1000_2000, size: 0x1000, irq: 4 };
/// virtio 9p transport.
pub const P9: Place = Place { base: 0x1000_3000, size: 0x1000, irq: 5 };

/// First address of RAM.
pub const RAM_BASE: u64 = 0x8000_0000;
/// First address of the root image; 2 MiB aligned, as ZONE_DEVICE wants it.
pub const IMAGE_BASE: u64 = 0x4_0000_0000;
