//! Operations of the interpreter loop: what an instruction becomes when its page is decoded.
//!
//! A code page has one 8-byte slot for each halfword of guest code, so a guest pc and a slot are
//! the same thing in two scales: no table maps between them, and the pc is exact at every exit.
//! The second slot of a 4-byte instruction is only reached by a jump into its middle and then
//! decoded like any other.
//!
//! ```text
//! bytes  0..2   2   3   4..6   6   7
//! field  code   a   b   imm    c   d      register fields hold number * 8
//! ```

use super::fusion::for_each_fusion;
use crate::memory::PAGE_SIZE;
use crate::riscv::csr;
use crate::riscv::isa::{Format, Insn, Opcode, constants};
use crate::riscv::vector::{VLENB, Vtype};

/// A translation for instruction fetch.
pub type FetchEntry = crate::engine::tlb::FetchEntry<Op>;

/// A slot.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Op {
    /// What to do.
    pub code: Code,
    /// Mostly rd; for stores and branches the register that has no other place.
    pub a: u8,
    /// Mostly rs1.
    pub b: u8,
    /// Immediate, or bytes from this slot to a branch's target slot.
    pub imm: i16,
    /// Mostly rs2.
    pub c: u8,
    /// rs3.
    pub d: u8,
}

/// Bytes of a slot.
pub const SLOT: usize = size_of::<Op>();
const _: () = assert!(SLOT == 8);
/// Slots of a page, without what stands behind them.
pub const SLOTS: usize = PAGE_SIZE / 2;
/// Behind the slots and their end mark: the operation that starts in the page's last halfword and
/// ends in the next page, and an end mark 4 bytes of guest code further.
pub const PAGE_CROSSER: usize = SLOTS + 1;
/// All slots of a page.
pub const ALL_SLOTS: usize = PAGE_CROSSER + 3;
/// In a page that translated code can be entered in: from a slot where that happens to the same
/// slot without.
pub const UNTRANSLATED: usize = ALL_SLOTS;

