//! Types of functions, as WebAssembly has them.

/// The type of a value (WebAssembly core specification, "Number Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// An integer of 32 bits.
    I32,
    /// An integer of 64 bits.
    I64,
    /// A number of single precision.
    F32,
}

impl ValueType {
    /// Its byte in a module (WebAssembly core specification, "Binary Format", "Types").
    pub fn encoding(self) -> u8 {
        match self {
            Self::I32 => 0x7f,
            Self::I64 => 0x7e,
            Self::F32 => 0x7d,
        }
    }
}

/// A Rust type that a module's functions take or give.
pub(crate) trait Value {
    const TYPE: ValueType;
}

impl Value for u32 {
    const TYPE: ValueType = ValueType::I32;
}

impl Value for u64 {
    const TYPE: ValueType = ValueType::I64;
}

impl Value for f32 {
    const TYPE: ValueType = ValueType::F32;
}

/// A function by its name and type; each has one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name that it is exported by.
    pub name: &'static str,
    /// The types of its parameters.
    pub parameters: &'static [ValueType],
    /// The type of its result.
    pub result: ValueType,
}
