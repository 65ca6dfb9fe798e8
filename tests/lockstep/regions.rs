//! Translated regions in an engine, called by a native machine.

use crate::arena::{self, Creator};
use c2w_emulator::Machine;
use c2w_emulator::engine::arch::CpuState;
use c2w_emulator::engine::code_index::{Entry, Translated};
use c2w_emulator::engine::translated::{MAX_DEPTH, TranslatedCode, base};
use c2w_emulator::riscv::hart::Riscv;
use c2w_emulator::riscv::linkage::{self, CallRegion, RegionRuntime};
use c2w_emulator::riscv::state::HartState;
use c2w_module_abi::{HELPERS, Helpers, REGION, Signature, ValueType};
use c2w_translator::{Linkage, Translation};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::Arc;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wasmtime::{Caller, Config, Engine, Extern, Linker, Store, TypedFunc};

/// Where the hart's state is in linear memory.
pub const STATE: u32 = 1 << 16;

/// The functions that regions import come first, in the order of [`HELPERS`].
pub const LINKAGE: Linkage = Linkage {
    state: STATE,
    first_region: 6,
    helpers: Helpers { invoke: 0, status: 1, resume: 2, system_call: 3, map: 4, fma32: 5 },
};

fn value_type(ty: ValueType) -> ValType {
    match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
    }
}

/// The place of the hart's state.
fn state_cell() -> &'static mut MaybeUninit<HartState> {
    // SAFETY: linear memory below the machine's own, for one machine at a time.
    unsafe { &mut *std::ptr::with_exposed_provenance_mut(arena::base() + STATE as usize) }
}

fn state() -> *mut HartState {
    std::ptr::with_exposed_provenance_mut(arena::base() + STATE as usize)
}

/// Has a machine enter `functions`, the regions of `index`.
pub fn use_regions(machine: &mut Machine, index: &Translated, functions: Functions) {
    linkage::set_translated(machine, index, Box::new(functions), state_cell());
}

/// A module of nothing but regions.
fn module(translation: &Translation) -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let mut declare = |signature: &Signature| {
        let parameters = signature.parameters.iter().copied().map(value_type);
        types.ty().function(parameters, [value_type(signature.result)]);
        types.len() - 1
    };
    HELPERS
        .try_map(|helper| {
            imports.import("c2w", helper.name, EntityType::Function(declare(helper)));
            Ok::<_, ()>(())
        })
        .expect("nothing fails");
    let region = declare(&REGION);
    let memory = MemoryType {
        minimum: (arena::SPACE >> 16) as u64,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    let mut memories = MemorySection::new();
    memories.memory(memory);
    let (mut functions, mut exports) = (FunctionSection::new(), ExportSection::new());
    let mut code = CodeSection::new();
    for (number, body) in translation.functions.iter().enumerate() {
        functions.function(region);
        exports.export(&number.to_string(), ExportKind::Func, LINKAGE.first_region + number as u32);
        code.raw(body);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories);
    module.section(&exports).section(&code);
    module.finish()
}

/// Regions that are ready to be called.
pub struct Functions {
    store: Store<()>,
    regions: Vec<TypedFunc<(i64, i32, i32), i64>>,
    /// How many of the addresses that regions come back to most often are shown at the end.
    shown: usize,
    exits: HashMap<u64, u64>,
}

impl Drop for Functions {
    fn drop(&mut self) {
        let mut exits: Vec<_> = self.exits.drain().collect();
        exits.sort_by_key(|&(_, count)| Reverse(count));
        for (pc, count) in exits.into_iter().take(self.shown) {
            eprintln!("{count} exits to {pc:x}");
        }
    }
}

impl Functions {
    /// Compiles them.
    pub fn new(translation: &Translation) -> Self {
        let mut config = Config::new();
        config.with_host_memory(Arc::new(Creator)).cranelift_opt_level(wasmtime::OptLevel::Speed);
        let engine = Engine::new(&config).unwrap();
        let bytes = module(translation);
        let module = wasmtime::Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("c2w", HELPERS.invoke.name, invoke).unwrap();
        let status = |change: i32, operand: i64| {
            // SAFETY: only regions call this, while the hart waits.
            let state = unsafe { &mut *state() };
            linkage::change_status(state, change as u32, operand as u64) as i64
        };
        linker.func_wrap("c2w", HELPERS.status.name, status).unwrap();
        linker.func_wrap("c2w", HELPERS.resume.name, resume).unwrap();
        linker.func_wrap("c2w", HELPERS.system_call.name, system_call).unwrap();
        let map = |address: i64, size: i32, write: i32| {
            i32::from(linkage::map_data(runtime(), address as u64, size as u32, write != 0))
        };
        linker.func_wrap("c2w", HELPERS.map.name, map).unwrap();
        linker.func_wrap("c2w", HELPERS.fma32.name, linkage::fma32).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let region = |number: usize| instance.get_typed_func(&mut store, &number.to_string());
        let regions =
            (0..translation.functions.len()).map(region).collect::<Result<_, _>>().unwrap();
        let shown = std::env::var("C2W_EXITS").map_or(0, |number| number.parse().unwrap());
        Self { store, regions, shown, exits: HashMap::new() }
    }
}

