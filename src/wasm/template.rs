//! The prebuilt runtime, a module or a component, taken apart as far as packaging needs.

use super::component::{self, Component};
use super::error::TemplateError;
use super::functions::Functions;
use super::layout::WASM_PAGE;
use super::scan::CoreModule;
use super::sections::Section;
use crate::wasi_target::WasiTarget;
use c2w_module_abi::{PLACEMENT_EXPORT, STATE_EXPORT};
use c2w_translator::Linkage;
use std::collections::BTreeMap;
use std::io::Cursor;
use wasmparser::{DataKind, ExternalKind, Operator, Parser, Payload};

/// The runtime.
pub struct Template<'a> {
    /// What stands around its module, if that is in a component.
    pub(super) component: Option<Component<'a>>,
    /// All sections but memory, data and data count, in order.
    pub(super) sections: Vec<Section<'a>>,
    /// What they say about functions.
    pub(super) functions: Functions<'a>,
    /// Initial memory in 64 KiB pages.
    pub memory_pages: u64,
    /// Address of the placement table.
    pub placement: u32,
    /// Address of the hart's state, for translated code.
    state: Option<u32>,
    /// The data segments: address and bytes.
    pub data: Vec<(u32, &'a [u8])>,
}

impl<'a> Template<'a> {
    /// Reads a runtime.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(runtime: &'a [u8]) -> Result<Self, TemplateError> {
        let found = CoreModule::find(&mut Cursor::new(runtime))?;
        let found = found.ok_or(TemplateError::Missing("core module"))?;
        let module = &runtime[found.bytes.start as usize..found.bytes.end as usize];
        let component = Component::around(runtime, &found);
        Ok(Self { component, ..Self::parse_module(module)? })
    }

    fn parse_module(module: &'a [u8]) -> Result<Self, TemplateError> {
        let mut template = Self {
            component: None,
            sections: Vec::new(),
            functions: Functions::default(),
            memory_pages: 0,
            placement: 0,
            state: None,
            data: Vec::new(),
        };
        let mut exported = BTreeMap::new();
        let mut globals = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            template.functions.read(module, &payload)?;
            match &payload {
                Payload::MemorySection(memories) => {
                    let memory = memories.clone().into_iter().next();
                    template.memory_pages =
                        memory.ok_or(TemplateError::Missing("memory"))??.initial;
                    continue;
                }
                Payload::DataSection(segments) => {
                    for segment in segments.clone() {
                        let segment = segment?;
                        if let DataKind::Active { offset_expr, .. } = segment.kind {
                            let address = constant(&offset_expr)?;
                            template.data.push((address, segment.data));
                        }
                    }
                    continue;
                }
                Payload::DataCountSection { .. } => continue,
                Payload::CustomSection(section) if component::is_for_encoder(section.name()) => {
                    continue;
                }
                Payload::GlobalSection(section) => {
                    for global in section.clone() {
                        globals.push(global?.init_expr);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports.clone() {
                        let export = export?;
                        if export.kind == ExternalKind::Global {
                            exported.insert(export.name, export.index as usize);
                        }
                    }
                }
                _ => {}
            }
            if let Some((id, range)) = payload.as_section() {
                let bytes = &module[range.start as usize..range.end as usize];
                template.sections.push(Section::new(id, bytes));
            }
        }
        let address = |name| exported.get(name).and_then(|&index| globals.get(index)).map(constant);
        let placement = address(PLACEMENT_EXPORT);
        template.placement =
            placement.ok_or(TemplateError::Missing("exported global C2W_PLACEMENT"))??;
        template.state = address(STATE_EXPORT).transpose()?;
        Ok(template)
    }

    /// The WASI that it is for.
    pub fn wasi_target(&self) -> WasiTarget {
        match self.component {
            None => WasiTarget::Preview1,
            Some(_) => WasiTarget::Preview2,
        }
    }

    /// Bytes of linear memory that the runtime starts with.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_pages * WASM_PAGE
    }

    /// The indices that translated code needs to become part of a module with this runtime.
    ///
    /// # Errors
    /// When the runtime does not export what translated code calls, or has no table for it: it is
    /// one of another version.
    pub fn linkage(&self) -> Result<Linkage, TemplateError> {
        self.functions.table()?;
        let state = self.state.ok_or(TemplateError::Missing("exported global C2W_STATE"))?;
        self.functions.linkage(state)
    }
}

/// The value of an `i32.const` expression.
pub(super) fn constant(expression: &wasmparser::ConstExpr<'_>) -> Result<u32, TemplateError> {
    match expression.get_operators_reader().read()? {
        Operator::I32Const { value } => Ok(value as u32),
        _ => Err(TemplateError::Missing("constant address")),
    }
}
