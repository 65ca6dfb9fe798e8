//! Translated functions become part of the module, and one that reads units: a type, an entry in
//! table 0 and a body for each, behind what the runtime has.

use super::error::PackageError;
use super::sections::{Piece, Section, append, leb128, replace};
use super::template::Template;
use c2w_module_abi::{REGION, ValueType};
use c2w_translator::Translation;
use wasm_encoder::{ConstExpr, Encode, Instruction, RefType, SectionId, TableType};

/// What engines accept (WebAssembly JavaScript interface, "Limits").
const MAX_FUNCTIONS: u64 = 1_000_000;
const MAX_TABLE: u64 = 10_000_000;
const MAX_BODY: u64 = 7_654_321;
const MAX_MODULE: u64 = 1 << 30;

/// The byte in front of parameters and results (core specification, "Binary format", "Types").
const FUNCTION_TYPE: u8 = 0x60;
/// An active element segment of function indices for table 0.
const ELEMENTS: u8 = 0;

/// The runtime with functions that were made for it.
pub struct Linked<'a> {
    /// Its sections.
    pub sections: Vec<Section<'a>>,
    /// The element of table 0 that is the first translated function, if there is one.
    pub first_region: u32,
    /// The element of table 0 that copies what is stored of units.
    pub copy_units: u32,
}

/// Adds the translated functions, if there are any, and the one that copies what is stored of units,
/// which is data segment `units`.
///
/// # Errors
/// When the runtime has no table that they can be put into, or they are more than engines accept.
pub fn link<'a>(
    template: &Template<'a>,
    translation: Option<&'a Translation>,
    units: usize,
) -> Result<Linked<'a>, PackageError> {
    let (functions, table) = (&template.functions, template.functions.table()?);
    let regions = translation.map_or(&[][..], |translation| &translation.functions);
    if let Some(translation) = translation {
        check(translation, functions.count() as u64, table.initial)?;
    }
    let mut sections = template.sections.clone();
    let mut added = 0;
    let mut type_of = |known: Option<usize>, ty: Vec<u8>| -> Result<usize, PackageError> {
        if let Some(known) = known {
            return Ok(known);
        }
        append(&mut sections, SectionId::Type, 1, [ty.into()])?;
        added += 1;
        Ok(functions.types() + added - 1)
    };
    let mut types = Vec::new();
    if !regions.is_empty() {
        let region = type_of(functions.region_type(), region_type())?;
        types = leb128(region).repeat(regions.len());
    }
    types.extend(leb128(type_of(functions.copy_type(), copy_type())?));
    let count = regions.len() + 1;
    append(&mut sections, SectionId::Function, count, [types.into()])?;
    let grown = grown(table.initial, table.maximum, count as u64);
    let tables = [grown.into(), table.others.into()];
    replace(&mut sections, Section::vector(SectionId::Table, table.count as usize, tables));
    let first_region = table.initial as u32;
    let elements = elements(first_region, functions.count() as u32, count as u32);
    append(&mut sections, SectionId::Element, 1, [elements.into()])?;
    let copy = copy_units(units);
    let copy = [Piece::from(leb128(copy.len())), copy.into()];
    let bodies = regions.iter().flat_map(|body| code(body)).chain(copy);
    append(&mut sections, SectionId::Code, count, bodies)?;
    Ok(Linked { sections, first_region, copy_units: first_region + regions.len() as u32 })
}

/// The type of [`c2w_module_abi::CopyUnits`].
fn copy_type() -> Vec<u8> {
    let i32 = ValueType::I32.encoding();
    vec![FUNCTION_TYPE, 3, i32, i32, i32, 0]
}

/// A [`c2w_module_abi::CopyUnits`], without the size in front.
fn copy_units(segment: usize) -> Vec<u8> {
    let mut body = Vec::new();
    0_u32.encode(&mut body);
    for parameter in 0..3 {
        Instruction::LocalGet(parameter).encode(&mut body);
    }
    Instruction::MemoryInit { mem: 0, data_index: segment as u32 }.encode(&mut body);
    Instruction::End.encode(&mut body);
    body
}

/// How many bytes the functions and their index have in a module.
pub fn size(translation: &Translation) -> u64 {
    let bodies = translation.functions.iter();
    let bodies = bodies.map(|body| leb128(body.len()).len() as u64 + body.len() as u64);
    bodies.sum::<u64>() + translation.index.len() as u64
}

fn check(translation: &Translation, functions: u64, table: u64) -> Result<(), PackageError> {
    let bodies = &translation.functions;
    let largest = bodies.iter().map(Vec::len).max().unwrap_or(0) as u64;
    let bytes = bodies.iter().map(|body| body.len() as u64).sum::<u64>();
    let count = bodies.len() as u64;
    let limits = [
        ("functions with the runtime's", functions + count, MAX_FUNCTIONS),
        ("elements of table 0", table + count, MAX_TABLE),
        ("bytes in a function", largest, MAX_BODY),
        ("bytes", bytes + translation.index.len() as u64, MAX_MODULE),
    ];
    match limits.into_iter().find(|(_, is, limit)| is > limit) {
        Some((what, is, limit)) => Err(PackageError::Code { what, is, limit }),
        None => Ok(()),
    }
}

fn region_type() -> Vec<u8> {
    let encodings =
        |types: &[ValueType]| -> Vec<u8> { types.iter().map(|ty| ty.encoding()).collect() };
    let mut bytes = vec![FUNCTION_TYPE];
    encodings(REGION.parameters).as_slice().encode(&mut bytes);
    encodings(&[REGION.result]).as_slice().encode(&mut bytes);
    bytes
}

/// A table of functions with more elements than it had.
fn grown(initial: u64, maximum: Option<u64>, more: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let ty = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: initial + more,
        maximum: maximum.map(|maximum| (maximum + more).min(u32::MAX.into())),
        shared: false,
    };
    ty.encode(&mut bytes);
    bytes
}

/// The segment that puts functions into table 0.
fn elements(first_element: u32, first_function: u32, count: u32) -> Vec<u8> {
    let mut bytes = vec![ELEMENTS];
    ConstExpr::i32_const(first_element as i32).encode(&mut bytes);
    let functions: Vec<u32> = (first_function..first_function + count).collect();
    functions.as_slice().encode(&mut bytes);
    bytes
}

/// A function of the code section: its size and itself.
fn code(body: &[u8]) -> [Piece<'_>; 2] {
    [leb128(body.len()).into(), body.into()]
}
