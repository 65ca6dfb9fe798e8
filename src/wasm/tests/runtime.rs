//! A small module that has what packaging reads of the runtime.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection, Elements,
    EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType,
    ImportSection, InstructionSink, MemorySection, MemoryType, Module, RefType, TableSection,
    TableType, TypeSection, ValType,
};

/// Where its placement table is.
pub const PLACEMENT: u32 = 1024;
/// Where its hart is said to be.
pub const HOT: u32 = 2048;
/// How many elements its table has.
pub const ELEMENTS: u64 = 3;
/// How many functions it has.
pub const FUNCTIONS: u32 = 9;
/// Function `call(element, base, entry, depth)`: calls an element of table 0 as a region.
pub const CALL: &str = "call";

pub const FUNCTION_NAMES: [&str; 6] =
    ["c2w_invoke", "c2w_status", "c2w_fma32", "c2w_resume", "c2w_map", "c2w_system_call"];
/// Index of the first of [`FUNCTION_NAMES`]; two functions are imported.
const FIRST_NAMED: u32 = 2;
const UNIT_TYPE: u32 = 6;

/// What the module has, and what it lacks.
pub struct Runtime {
    pub own_table: bool,
    pub table_maximum: bool,
    pub imported_table: bool,
    pub elements: bool,
    /// The regions' type, and the function [`CALL`], which is nothing without it.
    pub unit_type: bool,
    /// Whether it says where its hart is.
    pub hot: bool,
    /// A function that is not exported.
    pub hidden: Option<&'static str>,
    /// Two functions under each other's name.
    pub swapped: bool,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            own_table: true,
            table_maximum: true,
            imported_table: false,
            elements: true,
            unit_type: true,
            hot: true,
            hidden: None,
            swapped: false,
        }
    }
}

impl Runtime {
    pub fn build(&self) -> Vec<u8> {
        let mut module = Module::new();
        module.section(&self.types()).section(&self.imports()).section(&self.functions());
        if self.own_table {
            module.section(TableSection::new().table(self.table()).table(self.table()));
        }
        let memory = MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        let global = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
        module.section(MemorySection::new().memory(memory));
        let mut globals = GlobalSection::new();
        for address in [PLACEMENT, HOT] {
            globals.global(global, &ConstExpr::i32_const(address as i32));
        }
        module.section(&globals).section(&self.exports());
        if self.elements {
            let functions = Elements::Functions((&[2, 3][..]).into());
            let at = ConstExpr::i32_const(1);
            module.section(ElementSection::new().active(None, &at, functions));
        }
        module.section(&DataCountSection { count: 2 });
        module.section(&custom("metadata.code.branch_hint", &[0]));
        module.section(&self.code());
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(16), *b"of the runtime");
        data.active(0, &ConstExpr::i32_const(PLACEMENT as i32), [0; 56]);
        module.section(&data);
        module.section(&custom("name", &[])).section(&custom("producers", &[0]));
        module.finish()
    }

    fn types(&self) -> TypeSection {
        use ValType::{F32, I32, I64};
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([I64, I32], [I64]);
        types.ty().function([I32, I64], [I64]);
        types.ty().function([F32; 3], [F32]);
        types.ty().function([I64, I64, I32], [I64]);
        types.ty().function([I64, I32, I32], [I32]);
        if self.unit_type {
            types.ty().function([I64, I32, I32], [I64]);
            types.ty().function([I32, I64, I32, I32], [I64]);
        }
        types
    }

    fn imports(&self) -> ImportSection {
        let mut imports = ImportSection::new();
        imports.import("host", "first", EntityType::Function(0));
        if self.imported_table {
            imports.import("host", "table", self.table());
        }
        imports.import("host", "second", EntityType::Function(0));
        imports
    }

    fn functions(&self) -> FunctionSection {
        let mut functions = FunctionSection::new();
        for ty in [1, 2, 3, 4, 5, 1] {
            functions.function(ty);
        }
        functions.function(if self.unit_type { UNIT_TYPE + 1 } else { 0 });
        functions
    }

    fn table(&self) -> TableType {
        TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: ELEMENTS,
            maximum: self.table_maximum.then_some(ELEMENTS),
            shared: false,
        }
    }

    fn exports(&self) -> ExportSection {
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("C2W_PLACEMENT", ExportKind::Global, 0);
        if self.hot {
            exports.export("C2W_STATE", ExportKind::Global, 1);
        }
        if self.own_table {
            exports.export("table", ExportKind::Table, 0);
        }
        for (name, index) in FUNCTION_NAMES.into_iter().zip(FIRST_NAMED..) {
            let index = if self.swapped { index ^ 1 } else { index };
            if self.hidden != Some(name) {
                exports.export(name, ExportKind::Func, index);
            }
        }
        if self.unit_type {
            exports.export(CALL, ExportKind::Func, FIRST_NAMED + FUNCTION_NAMES.len() as u32);
        }
        exports
    }

    fn code(&self) -> CodeSection {
        let mut code = CodeSection::new();
        code.function(&function(|code| code.local_get(0)));
        code.function(&function(|code| code.local_get(1)));
        code.function(&function(|code| {
            code.local_get(0).local_get(1).f32_mul().local_get(2).f32_add()
        }));
        code.function(&function(|code| code.local_get(0)));
        code.function(&function(|code| code.i32_const(0)));
        code.function(&function(|code| code.local_get(0)));
        code.function(&function(|code| match self.unit_type {
            true => {
                code.local_get(1).local_get(2).local_get(3).local_get(0);
                code.call_indirect(0, UNIT_TYPE)
            }
            false => code.nop(),
        }));
        code
    }
}

/// A function without locals.
pub fn function(
    body: impl for<'a, 'b> FnOnce(&'a mut InstructionSink<'b>) -> &'a mut InstructionSink<'b>,
) -> Function {
    let mut function = Function::new([]);
    body(&mut function.instructions()).end();
    function
}

pub fn custom<'a>(name: &'a str, data: &'a [u8]) -> CustomSection<'a> {
    CustomSection { name: name.into(), data: data.into() }
}
