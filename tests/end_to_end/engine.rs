//! A WASI engine as a process: wasmtime with the standard streams and the environment of the
//! process.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;
use wasmtime::component::{self, Component, ResourceTable};
use wasmtime::{Caller, Engine, Extern, Instance, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::{self, bindings::sync::Command};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// First argument of this executable when it is the engine. There follow a compiled module, the
/// name of a [`Driver`], the number of directories, each as [`Directory::argument`] has it, and the
/// module's arguments.
pub const FLAG: &str = "--wasi-engine";

/// Who calls the module's loop.
#[derive(Clone, Copy, Debug)]
pub enum Driver {
    /// The module itself, in `_start`.
    Command,
    /// The embedder, which calls `run` as long as there is something to do.
    Stepwise,
    /// The module, on a runtime that polls nothing but a clock.
    Unpolled,
    /// The module, on a runtime that calls every standard stream a character device.
    Devices,
    /// The module, on a runtime whose `fd_write` calls an export of it before it writes.
    Reentrant,
    /// The module; then standard error gets a line of [`COUNTED`], the instructions executed, and
    /// how many of them were translated.
    Counted,
    /// The module, in a component.
    Component,
}

/// What a line of [`Driver::Counted`] begins with.
pub const COUNTED: &str = "counted ";

impl Driver {
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Stepwise => "stepwise",
            Self::Unpolled => "unpolled",
            Self::Devices => "devices",
            Self::Reentrant => "reentrant",
            Self::Counted => "counted",
            Self::Component => "component",
        }
    }
}

/// A directory that a module has open from its start.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    pub host: &'a Path,
    pub guest: &'a str,
    pub read_only: bool,
}

impl<'a> Directory<'a> {
    /// A directory to be read and written.
    pub fn new(host: &'a Path, guest: &'a str) -> Self {
        Self { host, guest, read_only: false }
    }

    /// `ro` or `rw`, its name in the module, and where it is.
    pub fn argument(&self) -> String {
        let mode = if self.read_only { "ro" } else { "rw" };
        format!("{mode}:{}:{}", self.guest, self.host.to_str().expect("UTF-8"))
    }

    fn parse(argument: &'a str) -> Option<Self> {
        let (mode, rest) = argument.split_once(':')?;
        let (guest, host) = rest.split_once(':')?;
        Some(Self { host: Path::new(host), guest, read_only: mode == "ro" })
    }

    fn open(&self, context: &mut WasiCtxBuilder) -> Result<()> {
        let permissions = if self.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
        context.preopened_dir(self.host, self.guest, permissions)?;
        Ok(())
    }
}

/// Compiles a module once for all runs.
pub fn compile(module: &Path, compiled: &Path) {
    let engine = Engine::default();
    let module = Module::from_file(&engine, module).expect("the module compiles");
    std::fs::write(compiled, module.serialize().expect("it has code")).expect("it is written");
}

/// The same for a component.
pub fn compile_component(component: &Path, compiled: &Path) {
    let engine = Engine::default();
    let component = Component::from_file(&engine, component).expect("the component compiles");
    std::fs::write(compiled, component.serialize().expect("it has code")).expect("it is written");
}

/// Runs a module; its exit status is this process's.
pub fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let module = arguments.next().expect("a module");
    let driver = arguments.next().expect("a driver");
    let drivers = [
        Driver::Command,
        Driver::Stepwise,
        Driver::Unpolled,
        Driver::Devices,
        Driver::Reentrant,
        Driver::Counted,
        Driver::Component,
    ];
    let driver = drivers.into_iter().find(|known| driver == known.name()).expect("a driver");
    let status = run(Path::new(&module), driver, arguments);
    ExitCode::from(status.unwrap_or_else(|error| {
        eprintln!("the engine failed: {error:?}");
        134
    }))
}

