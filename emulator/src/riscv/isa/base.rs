//! Integers, atomics, CSRs and the supervisor: RV64I, M, A, Zicsr, Zifencei.

/// Appends these rows and goes on to `$next!`.
macro_rules! base_rows {
    (($next:ident $($more:tt)*) $($row:tt)*) => {
        $next! {
            $($more)* $($row)*
            // 0x03 LOAD
            Lb      "lb"        0x0000707f 0x00000003 Load
            Lh      "lh"        0x0000707f 0x00001003 Load
            Lw      "lw"        0x0000707f 0x00002003 Load
            Ld      "ld"        0x0000707f 0x00003003 Load
            Lbu     "lbu"       0x0000707f 0x00004003 Load
            Lhu     "lhu"       0x0000707f 0x00005003 Load
            Lwu     "lwu"       0x0000707f 0x00006003 Load
            // 0x0f MISC-MEM
            Fence   "fence"     0x0000707f 0x0000000f Fence
            FenceI  "fence.i"   0x0000707f 0x0000100f Fence
            // 0x13 OP-IMM
            Addi    "addi"      0x0000707f 0x00000013 I
            Slli    "slli"      0xfc00707f 0x00001013 Shift
            Slti    "slti"      0x0000707f 0x00002013 I
            Sltiu   "sltiu"     0x0000707f 0x00003013 I
            Xori    "xori"      0x0000707f 0x00004013 I
            Srli    "srli"      0xfc00707f 0x00005013 Shift
            Srai    "srai"      0xfc00707f 0x40005013 Shift
            Ori     "ori"       0x0000707f 0x00006013 I
            Andi    "andi"      0x0000707f 0x00007013 I
            // 0x17 AUIPC
            Auipc   "auipc"     0x0000007f 0x00000017 U
            // 0x1b OP-IMM-32
            Addiw   "addiw"     0x0000707f 0x0000001b I
            Slliw   "slliw"     0xfe00707f 0x0000101b Shift
            Srliw   "srliw"     0xfe00707f 0x0000501b Shift
            Sraiw   "sraiw"     0xfe00707f 0x4000501b Shift
            // 0x23 STORE
            Sb      "sb"        0x0000707f 0x00000023 S
            Sh      "sh"        0x0000707f 0x00001023 S
            Sw      "sw"        0x0000707f 0x00002023 S
            Sd      "sd"        0x0000707f 0x00003023 S
            // 0x2f AMO
            AmoaddW  "amoadd.w"  0xf800707f 0x0000202f Amo
            AmoaddD  "amoadd.d"  0xf800707f 0x0000302f Amo
            AmoswapW "amoswap.w" 0xf800707f 0x0800202f Amo
            AmoswapD "amoswap.d" 0xf800707f 0x0800302f Amo
            LrW      "lr.w"      0xf9f0707f 0x1000202f Amo
            LrD      "lr.d"      0xf9f0707f 0x1000302f Amo
            ScW      "sc.w"      0xf800707f 0x1800202f Amo
            ScD      "sc.d"      0xf800707f 0x1800302f Amo
            AmoxorW  "amoxor.w"  0xf800707f 0x2000202f Amo
            AmoxorD  "amoxor.d"  0xf800707f 0x2000302f Amo
            AmoorW   "amoor.w"   0xf800707f 0x4000202f Amo
            AmoorD   "amoor.d"   0xf800707f 0x4000302f Amo
            AmoandW  "amoand.w"  0xf800707f 0x6000202f Amo
            AmoandD  "amoand.d"  0xf800707f 0x6000302f Amo
            AmominW  "amomin.w"  0xf800707f 0x8000202f Amo
            AmominD  "amomin.d"  0xf800707f 0x8000302f Amo
            AmomaxW  "amomax.w"  0xf800707f 0xa000202f Amo
            AmomaxD  "amomax.d"  0xf800707f 0xa000302f Amo
            AmominuW "amominu.w" 0xf800707f 0xc000202f Amo
            AmominuD "amominu.d" 0xf800707f 0xc000302f Amo
            AmomaxuW "amomaxu.w" 0xf800707f 0xe000202f Amo
            AmomaxuD "amomaxu.d" 0xf800707f 0xe000302f Amo
            // 0x33 OP
            Add     "add"       0xfe00707f 0x00000033 R
            Sub     "sub"       0xfe00707f 0x40000033 R
            Sll     "sll"       0xfe00707f 0x00001033 R
            Slt     "slt"       0xfe00707f 0x00002033 R
            Sltu    "sltu"      0xfe00707f 0x00003033 R
            Xor     "xor"       0xfe00707f 0x00004033 R
            Srl     "srl"       0xfe00707f 0x00005033 R
            Sra     "sra"       0xfe00707f 0x40005033 R
            Or      "or"        0xfe00707f 0x00006033 R
            And     "and"       0xfe00707f 0x00007033 R
            Mul     "mul"       0xfe00707f 0x02000033 R
            Mulh    "mulh"      0xfe00707f 0x02001033 R
            Mulhsu  "mulhsu"    0xfe00707f 0x02002033 R
            Mulhu   "mulhu"     0xfe00707f 0x02003033 R
            Div     "div"       0xfe00707f 0x02004033 R
            Divu    "divu"      0xfe00707f 0x02005033 R
            Rem     "rem"       0xfe00707f 0x02006033 R
            Remu    "remu"      0xfe00707f 0x02007033 R
            // 0x37 LUI
            Lui     "lui"       0x0000007f 0x00000037 U
            // 0x3b OP-32
            Addw    "addw"      0xfe00707f 0x0000003b R
            Subw    "subw"      0xfe00707f 0x4000003b R
            Sllw    "sllw"      0xfe00707f 0x0000103b R
            Srlw    "srlw"      0xfe00707f 0x0000503b R
            Sraw    "sraw"      0xfe00707f 0x4000503b R
            Mulw    "mulw"      0xfe00707f 0x0200003b R
            Divw    "divw"      0xfe00707f 0x0200403b R
            Divuw   "divuw"     0xfe00707f 0x0200503b R
            Remw    "remw"      0xfe00707f 0x0200603b R
            Remuw   "remuw"     0xfe00707f 0x0200703b R
            // 0x63 BRANCH
            Beq     "beq"       0x0000707f 0x00000063 B
            Bne     "bne"       0x0000707f 0x00001063 B
            Blt     "blt"       0x0000707f 0x00004063 B
            Bge     "bge"       0x0000707f 0x00005063 B
            Bltu    "bltu"      0x0000707f 0x00006063 B
            Bgeu    "bgeu"      0x0000707f 0x00007063 B
            // 0x67 JALR, 0x6f JAL
            Jalr    "jalr"      0x0000707f 0x00000067 Load
            Jal     "jal"       0x0000007f 0x0000006f J
            // 0x73 SYSTEM, the frequent ones first
            Csrrw   "csrrw"     0x0000707f 0x00001073 Csr
            Csrrs   "csrrs"     0x0000707f 0x00002073 Csr
            Csrrc   "csrrc"     0x0000707f 0x00003073 Csr
            Csrrwi  "csrrwi"    0x0000707f 0x00005073 CsrI
            Csrrsi  "csrrsi"    0x0000707f 0x00006073 CsrI
            Csrrci  "csrrci"    0x0000707f 0x00007073 CsrI
            Ecall   "ecall"     0xffffffff 0x00000073 None
            Ebreak  "ebreak"    0xffffffff 0x00100073 None
            Sret    "sret"      0xffffffff 0x10200073 None
            Wfi     "wfi"       0xffffffff 0x10500073 None
            SfenceVma "sfence.vma" 0xfe007fff 0x12000073 Sfence
        }
    };
}
pub(super) use base_rows;
