//! `c2w-componentize CORE COMPONENT`: makes a component of a core module.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let [core, component] = &files[..] else { bail!("usage: c2w-componentize CORE COMPONENT") };
    let bytes = std::fs::read(core).with_context(|| core.display().to_string())?;
    let made =
        c2w_componentize::componentize(&bytes).with_context(|| core.display().to_string())?;
    std::fs::write(component, made).with_context(|| component.display().to_string())
}