fn run(path: &Path, driver: Driver, arguments: impl Iterator<Item = OsString>) -> Result<u8> {
    let engine = Engine::default();
    let mut context = context(arguments)?;
    if let Driver::Component = driver {
        return run_component(&engine, path, context.build());
    }
    // SAFETY: the file was written by `compile`, with the same engine, for this test.
    let module = unsafe { Module::deserialize_file(&engine, path) }?;
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context: &mut WasiP1Ctx| context)?;
    linker.allow_shadowing(true);
    match driver {
        Driver::Unpolled => linker.func_wrap(WASI, "poll_oneoff", poll_clock).map(drop)?,
        Driver::Devices => {
            linker.func_wrap(WASI, "fd_fdstat_get", device_status)?;
            linker.func_wrap(WASI, "fd_filestat_get", device_file)?;
        }
        Driver::Reentrant => linker.func_wrap(WASI, "fd_write", write_reentrant).map(drop)?,
        Driver::Command | Driver::Stepwise | Driver::Counted | Driver::Component => {}
    }
    let mut store = Store::new(&engine, context.build_p1());
    let instance = linker.instantiate(&mut store, &module)?;
    if let Driver::Stepwise = driver {
        return run_stepwise(&mut store, &instance);
    }
    let before = match driver {
        Driver::Counted => executed(&mut store, &instance)?,
        _ => [0; 2],
    };
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let status = match start.call(&mut store, ()) {
        Ok(()) => 0,
        Err(error) if format!("{error:?}").contains(REFUSED) => status(&mut store, &instance)?,
        Err(error) => exit_status(error)?,
    };
    if let Driver::Counted = driver {
        let after = executed(&mut store, &instance)?;
        eprintln!("{COUNTED}{} {}", after[0] - before[0], after[1] - before[1]);
    }
    Ok(status)
}

/// Standard streams, environment, network, directories and arguments, which are behind those.
fn context(mut arguments: impl Iterator<Item = OsString>) -> Result<WasiCtxBuilder> {
    let mut context = WasiCtxBuilder::new();
    context.inherit_stdio().inherit_env().allow_blocking_current_thread(true).arg("module.wasm");
    context.inherit_network().allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
    let count = arguments.next().expect("how many directories");
    for _ in 0..count.to_str().expect("a number").parse().expect("a number") {
        let directory = arguments.next().expect("a directory");
        let directory = directory.to_str().expect("UTF-8");
        Directory::parse(directory).expect("mode:guest:host").open(&mut context)?;
    }
    for argument in arguments {
        context.arg(argument.to_str().expect("this engine takes UTF-8 only"));
    }
    Ok(context)
}

/// The status with which a program has ended itself.
fn exit_status(error: wasmtime::Error) -> Result<u8> {
    match error.downcast_ref::<I32Exit>() {
        Some(exit) => Ok(u8::try_from(exit.0)?),
        None => Err(error),
    }
}

/// What a component's WASI has.
struct Host {
    context: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.context, table: &mut self.table }
    }
}

fn run_component(engine: &Engine, path: &Path, context: WasiCtx) -> Result<u8> {
    // SAFETY: the file was written by `compile_component`, with the same engine, for this test.
    let component = unsafe { Component::deserialize_file(engine, path) }?;
    let mut linker = component::Linker::new(engine);
    p2::add_to_linker_sync(&mut linker)?;
    let mut store = Store::new(engine, Host { context, table: ResourceTable::new() });
    let command = Command::instantiate(&mut store, &component, &linker)?;
    match command.wasi_cli_run().call_run(&mut store) {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(error) => exit_status(error),
    }
}

const WASI: &str = "wasi_snapshot_preview1";

/// The number of a character device among file types.
const CHARACTER_DEVICE: u8 = 2;

/// `fd_fdstat_get` as wasmer has it, whatever the streams are.
fn device_status(mut caller: Caller<'_, WasiP1Ctx>, _fd: u32, status: u32) -> Result<u32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
    let mut bytes = [0; 24];
    bytes[0] = CHARACTER_DEVICE;
    // Reading, writing, polling and asking for attributes.
    bytes[8..16].copy_from_slice(&0x0820_00db_u64.to_le_bytes());
    memory.write(&mut caller, status as usize, &bytes)?;
    Ok(0)
}

