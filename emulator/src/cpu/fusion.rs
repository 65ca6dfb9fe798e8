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

/// Calls `$with!` with the operations in front, the pairs, and the longer sequences.
macro_rules! for_each_fusion {
    ($with:ident $codes:tt) => {
        $with! {
            $codes
            {
                SdSd = Sd Sd;  CSdCSd = CSd CSd;  CLdCLd = CLd CLd;
                CMvCMv = CMv CMv;  SwCAddi = Sw CAddi;  CAddiBltu = CAddi Bltu;
                LwCLw = Lw CLw;  CLwCAddi = CLw CAddi;  CAddiSw = CAddi Sw;
                AddiCAddi = Addi CAddi;  MulwAddw = Mulw Addw;  CLwAddi = CLw Addi;
                AddwBne = Addw Bne;  CAddiMulw = CAddi Mulw;  CSlliCAdd = CSlli CAdd;
                SdAddi = Sd Addi;  CLdCAddi = CLd CAddi;  LdLd = Ld Ld;
                CAddiCSd = CAddi CSd;  CAddiCJr = CAddi CJr;  LbuBne = Lbu Bne;
                AddLbu = Add Lbu;  LbuLbu = Lbu Lbu;  LbuCAddi = Lbu CAddi;
                LdAddi = Ld Addi;  AddAdd = Add Add;  AddiSd = Addi Sd;
                SextWSextW = SextW SextW;  AuipcAddi = Auipc Addi;  CAddLhu = CAdd Lhu;
                CLdCMv = CLd CMv;  AuipcLd = Auipc Ld;  CAndCSlli = CAnd CSlli;
                AddiBltu = Addi Bltu;  LhuBgeu = Lhu Bgeu;  CAddiwBnez = CAddiw Bnez;
                SlliwSrliw = Slliw Srliw;  CAddCLd = CAdd CLd;  SrliwSlliw = Srliw Slliw;
                CMvJalFar = CMv JalFar;  CSdCMv = CSd CMv;  CSdCLd = CSd CLd;
                CMvCLd = CMv CLd;  AddiLd = Addi Ld;  CLdCSd = CLd CSd;
                LdCLd = Ld CLd;  CSrliCAndi = CSrli CAndi;  OrOr = Or Or;
                CLiCMv = CLi CMv;  CAddiCAddi = CAddi CAddi;  SlliCAdd = Slli CAdd;
                CAddiBne = CAddi Bne;  CAndiCBeqz = CAndi CBeqz;  CLdCLi = CLd CLi;
                CAddLbu = CAdd Lbu;  LbuCBnez = Lbu CBnez;  SlliSrli = Slli Srli;
                LbuBeq = Lbu Beq;  CAddiCBnez = CAddi CBnez;  CAddiAdd = CAddi Add;
                CLdCBeqz = CLd CBeqz;  SlliwSlliw = Slliw Slliw;  CLwSrliw = CLw Srliw;
                CAddiCJ = CAddi CJ;  SextWCSextW = SextW CSextW;  AddwXor = Addw Xor;
                CLiCLi = CLi CLi;  CSextWSextW = CSextW SextW;  AddwAddw = Addw Addw;
                LdCSd = Ld CSd;  CLdAndi = CLd Andi;  AddSb = Add Sb;
                CSdLd = CSd Ld;  CAddwXor = CAddw Xor;  AddiCAdd = Addi CAdd;
                SbCBnez = Sb CBnez;  CMvCLi = CMv CLi;  SdLd = Sd Ld;
                LuiAddi = Lui Addi;  SrliwOr = Srliw Or;  CSdCLi = CSd CLi;
                LbuCBeqz = Lbu CBeqz;  CLdLd = CLd Ld;  CAddiCMv = CAddi CMv;
                LdSd = Ld Sd;  AuipcJalr = Auipc Jalr;  CAndiCBnez = CAndi CBnez;
                XorCAddw = Xor CAddw;  LdCMv = Ld CMv;  AddiCSd = Addi CSd;
                CMvCSd = CMv CSd;  AndiCBnez = Andi CBnez;  CMvCBeqz = CMv CBeqz;
                CLdCAdd = CLd CAdd;  AddiJr = Addi Jr;  CLiBeq = CLi Beq;
                SbCAddi = Sb CAddi;  CLdCSrli = CLd CSrli;  CMvBgeu = CMv Bgeu;
                CMvCJ = CMv CJ;  LbuCLi = Lbu CLi;  LiBeq = Li Beq;
                LbuBeqz = Lbu Beqz;  CMvBeqz = CMv Beqz;  LbuLi = Lbu Li;
                SlliwOr = Slliw Or;  XorXor = Xor Xor;  AndiCBeqz = Andi CBeqz;
                CLdAddi = CLd Addi;  CAddCSd = CAdd CSd;  AddiBne = Addi Bne;
                CSdSd = CSd Sd;  CAddCAdd = CAdd CAdd;  LdBltu = Ld Bltu;
                CLiCLd = CLi CLd;  CAddiSextW = CAddi SextW;  AndiCSlli = Andi CSlli;
                SlliCSrli = Slli CSrli;  AddiBeq = Addi Beq;  SextWBne = SextW Bne;
                AddiCLd = Addi CLd;  CAddLd = CAdd Ld;  SdCLd = Sd CLd;
                SrliCAdd = Srli CAdd;  SrliwCXor = Srliw CXor;  CSextWCSextW = CSextW CSextW;
                OrSlliw = Or Slliw;  LdCBeqz = Ld CBeqz;  AddiAddi = Addi Addi;
                CAddiLbu = CAddi Lbu;  CAddiBeqz = CAddi Beqz;  CSdAddi = CSd Addi;
                AndiBnez = Andi Bnez;  XorAnd = Xor And;  XorSrliw = Xor Srliw;
                CLdBeq = CLd Beq;  AndAnd = And And;  LdCAddi = Ld CAddi;
                CLdCBnez = CLd CBnez;  OrAddw = Or Addw;  AuipcLbu = Auipc Lbu;
                CLiCJ = CLi CJ;  SrliwCAddw = Srliw CAddw;  XorOr = Xor Or;
                AddiCSlli = Addi CSlli;  CMvSlliw = CMv Slliw;  XorAddw = Xor Addw;
                AddiCMv = Addi CMv;  LiBne = Li Bne;  LdBeqz = Ld Beqz;
                CLiBgeu = CLi Bgeu;  CSdAuipc = CSd Auipc;  AddwCSextW = Addw CSextW;
                XorSlliw = Xor Slliw;  AndOr = And Or;  OrCOr = Or COr;
                CSdJalFar = CSd JalFar;  CMvAndi = CMv Andi;  CAddiBneFar = CAddi BneFar;
                SextWCAddi = SextW CAddi;  CSwCAddi = CSw CAddi;  CSextWCAddi = CSextW CAddi;
                AndXor = And Xor;  OrAnd = Or And;  AndAddw = And Addw;
                CAddiAuipc = CAddi Auipc;  XoriXor = Xori Xor;  OrXori = Or Xori;
                CAddwSextW = CAddw SextW;  AndiBeq = Andi Beq;  SlliwLw = Slliw Lw;
                SlliwAnd = Slliw And;  CMvCAddw = CMv CAddw;  LiLi = Li Li;
                SbSb = Sb Sb;  AndiCLi = Andi CLi;  SdCSd = Sd CSd;
                LhuCMv = Lhu CMv;  CAddAnd = CAdd And;  CAddCLw = CAdd CLw;
                CAddCSlli = CAdd CSlli;  CMvAuipc = CMv Auipc;  CNopNop = CNop Nop;
                SlliCOr = Slli COr;  LiBltu = Li Bltu;  CMvCAddi = CMv CAddi;
                CSdLbu = CSd Lbu;  ShCAddi = Sh CAddi;  CAddwSh = CAddw Sh;
                LbuAddi = Lbu Addi;  CLiCAdd = CLi CAdd;  MvMv = Mv Mv;
                CLiBne = CLi Bne;  CAddAmoaddD = CAdd AmoaddD;  CSlliCSrli = CSlli CSrli;
                SlliBlt = Slli Blt;  LdSlli = Ld Slli;  LwSlliw = Lw Slliw;
                LdCLi = Ld CLi;  CAddiwCJ = CAddiw CJ;  AddiAdd = Addi Add;
                AddiBgeu = Addi Bgeu;  LdAndi = Ld Andi;  LdCSrli = Ld CSrli;
                SrliwXor = Srliw Xor;  CMvBeq = CMv Beq;  CAddwAddw = CAddw Addw;
                CAddiSd = CAddi Sd;  CLdLui = CLd Lui;  CLdSlli = CLd Slli;
                COrOr = COr Or;  OrSrliw = Or Srliw;  AndiBeqz = Andi Beqz;
                LdBeq = Ld Beq;  CMvJal = CMv Jal;  CMvLd = CMv Ld;
                LdLi = Ld Li;  XorCXor = Xor CXor;  CLiCAddi = CLi CAddi;
                AddiSlli = Addi Slli;  LbuSlli = Lbu Slli;  AddwSextW = Addw SextW;
                AddiwAndi = Addiw Andi;  SextWCLw = SextW CLw;  CXorXor = CXor Xor;
                SextWCSw = SextW CSw;  CXorCLi = CXor CLi;  CXorSrliw = CXor Srliw;
                CLiLbu = CLi Lbu;  CLdSd = CLd Sd;
            }
            {
                SdSdSdSd = Sd Sd Sd Sd;
                Rotate = Slliw Srliw Or;
                RotateRight = Srliw Slliw Or;
                CSdCSdCSd = CSd CSd CSd;
                CLdCLdCLd = CLd CLd CLd;
                CAddiMulwAddw = CAddi Mulw Addw;
            }
        }
    };
}
pub(crate) use for_each_fusion;