/// Enters the region at `pc`, as the runtime's function of that name does.
fn invoke(mut caller: Caller<'_, ()>, pc: i64, depth: i32) -> wasmtime::Result<i64> {
    // SAFETY: only regions call this, while the hart waits.
    let state = unsafe { &mut *state() };
    state.pc = pc as u64;
    let found = (depth > 0).then(|| state.entry(pc as u64));
    let Some(entry) =
        found.and_then(|found| found.or_else(|| linkage::entry(runtime(), pc as u64)))
    else {
        return Ok(pc);
    };
    call_region(&mut caller, entry, base(pc as u64, entry), depth as u32 - 1)
}

thread_local! {
    /// The runtime of the region that runs.
    static RUNTIME: Cell<*mut RegionRuntime<'static, 'static>> = const { Cell::new(std::ptr::null_mut()) };
}

thread_local! {
    /// What was executed in regions: addresses at which control came into one and out again. Only
    /// if somebody asks.
    static SPANS: RefCell<Option<Vec<(u64, u64)>>> = const { RefCell::new(None) };
    /// Where control came in last.
    static CAME_IN: Cell<u64> = const { Cell::new(0) };
}

/// Has [`spans`] collected in this thread from now on.
pub fn watch() {
    SPANS.set(Some(Vec::new()));
}

/// Where control was in regions since the last call: from an address to another, in order.
pub fn spans() -> Vec<(u64, u64)> {
    SPANS.with_borrow_mut(|spans| spans.as_mut().map_or(Vec::new(), std::mem::take))
}

/// A region is about to be called at the hart's `pc`.
fn came_in() {
    // SAFETY: the hart waits.
    CAME_IN.set(unsafe { (*state()).pc });
}

/// A region has returned this, or hands over to the interpreter there.
fn came_out(to: u64) {
    let span = (CAME_IN.get(), to & !1);
    SPANS.with_borrow_mut(|spans| {
        if let Some(spans) = spans {
            spans.push(span);
        }
    });
}

fn runtime() -> &'static mut RegionRuntime<'static, 'static> {
    // SAFETY: only regions ask for it, and `with` lends it until they come back.
    unsafe { &mut *RUNTIME.get() }
}

/// Lends a runtime to a region that is called.
fn with(runtime: &mut RegionRuntime<'_, '_>, call: impl FnOnce() -> u64) -> u64 {
    let before = RUNTIME.replace(std::ptr::from_mut(runtime).cast());
    let to = call();
    RUNTIME.set(before);
    to
}

/// Goes on for a region, as the runtime's function of that name does.
fn resume(caller: Caller<'_, ()>, pc: i64, back: i64, depth: i32) -> i64 {
    came_out(pc as u64);
    outside(caller, |runtime, call| {
        linkage::resume(runtime, (pc as u64, back as u64), depth as u32, call)
    })
}

/// Does an environment call for a region, as the runtime's function of that name does.
fn system_call(caller: Caller<'_, ()>, pc: i64, depth: i32) -> i64 {
    came_out(pc as u64 + 4);
    outside(caller, |runtime, call| linkage::system_call(runtime, pc as u64, depth as u32, call))
}

/// Has the runtime do something for a region; returns where that came to.
fn outside(
    mut caller: Caller<'_, ()>,
    act: impl FnOnce(&mut RegionRuntime<'_, '_>, &mut CallRegion<'_>) -> u64,
) -> i64 {
    let mut call = |runtime: &mut RegionRuntime<'_, '_>, entry: Entry, base: u64, depth: u32| {
        came_in();
        let to = with(runtime, || call_region(&mut caller, entry, base, depth).unwrap() as u64);
        came_out(to);
        to
    };
    let to = act(runtime(), &mut call);
    CAME_IN.set(to & !1);
    to as i64
}

fn call_region(
    caller: &mut Caller<'_, ()>,
    entry: Entry,
    base: u64,
    depth: u32,
) -> wasmtime::Result<i64> {
    let region = caller.get_export(&entry.region.to_string()).and_then(Extern::into_func);
    let region = region.expect("a region").typed::<(i64, i32, i32), i64>(&caller)?;
    region.call(caller, (base as i64, entry.state as i32, depth as i32))
}

impl TranslatedCode<Riscv> for Functions {
    fn call(&mut self, entry: Entry, base: u64, runtime: &mut RegionRuntime<'_, '_>) -> u64 {
        let region = &self.regions[entry.region as usize];
        let arguments = (base as i64, entry.state as i32, MAX_DEPTH as i32);
        came_in();
        let to = with(runtime, || region.call(&mut self.store, arguments).unwrap() as u64);
        came_out(to);
        if self.shown > 0 {
            *self.exits.entry(to).or_default() += 1;
        }
        to
    }
}
