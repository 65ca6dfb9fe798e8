//! Why a module cannot be made.

use super::scan::ScanError;
use std::io;
use wasmparser::FuncType;

/// Why a file is not a runtime of ours.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Not WebAssembly, or damaged.
    #[error("the runtime is not a valid WebAssembly module")]
    Parse(#[from] wasmparser::BinaryReaderError),
    /// Not WebAssembly, or not all of it.
    #[error("the runtime cannot be used")]
    File(#[from] ScanError),
    /// WebAssembly, but another program.
    #[error("the runtime module has no {0}")]
    Missing(&'static str),
    /// A runtime of another version.
    #[error(
        "the runtime module does not export {name} as {ty}, which translated code calls: use the \
         runtime of this version of c2w"
    )]
    Function {
        /// The name of the export.
        name: &'static str,
        /// The type that the function has to have.
        ty: FuncType,
    },
}

/// Why a module cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// wasm32 ends at 4 GiB.
    #[error(
        "the machine does not fit into 4 GiB of WebAssembly memory: image {image} MiB, \
         memory {ram} MiB; make the image smaller or give less --memory"
    )]
    TooLarge {
        /// Size of the root image in MiB.
        image: u64,
        /// Size of RAM in MiB.
        ram: u64,
    },
    /// A data section ends at 4 GiB.
    #[error(
        "the machine has {0} MiB compressed, and a WebAssembly module carries less than 4 GiB; make \
         the image smaller, or try --compress=small"
    )]
    TooMuch(u64),
    /// Engines would refuse the module.
    #[error("too much translated code: {is} {what}, and engines accept {limit}; translate less")]
    Code {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        is: u64,
        /// How much there may be.
        limit: u64,
    },
    /// A component's section cannot say how long it is.
    #[error(
        "the module in the component would have {0} MiB, and it may have less than 4 GiB; make the \
         image smaller, or translate less"
    )]
    Component(u64),
    /// Nothing can be added to the runtime's functions.
    #[error(transparent)]
    Runtime(#[from] TemplateError),
    /// The output cannot be written.
    #[error("cannot write the module")]
    Write(#[from] io::Error),
}

impl From<wasmparser::BinaryReaderError> for PackageError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Runtime(error.into())
    }
}
