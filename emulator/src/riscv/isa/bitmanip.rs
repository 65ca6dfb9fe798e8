//! Bit manipulation and conditional zeroing: Zba, Zbb, Zbs, Zicond.

/// Appends these rows and goes on to `$next!`.
macro_rules! bitmanip_rows {
    (($next:ident $($more:tt)*) $($row:tt)*) => {
        $next! {
            $($more)* $($row)*
            // 0x13 OP-IMM
            Clz     "clz"       0xfff0707f 0x60001013 R1
            Ctz     "ctz"       0xfff0707f 0x60101013 R1
            Cpop    "cpop"      0xfff0707f 0x60201013 R1
            SextB   "sext.b"    0xfff0707f 0x60401013 R1
            SextH   "sext.h"    0xfff0707f 0x60501013 R1
            OrcB    "orc.b"     0xfff0707f 0x28705013 R1
            Rev8    "rev8"      0xfff0707f 0x6b805013 R1
            Rori    "rori"      0xfc00707f 0x60005013 Shift
            Bseti   "bseti"     0xfc00707f 0x28001013 Shift
            Bclri   "bclri"     0xfc00707f 0x48001013 Shift
            Binvi   "binvi"     0xfc00707f 0x68001013 Shift
            Bexti   "bexti"     0xfc00707f 0x48005013 Shift
            // 0x1b OP-IMM-32
            SlliUw  "slli.uw"   0xfc00707f 0x0800101b Shift
            Clzw    "clzw"      0xfff0707f 0x6000101b R1
            Ctzw    "ctzw"      0xfff0707f 0x6010101b R1
            Cpopw   "cpopw"     0xfff0707f 0x6020101b R1
            Roriw   "roriw"     0xfe00707f 0x6000501b Shift
            // 0x33 OP
            Sh1add  "sh1add"    0xfe00707f 0x20002033 R
            Sh2add  "sh2add"    0xfe00707f 0x20004033 R
            Sh3add  "sh3add"    0xfe00707f 0x20006033 R
            Andn    "andn"      0xfe00707f 0x40007033 R
            Orn     "orn"       0xfe00707f 0x40006033 R
            Xnor    "xnor"      0xfe00707f 0x40004033 R
            Min     "min"       0xfe00707f 0x0a004033 R
            Minu    "minu"      0xfe00707f 0x0a005033 R
            Max     "max"       0xfe00707f 0x0a006033 R
            Maxu    "maxu"      0xfe00707f 0x0a007033 R
            Rol     "rol"       0xfe00707f 0x60001033 R
            Ror     "ror"       0xfe00707f 0x60005033 R
            Bset    "bset"      0xfe00707f 0x28001033 R
            Bclr    "bclr"      0xfe00707f 0x48001033 R
            Binv    "binv"      0xfe00707f 0x68001033 R
            Bext    "bext"      0xfe00707f 0x48005033 R
            CzeroEqz "czero.eqz" 0xfe00707f 0x0e005033 R
            CzeroNez "czero.nez" 0xfe00707f 0x0e007033 R
            // 0x3b OP-32
            AddUw   "add.uw"    0xfe00707f 0x0800003b R
            Sh1addUw "sh1add.uw" 0xfe00707f 0x2000203b R
            Sh2addUw "sh2add.uw" 0xfe00707f 0x2000403b R
            Sh3addUw "sh3add.uw" 0xfe00707f 0x2000603b R
            ZextH   "zext.h"    0xfff0707f 0x0800403b R1
            Rolw    "rolw"      0xfe00707f 0x6000103b R
            Rorw    "rorw"      0xfe00707f 0x6000503b R
        }
    };
}
pub(super) use bitmanip_rows;
