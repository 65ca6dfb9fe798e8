//! One run: from the restored machine to the command's exit status.

use crate::directories::Preopens;
use crate::host::{FOREVER, WasiHost};
use crate::regions::TableRegions;
use crate::wasi_calls::STDOUT;
use crate::world::{self, Network};
use crate::{placement, regions, ring_directory, wasi_calls, wasi_terminal};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use c2w_emulator::engine::code_index::Translated;
use c2w_emulator::riscv::board::RiscvBoard;
use c2w_emulator::riscv::linkage;
use c2w_guest_abi::RunRequest;
use c2w_p9::Server;
use c2w_session::options::{self, Environment, Invocation, NetworkMode, RunOptions};
use c2w_session::{
    Closed, RunHost, RunState, Runner, SEND_LIMIT, Session, SessionHost, SharedDirectory, terminal,
};

/// The running container.
pub struct Program {
    runner: Runner,
    host: WasiHost,
    /// Until when an embedder is asked to wait for what the container had sent at its end.
    send_until: Option<u64>,
}

impl Program {
    /// Restores the machine and gives it its command.
    ///
    /// # Errors
    /// The exit status, when there is nothing to run; the reason has been printed.
    pub fn start() -> Result<Self, u8> {
        let arguments = world::arguments().into_iter().skip(1);
        let environment = Environment { variables: world::variables(), handed_on: true };
        let run = match options::parse(arguments, environment.clone()) {
            Ok(Invocation::Run(run)) => run,
            Ok(Invocation::Help) => {
                return Err(help());
            }
            Err(error) => return Err(fail(125, &error.0)),
        };
        let RunOptions { mut request, terminal: choice, network } = run;
        let wants_none = network.mode == Some(NetworkMode::None);
        let (preopens, shared) = Preopens::find();
        let hidden = match &network.mode {
            Some(NetworkMode::Directory(name)) => ring_directory::find(name, &shared),
            _ => None,
        };
        let network =
            Network::new(&network, (&preopens, &shared)).map_err(|why| fail(125, &why))?;
        let found = wasi_terminal::find();
        let variables = &environment.variables;
        request.terminal = terminal::choose(choice, found, variables);
        let mut host = WasiHost::find(found.is_some(), wants_none);
        let typed = match (&mut request.terminal, found) {
            (Some(wanted), Some(_)) => wasi_terminal::ask_size(wanted, variables, &mut host),
            _ => Vec::new(),
        };
        let Some(packed) = placement::unpack() else {
            return Err(fail(125, "this module holds no container; make one with `c2w IMAGE`"));
        };
        let mut session =
            Session::restore(&RiscvBoard, packed.memory, packed.state).map_err(|error| {
                wasi_calls::complain(format_args!("the snapshot cannot be restored: {error}"));
                125
            })?;
        if let Some(translated) = Translated::decode(packed.translation) {
            let regions = Box::new(TableRegions::new(packed.first_region));
            let cell = regions::take_state_cell();
            linkage::set_translated(session.machine_mut(), &translated, regions, cell);
        }
        share_preopens(&mut session, &mut request, preopens, &shared, hidden)?;
        request.network = network.map(|network| host.connect(network, &mut session));
        session.start(request, &mut host).map_err(|error| {
            wasi_calls::complain(format_args!("arguments and environment: {error}"));
            125
        })?;
        session.push_stdin(&typed, &mut host);
        Ok(Self { runner: Runner::new(session), host, send_until: None })
    }

    /// Runs to the end of the command; returns the exit status.
    pub fn run_to_end(&mut self) -> u8 {
        let Ok(status) = self.runner.run_to_end(&mut self.host);
        self.host.end();
        status
    }

    /// Reads what standard input has, and runs about `budget` instructions, or until the guest
    /// waits. Never waits itself.
    pub fn run_slice(&mut self, budget: u64) -> RunState {
        if let RunState::Finished(_) = self.runner.state() {
            return self.send_rest();
        }
        let Ok(()) = self.runner.pass_input(Some(0), &mut self.host);
        let state = self.runner.run_slice(budget, &mut self.host);
        let moved = self.runner.exchange_packets(&mut self.host);
        match state {
            RunState::Waiting { .. } if moved => RunState::Running,
            RunState::Finished(_) => self.send_rest(),
            state => state,
        }
    }

    /// Goes on until what the container had sent has left, or for a while.
    fn send_rest(&mut self) -> RunState {
        let now = self.host.monotonic_ns();
        let until = *self.send_until.get_or_insert(now.saturating_add(SEND_LIMIT));
        self.runner.exchange_packets(&mut self.host);
        if self.host.has_unsent() && now < until {
            return RunState::Running;
        }
        self.host.end();
        self.runner.state()
    }

    /// Nanoseconds until there is something to do.
    pub fn wait_ns(&mut self) -> u64 {
        match self.runner.state() {
            RunState::Waiting { timer, .. } => {
                let network = self.host.network_timer();
                timer.into_iter().chain(network).min().unwrap_or(FOREVER)
            }
            RunState::Running | RunState::Finished(_) => 0,
        }
    }

    /// What the command does, as of the last slice.
    pub fn state(&self) -> RunState {
        self.runner.state()
    }

    /// A number of [`crate::exports::count`].
    pub fn count(&self, which: u32) -> u64 {
        let session = self.runner.session();
        let translated = session.translated();
        match which {
            0 => session.steps(),
            1 => translated.instructions,
            2 => translated.entries,
            _ => translated.refusals,
        }
    }
}

/// Has the directories that the runtime has opened mounted in the container, but for the one that is
/// the network's.
fn share_preopens(
    session: &mut Session,
    request: &mut RunRequest,
    preopens: Preopens,
    shared: &[SharedDirectory],
    hidden: Option<usize>,
) -> Result<(), u8> {
    request.mounts = c2w_session::mounts(shared).map_err(|error| fail(125, &error.0))?;
    // wasmer opens its root several times, under names of the root: once is enough.
    let is_root = |shared: &SharedDirectory| shared.guest.iter().all(|byte| b"/.".contains(byte));
    let roots = shared.iter().enumerate().filter(|(_, shared)| is_root(shared));
    for number in roots.skip(1).map(|(number, _)| number).chain(hidden) {
        let name = number.to_string().into_bytes();
        request.mounts.retain(|mount| mount.name != name);
    }
    c2w_session::check_mounts(request).map_err(|error| fail(125, &error.0))?;
    if !request.mounts.is_empty() {
        session.share(Box::new(Server::new(preopens)));
    }
    Ok(())
}

/// Shows the options; returns the exit status.
fn help() -> u8 {
    match wasi_calls::write_all(STDOUT, options::help().as_bytes()) {
        Ok(()) | Err(Closed::ReaderGone) => 0,
        Err(Closed::Failed(reason)) => {
            fail(125, &format!("cannot write standard output: {reason}"))
        }
    }
}

/// Shows why the command has no status, and returns c2w's own.
fn fail(status: u8, message: &str) -> u8 {
    wasi_calls::complain(format_args!("{message}"));
    status
}
