//! Superinstructions: sequences of operations that are dispatched once.
//!
//! A slot whose operation starts such a sequence gets the sequence's code in place of its own;
//! everything else in it and in the following slots stays as it was, so that a jump into the
//! middle, and the slow path in the middle, need no special case.
//!
//! The list is made by `examples/choose_fusions.rs` from profiles of real programs. Every part but the
//! last goes on to the next slot, at least where a branch is not taken.

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
                AddiAddiBgeu = Addi Addi Bgeu;
                AddiCLiCMv = Addi CLi CMv;
                AddiCMvJalFar = Addi CMv JalFar;
                AddiAddi = Addi Addi;
                AddiCAddi = Addi CAddi;
                AddiCAdd = Addi CAdd;
                AddiCSd = Addi CSd;
                AddiBltu = Addi Bltu;
                AddiCJ = Addi CJ;
                CAddiCSdLiCSdSdAndiCMvCBnez = CAddi CSd Li CSd Sd Andi CMv CBnez;
                CAddiCMvCAddwSextWCSextWSextWCSextW = CAddi CMv CAddw SextW CSextW SextW CSextW;
                CAddiCSdCSdCSdCSdCSd = CAddi CSd CSd CSd CSd CSd;
                CAddiSllAddiCLiCMv = CAddi Sll Addi CLi CMv;
                CAddiCSdCSdCMv = CAddi CSd CSd CMv;
                CAddiCSdCSdCSd = CAddi CSd CSd CSd;
                CAddiCAddiBne = CAddi CAddi Bne;
                CAddiCSlliCAdd = CAddi CSlli CAdd;
                CAddiSextWBne = CAddi SextW Bne;
                CAddiCSdLi = CAddi CSd Li;
                CAddiCSdLd = CAddi CSd Ld;
                CAddiCSdCSd = CAddi CSd CSd;
                CAddiCAddi = CAddi CAddi;
                CAddiCMv = CAddi CMv;
                CAddiCAdd = CAddi CAdd;
                CAddiSll = CAddi Sll;
                CAddiSd = CAddi Sd;
                CAddiCSd = CAddi CSd;
                CAddiBeq = CAddi Beq;
                CAddiBne = CAddi Bne;
                CAddiBge = CAddi Bge;
                CAddiCBeqz = CAddi CBeqz;
                CAddiCBnez = CAddi CBnez;
                CAddiBneFar = CAddi BneFar;
                CAddiCJ = CAddi CJ;
                CAddiJalFar = CAddi JalFar;
                CAddiCJr = CAddi CJr;
                LiBltuCSubCOrXoriCSraiCAnd = Li Bltu CSub COr Xori CSrai CAnd;
                LiBeqCMvAndiCLi = Li Beq CMv Andi CLi;
                LiBeqCMv = Li Beq CMv;
                LiLi = Li Li;
                LiBeq = Li Beq;
                LiBne = Li Bne;
                LiBltu = Li Bltu;
                LiJalFar = Li JalFar;
                CLiCLiCLi = CLi CLi CLi;
                CLiCLiJalFar = CLi CLi JalFar;
                CLiCMvBeq = CLi CMv Beq;
                CLiCLi = CLi CLi;
                CLiCMv = CLi CMv;
                CLiCSlli = CLi CSlli;
                CLiAndi = CLi Andi;
                CLiSll = CLi Sll;
                CLiCSd = CLi CSd;
                CLiBeq = CLi Beq;
                CLiBne = CLi Bne;
                CLiBlt = CLi Blt;
                CLiBltu = CLi Bltu;
                CLiBgeu = CLi Bgeu;
                CLiCJ = CLi CJ;
                CLiCJr = CLi CJr;
                CMvCAddAndCMvBltCLiCJ = CMv CAdd And CMv Blt CLi CJ;
                CMvCMvCMvCMvCMvCMv = CMv CMv CMv CMv CMv CMv;
                CMvCAddAndCMvBlt = CMv CAdd And CMv Blt;
                CMvCMvCMvCMv = CMv CMv CMv CMv;
                CMvCMvCMvJalFar = CMv CMv CMv JalFar;
                CMvCLdCAddiCJr = CMv CLd CAddi CJr;
                CMvCMvCLi = CMv CMv CLi;
                CMvCMvCMv = CMv CMv CMv;
                CMvCMvJalFar = CMv CMv JalFar;
                CMvCSlliCSrli = CMv CSlli CSrli;
                CMvLhBlt = CMv Lh Blt;
                CMvCLdCAddi = CMv CLd CAddi;
                CMvCMv = CMv CMv;
                CMvCAdd = CMv CAdd;
                CMvCSd = CMv CSd;
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
                LuiAddi = Lui Addi;
                LuiCAddi = Lui CAddi;
                LuiAddiw = Lui Addiw;
                LuiCAdd = Lui CAdd;
                CLuiCAndCBnez = CLui CAnd CBnez;
                CLuiCAdd = CLui CAdd;
                AuipcAddiCAdd = Auipc Addi CAdd;
                AuipcLdJalr = Auipc Ld Jalr;
                AuipcAddi = Auipc Addi;
                AuipcLw = Auipc Lw;
                AuipcLd = Auipc Ld;
                AuipcJalr = Auipc Jalr;
                SlliAuipcAddiAuipcAddiCAdd = Slli Auipc Addi Auipc Addi CAdd;
                SlliCXorSrliCXorSlliCXor = Slli CXor Srli CXor Slli CXor;
                SlliBltCAddiSdCBnez = Slli Blt CAddi Sd CBnez;
                SlliSrliAddiCAdd = Slli Srli Addi CAdd;
                SlliSrliCAddSh = Slli Srli CAdd Sh;
                SlliCAddCLdBeq = Slli CAdd CLd Beq;
                SlliBltCAddiSd = Slli Blt CAddi Sd;
                SlliCLiBlt = Slli CLi Blt;
                SlliAuipcAddi = Slli Auipc Addi;
                SlliSrliCAdd = Slli Srli CAdd;
                SlliSrli = Slli Srli;
                SlliCSrli = Slli CSrli;
                SlliCAdd = Slli CAdd;
                SlliCXor = Slli CXor;
                SlliBlt = Slli Blt;
                SlliBge = Slli Bge;
                CSlliAuipcAddiCAddCLdCMvCJalr = CSlli Auipc Addi CAdd CLd CMv CJalr;
                CSlliOrCSlliOrCSlliCOr = CSlli Or CSlli Or CSlli COr;
                CSlliCAddCLwCAddCJr = CSlli CAdd CLw CAdd CJr;
                CSlliAuipcAddiCAdd = CSlli Auipc Addi CAdd;
                CSlliOrCSlliOr = CSlli Or CSlli Or;
                CSlliCAddCLw = CSlli CAdd CLw;
                CSlliCAddCLd = CSlli CAdd CLd;
                CSlliCAddLhu = CSlli CAdd Lhu;
                CSlliCSrli = CSlli CSrli;
                CSlliCAdd = CSlli CAdd;
                CSlliOr = CSlli Or;
                CSlliCOr = CSlli COr;
                SrliAndi = Srli Andi;
                SrliCXor = Srli CXor;
                SrliCJr = Srli CJr;
                CSrliSwCAddLbuLw = CSrli Sw CAdd Lbu Lw;
                CSrliSw = CSrli Sw;
                CSrliCBnez = CSrli CBnez;
                CSraiCAnd = CSrai CAnd;
                AndiCSlliCAddCLdAndiSrliCJr = Andi CSlli CAdd CLd Andi Srli CJr;
                AndiCSlliCAddCLw = Andi CSlli CAdd CLw;
                AndiCLiBne = Andi CLi Bne;
                AndiCMvCBnez = Andi CMv CBnez;
                AndiCSlliCAdd = Andi CSlli CAdd;
                AndiCLi = Andi CLi;
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
                AddiwCSlli = Addiw CSlli;
                CAddiwCSwCBeqz = CAddiw CSw CBeqz;
                CAddiwCBeqzCSw = CAddiw CBeqz CSw;
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
                SlliwSlliwLwCLwSrliwSrliw = Slliw Slliw Lw CLw Srliw Srliw;
                SlliwSraiwCAddBltCSdCJr = Slliw Sraiw CAdd Blt CSd CJr;
                SlliwCXorCAndCSextW = Slliw CXor CAnd CSextW;
                SlliwSrliwSlliw = Slliw Srliw Slliw;
                SlliwSrliwCOr = Slliw Srliw COr;
                SlliwOrOr = Slliw Or Or;
                SlliwCAddi = Slliw CAddi;
                SlliwSlliw = Slliw Slliw;
                SlliwSrliw = Slliw Srliw;
                SlliwSraiw = Slliw Sraiw;
                SlliwCXor = Slliw CXor;
                SlliwAddw = Slliw Addw;
                SrliwOrSlliwOrOrXori = Srliw Or Slliw Or Or Xori;
                SrliwSlliwSlliwSrliwOr = Srliw Slliw Slliw Srliw Or;
                SrliwSlliwSlliw = Srliw Slliw Slliw;
                SrliwCXorCJ = Srliw CXor CJ;
                SrliwSrliw = Srliw Srliw;
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
                CAddLd = CAdd Ld;
                CAddLbu = CAdd Lbu;
                CAddCBnez = CAdd CBnez;
                CAddCJr = CAdd CJr;
                SubBeq = Sub Beq;
                CSubCOrXoriCSraiCAnd = CSub COr Xori CSrai CAnd;
                AndLhuSlliSrliCAddShShSw = And Lhu Slli Srli CAdd Sh Sh Sw;
                AndAddwXorSlliwSrliwCAddwXor = And Addw Xor Slliw Srliw CAddw Xor;
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
                XorAndXorSrliwSlliwSrliwSlliw = Xor And Xor Srliw Slliw Srliw Slliw;
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
                LwXor = Lw Xor;
                LwLw = Lw Lw;
                LwCLw = Lw CLw;
                LwCBeqz = Lw CBeqz;
                LwCBnez = Lw CBnez;
                CLwCAddiwCBeqzCSw = CLw CAddiw CBeqz CSw;
                CLwCLw = CLw CLw;
                CLwCLd = CLw CLd;
                CLwCSd = CLw CSd;
                LdSdAddwCMvBeqzCMvLhBlt = Ld Sd Addw CMv Beqz CMv Lh Blt;
                LdCAddiCSdCSdCSdCSdCSd = Ld CAddi CSd CSd CSd CSd CSd;
                LdCMvAndiCBnezCLdCLdCLd = Ld CMv Andi CBnez CLd CLd CLd;
                LdAndiCBnezCLuiCAndCBnez = Ld Andi CBnez CLui CAnd CBnez;
                LdSdAddwCMvBeqz = Ld Sd Addw CMv Beqz;
                LdCMvAndiCBnez = Ld CMv Andi CBnez;
                LdLdLdLd = Ld Ld Ld Ld;
                LdSdCSdBne = Ld Sd CSd Bne;
                LdAndiCBnez = Ld Andi CBnez;
                LdLdCJr = Ld Ld CJr;
                LdAddi = Ld Addi;
                LdCMv = Ld CMv;
                LdLd = Ld Ld;
                LdCLd = Ld CLd;
                LdSd = Ld Sd;
                LdCSd = Ld CSd;
                LdBeq = Ld Beq;
                LdBeqz = Ld Beqz;
                LdCBeqz = Ld CBeqz;
                CLdCLdLdLdLdLdLdLd = CLd CLd Ld Ld Ld Ld Ld Ld;
                CLdCLdCLdCLdCMvCLdCAddiCJr = CLd CLd CLd CLd CMv CLd CAddi CJr;
                CLdCLdCLdCLdCLdCLdCAddiCJr = CLd CLd CLd CLd CLd CLd CAddi CJr;
                CLdCLdCLdCLdCLdCLdCLdCLd = CLd CLd CLd CLd CLd CLd CLd CLd;
                CLdCLdCLdCLdCLdCAddiCJr = CLd CLd CLd CLd CLd CAddi CJr;
                CLdCLdCLdCLdCLdCLdCLd = CLd CLd CLd CLd CLd CLd CLd;
                CLdCLdCMvCLdCAddiCJr = CLd CLd CMv CLd CAddi CJr;
                CLdCLdLdLdLdLd = CLd CLd Ld Ld Ld Ld;
                CLdCLdCLdCLdCAddiCJr = CLd CLd CLd CLd CAddi CJr;
                CLdCMvCLdCAddiCJr = CLd CMv CLd CAddi CJr;
                CLdAndiCBnezCAddiSd = CLd Andi CBnez CAddi Sd;
                CLdCLdCLdCAddiCJ = CLd CLd CLd CAddi CJ;
                CLdCLdCLdCAddiCJr = CLd CLd CLd CAddi CJr;
                CLdCLdCLdCSdCLd = CLd CLd CLd CSd CLd;
                CLdLdCXorCLi = CLd Ld CXor CLi;
                CLdCLdCAddiCJr = CLd CLd CAddi CJr;
                CLdCLdSlliBge = CLd CLd Slli Bge;
                CLdCLdCLdCLd = CLd CLd CLd CLd;
                CLdCAddiCJr = CLd CAddi CJr;
                CLdCLiBeq = CLd CLi Beq;
                CLdCMvCBeqz = CLd CMv CBeqz;
                CLdCMvCJalr = CLd CMv CJalr;
                CLdLuiAddi = CLd Lui Addi;
                CLdAndiCBnez = CLd Andi CBnez;
                CLdCLdLd = CLd CLd Ld;
                CLdCLdCLd = CLd CLd CLd;
                CLdCSdCBeqz = CLd CSd CBeqz;
                CLdAddi = CLd Addi;
                CLdCAddi = CLd CAddi;
                CLdCLi = CLd CLi;
                CLdCMv = CLd CMv;
                CLdCSlli = CLd CSlli;
                CLdAndi = CLd Andi;
                CLdCAdd = CLd CAdd;
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
                LbuCMvCSdBeqzLdLuiAddiBeq = Lbu CMv CSd Beqz Ld Lui Addi Beq;
                LbuCAddiCXorAndiCSlliCAddCLw = Lbu CAddi CXor Andi CSlli CAdd CLw;
                LbuCAddiAddSbCBnez = Lbu CAddi Add Sb CBnez;
                LbuCAddiAddSb = Lbu CAddi Add Sb;
                LbuLbuCLiSll = Lbu Lbu CLi Sll;
                LbuLbuLbuLbu = Lbu Lbu Lbu Lbu;
                LbuCAddiCXor = Lbu CAddi CXor;
                LbuCAddiCBnez = Lbu CAddi CBnez;
                LbuCMvCSd = Lbu CMv CSd;
                LbuLbuBeq = Lbu Lbu Beq;
                LbuLbuBne = Lbu Lbu Bne;
                LbuAddi = Lbu Addi;
                LbuCAddi = Lbu CAddi;
                LbuCLi = Lbu CLi;
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
                SdLdCAddiCSdCSdCSdCSdCSd = Sd Ld CAddi CSd CSd CSd CSd CSd;
                SdSdSdSdSdSd = Sd Sd Sd Sd Sd Sd;
                SdSdSdSd = Sd Sd Sd Sd;
                SdLd = Sd Ld;
                SdSd = Sd Sd;
                CSdCSdSdSdSdSdSdSd = CSd CSd Sd Sd Sd Sd Sd Sd;
                CSdCSdCSdCSdCSdCSdCSdCSd = CSd CSd CSd CSd CSd CSd CSd CSd;
                CSdCMvCMvCSdCLiCLiCLi = CSd CMv CMv CSd CLi CLi CLi;
                CSdCMvCLdCLdCLdCAddiCJ = CSd CMv CLd CLd CLd CAddi CJ;
                CSdCSdCSdCSdCSdCSd = CSd CSd CSd CSd CSd CSd;
                CSdCSdCSdCSdCSd = CSd CSd CSd CSd CSd;
                CSdCAddiCAddiBne = CSd CAddi CAddi Bne;
                CSdCMvCMvCSd = CSd CMv CMv CSd;
                CSdCSdCSdCSd = CSd CSd CSd CSd;
                CSdCLdCSd = CSd CLd CSd;
                CSdCSdCSd = CSd CSd CSd;
                CSdCMv = CSd CMv;
                CSdCLd = CSd CLd;
                CSdSd = CSd Sd;
                CSdCSd = CSd CSd;
                CSdBne = CSd Bne;
                CSdCBnez = CSd CBnez;
                CSdCJ = CSd CJ;
                CSdJalFar = CSd JalFar;
                BltCSdCJr = Blt CSd CJr;
                BltCSd = Blt CSd;
                BgeFmulDFsubDCAddiFmulDFmulD = Bge FmulD FsubD CAddi FmulD FmulD;
                BltuAuipcAddiCSlliCAddCLwCAddCJr = Bltu Auipc Addi CSlli CAdd CLw CAdd CJr;
                BltuAuipcAddi = Bltu Auipc Addi;
                BltuCJr = Bltu CJr;
                BgeuLdCJalr = Bgeu Ld CJalr;
                BgeuCLi = Bgeu CLi;
                BgeuCAddiw = Bgeu CAddiw;
                BgeuLd = Bgeu Ld;
                BeqzLdLuiAddiBeq = Beqz Ld Lui Addi Beq;
                BeqzLd = Beqz Ld;
                CBeqzAndiCLiBne = CBeqz Andi CLi Bne;
                CBeqzSlliCSrli = CBeqz Slli CSrli;
                CBeqzLd = CBeqz Ld;
                CBeqzLwu = CBeqz Lwu;
                FmaddDFmaddDFdivDFaddDCJ = FmaddD FmaddD FdivD FaddD CJ;
                TrapReadTrapReadTrapReadTrapRead = TrapRead TrapRead TrapRead TrapRead;
                TrapWriteAuipcAddiCMvBge = TrapWrite Auipc Addi CMv Bge;
                TrapWriteBnez = TrapWrite Bnez;
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