/// Calls `$with!` with every operation: `Name = kind body bytes`, where bytes is how far the
/// next slot is: 16 for a 4-byte instruction, 8 for a compressed one. Of a group
/// ([`mod@super::group`]), `xN` is how many instructions it has, and bytes counts for each.
macro_rules! for_each_code {
    ($with:ident) => {
        for_each_fusion! { $with {
            Undecoded = stop decode 0
            Slow = stop slow 0
            Enter = stop enter 0
            PageEnd = flow page_end 0
            CrossPage = flow cross_page 0
            Nop = seq nop 16        CNop = seq nop 8
            Addi = seq addi 16      CAddi = seq addi 8
            Li = seq li 16          CLi = seq li 8
            Mv = seq mv 16          CMv = seq mv 8
            Lui = seq lui 16        CLui = seq lui 8
            Auipc = seq auipc 16
            Slli = seq slli 16      CSlli = seq slli 8
            Srli = seq srli 16      CSrli = seq srli 8
            Srai = seq srai 16      CSrai = seq srai 8
            Andi = seq andi 16      CAndi = seq andi 8
            Ori = seq ori 16
            Xori = seq xori 16      CXori = seq xori 8
            Slti = seq slti 16
            Sltiu = seq sltiu 16
            Addiw = seq addiw 16    CAddiw = seq addiw 8
            SextW = seq sextw 16    CSextW = seq sextw 8
            Slliw = seq slliw 16
            Srliw = seq srliw 16
            Sraiw = seq sraiw 16
            Add = seq add 16        CAdd = seq add 8
            Sub = seq sub 16        CSub = seq sub 8
            And = seq and 16        CAnd = seq and 8
            Or = seq or 16          COr = seq or 8
            Xor = seq xor 16        CXor = seq xor 8
            Sll = seq sll 16
            Srl = seq srl 16
            Sra = seq sra 16
            Slt = seq slt 16
            Sltu = seq sltu 16
            Addw = seq addw 16      CAddw = seq addw 8
            Subw = seq subw 16      CSubw = seq subw 8
            Sllw = seq sllw 16
            Srlw = seq srlw 16
            Sraw = seq sraw 16
            Mul = seq mul 16        CMul = seq mul 8
            Mulw = seq mulw 16
            Mulh = seq mulh 16
            Mulhu = seq mulhu 16
            Mulhsu = seq mulhsu 16
            Div = seq div 16
            Divu = seq divu 16
            Rem = seq rem 16
            Remu = seq remu 16
            Divw = seq divw 16
            Divuw = seq divuw 16
            Remw = seq remw 16
            Remuw = seq remuw 16
            Lb = mem lb 16
            Lh = mem lh 16          CLh = mem lh 8
            Lw = mem lw 16          CLw = mem lw 8
            Ld = mem ld 16          CLd = mem ld 8
            Lbu = mem lbu 16        CLbu = mem lbu 8
            Lhu = mem lhu 16        CLhu = mem lhu 8
            Lwu = mem lwu 16
            Sb = mem sb 16          CSb = mem sb 8
            Sh = mem sh 16          CSh = mem sh 8
            Sw = mem sw 16          CSw = mem sw 8
            Sd = mem sd 16          CSd = mem sd 8
            Flw = float flw 16
            Fld = float fld 16        CFld = float fld 8
            Fsw = float fsw 16
            Fsd = float fsd 16        CFsd = float fsd 8
            Beq = branch beq 16
            Bne = branch bne 16
            Blt = branch blt 16
            Bge = branch bge 16
            Bltu = branch bltu 16
            Bgeu = branch bgeu 16
            Beqz = branch beqz 16     CBeqz = branch beqz 8
            Bnez = branch bnez 16     CBnez = branch bnez 8
            BeqFar = branch beq_far 16
            BneFar = branch bne_far 16
            BltFar = branch blt_far 16
            BgeFar = branch bge_far 16
            BltuFar = branch bltu_far 16
            BgeuFar = branch bgeu_far 16
            CBeqzFar = branch beq_far 8
            CBnezFar = branch bne_far 8
            J = flow j 16           CJ = flow j 8
            Jal = flow jal 16
            JFar = flow j_far 16    CJFar = flow j_far 8
            JalFar = flow jal_far 16
            Jr = flow jr 16         CJr = flow jr 8
            Jalr = flow jalr 16     CJalr = flow jalr 8
            FaddD = float fadd_d 16
            FsubD = float fsub_d 16
            FmulD = float fmul_d 16
            FdivD = float fdiv_d 16
            FmaddD = float fmadd_d 16
            FmsubD = float fmsub_d 16
            FnmsubD = float fnmsub_d 16
            FnmaddD = float fnmadd_d 16
            FaddS = float fadd_s 16
            FsubS = float fsub_s 16
            FmulS = float fmul_s 16
            FdivS = float fdiv_s 16
            FmaddS = float fmadd_s 16
            FmsubS = float fmsub_s 16
            FnmsubS = float fnmsub_s 16
            FnmaddS = float fnmadd_s 16
            FsgnjD = float fsgnj_d 16
            FsgnjnD = float fsgnjn_d 16
            FsgnjxD = float fsgnjx_d 16
            FmvXD = float fmv_x_d 16
            FmvDX = float fmv_d_x 16
            FmvXW = float fmv_x_w 16
            FmvWX = float fmv_w_x 16
            FliD = float fli_d 16
            FliS = float fli_s 16
            FeqD = float feq_d 16
            FltD = float flt_d 16
            FleD = float fle_d 16
            FcvtDW = float fcvt_d_w 16
            FcvtDWu = float fcvt_d_wu 16
            FcvtDL = float fcvt_d_l 16
            FcvtDS = float fcvt_d_s 16
            FcvtSD = float fcvt_s_d 16
            FcvtWDRtz = float fcvt_w_d_rtz 16
            FcvtLDRtz = float fcvt_l_d_rtz 16
            AmoaddW = atomic amoadd_w 16
            AmoaddD = atomic amoadd_d 16
            AmoswapW = atomic amoswap_w 16
            AmoswapD = atomic amoswap_d 16
            AmoxorW = atomic amoxor_w 16
            AmoxorD = atomic amoxor_d 16
            AmoorW = atomic amoor_w 16
            AmoorD = atomic amoor_d 16
            AmoandW = atomic amoand_w 16
            AmoandD = atomic amoand_d 16
            TrapRead = system trap_read 16
            TrapWrite = system trap_write 16
            Vsetvli = vector vsetvli 16
            Vload = vector vload 16
            Vstore = vector vstore 16
            VloadWhole = vector vload_whole 16
            VstoreWhole = vector vstore_whole 16
            StatusWrite = system status_write 16
            StatusSet = system status_set 16
            StatusClear = system status_clear 16
            StatusSetBits = system status_set_bits 16
            StatusClearBits = system status_clear_bits 16
            LrW = atomic lr_w 16
            LrD = atomic lr_d 16
            ScW = atomic sc_w 16
            ScD = atomic sc_d 16
            CboZero = mem cbo_zero 16
            Sh1add = bit sh1add 16
            Sh2add = bit sh2add 16
            Sh3add = bit sh3add 16
            AddUw = bit add_uw 16
            Sh1addUw = bit sh1add_uw 16
            Sh2addUw = bit sh2add_uw 16
            Sh3addUw = bit sh3add_uw 16
            SlliUw = bit slli_uw 16
            Andn = bit andn 16
            Orn = bit orn 16
            Xnor = bit xnor 16
            Clz = bit clz 16
            Ctz = bit ctz 16
            Cpop = bit cpop 16
            Clzw = bit clzw 16
            Ctzw = bit ctzw 16
            Cpopw = bit cpopw 16
            Min = bit min 16
            Minu = bit minu 16
            Max = bit max 16
            Maxu = bit maxu 16
            SextB = bit sext_b 16       CSextB = bit sext_b 8
            SextH = bit sext_h 16       CSextH = bit sext_h 8
            ZextH = bit zext_h 16       CZextH = bit zext_h 8
            Rol = bit rol 16
            Ror = bit ror 16
            Rori = bit rori 16
            Rolw = bit rolw 16
            Rorw = bit rorw 16
            Roriw = bit roriw 16
            OrcB = bit orc_b 16
            Rev8 = bit rev8 16
            Bset = bit bset 16
            Bclr = bit bclr 16
            Binv = bit binv 16
            Bext = bit bext 16
            Bseti = bit bseti 16
            Bclri = bit bclri 16
            Binvi = bit binvi 16
            Bexti = bit bexti 16
            CzeroEqz = bit czero_eqz 16
            CzeroNez = bit czero_nez 16
            CZextW = bit zext_w 8
            Ld2 = loads x2 16
            Ld3 = loads x3 16
            Ld4 = loads x4 16
            Ld5 = loads x5 16
            Ld6 = loads x6 16
            Ld7 = loads x7 16
            Ld8 = loads x8 16
            CLd2 = loads x2 8
            CLd3 = loads x3 8
            CLd4 = loads x4 8
            CLd5 = loads x5 8
            CLd6 = loads x6 8
            CLd7 = loads x7 8
            CLd8 = loads x8 8
            Sd2 = stores x2 16
            Sd3 = stores x3 16
            Sd4 = stores x4 16
            Sd5 = stores x5 16
            Sd6 = stores x6 16
            Sd7 = stores x7 16
            Sd8 = stores x8 16
            CSd2 = stores x2 8
            CSd3 = stores x3 8
            CSd4 = stores x4 8
            CSd5 = stores x5 8
            CSd6 = stores x6 8
            CSd7 = stores x7 8
            CSd8 = stores x8 8
        } }
    };
}
pub(crate) use for_each_code;

