//! Vector loads and stores.
//!
//! Elements are done in order; one that faults leaves its number in `vstart`, and the instruction
//! goes on there. Contiguous elements are copied a page at a time.

use super::{Vop, aligned, may_overlap, overlap, require, size};
use crate::engine::access::Access;
use crate::engine::arch::Arch;
use crate::engine::bus::Bus;
use crate::memory::{PAGE_SHIFT, PAGE_SIZE};
use crate::riscv::hart::{Hart, Riscv};
use crate::riscv::isa::{Format, Insn, Opcode};
use crate::riscv::trap::Trap;
use crate::riscv::vector::{VLENB, low_bits};

/// Where the elements of an access lie in memory.
#[derive(Clone, Copy)]
enum Addressing {
    /// Every this many bytes.
    Stride(u64),
    /// At offsets in the group `register`, of elements of `1 << width` bytes.
    Indexed { register: u8, width: u32 },
}

/// A legal vector load or store.
struct Transfer {
    is_load: bool,
    /// First register of the first field.
    register: u8,
    /// Registers from one field to the next.
    step: u8,
    fields: u8,
    /// log2 of the bytes of an element.
    width: u32,
    addressing: Addressing,
    /// Elements to transfer are below this.
    end: usize,
    active: u128,
    /// A fault behind element 0 only shortens the vector.
    stops_at_fault: bool,
}

/// Element width of a load or store: log2 of bytes (bits 14:12).
fn memory_width(insn: &Insn) -> u32 {
    match insn.rm {
        0 => 0,
        width => u32::from(width & 3),
    }
}

fn is_load(insn: &Insn) -> bool {
    insn.bits & 0x20 == 0
}

impl Hart {
    /// A vector load or store.
    pub(super) fn vector_memory(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        if self.transfer_in_page(insn, bus).is_some() {
            return Ok(());
        }
        let transfer = self.transfer(insn).ok_or(Self::illegal(insn))?;
        let base = self.x(insn.rs1);
        let start = self.state.vector.vstart as usize;
        let whole = low_bits(transfer.end) & !low_bits(start);
        let contiguous = matches!(transfer.addressing, Addressing::Stride(stride)
            if stride == 1 << transfer.width && transfer.fields == 1);
        let done = if contiguous && transfer.active == whole && start < transfer.end {
            self.transfer_run(&transfer, base, start, bus)
        } else {
            self.transfer_elements(&transfer, base, start, bus)
        };
        let Err((element, trap)) = done else { return Ok(()) };
        if transfer.stops_at_fault && element > 0 {
            self.state.vector.vl = element as u8;
            return Ok(());
        }
        self.state.vector.vstart = element as u8;
        self.state.mark_vector_dirty();
        Err(trap)
    }

