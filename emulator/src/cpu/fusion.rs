//! Superinstructions: sequences of operations that are dispatched once.
//!
//! A slot whose operation starts such a sequence gets the sequence's code in place of its own;
//! everything else in it and in the following slots stays as it was, so that a jump into the
//! middle, and the slow path in the middle, need no special case.
//!
//! The pairs are measured: those that ran most often in a boot, a shell loop, gzip, python,
//! fork + exec, system calls and the two integer programs of `scripts/bench`, each program by its
//! share of its own run, shell and python twice. The longer sequences were picked by hand from what
//! the pairs showed. Only an operation that always goes on to the next slot can be first.

use super::isa::decode;
use super::op::{Code, for_each_code, lower};
use alloc::vec::Vec;

/// Calls `$with!` with the operations in front, and the superinstructions: those that start with
/// the same operation stand together, longer ones first.
macro_rules! for_each_fusion {
    ($with:ident $codes:tt) => {
        $with! {
            $codes
            {
                CNopNop = CNop Nop;
                AddiCAddi = Addi CAddi;
                AddiSd = Addi Sd;
                AddiBltu = Addi Bltu;
                AddiLd = Addi Ld;
                AddiCAdd = Addi CAdd;
                AddiCSd = Addi CSd;
                AddiJr = Addi Jr;
                AddiBne = Addi Bne;
                AddiBeq = Addi Beq;
                AddiCLd = Addi CLd;
                AddiAddi = Addi Addi;
                AddiCSlli = Addi CSlli;
                AddiCMv = Addi CMv;
                AddiAdd = Addi Add;
                AddiBgeu = Addi Bgeu;
                AddiSlli = Addi Slli;
                CAddiMulwAddw = CAddi Mulw Addw;
                CAddiBltu = CAddi Bltu;
                CAddiSw = CAddi Sw;
                CAddiMulw = CAddi Mulw;
                CAddiCSd = CAddi CSd;
                CAddiCJr = CAddi CJr;
                CAddiCAddi = CAddi CAddi;
                CAddiBne = CAddi Bne;
                CAddiCBnez = CAddi CBnez;
                CAddiAdd = CAddi Add;
                CAddiCJ = CAddi CJ;
                CAddiCMv = CAddi CMv;
                CAddiSextW = CAddi SextW;
                CAddiLbu = CAddi Lbu;
                CAddiBeqz = CAddi Beqz;
                CAddiBneFar = CAddi BneFar;
                CAddiAuipc = CAddi Auipc;
                CAddiSd = CAddi Sd;
                LiBeq = Li Beq;
                LiBne = Li Bne;
                LiLi = Li Li;
                LiBltu = Li Bltu;
                CLiCMv = CLi CMv;
                CLiCLi = CLi CLi;
                CLiBeq = CLi Beq;
                CLiCLd = CLi CLd;
                CLiCJ = CLi CJ;
                CLiBgeu = CLi Bgeu;
                CLiCAdd = CLi CAdd;
                CLiBne = CLi Bne;
                CLiCAddi = CLi CAddi;
                CLiLbu = CLi Lbu;
                MvMv = Mv Mv;
                CMvCMv = CMv CMv;
                CMvJalFar = CMv JalFar;
                CMvCLd = CMv CLd;
                CMvCLi = CMv CLi;
                CMvCSd = CMv CSd;
                CMvCBeqz = CMv CBeqz;
                CMvBgeu = CMv Bgeu;
                CMvCJ = CMv CJ;
                CMvBeqz = CMv Beqz;
                CMvSlliw = CMv Slliw;
                CMvAndi = CMv Andi;
                CMvCAddw = CMv CAddw;
                CMvAuipc = CMv Auipc;
                CMvCAddi = CMv CAddi;
                CMvBeq = CMv Beq;
                CMvJal = CMv Jal;
                CMvLd = CMv Ld;
                LuiAddi = Lui Addi;
                AuipcAddi = Auipc Addi;
                AuipcLd = Auipc Ld;
                AuipcJalr = Auipc Jalr;
                AuipcLbu = Auipc Lbu;
                SlliCAdd = Slli CAdd;
                SlliSrli = Slli Srli;
                SlliCSrli = Slli CSrli;
                SlliCOr = Slli COr;
                SlliBlt = Slli Blt;
                CSlliCAdd = CSlli CAdd;
                CSlliCSrli = CSlli CSrli;
                SrliCAdd = Srli CAdd;
                CSrliCAndi = CSrli CAndi;
                AndiCBnez = Andi CBnez;
                AndiCBeqz = Andi CBeqz;
                AndiCSlli = Andi CSlli;
                AndiBnez = Andi Bnez;
                AndiBeq = Andi Beq;
                AndiCLi = Andi CLi;
                AndiBeqz = Andi Beqz;
                CAndiCBeqz = CAndi CBeqz;
                CAndiCBnez = CAndi CBnez;
                XoriXor = Xori Xor;
                AddiwAndi = Addiw Andi;
                CAddiwBnez = CAddiw Bnez;
                CAddiwCJ = CAddiw CJ;
                SextWSextW = SextW SextW;
                SextWCSextW = SextW CSextW;
                SextWBne = SextW Bne;
                SextWCAddi = SextW CAddi;
                SextWCLw = SextW CLw;
                SextWCSw = SextW CSw;
                CSextWSextW = CSextW SextW;
                CSextWCSextW = CSextW CSextW;
                CSextWCAddi = CSextW CAddi;
                Rotate = Slliw Srliw Or;
                SlliwSrliw = Slliw Srliw;
                SlliwSlliw = Slliw Slliw;
                SlliwOr = Slliw Or;
                SlliwLw = Slliw Lw;
                SlliwAnd = Slliw And;
                RotateRight = Srliw Slliw Or;
                SrliwSlliw = Srliw Slliw;
                SrliwOr = Srliw Or;
                SrliwCXor = Srliw CXor;
                SrliwCAddw = Srliw CAddw;
                SrliwXor = Srliw Xor;
                AddLbu = Add Lbu;
                AddAdd = Add Add;
                AddSb = Add Sb;
                CAddLhu = CAdd Lhu;
                CAddCLd = CAdd CLd;
                CAddLbu = CAdd Lbu;
                CAddCSd = CAdd CSd;
                CAddCAdd = CAdd CAdd;
                CAddLd = CAdd Ld;
                CAddAnd = CAdd And;
                CAddCLw = CAdd CLw;
                CAddCSlli = CAdd CSlli;
                CAddAmoaddD = CAdd AmoaddD;
                AndAnd = And And;
                AndOr = And Or;
                AndXor = And Xor;
                AndAddw = And Addw;
                CAndCSlli = CAnd CSlli;
                OrOr = Or Or;
                OrSlliw = Or Slliw;
                OrAddw = Or Addw;
                OrCOr = Or COr;
                OrAnd = Or And;
                OrXori = Or Xori;
                OrSrliw = Or Srliw;
                COrOr = COr Or;
                XorCAddw = Xor CAddw;
                XorXor = Xor Xor;
                XorAnd = Xor And;
                XorSrliw = Xor Srliw;
                XorOr = Xor Or;
                XorAddw = Xor Addw;
                XorSlliw = Xor Slliw;
                XorCXor = Xor CXor;
                CXorXor = CXor Xor;
                CXorCLi = CXor CLi;
                CXorSrliw = CXor Srliw;
                AddwBne = Addw Bne;
                AddwXor = Addw Xor;
                AddwAddw = Addw Addw;
                AddwCSextW = Addw CSextW;
                AddwSextW = Addw SextW;
                CAddwXor = CAddw Xor;
                CAddwSextW = CAddw SextW;
                CAddwSh = CAddw Sh;
                CAddwAddw = CAddw Addw;
                MulwAddw = Mulw Addw;
                LwCLw = Lw CLw;
                LwSlliw = Lw Slliw;
                CLwCAddi = CLw CAddi;
                CLwAddi = CLw Addi;
                CLwSrliw = CLw Srliw;
                LdLd = Ld Ld;
                LdAddi = Ld Addi;
                LdCLd = Ld CLd;
                LdCSd = Ld CSd;
                LdSd = Ld Sd;
                LdCMv = Ld CMv;
                LdBltu = Ld Bltu;
                LdCBeqz = Ld CBeqz;
                LdCAddi = Ld CAddi;
                LdBeqz = Ld Beqz;
                LdSlli = Ld Slli;
                LdCLi = Ld CLi;
                LdAndi = Ld Andi;
                LdCSrli = Ld CSrli;
                LdBeq = Ld Beq;
                LdLi = Ld Li;
                CLdCLdCLd = CLd CLd CLd;
                CLdCLd = CLd CLd;
                CLdCAddi = CLd CAddi;
                CLdCMv = CLd CMv;
                CLdCSd = CLd CSd;
                CLdCLi = CLd CLi;
                CLdCBeqz = CLd CBeqz;
                CLdAndi = CLd Andi;
                CLdLd = CLd Ld;
                CLdCAdd = CLd CAdd;
                CLdCSrli = CLd CSrli;
                CLdAddi = CLd Addi;
                CLdBeq = CLd Beq;
                CLdCBnez = CLd CBnez;
                CLdLui = CLd Lui;
                CLdSlli = CLd Slli;
                CLdSd = CLd Sd;
                LbuBne = Lbu Bne;
                LbuLbu = Lbu Lbu;
                LbuCAddi = Lbu CAddi;
                LbuCBnez = Lbu CBnez;
                LbuBeq = Lbu Beq;
                LbuCBeqz = Lbu CBeqz;
                LbuCLi = Lbu CLi;
                LbuBeqz = Lbu Beqz;
                LbuLi = Lbu Li;
                LbuAddi = Lbu Addi;
                LbuSlli = Lbu Slli;
                LhuBgeu = Lhu Bgeu;
                LhuCMv = Lhu CMv;
                SbCBnez = Sb CBnez;
                SbCAddi = Sb CAddi;
                SbSb = Sb Sb;
                ShCAddi = Sh CAddi;
                SwCAddi = Sw CAddi;
                CSwCAddi = CSw CAddi;
                SdSdSdSd = Sd Sd Sd Sd;
                SdSd = Sd Sd;
                SdAddi = Sd Addi;
                SdLd = Sd Ld;
                SdCLd = Sd CLd;
                SdCSd = Sd CSd;
                CSdCSdCSd = CSd CSd CSd;
                CSdCSd = CSd CSd;
                CSdCMv = CSd CMv;
                CSdCLd = CSd CLd;
                CSdLd = CSd Ld;
                CSdCLi = CSd CLi;
                CSdSd = CSd Sd;
                CSdAddi = CSd Addi;
                CSdAuipc = CSd Auipc;
                CSdJalFar = CSd JalFar;
                CSdLbu = CSd Lbu;
            }
        }
    };
}
pub(crate) use for_each_fusion;