macro_rules! define {
    (
        { $($name:ident = $kind:ident $body:ident $bytes:literal)* }
        { $($run:ident = $($part:ident)+;)* }
    ) => {
        /// What the interpreter loop does for a slot. Names follow the instructions; `C` marks the
        /// compressed form, `Far` a target outside the page. Behind the base operations come
        /// the superinstructions ([`super::fusion`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Code { $($name,)* $($run),* }

        impl Code {
            /// How many there are without superinstructions.
            pub const BASE_OPS: usize = [$(Kind::$kind),*].len();

            /// Names of all, superinstructions last.
            pub const NAMES: &[&str] = &[$(stringify!($name),)* $(stringify!($run)),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }

            /// Whether the next slot follows, at least if a branch is not taken.
            pub fn may_go_on(self) -> bool {
                const KINDS: &[Kind] = &[$(Kind::$kind),*];
                KINDS.get(self as usize).is_some_and(|kind| !matches!(kind, Kind::flow | Kind::stop))
            }
        }
    };
}
for_each_code!(define);

/// How an operation goes on.
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
enum Kind {
    /// At the next slot.
    seq,
    /// The same, bit manipulation.
    bit,
    /// The same, a load or a store.
    mem,
    /// The same, atomics.
    atomic,
    /// The same, CSRs.
    system,
    /// The same, floating point.
    float,
    /// The same, vectors.
    vector,
    /// At the next slot behind the group.
    loads,
    /// The same.
    stores,
    /// At the next slot or elsewhere.
    branch,
    /// Elsewhere.
    flow,
    /// Not in the interpreter loop.
    stop,
}

impl Op {
    /// Not decoded yet.
    pub const UNDECODED: Self = Self::base(Code::Undecoded);
    /// For the slow path, which fetches the instruction itself.
    pub const SLOW: Self = Self::base(Code::Slow);
    /// One past a page's last slot.
    pub const PAGE_END: Self = Self::base(Code::PageEnd);

    const fn base(code: Code) -> Self {
        Self { code, a: 0, b: 0, imm: 0, c: 0, d: 0 }
    }

    /// For the slow path, with the instruction's bits.
    pub fn slow(bits: u32) -> Self {
        Self::wide(Code::Slow, 0, bits as i32)
    }

