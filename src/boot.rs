//! Root image to machine snapshot: boots the guest natively, in the same emulator code that the
//! module carries, until its container is created.

use crate::assets::Assets;
use crate::target::{Execution, Target};
use crate::timing::Timing;
use c2w_emulator::{AllocateError, GuestMemory};
use c2w_guest_abi::{ContainerConfig, Stream};
use c2w_session::{BootFailure, BootPart, Closed, Guest, Session, SessionHost};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// RAM of a machine unless asked otherwise, in MiB.
pub const DEFAULT_MEMORY_MIB: u64 = 256;

/// Disks start and end at multiples of this: Linux maps persistent memory in subsections of 2 MiB.
const DISK_ALIGN: u64 = 2 << 20;

/// The kernel's command line, with as much of a log as asked for. A kernel that panics stops at
/// once. The machine has one container, so nobody needs to know whose the kernel's own memory is:
/// counting it is 8 % of a pipe.
pub fn command_line(execution: Execution, log: Option<u8>) -> String {
    let Execution { target, emulator } = execution;
    let parameters = target.kernel_parameters(emulator);
    let log = match log {
        // At 0 the kernel would not even say why it panics.
        None => "quiet loglevel=1".to_owned(),
        Some(level) => format!("{} loglevel={level}", target.early_console()),
    };
    format!("console=hvc0 panic=-1 {parameters} cgroup.memory=nokmem {log}")
}

/// How to make and boot a machine, apart from the image.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// Which machine, with which emulator in it.
    pub execution: Execution,
    /// RAM in MiB.
    pub memory_mib: u64,
    /// Seconds since 1970 that the guest's clock shows while booting.
    pub epoch: u64,
    /// What all entropy before the snapshot is derived from: the image's identity.
    pub seed: Vec<u8>,
    /// Shows the kernel's console: messages more urgent than this level, 0 to 8.
    pub kernel_log: Option<u8>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// RAM and what is in memory of the image are too large for an address space of 4 GiB.
    #[error("a memory of {0} MiB leaves no room for the root image in 4 GiB")]
    TooLarge(u64),
    /// The host does not have that much memory.
    #[error("not enough memory on this host for a machine of {0} MiB: choose a smaller --memory")]
    OutOfMemory(u64),
    /// Kernel or initramfs cannot be decompressed.
    #[error(
        "kernel or initramfs cannot be decompressed: a file of --assets is not one that zstd has \
         compressed"
    )]
    Assets(#[source] io::Error),
    /// The root image could not be produced.
    #[error(transparent)]
    Image(anyhow::Error),
    /// The guest did not get there.
    #[error("the container cannot be created")]
    Guest(#[from] BootFailure),
}

/// What a disk with an image of `size` bytes takes of the image region.
pub fn disk_size(size: u64) -> u64 {
    size.checked_next_multiple_of(DISK_ALIGN).unwrap_or(u64::MAX)
}

/// Allocates the memory of a `target`, for images of `image_size` bytes, each as [`disk_size`] has
/// it, of which at most `cache` bytes are there at once.
///
/// # Errors
/// [`BootError::TooLarge`], [`BootError::OutOfMemory`].
pub fn allocate(
    target: Target,
    image_size: u64,
    memory_mib: u64,
    cache: u64,
) -> Result<GuestMemory, BootError> {
    let ram = memory_mib.saturating_mul(1 << 20);
    target.allocate(ram, disk_size(image_size), cache).map_err(|error| match error {
        AllocateError::TooLarge => BootError::TooLarge(memory_mib),
        AllocateError::OutOfMemory(bytes) => BootError::OutOfMemory((bytes >> 20) as u64),
    })
}

/// Boots a machine whose memory holds the images of `disks`, the root image first, and creates the
/// container in it. `timing` records the parts.
///
/// # Errors
/// [`BootError`].
pub fn boot(
    memory: GuestMemory,
    disks: &[u64],
    container: ContainerConfig,
    assets: &Assets,
    options: &BootOptions,
    timing: &mut Timing,
) -> Result<Session, BootError> {
    let kernel = assets.kernel().map_err(BootError::Assets)?;
    let initramfs = assets.initramfs().map_err(BootError::Assets)?;
    timing.part("unpack", String::new());
    let mut host = Deterministic::new(options, timing);
    let mut seed = [0; 64];
    host.entropy(&mut seed);
    let guest = Guest {
        board: options.execution.target.board(),
        kernel: &kernel,
        initramfs: &initramfs,
        command_line: &command_line(options.execution, options.kernel_log),
        disks,
        vectors: options.execution.vectors(),
        seed: &seed,
    };
    Ok(c2w_session::boot(memory, &guest, container, &mut host)?)
}

/// A host without chance: the same image always boots to the same snapshot.
pub struct Deterministic<'a> {
    options: &'a BootOptions,
    timing: &'a mut Timing,
    /// Blocks of entropy so far.
    blocks: u64,
    /// Steps when the present part of the boot began.
    steps: u64,
}

