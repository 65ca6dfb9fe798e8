//! The device tree that tells the kernel what machine this is (Devicetree Specification 0.4;
//! bindings as in Linux, Documentation/devicetree/bindings).

use crate::devices::MmioRange;
use crate::memory::Region;
use crate::riscv::board::layout::{self, SYSCON_PHANDLE};
use alloc::format;
use alloc::vec::Vec;
use vm_fdt::{Error, FdtWriter};

/// Extensions of the hart, beyond the base `rv64i`.
#[rustfmt::skip]
const EXTENSIONS: &[&str] = &[
    "i", "m", "a", "f", "d", "c", "v",
    "zicbom", "zicbop", "zicboz", "zicntr", "zicond", "zicsr", "zifencei", "zihintntl",
    "zihintpause", "zihpm", "zimop", "zawrs", "zfa", "zfhmin", "zca", "zcb", "zcd", "zcmop", "zba", "zbb", "zbs",
    "zve32f", "zve32x", "zve64d", "zve64f", "zve64x", "zvfhmin", "zvbb", "zvkb", "zvkt",
    "zkt", "ssnpm", "sstc", "svadu", "svinval", "svnapot", "svpbmt", "svvptc",
];

/// Bytes of a cache block, for all cache-block operations.
const CACHE_BLOCK: u32 = 64;

const CPU_INTC: u32 = 1;
const PLIC: u32 = 2;

/// `sip.SEIP`, as the cpu-intc binding numbers it.
const SUPERVISOR_EXTERNAL: u32 = 9;
/// Interrupt sources of the PLIC.
const SOURCES: u32 = 31;

/// What is not fixed about the machine.
pub struct Description<'a> {
    /// RAM.
    pub ram: Region,
    /// Start and length of each `pmem-region`.
    pub disks: &'a [(u64, u64)],
    /// Kernel command line.
    pub command_line: &'a str,
    /// Whether to name the hart's extensions for vectors.
    pub vectors: bool,
    /// Guest-physical start and end of the initramfs.
    pub initramfs: (u64, u64),
    /// First entropy of the kernel's generator.
    pub seed: &'a [u8],
}

/// The flattened tree.
///
/// # Errors
/// When a string contains a NUL byte.
pub fn build(description: &Description<'_>) -> Result<Vec<u8>, Error> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", "c2w,machine")?;
    fdt.property_string("model", "c2w")?;
    chosen(&mut fdt, description)?;
    cpus(&mut fdt, description.vectors)?;
    let memory = fdt.begin_node(&format!("memory@{:x}", description.ram.start))?;
    fdt.property_string("device_type", "memory")?;
    fdt.property_array_u64("reg", &[description.ram.start, description.ram.length])?;
    fdt.end_node(memory)?;
    // The kernel numbers them in this order: /dev/pmem0 and so on.
    for &(start, length) in description.disks {
        let pmem = fdt.begin_node(&format!("pmem@{start:x}"))?;
        fdt.property_string("compatible", "pmem-region")?;
        fdt.property_array_u64("reg", &[start, length])?;
        fdt.property_null("volatile")?;
        fdt.end_node(pmem)?;
    }
    soc(&mut fdt)?;
    fdt.end_node(root)?;
    fdt.finish()
}

fn chosen(fdt: &mut FdtWriter, description: &Description<'_>) -> Result<(), Error> {
    let node = fdt.begin_node("chosen")?;
    fdt.property_string("bootargs", description.command_line)?;
    let (start, end) = description.initramfs;
    if end > start {
        fdt.property_u64("linux,initrd-start", start)?;
        fdt.property_u64("linux,initrd-end", end)?;
    }
    fdt.property("rng-seed", description.seed)?;
    fdt.end_node(node)
}

fn cpus(fdt: &mut FdtWriter, vectors: bool) -> Result<(), Error> {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    fdt.property_u32("timebase-frequency", layout::TIMEBASE_HZ as u32)?;
    let cpu = fdt.begin_node("cpu@0")?;
    fdt.property_string("device_type", "cpu")?;
    fdt.property_u32("reg", 0)?;
    fdt.property_string("status", "okay")?;
    fdt.property_string("compatible", "riscv")?;
    fdt.property_string("mmu-type", "riscv,sv48")?;
    fdt.property_string("riscv,isa-base", "rv64i")?;
    let is_vector = |name: &str| name == "v" || name.starts_with("zv");
    let named = EXTENSIONS.iter().filter(|name| vectors || !is_vector(name));
    let extensions = named.map(|name| (*name).into()).collect();
    fdt.property_string_list("riscv,isa-extensions", extensions)?;
    for size in ["riscv,cbom-block-size", "riscv,cbop-block-size", "riscv,cboz-block-size"] {
        fdt.property_u32(size, CACHE_BLOCK)?;
    }
    let intc = fdt.begin_node("interrupt-controller")?;
    fdt.property_string("compatible", "riscv,cpu-intc")?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_u32("#interrupt-cells", 1)?;
    fdt.property_phandle(CPU_INTC)?;
    fdt.end_node(intc)?;
    fdt.end_node(cpu)?;
    fdt.end_node(cpus)
}

fn soc(fdt: &mut FdtWriter) -> Result<(), Error> {
    let soc = fdt.begin_node("soc")?;
    fdt.property_u32("#address-cells", 2)?;
    fdt.property_u32("#size-cells", 2)?;
    fdt.property_string("compatible", "simple-bus")?;
    fdt.property_null("ranges")?;
    fdt.property_u32("interrupt-parent", PLIC)?;
    plic(fdt)?;
    for row in layout::DEVICES {
        device(fdt, row.node, row.compatible, row.range, |fdt| match row.phandle {
            0 => Ok(()),
            phandle => fdt.property_phandle(phandle),
        })?;
    }
    fdt.end_node(soc)?;
    for (name, compatible, value) in
        [("poweroff", "syscon-poweroff", 0x5555), ("reboot", "syscon-reboot", 0x7777)]
    {
        let node = fdt.begin_node(name)?;
        fdt.property_string("compatible", compatible)?;
        fdt.property_u32("regmap", SYSCON_PHANDLE)?;
        fdt.property_u32("offset", 0)?;
        fdt.property_u32("value", value)?;
        fdt.end_node(node)?;
    }
    Ok(())
}

fn plic(fdt: &mut FdtWriter) -> Result<(), Error> {
    device(fdt, "plic", &["sifive,plic-1.0.0", "riscv,plic0"], layout::PLIC, |fdt| {
        fdt.property_null("interrupt-controller")?;
        fdt.property_u32("#interrupt-cells", 1)?;
        fdt.property_u32("#address-cells", 0)?;
        fdt.property_array_u32("interrupts-extended", &[CPU_INTC, SUPERVISOR_EXTERNAL])?;
        fdt.property_u32("riscv,ndev", SOURCES)?;
        fdt.property_phandle(PLIC)
    })
}

fn device(
    fdt: &mut FdtWriter,
    name: &str,
    compatible: &[&str],
    range: MmioRange,
    more: impl FnOnce(&mut FdtWriter) -> Result<(), Error>,
) -> Result<(), Error> {
    let node = fdt.begin_node(&format!("{name}@{:x}", range.base))?;
    fdt.property_string_list("compatible", compatible.iter().map(|name| (*name).into()).collect())?;
    fdt.property_array_u64("reg", &[range.base, range.size])?;
    if range.irq != 0 {
        fdt.property_u32("interrupts", range.irq)?;
    }
    more(fdt)?;
    fdt.end_node(node)
}
