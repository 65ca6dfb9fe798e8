//! PID 1 of the machine, from boot to power-off.

mod control;
mod entropy;
mod mounts;
mod ports;

use crate::failure::{MACHINE, OrFail, Result, failure};
use c2w_guest_abi::FromGuest;
use control::Control;
use rustix::system::{RebootCommand, reboot};

/// Boots, creates the container, runs its command and powers off. Never returns: the kernel
/// panics when its PID 1 ends.
pub fn main() -> ! {
    if let Err(failed) = run() {
        eprintln!("c2w-init: {}", failed.message);
    }
    loop {
        if let Err(error) = reboot(RebootCommand::PowerOff) {
            eprintln!("c2w-init: powering off: {error}");
            rustix::event::pause();
        }
    }
}

fn run() -> Result<()> {
    mounts::mount_system()?;
    let ports = ports::open_all()?;
    let mut control = Control::new(ports.control);
    control.send(&FromGuest::Hello)?;
    Ok(())
}
