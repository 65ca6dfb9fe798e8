//! What a module says about its functions: types, indices, exports and the table they are in.

use super::error::TemplateError;
use c2w_module_abi::{HELPERS, REGION, Signature, ValueType};
use c2w_translator::Linkage;
use wasmparser::{
    BinaryReaderError, Export, ExternalKind, FuncType, Payload, RefType, TableInit, TableType,
    TypeRef, ValType,
};

/// What a module says about its functions.
#[derive(Default)]
pub struct Functions<'a> {
    /// The types by their index.
    types: Vec<FuncType>,
    /// The type of each function by the function's index: imported ones precede others.
    functions: Vec<u32>,
    exports: Vec<Export<'a>>,
    table: Option<Table<'a>>,
    has_imported_table: bool,
}

/// Table 0, and the table section around it.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    /// Number of elements at the start.
    pub initial: u64,
    /// The largest number of elements, if there is one.
    pub maximum: Option<u64>,
    /// The number of tables.
    pub count: u32,
    /// Those that follow it, as they stand in the section.
    pub others: &'a [u8],
}

impl<'a> Functions<'a> {
    /// Reads the sections of `module` that are about functions.
    ///
    /// # Errors
    /// When the section is damaged.
    pub fn read(
        &mut self,
        module: &'a [u8],
        payload: &Payload<'a>,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::TypeSection(types) => {
                self.types = types.clone().into_iter_err_on_gc_types().collect::<Result<_, _>>()?;
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    self.import(import?.ty);
                }
            }
            Payload::FunctionSection(functions) => {
                for function in functions.clone() {
                    self.functions.push(function?);
                }
            }
            Payload::TableSection(section) => {
                let mut tables = section.clone().into_iter();
                if let Some(table) = tables.next() {
                    let rest = tables.original_position() as usize..section.range().end as usize;
                    self.table = Table::new(&table?, section.count(), &module[rest]);
                }
            }
            Payload::ExportSection(exports) => {
                self.exports = exports.clone().into_iter().collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, ty: TypeRef) {
        match ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => self.functions.push(index),
            TypeRef::Table(_) => self.has_imported_table = true,
            _ => {}
        }
    }

    /// The number of functions, imported ones included.
    pub fn count(&self) -> usize {
        self.functions.len()
    }

    /// The number of types.
    pub fn types(&self) -> usize {
        self.types.len()
    }

    /// The index of the type that translated functions have, if the module has it.
    pub fn region_type(&self) -> Option<usize> {
        let wanted = function_type(&REGION);
        self.types.iter().position(|known| *known == wanted)
    }

    /// The index of the type of [`c2w_module_abi::CopyUnits`], if the module has it.
    pub fn copy_type(&self) -> Option<usize> {
        let wanted = FuncType::new([ValType::I32; 3], []);
        self.types.iter().position(|known| *known == wanted)
    }

    /// Table 0.
    ///
    /// # Errors
    /// When there is none that functions can be added to.
    pub fn table(&self) -> Result<Table<'a>, TemplateError> {
        let own = self.table.filter(|_| !self.has_imported_table);
        own.ok_or(TemplateError::Missing("table 0 of its own for functions"))
    }

    /// The indices that translated code needs, with the address of the hart's state.
    ///
    /// # Errors
    /// [`TemplateError::Function`] when the module does not export all that it calls.
    pub fn linkage(&self, state: u32) -> Result<Linkage, TemplateError> {
        let helpers = HELPERS.try_map(|helper| self.export(helper))?;
        Ok(Linkage { state, first_region: self.count() as u32, helpers })
    }

    fn export(&self, wanted: &Signature) -> Result<u32, TemplateError> {
        let (name, ty) = (wanted.name, function_type(wanted));
        let exported = self.exports.iter().find(|export| export.name == name);
        exported
            .filter(|export| export.kind == ExternalKind::Func)
            .filter(|export| self.type_of(export.index) == Some(&ty))
            .map(|export| export.index)
            .ok_or(TemplateError::Function { name, ty })
    }

    fn type_of(&self, function: u32) -> Option<&FuncType> {
        self.types.get(*self.functions.get(function as usize)? as usize)
    }
}

impl<'a> Table<'a> {
    /// `None` unless it is a table of functions with 32-bit indices that is empty at the start.
    fn new(table: &wasmparser::Table<'_>, count: u32, others: &'a [u8]) -> Option<Self> {
        let TableType { element_type, table64, initial, maximum, shared } = table.ty;
        let is_empty = matches!(table.init, TableInit::RefNull);
        (element_type == RefType::FUNCREF && !table64 && !shared && is_empty).then_some(Self {
            initial,
            maximum,
            count,
            others,
        })
    }
}

fn function_type(signature: &Signature) -> FuncType {
    let value = |ty: ValueType| match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
    };
    FuncType::new(signature.parameters.iter().copied().map(value), [value(signature.result)])
}
