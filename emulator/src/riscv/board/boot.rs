//! The boot protocol (Linux, Documentation/arch/riscv/boot.rst and boot-image-header.rst).

use super::fdt;
use crate::board::{BootConfig, BootError};
use crate::memory::{GuestMemory, Region};
use alloc::vec::Vec;

/// Puts kernel, initramfs and device tree into RAM; returns the entry point and the tree's
/// address. The kernel goes where its header says, the others to the end of RAM.
pub(super) fn load(
    memory: &mut GuestMemory,
    config: &BootConfig<'_>,
) -> Result<(u64, u64), BootError> {
    const ALIGN: u64 = 1 << 16;
    let ram = memory.ram();
    let (offset, size) =
        kernel_header(config.kernel).ok_or(BootError::NotAKernel("RISC-V Linux Image"))?;
    let tree_room = ALIGN;
    let initramfs_room = (config.initramfs.len() as u64).next_multiple_of(ALIGN);
    let needed = [offset, size.max(config.kernel.len() as u64), tree_room, initramfs_room, ALIGN]
        .into_iter()
        .fold(0, u64::saturating_add);
    if needed > ram.length {
        return Err(BootError::TooLittleMemory(needed));
    }
    let end = (ram.start + ram.length) & !(ALIGN - 1);
    let tree_at = end - tree_room;
    let initramfs_at = tree_at - initramfs_room;
    let tree = fdt::build(&fdt::Description {
        ram,
        disks: &disks(memory.image(), config.disks).ok_or(BootError::Disks)?,
        command_line: config.command_line,
        vectors: config.vectors,
        initramfs: (initramfs_at, initramfs_at + config.initramfs.len() as u64),
        seed: config.seed,
    })
    .map_err(|_| BootError::DeviceTree)?;
    let too_small = |_| BootError::TooLittleMemory(needed);
    if tree.len() as u64 > tree_room {
        return Err(BootError::DeviceTree);
    }
    let entry = ram.start + offset;
    memory.write(entry, config.kernel).map_err(too_small)?;
    memory.write(initramfs_at, config.initramfs).map_err(too_small)?;
    memory.write(tree_at, &tree).map_err(too_small)?;
    Ok((entry, tree_at))
}

/// Start and length of each disk in the image region.
fn disks(image: Region, lengths: &[u64]) -> Option<Vec<(u64, u64)>> {
    let mut start = image.start;
    let place = |&length: &u64| {
        let disk = (start, length);
        start = start.checked_add(length)?;
        (start <= image.start + image.length).then_some(disk)
    };
    lengths.iter().map(place).collect()
}

/// Load offset and memory size that an `Image` asks for.
fn kernel_header(kernel: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| Some(u64::from_le_bytes(kernel.get(at..at + 8)?.try_into().ok()?));
    (kernel.get(48..56)? == b"RISCV\0\0\0" || kernel.get(56..60)? == b"RSC\x05")
        .then_some(())
        .and_then(|()| Some((number(8)?, number(16)?)))
}
