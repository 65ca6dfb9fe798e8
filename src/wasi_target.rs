//! The WASI that a conversion's result is for, which decides what kind of WebAssembly it is.

use clap::ValueEnum;
use std::fmt;

/// A version of WASI. The help of `--target` is made of these descriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WasiTarget {
    /// WASI preview 1 module: every runtime.
    #[default]
    #[value(name = "wasip1")]
    Preview1,
    /// WASI 0.2 component: wasmtime 48 and later.
    #[value(name = "wasip2")]
    Preview2,
}

impl WasiTarget {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Preview1, Self::Preview2];

    /// What it is called, by `--target` as by compilers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preview1 => "wasip1",
            Self::Preview2 => "wasip2",
        }
    }

    /// The kind of file that it takes.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Preview1 => "module",
            Self::Preview2 => "component",
        }
    }
}

impl fmt::Display for WasiTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