    /// For the last halfword of a page: an instruction whose second half in the next page is
    /// expected to be this.
    pub fn cross_page(second_half: u16) -> Self {
        Self { imm: second_half as i16, ..Self::base(Code::CrossPage) }
    }

    /// Translated code goes on here: entry number `entry`.
    pub fn enter(entry: u32) -> Self {
        Self::wide(Code::Enter, 0, entry as i32)
    }

    /// An operation whose last four bytes are one number.
    fn wide(code: Code, a: u8, imm: i32) -> Self {
        let [low, high, c, d] = imm.to_le_bytes();
        Self { code, a, b: 0, imm: i16::from_le_bytes([low, high]), c, d }
    }

    /// The instruction, if it is one that only the slow path knows and carries its bits.
    #[inline]
    pub fn slow_bits(&self) -> Option<u32> {
        (self.code == Code::Slow && self.wide_imm() != 0).then_some(self.wide_imm() as u32)
    }

    /// The last four bytes as one number.
    #[inline(always)]
    pub fn wide_imm(&self) -> i32 {
        let [low, high] = self.imm.to_le_bytes();
        i32::from_le_bytes([low, high, self.c, self.d])
    }

    /// Whether execution goes on at the next slot.
    pub fn falls_through(&self) -> bool {
        !matches!(
            self.code,
            Code::J
                | Code::CJ
                | Code::JFar
                | Code::CJFar
                | Code::Jr
                | Code::CJr
                | Code::PageEnd
                | Code::CrossPage
        )
    }
}

