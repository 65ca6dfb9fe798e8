//! A component as what stands around its first core module: packaging puts another one there.
//!
//! What follows the module depends on the names and types of its imports and exports, which
//! packaging leaves as they are; nothing else in a component says anything of it.

use super::error::PackageError;
use super::scan::CoreModule;
use super::sections;
use std::io::Write;
use wasm_encoder::ComponentSectionId;

/// A component without its first core module.
#[derive(Clone, Copy)]
pub struct Component<'a> {
    before: &'a [u8],
    after: &'a [u8],
}

impl<'a> Component<'a> {
    /// What stands around a module in a file; nothing does if the file is that module.
    pub fn around(file: &'a [u8], module: &CoreModule) -> Option<Self> {
        let (before, rest) = file.split_at(module.section.start as usize);
        let after = &rest[(module.section.end - module.section.start) as usize..];
        (!before.is_empty()).then_some(Self { before, after })
    }

    /// Writes the component with a module of `size` bytes, which `write_module` writes.
    ///
    /// # Errors
    /// When the module is too long for a section, or `out` cannot be written.
    pub fn write<W: Write>(
        &self,
        size: u64,
        out: &mut W,
        write_module: impl FnOnce(&mut W) -> std::io::Result<()>,
    ) -> Result<(), PackageError> {
        let length = u32::try_from(size).map_err(|_| PackageError::Component(size >> 20))?;
        out.write_all(self.before)?;
        out.write_all(&sections::head(ComponentSectionId::CoreModule.into(), length as usize))?;
        write_module(out)?;
        Ok(out.write_all(self.after)?)
    }
}

/// Whether a module's custom section is for those who make components of modules: it names
/// interfaces, and is left out of the component.
pub fn is_for_encoder(section: &str) -> bool {
    section.starts_with("component-type")
}
