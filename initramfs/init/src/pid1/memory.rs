//! Free memory full of zeros, so that a snapshot of the machine holds only what is in use.

use crate::failure::{MACHINE, OrFail, Result, failure};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::fs;

/// What stays free while the rest is taken: the kernel must be able to allocate.
const RESERVE_BYTES: usize = 2 << 20;
const MIN_FREE: &str = "/proc/sys/vm/min_free_kbytes";

/// Drops the caches, then takes all free memory once: the kernel clears each page as it hands it
/// out, and nothing writes it before it is free again.
pub fn clear_free() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3").or_fail("dropping caches")?;
    let usual = fs::read(MIN_FREE).or_fail("reading the free memory limit")?;
    fs::write(MIN_FREE, "128").or_fail("lowering the free memory limit")?;
    let taken = take_and_release(free_bytes()?.saturating_sub(RESERVE_BYTES));
    fs::write(MIN_FREE, usual).or_fail("restoring the free memory limit")?;
    taken
}

#[allow(unsafe_code)]
fn take_and_release(bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, access, flags) }
        .or_fail("mapping free memory")?;
    // SAFETY: the mapping is ours alone and no reference into it exists.
    let populated = unsafe {
        madvise(start, bytes, Advice::LinuxHugepage)
            .and_then(|()| madvise(start, bytes, Advice::LinuxPopulateWrite))
    };
    // SAFETY: as above; nothing uses it afterwards.
    unsafe { munmap(start, bytes) }.or_fail("unmapping free memory")?;
    populated.or_fail("clearing free memory")
}

fn free_bytes() -> Result<usize> {
    let text = fs::read_to_string("/proc/meminfo").or_fail("reading /proc/meminfo")?;
    text.lines()
        .find_map(|line| line.strip_prefix("MemFree:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map(|kilobytes: usize| kilobytes << 10)
        .ok_or_else(|| failure(MACHINE, "/proc/meminfo has no MemFree"))
}
