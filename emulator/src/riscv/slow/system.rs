//! Environment calls, trap return, fences and CSR access.

use crate::engine::bus::Bus;
use crate::riscv::csr::{number, satp, status, trap_register};
use crate::riscv::hart::{Hart, Mode};
use crate::riscv::isa::{Format, Insn, Opcode};
use crate::riscv::trap::{Cause, Trap, interrupt};

impl Hart {
    /// A SYSTEM instruction; returns the next pc.
    pub(super) fn system(
        &mut self,
        insn: &Insn,
        next: u64,
        bus: &mut Bus<'_>,
    ) -> Result<u64, Trap> {
        let supervisor = self.arch.mode == Mode::Supervisor;
        match insn.opcode {
            Opcode::Ecall if supervisor => {
                self.sbi_call(bus);
                Ok(next)
            }
            Opcode::Ecall => Err(Trap::new(Cause::EcallFromUser, 0)),
            Opcode::Ebreak => Err(Trap::new(Cause::Breakpoint, self.state.pc)),
            Opcode::Sret if supervisor => Ok(self.sret()),
            Opcode::Wfi if supervisor => {
                self.waiting = true;
                self.exit_request = true;
                Ok(next)
            }
            // There is no other hart that could write what is waited for.
            Opcode::WrsNto | Opcode::WrsSto => Ok(next),
            Opcode::SfenceVma | Opcode::SinvalVma if supervisor => {
                let asid = (insn.rs2 != 0).then(|| self.x(insn.rs2) & 0xffff);
                match insn.rs1 {
                    0 => self.flush_translations(&satp::has_asid(asid)),
                    register => self.flush_page(self.x(register), &satp::has_asid(asid)),
                }
                Ok(next)
            }
            // Each invalidation is complete by itself.
            Opcode::SfenceWInval | Opcode::SfenceInvalIr if supervisor => Ok(next),
            Opcode::Sret
            | Opcode::Wfi
            | Opcode::SfenceVma
            | Opcode::SinvalVma
            | Opcode::SfenceWInval
            | Opcode::SfenceInvalIr => Err(Self::illegal(insn)),
            _ => self.csr_instruction(insn, bus).map(|()| next),
        }
    }

    /// Goes back to the mode before the last trap; returns the next pc.
    pub(in crate::riscv) fn sret(&mut self) -> u64 {
        let old = self.state.csrs.sstatus;
        self.arch.mode = if old & status::SPP != 0 { Mode::Supervisor } else { Mode::User };
        let mut new = old & !(status::SIE | status::SPP) | status::SPIE;
        if old & status::SPIE != 0 {
            new |= status::SIE;
        }
        self.state.csrs.sstatus = new;
        self.exit_request |= self.deliverable();
        self.sync();
        self.state.trap[trap_register::EPC]
    }

    fn csr_instruction(&mut self, insn: &Insn, bus: &mut Bus<'_>) -> Result<(), Trap> {
        use Opcode::*;
        let csr = insn.imm as u16 & 0xfff;
        let operand = match insn.opcode.format() {
            Format::CsrI => u64::from(insn.rs1),
            _ => self.x(insn.rs1),
        };
        // Bits 9:8 of the number are the lowest privilege; set and clear write unless rs1 is x0.
        let swaps = matches!(insn.opcode, Csrrw | Csrrwi);
        let writes = swaps || insn.rs1 != 0;
        let privileged = csr >> 8 & 3;
        let allowed = match self.arch.mode {
            Mode::User => privileged == 0,
            Mode::Supervisor => privileged <= 1,
        };
        if !allowed || writes && csr >> 10 == 3 {
            return Err(Self::illegal(insn));
        }
        let old = self.read_csr(csr, bus).ok_or(Self::illegal(insn))?;
        if writes {
            let new = match insn.opcode {
                Csrrs | Csrrsi => old | operand,
                Csrrc | Csrrci => old & !operand,
                _ => operand,
            };
            self.write_csr(csr, new);
        }
        self.set_x(insn.rd, old);
        Ok(())
    }

