//! The machine's physical address map and interrupt numbers.
//!
//! ```text
//! 0x0010_0000   syscon    power off, reboot
//! 0x0010_1000   rtc       goldfish real-time clock
//! 0x0010_2000   vmgenid   16 bytes that change when the machine was copied
//! 0x0c00_0000   plic      interrupt controller, 4 MiB
//! 0x1000_1000   virtio    console, then 0x1000 each: rng, 9p, net
//! 0x8000_0000   RAM
//! 0x4_0000_0000 root image (pmem-region)
//! ```

use super::goldfish_rtc::Rtc;
use super::syscon::Syscon;
use crate::devices::virtio::console::Console;
use crate::devices::virtio::mmio::VirtioMmio;
use crate::devices::virtio::net::Net;
use crate::devices::virtio::p9::P9;
use crate::devices::virtio::rng::Rng;
use crate::devices::vmgenid::VmGenId;
use crate::devices::{DevicesConfig, MmioDevice, MmioRange};
use crate::engine::clock::Timebase;
use alloc::boxed::Box;

/// Frequency of the `time` CSR in Hz.
pub const TIMEBASE_HZ: u64 = 10_000_000;
/// The `time` CSR. On the instruction clock, a second has 640 million instructions.
pub const TIMEBASE: Timebase =
    Timebase { tick_ns: 1_000_000_000 / TIMEBASE_HZ, steps_per_tick: 64 };

/// A device of the board.
pub struct DeviceRow {
    /// What snapshots know it by.
    pub name: &'static str,
    /// Its node in the device tree.
    pub node: &'static str,
    /// What Linux binds its driver to.
    pub compatible: &'static [&'static str],
    /// Where it is.
    pub range: MmioRange,
    /// The number by which other nodes refer to it (0: none do).
    pub phandle: u32,
    /// The device at reset.
    pub make: fn(&DevicesConfig) -> Box<dyn MmioDevice>,
}

/// What other nodes call [`SYSCON`].
pub(super) const SYSCON_PHANDLE: u32 = 3;

const VIRTIO: &[&str] = &["virtio,mmio"];

/// All devices but the interrupt controller, in the device tree's order.
pub const DEVICES: [DeviceRow; 7] = [
    DeviceRow {
        name: "syscon",
        node: "syscon",
        compatible: &["sifive,test1", "sifive,test0", "syscon"],
        range: SYSCON,
        phandle: SYSCON_PHANDLE,
        make: |_| Box::new(Syscon::default()),
    },
    DeviceRow {
        name: "rtc",
        node: "rtc",
        compatible: &["google,goldfish-rtc"],
        range: RTC,
        phandle: 0,
        make: |_| Box::new(Rtc::default()),
    },
    DeviceRow {
        name: "vmgenid",
        node: "vmgenid",
        compatible: &["microsoft,vmgenid"],
        range: VMGENID,
        phandle: 0,
        make: |config| Box::new(VmGenId::new(config.generation)),
    },
    DeviceRow {
        name: "console",
        node: "virtio",
        compatible: VIRTIO,
        range: CONSOLE,
        phandle: 0,
        make: |config| Box::new(VirtioMmio::new(Console::new(config.ports.clone()))),
    },
    DeviceRow {
        name: "rng",
        node: "virtio",
        compatible: VIRTIO,
        range: RNG,
        phandle: 0,
        make: |_| Box::new(VirtioMmio::new(Rng)),
    },
    DeviceRow {
        name: "9p",
        node: "virtio",
        compatible: VIRTIO,
        range: P9_TRANSPORT,
        phandle: 0,
        make: |config| Box::new(VirtioMmio::new(P9::new(config.mount_tag.clone()))),
    },
    DeviceRow {
        name: "net",
        node: "virtio",
        compatible: VIRTIO,
        range: NET,
        phandle: 0,
        make: |_| Box::new(VirtioMmio::new(Net::default())),
    },
];

/// Power off and reboot.
pub const SYSCON: MmioRange = MmioRange { base: 0x0010_0000, size: 0x1000, irq: 0 };
/// Real-time clock.
pub const RTC: MmioRange = MmioRange { base: 0x0010_1000, size: 0x1000, irq: 1 };
/// VM generation ID.
pub const VMGENID: MmioRange = MmioRange { base: 0x0010_2000, size: 0x1000, irq: 2 };
/// Interrupt controller.
pub const PLIC: MmioRange = MmioRange { base: 0x0c00_0000, size: 0x40_0000, irq: 0 };
/// virtio console.
pub const CONSOLE: MmioRange = MmioRange { base: 0x1000_1000, size: 0x1000, irq: 3 };
/// virtio entropy source.
pub const RNG: MmioRange = MmioRange { base: 0x1000_2000, size: 0x1000, irq: 4 };
/// virtio 9p transport.
pub const P9_TRANSPORT: MmioRange = MmioRange { base: 0x1000_3000, size: 0x1000, irq: 5 };
/// virtio network device.
pub const NET: MmioRange = MmioRange { base: 0x1000_4000, size: 0x1000, irq: 6 };

/// First address of RAM.
pub const RAM_BASE: u64 = 0x8000_0000;
/// First address of the root image; 2 MiB aligned, as ZONE_DEVICE wants it.
pub const IMAGE_BASE: u64 = 0x4_0000_0000;
