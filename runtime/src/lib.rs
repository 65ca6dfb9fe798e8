//! The WASI program that a converted container is: restores the machine that the converter left
//! in linear memory, starts the command and copies its streams.
//!
//! Exports: `_start` (a WASI command), and for embedders that keep the thread to themselves,
//! [`exports::run`], [`exports::wait_ns`] and [`exports::status`]. Imports are WASI preview 1, and with the
//! feature `wasip2` those of a component of WASI 0.2, too (`component.rs`).
//!
//! There is no libc here and no standard library: nothing but the allocator below ever grows
//! linear memory, and it only grows it past the guest's RAM, which the packaged module has from
//! the start.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(target_arch = "wasm32")]
mod directories;
#[cfg(target_arch = "wasm32")]
mod errno;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(target_arch = "wasm32")]
mod placement;
#[cfg(target_arch = "wasm32")]
mod program;
#[cfg(target_arch = "wasm32")]
mod regions;
#[cfg(target_arch = "wasm32")]
mod ring_directory;
#[cfg(target_arch = "wasm32")]
mod single_thread;
#[cfg(target_arch = "wasm32")]
mod standard_input;
#[cfg(target_arch = "wasm32")]
mod units;
#[cfg(target_arch = "wasm32")]
mod wasi_calls;
#[cfg(target_arch = "wasm32")]
mod wasi_terminal;
#[cfg(target_arch = "wasm32")]
#[cfg_attr(feature = "wasip2", path = "component.rs")]
#[cfg_attr(not(feature = "wasip2"), path = "preview1.rs")]
mod world;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: allocator::Heap = allocator::Heap::new();

/// A panic is a bug of ours: it says where, and traps.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    wasi_calls::complain(format_args!("internal error: {info}"));
    core::arch::wasm32::unreachable()
}