/// The operation for an instruction at byte `offset` of its page. Everything that the interpreter
/// loop does not know becomes [`Code::Slow`].
pub fn lower(insn: &Insn, offset: usize) -> Op {
    let (a, b, c, d) = (insn.rd * 8, insn.rs1 * 8, insn.rs2 * 8, insn.rs3 * 8);
    let short = insn.length == 2;
    let slow = Op::slow(insn.bits);
    let pick = |normal: Code, compressed: Code| if short { compressed } else { normal };
    let immediate = |code: Code| Op { code, a, b, imm: insn.imm as i16, c: 0, d: 0 };
    let register = |code: Code| Op { code, a, b, imm: 0, c, d };
    let store = |code: Code| Op { code, a: c, b, imm: insn.imm as i16, c: 0, d: 0 };
    // Without a destination only the side effect is left: none for arithmetic, a possible fault
    // for a load.
    let writes_x = |op: Op| if insn.rd == 0 { Op::base(pick(Code::Nop, Code::CNop)) } else { op };
    let loads_x = |op: Op| if insn.rd == 0 { slow } else { op };
    // The interpreter loop rounds to nearest: statically, or dynamically as long as frm says so
    // too.
    let rounds = |op: Op| if matches!(insn.rm, 0 | 7) { op } else { slow };
    let truncates = |op: Op| if insn.rm == 1 && insn.rd != 0 { op } else { slow };
    use Opcode as O;
    match insn.opcode {
        O::Addi => writes_x(match (insn.rs1, insn.imm) {
            (0, _) => immediate(pick(Code::Li, Code::CLi)),
            (_, 0) => immediate(pick(Code::Mv, Code::CMv)),
            _ => immediate(pick(Code::Addi, Code::CAddi)),
        }),
        O::Add if insn.rs1 == 0 => {
            writes_x(Op { code: pick(Code::Mv, Code::CMv), a, b: c, imm: 0, c: 0, d: 0 })
        }
        O::Addiw if insn.imm == 0 => writes_x(immediate(pick(Code::SextW, Code::CSextW))),
        O::Addiw => writes_x(immediate(pick(Code::Addiw, Code::CAddiw))),
        O::Slli => writes_x(immediate(pick(Code::Slli, Code::CSlli))),
        O::Srli => writes_x(immediate(pick(Code::Srli, Code::CSrli))),
        O::Srai => writes_x(immediate(pick(Code::Srai, Code::CSrai))),
        O::Andi => writes_x(immediate(pick(Code::Andi, Code::CAndi))),
        O::Ori => writes_x(immediate(Code::Ori)),
        O::Xori => writes_x(immediate(pick(Code::Xori, Code::CXori))),
        O::Slti => writes_x(immediate(Code::Slti)),
        O::Sltiu => writes_x(immediate(Code::Sltiu)),
        O::Slliw => writes_x(immediate(Code::Slliw)),
        O::Srliw => writes_x(immediate(Code::Srliw)),
        O::Sraiw => writes_x(immediate(Code::Sraiw)),
        O::Lui => writes_x(Op::wide(pick(Code::Lui, Code::CLui), a, insn.imm)),
        // The low 12 bits of the immediate are zero: the offset in the page fits there.
        O::Auipc => writes_x(Op::wide(Code::Auipc, a, insn.imm | offset as i32)),
        O::Add => writes_x(register(pick(Code::Add, Code::CAdd))),
        O::Sub => writes_x(register(pick(Code::Sub, Code::CSub))),
        O::And => writes_x(register(pick(Code::And, Code::CAnd))),
        O::Or => writes_x(register(pick(Code::Or, Code::COr))),
        O::Xor => writes_x(register(pick(Code::Xor, Code::CXor))),
        O::Addw => writes_x(register(pick(Code::Addw, Code::CAddw))),
        O::Subw => writes_x(register(pick(Code::Subw, Code::CSubw))),
        O::Sll => writes_x(register(Code::Sll)),
        O::Srl => writes_x(register(Code::Srl)),
        O::Sra => writes_x(register(Code::Sra)),
        O::Slt => writes_x(register(Code::Slt)),
        O::Sltu => writes_x(register(Code::Sltu)),
        O::Sllw => writes_x(register(Code::Sllw)),
        O::Srlw => writes_x(register(Code::Srlw)),
        O::Sraw => writes_x(register(Code::Sraw)),
        O::Mul => writes_x(register(pick(Code::Mul, Code::CMul))),
        O::Mulw => writes_x(register(Code::Mulw)),
        O::Mulh => writes_x(register(Code::Mulh)),
        O::Mulhu => writes_x(register(Code::Mulhu)),
        O::Mulhsu => writes_x(register(Code::Mulhsu)),
        O::Div => writes_x(register(Code::Div)),
        O::Divu => writes_x(register(Code::Divu)),
        O::Rem => writes_x(register(Code::Rem)),
        O::Remu => writes_x(register(Code::Remu)),
        O::Divw => writes_x(register(Code::Divw)),
        O::Divuw => writes_x(register(Code::Divuw)),
        O::Remw => writes_x(register(Code::Remw)),
        O::Remuw => writes_x(register(Code::Remuw)),
        // Nothing to order: code that was stored is decoded anew anyway. And nobody to wait for.
        O::Fence | O::FenceI | O::WrsNto | O::WrsSto => Op::base(Code::Nop),
        O::Lb => loads_x(immediate(Code::Lb)),
        O::Lh => loads_x(immediate(pick(Code::Lh, Code::CLh))),
        O::Lw => loads_x(immediate(pick(Code::Lw, Code::CLw))),
        O::Ld => loads_x(immediate(pick(Code::Ld, Code::CLd))),
        O::Lbu => loads_x(immediate(pick(Code::Lbu, Code::CLbu))),
        O::Lhu => loads_x(immediate(pick(Code::Lhu, Code::CLhu))),
        O::Lwu => loads_x(immediate(Code::Lwu)),
        O::Sb => store(pick(Code::Sb, Code::CSb)),
        O::Sh => store(pick(Code::Sh, Code::CSh)),
        O::Sw => store(pick(Code::Sw, Code::CSw)),
        O::Sd => store(pick(Code::Sd, Code::CSd)),
        O::Flw => immediate(Code::Flw),
        O::Fld => immediate(pick(Code::Fld, Code::CFld)),
        O::Fsw => store(Code::Fsw),
        O::Fsd => store(pick(Code::Fsd, Code::CFsd)),
        O::Beq | O::Bne | O::Blt | O::Bge | O::Bltu | O::Bgeu => branch(insn, offset),
        O::Jal => jump(insn, offset),
        O::Jalr if insn.rd == 0 => immediate(pick(Code::Jr, Code::CJr)),
        O::Jalr => immediate(pick(Code::Jalr, Code::CJalr)),
        O::FaddD => rounds(register(Code::FaddD)),
        O::FsubD => rounds(register(Code::FsubD)),
        O::FmulD => rounds(register(Code::FmulD)),
        O::FdivD => rounds(register(Code::FdivD)),
        O::FmaddD => rounds(register(Code::FmaddD)),
        O::FmsubD => rounds(register(Code::FmsubD)),
        O::FnmsubD => rounds(register(Code::FnmsubD)),
        O::FnmaddD => rounds(register(Code::FnmaddD)),
        O::FaddS => rounds(register(Code::FaddS)),
        O::FsubS => rounds(register(Code::FsubS)),
        O::FmulS => rounds(register(Code::FmulS)),
        O::FdivS => rounds(register(Code::FdivS)),
        O::FmaddS => rounds(register(Code::FmaddS)),
        O::FmsubS => rounds(register(Code::FmsubS)),
        O::FnmsubS => rounds(register(Code::FnmsubS)),
        O::FnmaddS => rounds(register(Code::FnmaddS)),
        O::FsgnjD => register(Code::FsgnjD),
        O::FsgnjnD => register(Code::FsgnjnD),
        O::FsgnjxD => register(Code::FsgnjxD),
        O::FmvXD => loads_x(register(Code::FmvXD)),
        O::FmvDX => register(Code::FmvDX),
        O::FmvXW => loads_x(register(Code::FmvXW)),
        O::FmvWX => register(Code::FmvWX),
        // Every double among them ends in 32 zeros.
        O::FliD => Op::wide(Code::FliD, a, (constants::double(insn.rs1) >> 32) as i32),
        O::FliS => Op::wide(Code::FliS, a, constants::single(insn.rs1) as i32),
        O::FeqD => loads_x(register(Code::FeqD)),
        O::FltD => loads_x(register(Code::FltD)),
        O::FleD => loads_x(register(Code::FleD)),
        O::FcvtDW => rounds(register(Code::FcvtDW)),
        O::FcvtDWu => rounds(register(Code::FcvtDWu)),
        O::FcvtDL => rounds(register(Code::FcvtDL)),
        O::FcvtDS => rounds(register(Code::FcvtDS)),
        O::FcvtSD => rounds(register(Code::FcvtSD)),
        O::FcvtWD => truncates(register(Code::FcvtWDRtz)),
        O::FcvtLD => truncates(register(Code::FcvtLDRtz)),
        O::AmoaddW => register(Code::AmoaddW),
        O::AmoaddD => register(Code::AmoaddD),
        O::AmoswapW => register(Code::AmoswapW),
        O::AmoswapD => register(Code::AmoswapD),
        O::AmoxorW => register(Code::AmoxorW),
        O::AmoxorD => register(Code::AmoxorD),
        O::AmoorW => register(Code::AmoorW),
        O::AmoorD => register(Code::AmoorD),
        O::AmoandW => register(Code::AmoandW),
        O::AmoandD => register(Code::AmoandD),
        O::Csrrw | O::Csrrs | O::Csrrc | O::Csrrsi | O::Csrrci => {
            system_register(insn).unwrap_or(slow)
        }
        O::Vsetvli | O::Vsetivli => set_vector_length(insn).unwrap_or(slow),
        O::Vle8V | O::Vle16V | O::Vle32V | O::Vle64V => vector_memory(Code::Vload, insn),
        O::Vse8V | O::Vse16V | O::Vse32V | O::Vse64V => vector_memory(Code::Vstore, insn),
        O::Vl1re8V
        | O::Vl1re16V
        | O::Vl1re32V
        | O::Vl1re64V
        | O::Vl2re8V
        | O::Vl2re16V
        | O::Vl2re32V
        | O::Vl2re64V => whole_registers(Code::VloadWhole, insn),
        O::Vs1rV | O::Vs2rV => whole_registers(Code::VstoreWhole, insn),
        O::LrW => register(Code::LrW),
        O::LrD => register(Code::LrD),
        O::ScW => register(Code::ScW),
        O::ScD => register(Code::ScD),
        O::CboZero => register(Code::CboZero),
        // Shifts have their immediate, the others `c`.
        _ => bitmanip(insn)
            .map_or(slow, |code| writes_x(Op { code, a, b, imm: insn.imm as i16, c, d: 0 })),
    }
}

