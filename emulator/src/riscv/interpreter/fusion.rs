//! Superinstructions: sequences of operations that are dispatched once.
//!
//! A slot whose operation starts such a sequence gets the sequence's code in place of its own;
//! everything else in it and in the following slots stays as it was, so that a jump into the
//! middle, and the slow path in the middle, need no special case.
//!
//! The list is made by `examples/choose_fusions.rs` from profiles of real programs. Every part but
//! the last goes on to the next slot, at least where a branch is not taken.

use super::group::group;
use super::op::{Code, Op, for_each_code, lower};
use crate::riscv::isa::decode;
use alloc::vec;
use alloc::vec::Vec;

/// Calls `$with!` with the operations in front, and the superinstructions: those that start with
/// the same operation stand together, longer ones first.
macro_rules! for_each_fusion {
    ($with:ident $codes:tt) => {
        $with! {
            $codes
            {
                AddiAddiBgeu = Addi Addi Bgeu;
                AddiCLiCMv = Addi CLi CMv;
                AddiCMvJalFar = Addi CMv JalFar;
                AddiAddi = Addi Addi;
                AddiCAddi = Addi CAddi;
                AddiCSd = Addi CSd;
                AddiBne = Addi Bne;
                AddiBltu = Addi Bltu;
                AddiCJ = Addi CJ;
                CAddiCSd8CSd8CSd8CSd5LuiAddiwLd = CAddi CSd8 CSd8 CSd8 CSd5 Lui Addiw Ld;
                CAddiCMvCAddwSextWCSextWSextWCSextW = CAddi CMv CAddw SextW CSextW SextW CSextW;
                CAddiCSd8CSd3LbuLbuCLiSll = CAddi CSd8 CSd3 Lbu Lbu CLi Sll;
                CAddiCSd3LdCMvAndiCBnez = CAddi CSd3 Ld CMv Andi CBnez;
                CAddiCSd5LdCMvAndiCBnez = CAddi CSd5 Ld CMv Andi CBnez;
                CAddiSllAddiCLiCMv = CAddi Sll Addi CLi CMv;
                CAddiCSlliCAddCLd = CAddi CSlli CAdd CLd;
                CAddiCAddiBne = CAddi CAddi Bne;
                CAddiSextWBne = CAddi SextW Bne;
                CAddiCAddCLd = CAddi CAdd CLd;
                CAddiCSdLi = CAddi CSd Li;
                CAddiCSdLd = CAddi CSd Ld;
                CAddiCSd8CSd3 = CAddi CSd8 CSd3;
                CAddiCSd8CSd5 = CAddi CSd8 CSd5;
                CAddiCSd8CSd6 = CAddi CSd8 CSd6;
                CAddiCAddi = CAddi CAddi;
                CAddiCMv = CAddi CMv;
                CAddiAdd = CAddi Add;
                CAddiSll = CAddi Sll;
                CAddiSd = CAddi Sd;
                CAddiCSd = CAddi CSd;
                CAddiBeq = CAddi Beq;
                CAddiBne = CAddi Bne;
                CAddiBge = CAddi Bge;
                CAddiBltu = CAddi Bltu;
                CAddiCBeqz = CAddi CBeqz;
                CAddiCBnez = CAddi CBnez;
                CAddiBneFar = CAddi BneFar;
                CAddiCJ = CAddi CJ;
                CAddiJFar = CAddi JFar;
                CAddiJalFar = CAddi JalFar;
                CAddiCJr = CAddi CJr;
                CAddiCSd2 = CAddi CSd2;
                CAddiCSd3 = CAddi CSd3;
                CAddiCSd4 = CAddi CSd4;
                CAddiCSd5 = CAddi CSd5;
                CAddiCSd6 = CAddi CSd6;
                CAddiCSd8 = CAddi CSd8;
                LiBeqCMvAndiCLi = Li Beq CMv Andi CLi;
                LiBeqCMv = Li Beq CMv;
                LiLi = Li Li;
                LiBeq = Li Beq;
                LiBne = Li Bne;
                LiBltu = Li Bltu;
                LiJalFar = Li JalFar;
                CLiCAddiCJr = CLi CAddi CJr;
                CLiCLiCLi = CLi CLi CLi;
                CLiCLiJalFar = CLi CLi JalFar;
                CLiCMvBeq = CLi CMv Beq;
                CLiCLi = CLi CLi;
                CLiCMv = CLi CMv;
                CLiAndi = CLi Andi;
                CLiSll = CLi Sll;
                CLiCSd = CLi CSd;
                CLiBeq = CLi Beq;
                CLiBne = CLi Bne;
                CLiBlt = CLi Blt;
                CLiBltu = CLi Bltu;
                CLiBgeu = CLi Bgeu;
                CLiCBeqz = CLi CBeqz;
                CLiCJ = CLi CJ;
                CLiCJr = CLi CJr;
                CMvCMvCMvCMvCMvCMv = CMv CMv CMv CMv CMv CMv;
                CMvCMvCSdCLiCLiCLi = CMv CMv CSd CLi CLi CLi;
                CMvCAddAndCMvBlt = CMv CAdd And CMv Blt;
                CMvCMvCMvCMv = CMv CMv CMv CMv;
                CMvCMvCMvJalFar = CMv CMv CMv JalFar;
                CMvCLdCAddiCJr = CMv CLd CAddi CJr;
                CMvCMvCLi = CMv CMv CLi;
                CMvCMvCMv = CMv CMv CMv;
                CMvCMvCSd = CMv CMv CSd;
                CMvCMvJalFar = CMv CMv JalFar;
                CMvAuipcJalr = CMv Auipc Jalr;
                CMvLhBlt = CMv Lh Blt;
                CMvCLi = CMv CLi;
                CMvCMv = CMv CMv;
                CMvCAdd = CMv CAdd;
                CMvCLd = CMv CLd;
                CMvCSd = CMv CSd;
                CMvBeq = CMv Beq;
                CMvBlt = CMv Blt;
                CMvBge = CMv Bge;
                CMvBgeu = CMv Bgeu;
                CMvBeqz = CMv Beqz;
                CMvCBeqz = CMv CBeqz;
                CMvCBnez = CMv CBnez;
                CMvCJ = CMv CJ;
                CMvJal = CMv Jal;
                CMvJalFar = CMv JalFar;
                LuiAddiBeq = Lui Addi Beq;
                LuiAddiwLd = Lui Addiw Ld;
                LuiAddi = Lui Addi;
                LuiCAddi = Lui CAddi;
                LuiAddiw = Lui Addiw;
                CLuiCAndCBnezCLd5CAddiCJr = CLui CAnd CBnez CLd5 CAddi CJr;
                CLuiCAndCBnez = CLui CAnd CBnez;
                CLuiAddi = CLui Addi;
                CLuiCAdd = CLui CAdd;
                CLuiBltu = CLui Bltu;
                AuipcAddiCAdd = Auipc Addi CAdd;
                AuipcLdCSd = Auipc Ld CSd;
                AuipcLdJalr = Auipc Ld Jalr;
                AuipcAddi = Auipc Addi;
                AuipcLw = Auipc Lw;
                AuipcLd = Auipc Ld;
                AuipcJalr = Auipc Jalr;
                SlliAuipcAddiAuipcAddiCAdd = Slli Auipc Addi Auipc Addi CAdd;
                SlliCXorSrliCXorSlliCXor = Slli CXor Srli CXor Slli CXor;
                SlliBltCAddiSdCBnez = Slli Blt CAddi Sd CBnez;
                SlliSrliCAddSh = Slli Srli CAdd Sh;
                SlliCAddCLdBeq = Slli CAdd CLd Beq;
                SlliBltCAddiSd = Slli Blt CAddi Sd;
                SlliCLiBlt = Slli CLi Blt;
                SlliAuipcAddi = Slli Auipc Addi;
                SlliSrliAddi = Slli Srli Addi;
                SlliSrliCAdd = Slli Srli CAdd;
                SlliAddi = Slli Addi;
                SlliSrli = Slli Srli;
                SlliCSrli = Slli CSrli;
                SlliCAdd = Slli CAdd;
                SlliCXor = Slli CXor;
                SlliBlt = Slli Blt;
                SlliBge = Slli Bge;
                CSlliOrCSlliOrCSlliCOr = CSlli Or CSlli Or CSlli COr;
                CSlliCAddCLwCAddCJr = CSlli CAdd CLw CAdd CJr;
                CSlliAuipcAddiCAdd = CSlli Auipc Addi CAdd;
                CSlliOrCSlliOr = CSlli Or CSlli Or;
                CSlliCAddCLw = CSlli CAdd CLw;
                CSlliCAddCLd = CSlli CAdd CLd;
                CSlliCAddLhu = CSlli CAdd Lhu;
                CSlliAddi = CSlli Addi;
                CSlliCSrli = CSlli CSrli;
                CSlliAndi = CSlli Andi;
                CSlliCAdd = CSlli CAdd;
                CSlliOr = CSlli Or;
                CSlliCOr = CSlli COr;
                SrliAndi = Srli Andi;
                SrliCAdd = Srli CAdd;
                SrliCXor = Srli CXor;
                CSrliSwCAddLbuLw = CSrli Sw CAdd Lbu Lw;
                CSrliSw = CSrli Sw;
                CSraiCAnd = CSrai CAnd;
                AndiCSlliCAddCLdAndiSrliCJr = Andi CSlli CAdd CLd Andi Srli CJr;
                AndiCSlliCAddCLw = Andi CSlli CAdd CLw;
                AndiCSlliCAddCLd = Andi CSlli CAdd CLd;
                AndiCLiBne = Andi CLi Bne;
                AndiCMvCBnez = Andi CMv CBnez;
                AndiSrliCJr = Andi Srli CJr;
                AndiCLi = Andi CLi;
                AndiSrli = Andi Srli;
                AndiXori = Andi Xori;
                AndiBeq = Andi Beq;
                AndiBne = Andi Bne;
                AndiBgeu = Andi Bgeu;
                AndiBeqz = Andi Beqz;
                AndiCBeqz = Andi CBeqz;
                AndiBnez = Andi Bnez;
                AndiCBnez = Andi CBnez;
                CAndiCBeqz = CAndi CBeqz;
                CAndiCBnez = CAndi CBnez;
                XoriXorAndXorSrliwSlliwSrliwSlliw = Xori Xor And Xor Srliw Slliw Srliw Slliw;
                AddiwCSlli = Addiw CSlli;
                CAddiwCSwCBeqz = CAddiw CSw CBeqz;
                CAddiwSw = CAddiw Sw;
                CAddiwCSw = CAddiw CSw;
                CAddiwCBeqz = CAddiw CBeqz;
                SextWSextWSextWSextWSextWSextWSextWBne = SextW SextW SextW SextW SextW SextW SextW Bne;
                SextWCLwSrliwSlliwSrliwSlliw = SextW CLw Srliw Slliw Srliw Slliw;
                SextWSextWCAddiBneFar = SextW SextW CAddi BneFar;
                SextWSextWSextWSextW = SextW SextW SextW SextW;
                SextWCSextWSextWCSextW = SextW CSextW SextW CSextW;
                SextWCSwCAddi = SextW CSw CAddi;
                SextWSextW = SextW SextW;
                SextWCSextW = SextW CSextW;
                SextWCSw = SextW CSw;
                SextWBne = SextW Bne;
                SextWBnez = SextW Bnez;
                CSextWAddiCJ = CSextW Addi CJ;
                CSextWCSextW = CSextW CSextW;
                SlliwSraiwCAddBltCSdCJr = Slliw Sraiw CAdd Blt CSd CJr;
                SlliwSlliwLwCLwSrliw = Slliw Slliw Lw CLw Srliw;
                SlliwCXorCAndCSextW = Slliw CXor CAnd CSextW;
                SlliwSrliwSlliw = Slliw Srliw Slliw;
                SlliwSrliwCOr = Slliw Srliw COr;
                SlliwSraiwCAdd = Slliw Sraiw CAdd;
                SlliwOrOr = Slliw Or Or;
                SlliwCAddi = Slliw CAddi;
                SlliwSlliw = Slliw Slliw;
                SlliwSrliw = Slliw Srliw;
                SlliwSraiw = Slliw Sraiw;
                SlliwCXor = Slliw CXor;
                SlliwAddw = Slliw Addw;
                SrliwSlliwSlliwSrliwOr = Srliw Slliw Slliw Srliw Or;
                SrliwOrSlliwOrOr = Srliw Or Slliw Or Or;
                SrliwSlliwSlliw = Srliw Slliw Slliw;
                SrliwCXorCJ = Srliw CXor CJ;
                SrliwOr = Srliw Or;
                SrliwCXor = Srliw CXor;
                SraiwXorCAddiSextWBne = Sraiw Xor CAddi SextW Bne;
                SraiwXor = Sraiw Xor;
                AddLwCLwAddiCAddiMulwAddwBne = Add Lw CLw Addi CAddi Mulw Addw Bne;
                AddAddLbuBne = Add Add Lbu Bne;
                AddLbBge = Add Lb Bge;
                AddAdd = Add Add;
                AddLb = Add Lb;
                AddCLd = Add CLd;
                AddSb = Add Sb;
                CAddLbuLw = CAdd Lbu Lw;
                CAddCAdd = CAdd CAdd;
                CAddLw = CAdd Lw;
                CAddLd = CAdd Ld;
                CAddCLd = CAdd CLd;
                CAddLbu = CAdd Lbu;
                CAddSd = CAdd Sd;
                CAddCSd = CAdd CSd;
                CAddCBnez = CAdd CBnez;
                CAddCJr = CAdd CJr;
                SubBeq = Sub Beq;
                CSubCOrXoriCSraiCAnd = CSub COr Xori CSrai CAnd;
                AndLhuSlliSrliCAddShShSw = And Lhu Slli Srli CAdd Sh Sh Sw;
                AndAddwXorSlliwSrliw = And Addw Xor Slliw Srliw;
                AndAddwXor = And Addw Xor;
                AndCAdd = And CAdd;
                AndAnd = And And;
                AndCBeqz = And CBeqz;
                CAndCSlliCAddLhuBgeuCAddiwBnez = CAnd CSlli CAdd Lhu Bgeu CAddiw Bnez;
                CAndCSlliCAddLhu = CAnd CSlli CAdd Lhu;
                CAndCSextW = CAnd CSextW;
                CAndCBnez = CAnd CBnez;
                OrAddwXorCAddwXor = Or Addw Xor CAddw Xor;
                OrOrAndAnd = Or Or And And;
                OrOrSrliw = Or Or Srliw;
                OrAddwXor = Or Addw Xor;
                OrOr = Or Or;
                COrOrOrSrliwXorCXorSrliwCXor = COr Or Or Srliw Xor CXor Srliw CXor;
                COrXori = COr Xori;
                COrCOr = COr COr;
                XorCAddwAddwAddwSextWCSwCAddi = Xor CAddw Addw Addw SextW CSw CAddi;
                XorAddwAddwCSextWCSextW = Xor Addw Addw CSextW CSextW;
                XorCAddwAddwAddw = Xor CAddw Addw Addw;
                XorAndXor = Xor And Xor;
                XorAddwAddw = Xor Addw Addw;
                XorCAndi = Xor CAndi;
                XorAnd = Xor And;
                XorCXor = Xor CXor;
                XorCAddw = Xor CAddw;
                CXorCLi = CXor CLi;
                SrlAndi = Srl Andi;
                AddwXor = Addw Xor;
                AddwAddw = Addw Addw;
                CAddwXorOrOrAndAnd = CAddw Xor Or Or And And;
                CAddwShCAddiBne = CAddw Sh CAddi Bne;
                CAddwXor = CAddw Xor;
                CAddwCAddw = CAddw CAddw;
                MulwAddw = Mulw Addw;
                RemuCLdCAddiCAddiCSlliCAdd = Remu CLd CAddi CAddi CSlli CAdd;
                LhBlt = Lh Blt;
                LwCLwAddiCAddiMulwAddwBne = Lw CLw Addi CAddi Mulw Addw Bne;
                LwCAddiwAddiwCSlliAddiw = Lw CAddiw Addiw CSlli Addiw;
                LwSlliwSrliwCOr = Lw Slliw Srliw COr;
                LwCAddiw = Lw CAddiw;
                LwLw = Lw Lw;
                LwCLw = Lw CLw;
                LwCBeqz = Lw CBeqz;
                CLwCAddiwCBeqzCSw = CLw CAddiw CBeqz CSw;
                CLwCAddiwCBeqz = CLw CAddiw CBeqz;
                CLwCLw = CLw CLw;
                CLwCLd = CLw CLd;
                LdAndiCBnezLiBltu = Ld Andi CBnez Li Bltu;
                LdCAddiCSd8CSd6 = Ld CAddi CSd8 CSd6;
                LdSdCSdBne = Ld Sd CSd Bne;
                LdAndiCBnez = Ld Andi CBnez;
                LdAddi = Ld Addi;
                LdCMv = Ld CMv;
                LdLui = Ld Lui;
                LdLd = Ld Ld;
                LdCLd = Ld CLd;
                LdSd = Ld Sd;
                LdCSd = Ld CSd;
                LdBeq = Ld Beq;
                LdBeqz = Ld Beqz;
                LdCBeqz = Ld CBeqz;
                CLdAndiCBnezCAddiSdTrapWriteCLd2 = CLd Andi CBnez CAddi Sd TrapWrite CLd2;
                CLdCMvCLdCAddiCJr = CLd CMv CLd CAddi CJr;
                CLdLdCXorCLi = CLd Ld CXor CLi;
                CLdCLdSlliBge = CLd CLd Slli Bge;
                CLdCAddiCAddi = CLd CAddi CAddi;
                CLdCAddiCSd = CLd CAddi CSd;
                CLdCAddiCJr = CLd CAddi CJr;
                CLdCLiBeq = CLd CLi Beq;
                CLdCMvCBeqz = CLd CMv CBeqz;
                CLdCMvCJalr = CLd CMv CJalr;
                CLdLuiAddi = CLd Lui Addi;
                CLdAndiCBnez = CLd Andi CBnez;
                CLdCSdCBeqz = CLd CSd CBeqz;
                CLdAddi = CLd Addi;
                CLdCLi = CLd CLi;
                CLdCMv = CLd CMv;
                CLdCSlli = CLd CSlli;
                CLdAndi = CLd Andi;
                CLdCLw = CLd CLw;
                CLdLd = CLd Ld;
                CLdCLd = CLd CLd;
                CLdSd = CLd Sd;
                CLdCSd = CLd CSd;
                CLdBeq = CLd Beq;
                CLdBne = CLd Bne;
                CLdCBeqz = CLd CBeqz;
                CLdCBnez = CLd CBnez;
                CLdCJ = CLd CJ;
                CLdCLd2 = CLd CLd2;
                CLdCSd2 = CLd CSd2;
                LbuCMvCSdBeqzLdLuiAddiBeq = Lbu CMv CSd Beqz Ld Lui Addi Beq;
                LbuCAddiCXorAndiCSlliCAddCLw = Lbu CAddi CXor Andi CSlli CAdd CLw;
                LbuCAddiAddSbCBnez = Lbu CAddi Add Sb CBnez;
                LbuCAddiAddSb = Lbu CAddi Add Sb;
                LbuLbuCLiSll = Lbu Lbu CLi Sll;
                LbuLbuLbuLbu = Lbu Lbu Lbu Lbu;
                LbuCAddiCXor = Lbu CAddi CXor;
                LbuCAddiCBnez = Lbu CAddi CBnez;
                LbuCMvCSd = Lbu CMv CSd;
                LbuCMvBeqz = Lbu CMv Beqz;
                LbuLbuBeq = Lbu Lbu Beq;
                LbuLbuBne = Lbu Lbu Bne;
                LbuAddi = Lbu Addi;
                LbuCAddi = Lbu CAddi;
                LbuCLi = Lbu CLi;
                LbuCMv = Lbu CMv;
                LbuAddw = Lbu Addw;
                LbuLbu = Lbu Lbu;
                LbuBne = Lbu Bne;
                LbuCBeqz = Lbu CBeqz;
                LbuCBnez = Lbu CBnez;
                LhuCMvBgeuCLuiCAddwShCAddiBne = Lhu CMv Bgeu CLui CAddw Sh CAddi Bne;
                LhuCAddiSd = Lhu CAddi Sd;
                LhuCMvBgeu = Lhu CMv Bgeu;
                LwuLwu = Lwu Lwu;
                SbLbuCAddiCAddiCBnez = Sb Lbu CAddi CAddi CBnez;
                SbSbSbSb = Sb Sb Sb Sb;
                SbLbuCAddi = Sb Lbu CAddi;
                SbSb = Sb Sb;
                ShSw = Sh Sw;
                SwAddwSlliSrliCAdd = Sw Addw Slli Srli CAdd;
                SwCAddiCAddiBne = Sw CAddi CAddi Bne;
                SwAddw = Sw Addw;
                SwSw = Sw Sw;
                SdLd = Sd Ld;
                CSdSdAndiCMvCBnez = CSd Sd Andi CMv CBnez;
                CSdCAddiCAddiBne = CSd CAddi CAddi Bne;
                CSdCMv = CSd CMv;
                CSdSd = CSd Sd;
                CSdBne = CSd Bne;
                CSdCBnez = CSd CBnez;
                CSdCJ = CSd CJ;
                BltCSdCJr = Blt CSd CJr;
                BltCSd = Blt CSd;
                BgeFmulDFsubDCAddiFmulDFmulD = Bge FmulD FsubD CAddi FmulD FmulD;
                BltuAuipcAddiCSlliCAddCLwCAddCJr = Bltu Auipc Addi CSlli CAdd CLw CAdd CJr;
                BltuAuipcAddi = Bltu Auipc Addi;
                BgeuLdCJalr = Bgeu Ld CJalr;
                BgeuCAddiw = Bgeu CAddiw;
                BgeuLd = Bgeu Ld;
                BeqzLdLuiAddiBeq = Beqz Ld Lui Addi Beq;
                BeqzLd = Beqz Ld;
                CBeqzAndiCLiBne = CBeqz Andi CLi Bne;
                CBeqzSlliCSrli = CBeqz Slli CSrli;
                CBeqzLd = CBeqz Ld;
                FmaddDFmaddDFdivDFaddDCJ = FmaddD FmaddD FdivD FaddD CJ;
                TrapReadTrapReadTrapReadTrapRead = TrapRead TrapRead TrapRead TrapRead;
                TrapWriteCLd8CLd8CLd8CLd7 = TrapWrite CLd8 CLd8 CLd8 CLd7;
                TrapWriteBnez = TrapWrite Bnez;
                Ld2CJr = Ld2 CJr;
                Ld6CSd2Sd6AddiAddiBgeu = Ld6 CSd2 Sd6 Addi Addi Bgeu;
                CLd2Ld6CSd2Sd6AddiAddiBgeu = CLd2 Ld6 CSd2 Sd6 Addi Addi Bgeu;
                CLd2CMvCLdCAddiCJr = CLd2 CMv CLd CAddi CJr;
                CLd2CAddiCJr = CLd2 CAddi CJr;
                CLd3CSdCLd8CLd2CMvCLdCAddiCJr = CLd3 CSd CLd8 CLd2 CMv CLd CAddi CJr;
                CLd3CAddiCSdLi = CLd3 CAddi CSd Li;
                CLd3CAddiCJ = CLd3 CAddi CJ;
                CLd3CAddiCJr = CLd3 CAddi CJr;
                CLd3CSd = CLd3 CSd;
                CLd4CMvCLdCAddiCJr = CLd4 CMv CLd CAddi CJr;
                CLd4CAddiCJr = CLd4 CAddi CJr;
                CLd5CAddiCJr = CLd5 CAddi CJr;
                CLd6CAddiCJr = CLd6 CAddi CJr;
                CLd8CLd2CMvCLdCAddiCJr = CLd8 CLd2 CMv CLd CAddi CJr;
                Sd6AddiAddiBgeu = Sd6 Addi Addi Bgeu;
                Sd8Sd8 = Sd8 Sd8;
                CSd6TrapWriteAuipcAddiCMvBge = CSd6 TrapWrite Auipc Addi CMv Bge;
                CSd8CSd8CSd5 = CSd8 CSd8 CSd5;
                CSd8CSd5 = CSd8 CSd5;
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

        /// The second one.
        static SECONDS: &[Code] = &[$({ const PARTS: &[Code] = &[$(Code::$part),+]; PARTS[1] }),*];
    };
}
for_each_code!(define);

/// First run of each head, and one past the last.
static STARTS: [u16; Code::BASE_OPS + 1] = starts();

const fn starts() -> [u16; Code::BASE_OPS + 1] {
    let mut starts = [0; Code::BASE_OPS + 1];
    let mut run = 0;
    let mut head = 0;
    while head < Code::BASE_OPS {
        starts[head] = run as u16;
        while run < HEADS.len() && HEADS[run] as usize == head {
            run += 1;
        }
        head += 1;
    }
    assert!(run == HEADS.len(), "superinstructions are not in the order of their heads");
    starts[Code::BASE_OPS] = run as u16;
    starts
}

/// The indices in the list of those that start with a base operation.
fn starting_with(head: Code) -> core::ops::Range<usize> {
    STARTS[head as usize].into()..STARTS[head as usize + 1].into()
}

/// The longest superinstruction that `codes` (base ones) start with, if there is one.
fn fuse(codes: &[Code]) -> Option<Code> {
    let runs = &RUNS[starting_with(*codes.first()?)];
    runs.iter().find(|(_, parts)| codes.starts_with(parts)).map(|&(run, _)| run)
}

/// The most operations in a superinstruction.
pub const LONGEST: usize = 8;

/// Makes groups and superinstructions of operations that follow each other.
pub fn combine(ops: &mut [Op]) {
    let lengths = make_groups(ops);
    let codes: Vec<Code> = ops.iter().map(|op| op.code).collect();
    for (start, op) in ops.iter_mut().enumerate() {
        // Mostly there is none, and the second operations tell.
        let seconds = &SECONDS[starting_with(op.code)];
        if !codes.get(start + lengths[start]).is_some_and(|second| seconds.contains(second)) {
            continue;
        }
        let mut ahead = [op.code; LONGEST];
        let mut at = start;
        let mut count = 0;
        while count < LONGEST && at < codes.len() {
            ahead[count] = codes[at];
            at += lengths[at];
            count += 1;
        }
        if let Some(code) = fuse(&ahead[..count]) {
            op.code = code;
        }
    }
}

/// Makes the groups that start at each of `ops`; returns how many operations each then covers.
fn make_groups(ops: &mut [Op]) -> Vec<usize> {
    let groups: Vec<Option<(Op, usize)>> = (0..ops.len()).map(|at| group(&ops[at..])).collect();
    let mut lengths = vec![1; ops.len()];
    for (at, found) in groups.into_iter().enumerate() {
        if let Some((op, length)) = found {
            (ops[at], lengths[at]) = (op, length);
        }
    }
    lengths
}

/// The names of all operations that are not superinstructions, in order.
pub fn base_operations() -> impl Iterator<Item = &'static str> {
    Code::NAMES[..Code::BASE_OPS].iter().copied()
}

/// The operations of a piece of code that starts at a byte offset of its page, groups made: each
/// by name, how many instructions it has, and whether the next one may follow it in a
/// superinstruction.
pub fn operations(code: &[u8], offset: usize) -> Vec<(&'static str, usize, bool)> {
    let mut ops = Vec::new();
    let mut at = 0;
    while let Some(&low) = code.get(at) {
        let length = if low & 3 == 3 { 4 } else { 2 };
        let Some(bytes) = code.get(at..at + length) else { break };
        let bits = bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        ops.push(decode(bits).map_or(Op::SLOW, |insn| lower(&insn, offset + at)));
        at += length;
    }
    let lengths = make_groups(&mut ops);
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(op) = ops.get(at) {
        names.push((op.code.name(), lengths[at], op.code.may_go_on()));
        at += lengths[at];
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
