//! The WASI runtime.
