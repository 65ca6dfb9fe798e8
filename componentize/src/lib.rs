//! Makes a WASI 0.2 component of the runtime.
//!
//! What stands around the core module in it depends on the names and types of that module's imports
//! and exports, on nothing else: the converter puts another core module there, which has a
//! machine in it.

use anyhow::{Context, Result};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
};
use wit_component::ComponentEncoder;

/// A component that exports `wasi:cli/run`, of a command for WASI preview 1. Imports of preview 1
/// go through an adapter; others are those that the module says of itself.
///
/// # Errors
/// When the module is damaged, or cannot be a component.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(core)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER)?
        .encode()
        .context("it cannot be made a component")
}