/// Zba, Zbb, Zbs and Zicond.
fn bitmanip(insn: &Insn) -> Option<Code> {
    use Opcode as O;
    let short = insn.length == 2;
    Some(match insn.opcode {
        O::AddUw if short => Code::CZextW,
        O::SextB if short => Code::CSextB,
        O::SextH if short => Code::CSextH,
        O::ZextH if short => Code::CZextH,
        O::Sh1add => Code::Sh1add,
        O::Sh2add => Code::Sh2add,
        O::Sh3add => Code::Sh3add,
        O::AddUw => Code::AddUw,
        O::Sh1addUw => Code::Sh1addUw,
        O::Sh2addUw => Code::Sh2addUw,
        O::Sh3addUw => Code::Sh3addUw,
        O::SlliUw => Code::SlliUw,
        O::Andn => Code::Andn,
        O::Orn => Code::Orn,
        O::Xnor => Code::Xnor,
        O::Clz => Code::Clz,
        O::Ctz => Code::Ctz,
        O::Cpop => Code::Cpop,
        O::Clzw => Code::Clzw,
        O::Ctzw => Code::Ctzw,
        O::Cpopw => Code::Cpopw,
        O::Min => Code::Min,
        O::Minu => Code::Minu,
        O::Max => Code::Max,
        O::Maxu => Code::Maxu,
        O::SextB => Code::SextB,
        O::SextH => Code::SextH,
        O::ZextH => Code::ZextH,
        O::Rol => Code::Rol,
        O::Ror => Code::Ror,
        O::Rori => Code::Rori,
        O::Rolw => Code::Rolw,
        O::Rorw => Code::Rorw,
        O::Roriw => Code::Roriw,
        O::OrcB => Code::OrcB,
        O::Rev8 => Code::Rev8,
        O::Bset => Code::Bset,
        O::Bclr => Code::Bclr,
        O::Binv => Code::Binv,
        O::Bext => Code::Bext,
        O::Bseti => Code::Bseti,
        O::Bclri => Code::Bclri,
        O::Binvi => Code::Binvi,
        O::Bexti => Code::Bexti,
        O::CzeroEqz => Code::CzeroEqz,
        O::CzeroNez => Code::CzeroNez,
        _ => return None,
    })
}

