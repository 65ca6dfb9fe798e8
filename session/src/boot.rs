//! From nothing to the moment of the snapshot.

use crate::host::{BootPart, PORTS, SessionHost};
use crate::session::{Session, Step};
use alloc::format;
use c2w_emulator::{BootBoard, BootConfig, BootError, GuestMemory, Machine};
use c2w_guest_abi::{ContainerConfig, Failure, Milestone, ToGuest, frame};

/// Instructions after which a boot is given up: it takes about 70 million.
const STEP_LIMIT: u64 = 8_000_000_000;
/// Instructions of one call of the machine: how exactly the parts of a boot are measured.
const SLICE: u64 = 1 << 17;

/// The guest's own software.
pub struct Guest<'a> {
    /// The machine's board.
    pub board: &'static dyn BootBoard,
    /// Linux `Image`.
    pub kernel: &'a [u8],
    /// Initramfs with PID 1 and runc.
    pub initramfs: &'a [u8],
    /// Kernel command line.
    pub command_line: &'a str,
    /// The disks in the image region ([`BootConfig::disks`]): the root image, and an emulator's.
    pub disks: &'a [u64],
    /// Whether the kernel is told that the CPU has vectors.
    pub vectors: bool,
    /// First entropy of the kernel; replaced at every start of the module.
    pub seed: &'a [u8],
}

/// Why a container was not brought to its snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootFailure {
    /// The machine cannot be set up.
    #[error(transparent)]
    Boot(BootError),
    /// The configuration does not fit into one message.
    #[error(transparent)]
    Config(frame::FrameError),
    /// The guest gave up.
    #[error("{}", .0.message)]
    Guest(Failure),
    /// The guest waits for something that will never come.
    #[error("the guest waits for something that never comes")]
    Stuck,
    /// No container after [`STEP_LIMIT`] instructions.
    #[error("no container was created within {STEP_LIMIT} instructions")]
    Endless,
}

/// Boots `guest` on `memory`, which holds the root image, and has it create the container.
/// Returns when the machine is idle and ready for its snapshot. Deterministic: time comes from
/// instructions, entropy and the wall clock from `host`.
///
/// # Errors
/// [`BootFailure`].
pub fn boot(
    memory: GuestMemory,
    guest: &Guest<'_>,
    container: ContainerConfig,
    host: &mut dyn SessionHost,
) -> Result<Session, BootFailure> {
    let config = BootConfig {
        kernel: guest.kernel,
        initramfs: guest.initramfs,
        command_line: guest.command_line,
        disks: guest.disks,
        vectors: guest.vectors,
        ports: &PORTS,
        mount_tag: "c2w",
        seed: guest.seed,
    };
    let mut session =
        Session::new(Machine::boot(guest.board, memory, &config).map_err(BootFailure::Boot)?);
    let mut container = Some(container);
    let mut ready = false;
    while session.steps() < STEP_LIMIT {
        // Once ready, the first wait of the guest is the moment: later timers belong to the run.
        let step = match ready {
            false => session.run_to_timer(SLICE, host),
            true => session.run(SLICE, host),
        };
        if let Some(part) = done_with(&step, ready) {
            host.boot_part(part, session.steps());
        }
        match step {
            Step::Running | Step::Reached(_) | Step::Notice(_) | Step::StreamFailed(_) => {}
            Step::Hello => {
                if let Some(container) = container.take() {
                    session.send(&ToGuest::Create(container)).map_err(BootFailure::Config)?;
                }
            }
            Step::Ready => ready = true,
            Step::Idle(_) if ready => return Ok(session),
            // No timer either: nothing will ever happen again by itself.
            Step::Idle(_) => return Err(BootFailure::Stuck),
            Step::Failed(failure) => return Err(BootFailure::Guest(failure)),
            Step::Exited(status) => {
                let message = format!("the guest ended with status {status}");
                return Err(BootFailure::Guest(Failure { status: 125, message }));
            }
        }
    }
    Err(BootFailure::Endless)
}

/// The part of the boot that ends with a step.
fn done_with(step: &Step, ready: bool) -> Option<BootPart> {
    match step {
        Step::Hello => Some(BootPart::Kernel),
        Step::Reached(Milestone::RootMounted) => Some(BootPart::Root),
        Step::Reached(Milestone::ContainerCreated) => Some(BootPart::Container),
        Step::Idle(_) if ready => Some(BootPart::Rest),
        _ => None,
    }
}