    /// The most frequent case: all elements of one group, unmasked, side by side in a page that the
    /// TLB has. `None`, and nothing is done, if it is another.
    fn transfer_in_page(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Option<()> {
        // Fields, addressing and mask: one field, unit stride (maybe only to the first fault, which
        // there is none of), unmasked.
        require(matches!(insn.bits >> 20, 0x020 | 0x030) && self.state.vector.vstart == 0)?;
        let vtype = self.state.vector.vtype?;
        let width = memory_width(insn);
        require(aligned(insn.rd, scaled(vtype.multiplier(), width, vtype.width())))?;
        let address = self.masked(self.x(insn.rs1));
        let length = (self.state.vector.vl as usize) << width;
        let in_page = address as usize & (PAGE_SIZE - 1);
        require(in_page + length <= PAGE_SIZE)?;
        let privilege = Riscv::privilege(self);
        let first = insn.rd as usize * VLENB;
        let registers = first..first + length;
        if is_load(insn) {
            let page = self.spaces.tlb.read(privilege).lookup(address)?;
            let physical = bus.memory.physical(page << PAGE_SHIFT)? + in_page as u64;
            let bytes = bus.memory.slice(physical, length).ok()?;
            self.state.vector.bytes_mut()[registers].copy_from_slice(bytes);
        } else {
            let page = self.spaces.tlb.write(privilege).lookup(address)?;
            let physical = bus.memory.physical(page << PAGE_SHIFT)? + in_page as u64;
            bus.memory.write(physical, &self.state.vector.bytes()[registers]).ok()?;
        }
        Some(())
    }

    /// What a load or store does; `None` if it is illegal.
    fn transfer(&self, insn: &Insn) -> Option<Transfer> {
        use Opcode::*;
        let transfer = Transfer {
            is_load: is_load(insn),
            register: insn.rd,
            step: 1,
            fields: 1,
            width: memory_width(insn),
            addressing: Addressing::Stride(1 << memory_width(insn)),
            end: 0,
            active: u128::MAX,
            stops_at_fault: false,
        };
        let transfer = match insn.opcode {
            Vl1re8V | Vl1re16V | Vl1re32V | Vl1re64V | Vl2re8V | Vl2re16V | Vl2re32V | Vl2re64V
            | Vl4re8V | Vl4re16V | Vl4re32V | Vl4re64V | Vl8re8V | Vl8re16V | Vl8re32V
            | Vl8re64V | Vs1rV | Vs2rV | Vs4rV | Vs8rV => {
                let registers = insn.extra_fields() as u8 + 1;
                require(insn.rd & (registers - 1) == 0)?;
                Transfer { end: (registers as usize * VLENB) >> transfer.width, ..transfer }
            }
            VlmV | VsmV => {
                self.state.vector.vtype?;
                Transfer { end: (self.state.vector.vl as usize).div_ceil(8), ..transfer }
            }
            _ => self.typed_transfer(insn, transfer)?,
        };
        let range = low_bits(transfer.end) & !low_bits(self.state.vector.vstart as usize);
        Some(Transfer { active: transfer.active & range, ..transfer })
    }

    /// A transfer of `vl` elements, with mask, fields and addresses of any kind.
    fn typed_transfer(&self, insn: &Insn, transfer: Transfer) -> Option<Transfer> {
        use Opcode::*;
        let vtype = self.state.vector.vtype?;
        let fields = insn.extra_fields() as u8 + 1;
        let named =
            (memory_width(insn), scaled(vtype.multiplier(), memory_width(insn), vtype.width()));
        let indexed = insn.opcode.format() == Format::VMemIndexed;
        let (width, lmul) = if indexed { (vtype.width(), vtype.multiplier()) } else { named };
        require(aligned(insn.rd, lmul))?;
        let registers = fields * size(lmul);
        require(registers <= 8 && insn.rd + registers <= 32)?;
        let masked = !insn.unmasked();
        let may_store_mask = !transfer.is_load && !indexed;
        require(!masked || insn.rd != 0 || may_store_mask)?;
        let addressing = match insn.opcode.format() {
            Format::VMemStrided => Addressing::Stride(self.x(insn.rs2)),
            Format::VMemIndexed => {
                check_index(insn, fields, (width, lmul), named)?;
                Addressing::Indexed { register: insn.rs2, width: named.0 }
            }
            _ => Addressing::Stride(u64::from(fields) << width),
        };
        Some(Transfer {
            step: size(lmul),
            fields,
            width,
            addressing,
            end: self.state.vector.vl as usize,
            active: if masked { self.state.vector.mask(0) } else { u128::MAX },
            stops_at_fault: matches!(insn.opcode, Vle8ffV | Vle16ffV | Vle32ffV | Vle64ffV),
            ..transfer
        })
    }

    /// Elements one by one. An error has the number of the element that faulted.
    fn transfer_elements(
        &mut self,
        transfer: &Transfer,
        base: u64,
        start: usize,
        bus: &mut Bus<'_>,
    ) -> Result<(), (usize, Trap)> {
        for index in start..transfer.end {
            if transfer.active >> index & 1 == 0 {
                continue;
            }
            let offset = match transfer.addressing {
                Addressing::Stride(stride) => stride.wrapping_mul(index as u64),
                Addressing::Indexed { register, width } => {
                    self.state.vector.element(register, width, index)
                }
            };
            let mut address = base.wrapping_add(offset);
            let mut register = transfer.register;
            for _ in 0..transfer.fields {
                self.transfer_element(transfer, (register, index), address, bus)
                    .map_err(|trap| (index, trap))?;
                address = address.wrapping_add(1 << transfer.width);
                register += transfer.step;
            }
        }
        Ok(())
    }

    fn transfer_element(
        &mut self,
        transfer: &Transfer,
        (register, index): (u8, usize),
        address: u64,
        bus: &mut Bus<'_>,
    ) -> Result<(), Trap> {
        let width = transfer.width;
        let length = 1 << width;
        let in_page = address as usize & (PAGE_SIZE - 1);
        if transfer.is_load {
            let value = match self.cached_page(address, Access::Read, bus) {
                Some(page) if in_page + length <= PAGE_SIZE => {
                    let mut value = [0; 8];
                    let bytes = bus.memory.slice(page + in_page as u64, length);
                    value[..length].copy_from_slice(bytes.unwrap_or(&[0; 8][..length]));
                    u64::from_le_bytes(value)
                }
                _ => self.load(address, length, bus)?,
            };
            self.state.vector.set_element(register, width, index, value);
            return Ok(());
        }
        let value = self.state.vector.element(register, width, index);
        match self.cached_page(address, Access::Write, bus) {
            Some(page) if in_page + length <= PAGE_SIZE => {
                // The page is memory and has no code: `write` cannot fail and leaves no trace.
                let bytes = &value.to_le_bytes()[..length];
                let _ = bus.memory.write(page + in_page as u64, bytes);
                Ok(())
            }
            _ => self.store(address, length, value, bus),
        }
    }

    /// Elements `start..end`, which follow each other in memory and in registers.
    fn transfer_run(
        &mut self,
        transfer: &Transfer,
        base: u64,
        start: usize,
        bus: &mut Bus<'_>,
    ) -> Result<(), (usize, Trap)> {
        let width = transfer.width;
        let mut index = start;
        while index < transfer.end {
            let address = base.wrapping_add((index as u64) << width);
            let in_page = PAGE_SIZE - (address as usize & (PAGE_SIZE - 1));
            let count = (in_page >> width).min(transfer.end - index);
            if count == 0 || !self.copy_in_page(transfer, address, (index, count), bus) {
                self.transfer_element(transfer, (transfer.register, index), address, bus)
                    .map_err(|trap| (index, trap))?;
                index += 1;
            } else {
                index += count;
            }
        }
        Ok(())
    }

    /// Copies `count` elements from `index` on, all in the page of `address`; `false` if that is
    /// not memory that may be accessed so, and nothing was done.
    fn copy_in_page(
        &mut self,
        transfer: &Transfer,
        address: u64,
        (index, count): (usize, usize),
        bus: &mut Bus<'_>,
    ) -> bool {
        let access = if transfer.is_load { Access::Read } else { Access::Write };
        let Some(page) = self.cached_page(address, access, bus) else { return false };
        let physical = page + (address & (PAGE_SIZE as u64 - 1));
        let first = transfer.register as usize * VLENB + (index << transfer.width);
        let registers = first..first + (count << transfer.width);
        let length = registers.len();
        if transfer.is_load {
            let Ok(bytes) = bus.memory.slice(physical, length) else { return false };
            self.state.vector.bytes_mut()[registers].copy_from_slice(bytes);
            return true;
        }
        bus.memory.write(physical, &self.state.vector.bytes()[registers]).is_ok()
    }

    /// Guest-physical address of the page of `address`, if the TLB has it or can have it: memory,
    /// and for writing memory without decoded code.
    fn cached_page(&mut self, address: u64, access: Access, bus: &mut Bus<'_>) -> Option<u64> {
        let address = self.masked(address);
        let privilege = Riscv::privilege(self);
        let table = match access {
            Access::Write => self.spaces.tlb.write(privilege),
            _ => self.spaces.tlb.read(privilege),
        };
        if let Some(page) = table.lookup(address) {
            return bus.memory.physical(page << PAGE_SHIFT);
        }
        let physical = self.translate(address, access, bus).ok()?;
        let page = match access {
            Access::Write => {
                bus.memory.writable_page(physical).filter(|&page| !bus.memory.has_code(page))?
            }
            _ => bus.memory.window_page(physical)?,
        };
        self.fill_tlb(address, page, access);
        Some(physical & !(PAGE_SIZE as u64 - 1))
    }
}

/// Multiplier of a group of another element width with the same number of elements.
fn scaled(multiplier: i32, width: u32, from_width: u32) -> i32 {
    multiplier + width as i32 - from_width as i32
}

/// Legality of the index group, `index` being its width and multiplier, beside the data.
fn check_index(insn: &Insn, fields: u8, data: (u32, i32), index: (u32, i32)) -> Option<()> {
    let source = (insn.rs2, index.1);
    require(aligned(insn.rs2, index.1))?;
    require(insn.unmasked() || insn.rs2 != 0)?;
    if !is_load(insn) {
        // Two sources share a register only if it has one element width for both.
        return require(data.0 == index.0 || !overlap((insn.rd, data.1), source));
    }
    for field in 0..fields {
        let destination = (insn.rd + field * size(data.1), data.1);
        require(match fields {
            1 if data.0 == index.0 => true,
            1 => may_overlap(destination, source),
            _ => !overlap(destination, source),
        })?;
    }
    Some(())
}

impl Vop<'_> {
    /// Multiplier of operands whose elements are `1 << width` bytes.
    pub(super) fn scaled(&self, width: u32) -> i32 {
        scaled(self.multiplier, width, self.width)
    }
}
