//! PID 1 of the machine, from boot to power-off.

mod bpf;
mod clock;
mod connections;
mod console_log;
mod container;
mod control;
mod copy;
mod device_cgroup;
mod device_events;
mod devices;
mod dns_stub;
mod emulator;
mod entropy;
mod io_loop;
mod mounts;
mod netlink;
mod network;
mod network_files;
mod ports;
mod runtime_error;
mod spec;
mod streams;
mod zero_free_pages;

use crate::command::Command;
use crate::failure::{MACHINE, OrFail, Result, failure};
use c2w_guest_abi::{ContainerConfig, FromGuest, Milestone, RunRequest, ToGuest};
use container::{Additions, Container};
use control::Control;
pub use dns_stub::ADDRESS as NAME_SERVER;
use entropy::RandomPool;
use io_loop::IoLoop;
pub use netlink::socket as netlink_socket;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::system::{RebootCommand, reboot};
pub use spec::{MASKED_PATHS, READ_ONLY_MOUNTS, READ_ONLY_PATHS};
use std::fs;
use streams::{Pipes, StreamPorts};

/// Boots, creates the container, runs its command and powers off. Never returns: the kernel
/// panics when its PID 1 ends.
pub fn main() -> ! {
    if let Err(failed) = boot() {
        eprintln!("c2w-init: {}", failed.message);
    }
    loop {
        if let Err(error) = reboot(RebootCommand::PowerOff) {
            eprintln!("c2w-init: powering off: {error}");
            rustix::event::pause();
        }
    }
}

/// Errors here reach the host over the console only.
fn boot() -> Result<()> {
    mounts::mount_system()?;
    console_log::leave_console()?;
    stop_compaction()?;
    raise_limits()?;
    let ports = ports::open_all()?;
    let mut control = Control::new(ports.control);
    control.send(&FromGuest::Hello)?;
    let streams = StreamPorts { stdin: ports.stdin, stdout: ports.stdout, stderr: ports.stderr };
    let last = match serve(&mut control, streams) {
        Ok(status) => FromGuest::Exited(status),
        Err(failed) => FromGuest::Failed(failed),
    };
    control.send(&last)
}

/// Stops the moving of pages for huge ones, which the kernel does twice a second: a machine that
/// waits is not to wake up for nothing, since each time costs the host a system call.
fn stop_compaction() -> Result<()> {
    fs::write("/proc/sys/vm/compaction_proactiveness", "0").or_fail("stopping compaction")
}

/// Sets the limits that the container inherits, as from a Docker daemon under systemd: the kernel's
/// own limit of processes goes by the size of the memory.
fn raise_limits() -> Result<()> {
    let files = Rlimit { current: Some(1024), maximum: Some(524_288) };
    setrlimit(Resource::Nofile, files).or_fail("setting the limit of open files")?;
    let processes = Rlimit { current: None, maximum: None };
    setrlimit(Resource::Nproc, processes).or_fail("setting the limit of processes")
}

/// Up to the command's exit status. The snapshot is taken while this waits for `Run`.
fn serve(control: &mut Control, streams: StreamPorts) -> Result<u8> {
    let Some(ToGuest::Create(mut config)) = control.receive()? else {
        return Err(failure(MACHINE, "the host's first message must be Create"));
    };
    if config.hostname.is_empty() {
        config.hostname = b"localhost".to_vec();
    }
    container::mount_root(&config)?;
    if let Some(format) = &config.emulator {
        emulator::register(format)?;
    }
    control.send(&FromGuest::Reached(Milestone::RootMounted))?;
    let mut container = Container::create(&config)?;
    control.send(&FromGuest::Reached(Milestone::ContainerCreated))?;
    let pipes = Pipes::new()?;
    let random = RandomPool::open()?;
    zero_free_pages::finish()?;
    control.send(&FromGuest::Ready)?;

    let Some(ToGuest::Run(run)) = control.receive()? else {
        return Err(failure(MACHINE, "the host's second message must be Run"));
    };
    clock::set(run.clock)?;
    random.reseed(&run.seed)?;
    if run.debug {
        console_log::show_kernel_messages()?;
    }
    if run.hostname.is_some() || run.network.is_some() {
        let hostname = run.hostname.as_ref().unwrap_or(&config.hostname);
        network_files::write(hostname, run.network.as_ref())?;
    }
    if let Some(network) = &run.network {
        container.interface.set_up(network)?;
    }
    run_command(control, streams, &config, run, &mut container, pipes)
}

fn run_command(
    control: &mut Control,
    streams: StreamPorts,
    config: &ContainerConfig,
    mut run: RunRequest,
    container: &mut Container,
    pipes: Pipes,
) -> Result<u8> {
    let (has_stdin, has_network) = (run.stdin, run.network.is_some());
    let additions = Additions {
        devices: devices::grant(&run)?,
        mounts: std::mem::take(&mut run.mounts),
        tmpfs: std::mem::take(&mut run.tmpfs),
    };
    let command = Command::new(config, run)?;
    let streams = if command.terminal.is_some() {
        container.execute(command, additions, &[])?;
        streams::over_terminal(streams, container.terminal()?, has_stdin)?
    } else {
        container.execute(command, additions, &pipes.command_ends(has_stdin))?;
        streams::over_pipes(streams, pipes, has_stdin)?
    };
    IoLoop::new(control, container, streams, has_network)?.run()
}