    /// A CSR's value; `None` if it does not exist or may not be read here.
    fn read_csr(&mut self, csr: u16, bus: &mut Bus<'_>) -> Option<u64> {
        let csrs = &self.state.csrs;
        Some(match csr {
            number::FFLAGS | number::FRM | number::FCSR if !csrs.fp_enabled() => return None,
            number::FFLAGS => u64::from(csrs.fflags),
            number::FRM => u64::from(csrs.frm),
            number::FCSR => u64::from(csrs.frm) << 5 | u64::from(csrs.fflags),
            number::VSTART
            | number::VXSAT..=number::VXRM
            | number::VCSR
            | number::VL..=number::VLENB => self.read_vector_csr(csr)?,
            number::SSTATUS => csrs.read_sstatus(),
            number::SIE => csrs.sie,
            number::STVEC => csrs.stvec,
            number::SCOUNTEREN => csrs.scounteren,
            number::SENVCFG => csrs.senvcfg,
            number::SSCRATCH..=number::STVAL => self.state.trap[trap_register::of(csr)?],
            number::SIP => self.pending_interrupts(bus),
            number::STIMECMP => csrs.stimecmp,
            number::SATP => csrs.satp,
            number::CYCLE..=number::HPMCOUNTER31 => {
                let readable = csrs.scounteren >> (csr - number::CYCLE) & 1 != 0;
                if self.arch.mode == Mode::User && !readable {
                    return None;
                }
                match csr {
                    number::TIME => bus.clock.ticks(self.steps(), bus.host),
                    number::CYCLE | number::INSTRET => self.retired(),
                    // Counters of events, of which there are none.
                    _ => 0,
                }
            }
            _ => return None,
        })
    }

    /// Stores a CSR that [`Self::read_csr`] knows.
    fn write_csr(&mut self, csr: u16, value: u64) {
        let csrs = &mut self.state.csrs;
        match csr {
            number::FFLAGS | number::FRM | number::FCSR => self.write_fcsr(csr, value),
            number::VSTART | number::VXSAT..=number::VXRM | number::VCSR => {
                self.write_vector_csr(csr, value);
            }
            number::SSTATUS => {
                let changed = csrs.sstatus ^ value;
                csrs.write_sstatus(value);
                if changed & status::MXR != 0 {
                    self.flush_translations(&|_| true);
                }
                self.exit_request |= self.deliverable();
                self.sync();
            }
            number::SIE => {
                csrs.write_sie(value);
                self.exit_request |= self.deliverable();
            }
            number::SIP => {
                csrs.ssip = value >> interrupt::SOFTWARE & 1 != 0;
                self.exit_request = true;
            }
            number::STIMECMP => self.set_timer(value),
            number::SATP => {
                let old = csrs.satp;
                if csrs.write_satp(value) && csrs.satp != old {
                    self.switch_address_space(old);
                }
            }
            // Mode 0 direct or 1 vectored; others are reserved.
            number::STVEC => csrs.stvec = value & !2,
            number::SCOUNTEREN => csrs.scounteren = value & 0xffff_ffff,
            number::SENVCFG => {
                csrs.write_senvcfg(value);
                self.sync();
            }
            _ => {
                if let Some(register) = trap_register::of(csr) {
                    let mask = if register == trap_register::EPC { !1 } else { !0 };
                    self.state.trap[register] = value & mask;
                }
            }
        }
    }

    fn write_fcsr(&mut self, csr: u16, value: u64) {
        let csrs = &mut self.state.csrs;
        if csr != number::FRM {
            csrs.fflags = value as u8 & 0x1f;
        }
        if csr != number::FFLAGS {
            let field = if csr == number::FCSR { value >> 5 } else { value };
            csrs.frm = field as u8 & 7;
        }
        csrs.accrue(0);
        self.sync();
    }
}