impl<'a> Deterministic<'a> {
    /// The host of a machine with these options; `timing` hears of the parts of its boot.
    pub fn new(options: &'a BootOptions, timing: &'a mut Timing) -> Self {
        Self { options, timing, blocks: 0, steps: 0 }
    }
}

impl SessionHost for Deterministic<'_> {
    fn monotonic_ns(&mut self) -> u64 {
        0
    }

    fn realtime_ns(&mut self) -> u64 {
        self.options.epoch.saturating_mul(1_000_000_000)
    }

    fn entropy(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(&self.options.seed);
            hash.update(self.blocks.to_le_bytes());
            self.blocks += 1;
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
    }

    fn output(&mut self, _: Stream, _: &[u8]) -> Result<(), Closed> {
        Ok(())
    }

    fn kernel_log(&mut self, bytes: &[u8]) {
        if self.options.kernel_log.is_some() {
            let _ = io::stderr().write_all(bytes);
        }
    }
    fn boot_part(&mut self, part: BootPart, steps: u64) {
        let name = match part {
            BootPart::Kernel => "kernel",
            BootPart::Root => "root",
            BootPart::Container => "container",
            BootPart::Rest => "rest",
        };
        self.timing.part(name, instructions(steps - self.steps));
        self.steps = steps;
    }
}

/// A number of instructions for people.
pub fn instructions(steps: u64) -> String {
    format!("{:.1} M instructions", steps as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ext4;
    use crate::rootfs::spool::Spool;
    use crate::rootfs::tree::{Timestamp, Tree};
    use crate::space::{self, Space};
    use crate::units::{Compress, UnitWriter};

    /// Boots with an empty root in an image of `image_mib`, the rest of which is zeros that cost
    /// this host nothing: the guest has its page structures all the same.
    fn boots(image_mib: u64, memory_mib: u64) -> Result<(), String> {
        let execution = Execution::default();
        let target = execution.target;
        let cache = Space::native().image_cache(1 << 30, memory_mib);
        let mut memory = allocate(target, image_mib << 20, memory_mib, cache).unwrap();
        let region = memory.image();
        let mut image = UnitWriter::for_image(Compress::Fast).unwrap();
        let created = Timestamp::default();
        let ext4 = ext4::Options { uuid: [1; 16], created };
        ext4::write_image(&Tree::new(), &Spool::new().unwrap(), &ext4, &mut image).unwrap();
        let image = image.finish().unwrap();
        memory.set_image_source(Box::new(image.source("root image").unwrap()));
        let options =
            BootOptions { execution, memory_mib, epoch: 0, seed: Vec::new(), kernel_log: None };
        let container = ContainerConfig::default();
        let session = boot(
            memory,
            &[region.length],
            container,
            &Assets::default(),
            &options,
            &mut Timing::start(),
        );
        session.map(drop).map_err(|error| format!("{:#}", anyhow::Error::from(error)))
    }

    /// The kernel makes the image's disk while PID 1 runs, and takes longer for a larger one.
    #[test]
    fn large_images_boot_with_the_least_memory_that_is_said_to_do() {
        for (image, memory) in [(700, 64), (1280, 64), (2046, 80), (3800, 104), (16 << 10, 304)] {
            assert_eq!(space::check(image << 20, memory), Ok(()), "{image} MiB");
            assert_eq!(boots(image, memory), Ok(()), "{image} MiB");
        }
    }
}
