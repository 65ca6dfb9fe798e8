//! What a board brings to a machine: its CPU, its devices and how a kernel is booted on it.

use crate::devices::{Devices, DevicesConfig};
use crate::engine::clock::Timebase;
use crate::engine::vcpu::Vcpu;
use crate::memory::GuestMemory;
use alloc::boxed::Box;
use core::fmt;

/// A board.
pub trait Board: Sync + 'static {
    /// Tells its instruction set in a snapshot.
    fn id(&self) -> u8;

    /// The ticks that its timer counts.
    fn timebase(&self) -> Timebase;

    /// A CPU of what [`Vcpu::save`] has given; `None` if it has not.
    fn restore(&self, state: &[u8], memory: &GuestMemory) -> Option<Box<dyn Vcpu>>;

    /// All devices at reset.
    fn devices(&self, config: DevicesConfig) -> Devices;
}

/// A board on which a kernel can be booted. A module restores what was booted, and has none of
/// this.
pub trait BootBoard: Board {
    /// Puts kernel, initramfs and what describes the machine to the kernel into RAM. Returns the
    /// CPU about to execute the kernel's first instruction.
    ///
    /// # Errors
    /// [`BootError`] when kernel and initramfs do not fit.
    fn boot(
        &self,
        memory: &mut GuestMemory,
        config: &BootConfig<'_>,
    ) -> Result<Box<dyn Vcpu>, BootError>;
}

/// What a machine boots with.
pub struct BootConfig<'a> {
    /// The kernel, in the form that the board boots.
    pub kernel: &'a [u8],
    /// Initramfs, as a cpio archive.
    pub initramfs: &'a [u8],
    /// Kernel command line.
    pub command_line: &'a str,
    /// The image region's disks: the length of each in bytes, one behind the other, each a multiple
    /// of 2 MiB.
    pub disks: &'a [u64],
    /// Names of the virtio console's ports; a name's index is its [`PortId`](crate::host::PortId).
    pub ports: &'a [&'a str],
    /// Whether the kernel is told that the CPU has vectors.
    pub vectors: bool,
    /// The 9p device's mount tag.
    pub mount_tag: &'a str,
    /// First entropy of the kernel's generator.
    pub seed: &'a [u8],
}

/// Why a machine cannot boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The kernel does not have this form, which the board needs.
    NotAKernel(&'static str),
    /// Kernel, initramfs and device tree need more RAM: this number of bytes at least.
    TooLittleMemory(u64),
    /// The command line or a name cannot stand in a device tree.
    DeviceTree,
    /// The disks are larger than the image region.
    Disks,
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKernel(wanted) => write!(f, "the kernel is not a {wanted}"),
            Self::TooLittleMemory(needed) => {
                write!(f, "too little memory for kernel and initramfs: {needed} bytes are needed")
            }
            Self::Disks => f.write_str("the disks are larger than the image region"),
            Self::DeviceTree => f.write_str("the kernel command line contains a NUL byte"),
        }
    }
}

impl core::error::Error for BootError {}
