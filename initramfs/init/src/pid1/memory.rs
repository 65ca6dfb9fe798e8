//! Free memory full of zeros, so that a snapshot of the machine holds only what is in use.

use crate::failure::{MACHINE, OrFail, Result, failure};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::fs;

/// What stays free while the rest is taken: the kernel must be able to allocate, and it moves up
/// to 1 MiB at a time to its list of single pages.
const RESERVE_BYTES: usize = 3 << 20;
/// The same while huge pages are taken, all in one step. Some of them turn out to be single ones.
const HUGE_RESERVE_BYTES: usize = 8 << 20;
/// From here on the reserves grow with the machine, by a 64th of what it has more.
const LARGE_MACHINE_BYTES: usize = 1 << 30;
/// How much is taken between two looks at what is left.
const STEP_BYTES: usize = 512 << 10;
const PAGE_LIST: &str = "/proc/sys/vm/percpu_pagelist_high_fraction";
/// Kernel settings while that goes on. The kernel shall give nearly all (KiB), take no more than
/// that back for itself (the boost), and keep few single pages aside, before it looks for a
/// process to kill; and it shall give huge pages: it has them off on machines under 512 MiB.
const SETTINGS: [(&str, &str); 4] = [
    ("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"),
    ("/proc/sys/vm/watermark_boost_factor", "0"),
    (PAGE_LIST, "1000000"),
    ("/proc/sys/vm/min_free_kbytes", "128"),
];

/// Keeps the kernel's list of single free pages at 1/64 of the memory. It grows to an eighth by
/// itself, which counts neither as free nor as used and costs most to clear.
pub fn limit_page_list() -> Result<()> {
    fs::write(PAGE_LIST, "64").or_fail("limiting free pages")
}

/// Drops the caches, then takes all free memory once: the kernel clears each page as it hands it
/// out, and nothing writes it before it is free again.
pub fn clear_free() -> Result<()> {
    fs::write("/proc/sys/vm/drop_caches", "3").or_fail("dropping caches")?;
    let mut usual = Vec::new();
    for (path, _) in SETTINGS {
        usual.push(read_setting(path)?);
    }
    for (path, value) in SETTINGS {
        fs::write(path, value).or_fail(path)?;
    }
    let cleared = take_and_release();
    for ((path, _), value) in SETTINGS.iter().zip(usual) {
        fs::write(path, value).or_fail(path)?;
    }
    cleared
}

/// A setting's value; of a choice (`always [madvise] never`) the chosen one.
fn read_setting(path: &str) -> Result<String> {
    let text = fs::read_to_string(path).or_fail(path)?;
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    Ok(chosen.map_or(text.trim_end(), |(choice, _)| choice).to_string())
}

/// Huge pages first, they are cheap. Then single ones, which the kernel takes from its list of
/// single pages before it goes on with the rest.
fn take_and_release() -> Result<()> {
    let total = memory("MemTotal:")?;
    let region = Region::new(total)?;
    // Large machines keep longer lists of free pages, which count as free but are not to be had.
    let more = (total.saturating_sub(LARGE_MACHINE_BYTES) / 64) & !4095;
    let huge = memory("MemFree:")?.saturating_sub(HUGE_RESERVE_BYTES + more);
    region.populate(0, huge, Advice::LinuxHugepage)?;
    for start in (huge..total.saturating_sub(STEP_BYTES)).step_by(STEP_BYTES) {
        if memory("MemFree:")? < RESERVE_BYTES + more {
            break;
        }
        region.populate(start, STEP_BYTES, Advice::LinuxNoHugepage)?;
    }
    Ok(())
}

/// Anonymous memory, given back when dropped.
struct Region {
    start: *mut c_void,
    bytes: usize,
}

impl Region {
    #[allow(unsafe_code)]
    fn new(bytes: usize) -> Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, access, flags) }
            .or_fail("mapping free memory")?;
        Ok(Self { start, bytes })
    }

    /// Makes the kernel back a part with memory of the advised kind.
    #[allow(unsafe_code)]
    fn populate(&self, offset: usize, bytes: usize, kind: Advice) -> Result<()> {
        if bytes == 0 || offset.saturating_add(bytes) > self.bytes {
            return Ok(());
        }
        let start = self.start.wrapping_byte_add(offset);
        // SAFETY: lies inside our own mapping, into which no reference exists.
        unsafe { madvise(start, bytes, kind) }.or_fail("preparing to clear memory")?;
        // SAFETY: as above.
        unsafe { madvise(start, bytes, Advice::LinuxPopulateWrite) }.or_fail("clearing memory")
    }
}

impl Drop for Region {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: our own mapping, not used afterwards. Unmapping a whole mapping cannot fail.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}

/// A line of /proc/meminfo in bytes, down to whole pages.
fn memory(name: &str) -> Result<usize> {
    let text = fs::read_to_string("/proc/meminfo").or_fail("reading /proc/meminfo")?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok())
        .map(|kilobytes: usize| (kilobytes << 10) & !4095)
        .ok_or_else(|| failure(MACHINE, format!("/proc/meminfo has no {name}")))
}