/// `fd_filestat_get` as wasmer has it: each stream has a number of its own.
fn device_file(mut caller: Caller<'_, WasiP1Ctx>, fd: u32, file: u32) -> Result<u32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
    let mut bytes = [0; 64];
    bytes[8..16].copy_from_slice(&u64::from(10 + fd).to_le_bytes());
    bytes[16] = CHARACTER_DEVICE;
    memory.write(&mut caller, file as usize, &bytes)?;
    Ok(0)
}

/// `poll_oneoff` for one subscription, of a clock and relative.
fn poll_clock(
    mut caller: Caller<'_, WasiP1Ctx>,
    subscriptions: u32,
    events: u32,
    count: u32,
    written: u32,
) -> Result<u32> {
    const NOT_SUPPORTED: u32 = 58;
    const CLOCK: u8 = 0;
    let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
    let mut subscription = [0; 48];
    memory.read(&caller, subscriptions as usize, &mut subscription)?;
    if count != 1 || subscription[8] != CLOCK {
        return Ok(NOT_SUPPORTED);
    }
    let timeout = subscription[24..32].try_into().expect("eight bytes");
    sleep(Duration::from_nanos(u64::from_le_bytes(timeout)));
    let mut event = [0; 32];
    event[..8].copy_from_slice(&subscription[..8]);
    memory.write(&mut caller, events as usize, &event)?;
    memory.write(&mut caller, written as usize, &1_u32.to_le_bytes())?;
    Ok(0)
}

/// `fd_write` of one vector that first has the module run, which is refused, and fails if it is
/// not.
fn write_reentrant(
    mut caller: Caller<'_, WasiP1Ctx>,
    fd: u32,
    vector: u32,
    count: u32,
    written: u32,
) -> Result<u32> {
    let run = caller.get_export("run").and_then(Extern::into_func).expect("an export");
    let answer = run.typed::<u64, u32>(&caller)?.call(&mut caller, 1);
    wasmtime::ensure!(answer.is_err(), "run was called within itself");
    wasmtime::ensure!(count == 1, "more than one vector");
    let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
    let mut pair = [0; 8];
    memory.read(&caller, vector as usize, &mut pair)?;
    let number = |at: usize| u32::from_le_bytes(pair[at..at + 4].try_into().expect("four bytes"));
    let bytes = &memory.data(&caller)[number(0) as usize..][..number(4) as usize];
    match fd {
        1 => std::io::stdout().write_all(bytes)?,
        _ => std::io::stderr().write_all(bytes)?,
    }
    memory.write(&mut caller, written as usize, &pair[4..])?;
    Ok(0)
}

/// What wasmtime says to an exit status from 126 on; the module knows it still.
const REFUSED: &str = "invalid exit status";

fn status(store: &mut Store<WasiP1Ctx>, instance: &Instance) -> Result<u8> {
    let status = instance.get_typed_func::<(), u32>(&mut *store, "status")?;
    Ok(u8::try_from(status.call(store, ())?)?)
}

/// Instructions since the machine was switched on, and those of translated code.
fn executed(store: &mut Store<WasiP1Ctx>, instance: &Instance) -> Result<[u64; 2]> {
    let count = instance.get_typed_func::<u32, u64>(&mut *store, "count")?;
    Ok([count.call(&mut *store, 0)?, count.call(store, 1)?])
}

/// What an embedder does who has other things to do as well.
fn run_stepwise(store: &mut Store<WasiP1Ctx>, instance: &Instance) -> Result<u8> {
    const BUDGET: u64 = 100_000;
    const LONGEST_WAIT: Duration = Duration::from_millis(5);
    let run = instance.get_typed_func::<u64, u32>(&mut *store, "run")?;
    let wait_ns = instance.get_typed_func::<(), u64>(&mut *store, "wait_ns")?;
    loop {
        match run.call(&mut *store, BUDGET)? {
            0 => {}
            1 | 2 => {
                let wait = Duration::from_nanos(wait_ns.call(&mut *store, ())?);
                sleep(wait.min(LONGEST_WAIT));
            }
            3 => return status(store, instance),
            reason => wasmtime::bail!("run came back with {reason}"),
        }
    }
}