/// A superinstruction and its parts.
type Run = (Code, &'static [Code]);

macro_rules! define {
    ({ $($codes:tt)* } { $($run:ident = $($part:ident)+;)* }) => {
        static RUNS: &[Run] = &[$((Code::$run, &[$(Code::$part),+])),*];

        /// The operation that each run starts with, as a number.
        const HEADS: &[u16] = &[$({ const PARTS: &[Code] = &[$(Code::$part),+]; PARTS[0] as u16 }),*];
    };
}
for_each_code!(define);

/// First run of each head, and one past the last.
static STARTS: [u16; Code::PLAIN + 1] = starts();

const fn starts() -> [u16; Code::PLAIN + 1] {
    let mut starts = [0; Code::PLAIN + 1];
    let mut run = 0;
    let mut head = 0;
    while head < Code::PLAIN {
        starts[head] = run as u16;
        while run < HEADS.len() && HEADS[run] as usize == head {
            run += 1;
        }
        head += 1;
    }
    assert!(run == HEADS.len(), "superinstructions are not in the order of their heads");
    starts[Code::PLAIN] = run as u16;
    starts
}

/// The longest superinstruction that `codes` (plain ones) start with, if there is one.
pub fn fuse(codes: &[Code]) -> Option<Code> {
    let head = *codes.first()? as usize;
    let runs = &RUNS[STARTS[head] as usize..STARTS[head + 1] as usize];
    runs.iter().find(|(_, parts)| codes.starts_with(parts)).map(|&(run, _)| run)
}

/// The names of all operations that are no superinstructions, in order.
pub fn plain_operations() -> impl Iterator<Item = &'static str> {
    Code::NAMES[..Code::PLAIN].iter().copied()
}

/// The operations of a piece of code that starts at a byte offset of its page, by name, each with
/// whether the next one may follow it in a superinstruction.
pub fn operations(code: &[u8], offset: usize) -> Vec<(&'static str, bool)> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(&low) = code.get(at) {
        let length = if low & 3 == 3 { 4 } else { 2 };
        let Some(bytes) = code.get(at..at + length) else { break };
        let bits = bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        let operation = decode(bits).map_or(Code::Slow, |insn| lower(&insn, offset + at).code);
        names.push((operation.name(), operation.may_go_on()));
        at += length;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_run_is_found_first() {
        for (index, (run, parts)) in RUNS.iter().enumerate() {
            assert_eq!(fuse(parts), Some(*run));
            for (_, later) in &RUNS[index + 1..] {
                assert!(!later.starts_with(parts), "{} hides a longer one", run.name());
            }
        }
    }

    #[test]
    fn only_the_last_part_may_leave() {
        for (run, parts) in RUNS {
            let (_, firsts) = parts.split_last().unwrap();
            assert!(firsts.iter().all(|code| code.may_go_on()), "{}", run.name());
        }
    }
}