/// The operation for an instruction that crosses into the next page, relative to its own address:
/// its branches are all far.
pub fn lower_page_crosser(insn: &Insn) -> Op {
    match insn.opcode.format() {
        Format::B => far_branch(insn, 0),
        Format::J => far_jump(insn, 0),
        _ => lower(insn, 0),
    }
}

/// Access to `sstatus`, or to one of the trap's registers: `csrrw`, or `csrrs` that only reads.
fn system_register(insn: &Insn) -> Option<Op> {
    let csr = insn.imm as u16 & 0xfff;
    let (a, b) = (insn.rd * 8, insn.rs1 * 8);
    if csr == csr::number::SSTATUS {
        let (code, imm) = match insn.opcode {
            Opcode::Csrrw => (Code::StatusWrite, 0),
            Opcode::Csrrs => (Code::StatusSet, 0),
            Opcode::Csrrc => (Code::StatusClear, 0),
            // The field of rs1 is the operand itself.
            Opcode::Csrrsi => (Code::StatusSetBits, i16::from(insn.rs1)),
            _ => (Code::StatusClearBits, i16::from(insn.rs1)),
        };
        return Some(Op { code, a, b, imm, c: 0, d: 0 });
    }
    let register = csr::trap_register::of(csr)?;
    let imm = register as i16;
    let zeros = u8::from(register == csr::trap_register::EPC);
    match (insn.opcode, insn.rs1, insn.rd) {
        (Opcode::Csrrw, ..) => Some(Op { code: Code::TrapWrite, a, b, imm, c: zeros, d: 0 }),
        (Opcode::Csrrs, 0, 1..) => Some(Op { code: Code::TrapRead, a, b, imm, c: 0, d: 0 }),
        _ => None,
    }
}

/// `vsetvli` or `vsetivli` with a legal type and a new length.
fn set_vector_length(insn: &Insn) -> Option<Op> {
    let vtype = Vtype::new(insn.imm as u64)?;
    let longest = vtype.max_length() as u8;
    let (b, is_known, largest) = match insn.opcode {
        // Its length is in the instruction.
        Opcode::Vsetivli => (0, true, longest.min(insn.rs1)),
        // With neither register it keeps the length, which may not be possible any more.
        _ if insn.rs1 == 0 && insn.rd == 0 => return None,
        _ => (insn.rs1 * 8, insn.rs1 == 0, longest),
    };
    let imm = vtype.bits() as i16;
    Some(Op { code: Code::Vsetvli, a: insn.rd * 8, b, imm, c: is_known.into(), d: largest })
}

/// An unmasked load or store of one group; everything else about vectors is for the slow path.
fn vector_memory(code: Code, insn: &Insn) -> Op {
    // Fields, addressing and mask: one field, unit stride, unmasked.
    if insn.bits >> 20 != 0x020 {
        return Op::slow(insn.bits);
    }
    let width = if insn.rm == 0 { 0 } else { insn.rm & 3 };
    Op { code, a: 0, b: insn.rs1 * 8, imm: 0, c: insn.rd, d: width }
}

/// A load or store of whole registers, one or two, which a legal one has side by side.
fn whole_registers(code: Code, insn: &Insn) -> Op {
    let registers = insn.extra_fields() as u8 + 1;
    if !insn.rd.is_multiple_of(registers) {
        return Op::slow(insn.bits);
    }
    Op { code, a: 0, b: insn.rs1 * 8, imm: 0, c: insn.rd, d: registers * VLENB as u8 }
}

/// Bytes between the slots at two page offsets, when both are inside the page.
fn slot_distance(from: usize, imm: i32) -> Option<i16> {
    let target = from as i32 + imm;
    (0..PAGE_SIZE as i32).contains(&target).then(|| (imm / 2 * SLOT as i32) as i16)
}

