//! Keeps free memory zero, so that a snapshot of the machine holds only what is in use.

use crate::failure::{OrFail, Result};
use std::fs;

/// A setting of our kernel (kernel/patches): pages are cleared when they are freed, not when they
/// are taken. RAM is zero when the machine starts, so free memory is zero for as long as it is on.
const CLEAR_FREED: &str = "/proc/sys/vm/clear_freed_pages";

/// Frees all memory that is not needed while the kernel still clears what it gets back. From then
/// on pages are cleared when they are taken, as usual.
pub fn finish() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3").or_fail("dropping caches")?;
    fs::write(CLEAR_FREED, "0").or_fail(CLEAR_FREED)
}