fn branch(insn: &Insn, offset: usize) -> Op {
    use Opcode as O;
    let Some(imm) = slot_distance(offset, insn.imm) else { return far_branch(insn, offset) };
    let code = match (insn.opcode, insn.rs2, insn.length) {
        (O::Beq, 0, 2) => Code::CBeqz,
        (O::Beq, 0, _) => Code::Beqz,
        (O::Beq, ..) => Code::Beq,
        (O::Bne, 0, 2) => Code::CBnez,
        (O::Bne, 0, _) => Code::Bnez,
        (O::Bne, ..) => Code::Bne,
        (O::Blt, ..) => Code::Blt,
        (O::Bge, ..) => Code::Bge,
        (O::Bltu, ..) => Code::Bltu,
        _ => Code::Bgeu,
    };
    Op { code, a: insn.rs1 * 8, b: insn.rs2 * 8, imm, c: 0, d: 0 }
}

/// A branch out of the page, by the target's distance from the page's start.
fn far_branch(insn: &Insn, offset: usize) -> Op {
    use Opcode as O;
    let code = match (insn.opcode, insn.length) {
        (O::Beq, 2) => Code::CBeqzFar,
        (O::Beq, _) => Code::BeqFar,
        (O::Bne, 2) => Code::CBnezFar,
        (O::Bne, _) => Code::BneFar,
        (O::Blt, _) => Code::BltFar,
        (O::Bge, _) => Code::BgeFar,
        (O::Bltu, _) => Code::BltuFar,
        _ => Code::BgeuFar,
    };
    let imm = (offset as i32 + insn.imm) as i16;
    Op { code, a: insn.rs1 * 8, b: insn.rs2 * 8, imm, c: 0, d: 0 }
}

fn jump(insn: &Insn, offset: usize) -> Op {
    let a = insn.rd * 8;
    match slot_distance(offset, insn.imm) {
        Some(imm) if insn.rd == 0 => {
            let code = if insn.length == 2 { Code::CJ } else { Code::J };
            Op { code, a, b: 0, imm, c: 0, d: 0 }
        }
        Some(imm) => {
            let [c, d] = ((offset + 4) as u16).to_le_bytes();
            Op { code: Code::Jal, a, b: 0, imm, c, d }
        }
        None => far_jump(insn, offset),
    }
}

/// A jump out of the page, by the target's distance from the page's start.
fn far_jump(insn: &Insn, offset: usize) -> Op {
    let code = match (insn.rd, insn.length) {
        (0, 2) => Code::CJFar,
        (0, _) => Code::JFar,
        _ => Code::JalFar,
    };
    Op::wide(code, insn.rd * 8, offset as i32 + insn.imm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::riscv::isa::{TABLE, decode};

    /// How far each operation moves, by its code.
    fn bytes_to_next(code: Code) -> usize {
        macro_rules! table {
            (
                { $($name:ident = $kind:ident $body:ident $bytes:literal)* }
                $runs:tt
            ) => {
                match code {
                    $(Code::$name => $bytes,)*
                    other => unreachable!("{other:?} is a superinstruction"),
                }
            };
        }
        for_each_code!(table)
    }

    #[test]
    fn operations_move_by_the_length_of_their_instruction() {
        let short = (0..=u32::from(u16::MAX)).filter(|bits| bits & 3 != 3);
        let long = TABLE.iter().map(|row| row.bits | 1 << 7 & !row.mask);
        for insn in short.chain(long).filter_map(decode) {
            for offset in [0, 2048] {
                let op = lower(&insn, offset);
                let distance = if op.code == Code::Slow { 0 } else { usize::from(insn.length) * 4 };
                assert_eq!(bytes_to_next(op.code), distance, "{:#x} {insn}", insn.bits);
            }
        }
    }

    #[test]
    fn branches_are_near_exactly_inside_the_page() {
        let back_8 = decode(0xfe05_1ce3).unwrap();
        assert_eq!(back_8.imm, -8);
        assert_eq!(lower(&back_8, 8).code, Code::Bnez);
        assert_eq!(lower(&back_8, 8).imm, -32);
        assert_eq!(lower(&back_8, 6).code, Code::BneFar);
        assert_eq!(lower(&back_8, 6).imm, -2);
    }

    #[test]
    fn writes_to_x0_vanish_but_its_loads_may_still_fault() {
        assert_eq!(lower(&decode(0x0015_8013).unwrap(), 0).code, Code::Nop);
        assert_eq!(lower(&decode(0x0005_b003).unwrap(), 0).code, Code::Slow);
    }
}
