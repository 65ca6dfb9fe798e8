//! Floating point: F, D, Zfa, Zfhmin.

/// Appends these rows and goes on to `$next!`.
macro_rules! float_rows {
    (($next:ident $($more:tt)*) $($row:tt)*) => {
        $next! {
            $($more)* $($row)*
            // 0x07 LOAD-FP
            Flw     "flw"       0x0000707f 0x00002007 LoadFp
            Flh     "flh"       0x0000707f 0x00001007 LoadFp
            Fld     "fld"       0x0000707f 0x00003007 LoadFp
            // 0x27 STORE-FP
            Fsw     "fsw"       0x0000707f 0x00002027 SFp
            Fsh     "fsh"       0x0000707f 0x00001027 SFp
            Fsd     "fsd"       0x0000707f 0x00003027 SFp
            // 0x43..0x4f fused multiply-add
            FmaddS  "fmadd.s"   0x0600007f 0x00000043 R4
            FmaddD  "fmadd.d"   0x0600007f 0x02000043 R4
            FmsubS  "fmsub.s"   0x0600007f 0x00000047 R4
            FmsubD  "fmsub.d"   0x0600007f 0x02000047 R4
            FnmsubS "fnmsub.s"  0x0600007f 0x0000004b R4
            FnmsubD "fnmsub.d"  0x0600007f 0x0200004b R4
            FnmaddS "fnmadd.s"  0x0600007f 0x0000004f R4
            FnmaddD "fnmadd.d"  0x0600007f 0x0200004f R4
            // 0x53 OP-FP
            FaddS   "fadd.s"    0xfe00007f 0x00000053 Fp
            FaddD   "fadd.d"    0xfe00007f 0x02000053 Fp
            FsubS   "fsub.s"    0xfe00007f 0x08000053 Fp
            FsubD   "fsub.d"    0xfe00007f 0x0a000053 Fp
            FmulS   "fmul.s"    0xfe00007f 0x10000053 Fp
            FmulD   "fmul.d"    0xfe00007f 0x12000053 Fp
            FdivS   "fdiv.s"    0xfe00007f 0x18000053 Fp
            FdivD   "fdiv.d"    0xfe00007f 0x1a000053 Fp
            FsqrtS  "fsqrt.s"   0xfff0007f 0x58000053 Fp1
            FsqrtD  "fsqrt.d"   0xfff0007f 0x5a000053 Fp1
            FsgnjS  "fsgnj.s"   0xfe00707f 0x20000053 Fp
            FsgnjnS "fsgnjn.s"  0xfe00707f 0x20001053 Fp
            FsgnjxS "fsgnjx.s"  0xfe00707f 0x20002053 Fp
            FsgnjD  "fsgnj.d"   0xfe00707f 0x22000053 Fp
            FsgnjnD "fsgnjn.d"  0xfe00707f 0x22001053 Fp
            FsgnjxD "fsgnjx.d"  0xfe00707f 0x22002053 Fp
            FminS   "fmin.s"    0xfe00707f 0x28000053 Fp
            FmaxS   "fmax.s"    0xfe00707f 0x28001053 Fp
            FminD   "fmin.d"    0xfe00707f 0x2a000053 Fp
            FmaxD   "fmax.d"    0xfe00707f 0x2a001053 Fp
            FcvtSD  "fcvt.s.d"  0xfff0007f 0x40100053 Fp1
            FcvtDS  "fcvt.d.s"  0xfff0007f 0x42000053 Fp1
            FleS    "fle.s"     0xfe00707f 0xa0000053 FpToX2
            FltS    "flt.s"     0xfe00707f 0xa0001053 FpToX2
            FeqS    "feq.s"     0xfe00707f 0xa0002053 FpToX2
            FleD    "fle.d"     0xfe00707f 0xa2000053 FpToX2
            FltD    "flt.d"     0xfe00707f 0xa2001053 FpToX2
            FeqD    "feq.d"     0xfe00707f 0xa2002053 FpToX2
            FcvtWS  "fcvt.w.s"  0xfff0007f 0xc0000053 FpToX
            FcvtWuS "fcvt.wu.s" 0xfff0007f 0xc0100053 FpToX
            FcvtLS  "fcvt.l.s"  0xfff0007f 0xc0200053 FpToX
            FcvtLuS "fcvt.lu.s" 0xfff0007f 0xc0300053 FpToX
            FcvtWD  "fcvt.w.d"  0xfff0007f 0xc2000053 FpToX
            FcvtWuD "fcvt.wu.d" 0xfff0007f 0xc2100053 FpToX
            FcvtLD  "fcvt.l.d"  0xfff0007f 0xc2200053 FpToX
            FcvtLuD "fcvt.lu.d" 0xfff0007f 0xc2300053 FpToX
            FcvtSW  "fcvt.s.w"  0xfff0007f 0xd0000053 XToFp
            FcvtSWu "fcvt.s.wu" 0xfff0007f 0xd0100053 XToFp
            FcvtSL  "fcvt.s.l"  0xfff0007f 0xd0200053 XToFp
            FcvtSLu "fcvt.s.lu" 0xfff0007f 0xd0300053 XToFp
            FcvtDW  "fcvt.d.w"  0xfff0007f 0xd2000053 XToFp
            FcvtDWu "fcvt.d.wu" 0xfff0007f 0xd2100053 XToFp
            FcvtDL  "fcvt.d.l"  0xfff0007f 0xd2200053 XToFp
            FcvtDLu "fcvt.d.lu" 0xfff0007f 0xd2300053 XToFp
            FmvXW   "fmv.x.w"   0xfff0707f 0xe0000053 FpToX
            FclassS "fclass.s"  0xfff0707f 0xe0001053 FpToX
            FmvXD   "fmv.x.d"   0xfff0707f 0xe2000053 FpToX
            FclassD "fclass.d"  0xfff0707f 0xe2001053 FpToX
            FmvWX   "fmv.w.x"   0xfff0707f 0xf0000053 XToFp
            FmvDX   "fmv.d.x"   0xfff0707f 0xf2000053 XToFp
            // Zfa
            FminmS  "fminm.s"   0xfe00707f 0x28002053 Fp
            FmaxmS  "fmaxm.s"   0xfe00707f 0x28003053 Fp
            FminmD  "fminm.d"   0xfe00707f 0x2a002053 Fp
            FmaxmD  "fmaxm.d"   0xfe00707f 0x2a003053 Fp
            FroundS "fround.s"  0xfff0007f 0x40400053 Fp1
            FroundnxS "froundnx.s" 0xfff0007f 0x40500053 Fp1
            FroundD "fround.d"  0xfff0007f 0x42400053 Fp1
            FroundnxD "froundnx.d" 0xfff0007f 0x42500053 Fp1
            FleqS   "fleq.s"    0xfe00707f 0xa0004053 FpToX2
            FltqS   "fltq.s"    0xfe00707f 0xa0005053 FpToX2
            FleqD   "fleq.d"    0xfe00707f 0xa2004053 FpToX2
            FltqD   "fltq.d"    0xfe00707f 0xa2005053 FpToX2
            FcvtmodWD "fcvtmod.w.d" 0xfff0707f 0xc2801053 FpToX
            FliS    "fli.s"     0xfff0707f 0xf0100053 Fli
            FliD    "fli.d"     0xfff0707f 0xf2100053 Fli
            // Zfhmin
            FcvtSH  "fcvt.s.h"  0xfff0007f 0x40200053 Fp1
            FcvtDH  "fcvt.d.h"  0xfff0007f 0x42200053 Fp1
            FcvtHS  "fcvt.h.s"  0xfff0007f 0x44000053 Fp1
            FcvtHD  "fcvt.h.d"  0xfff0007f 0x44100053 Fp1
            FmvXH   "fmv.x.h"   0xfff0707f 0xe4000053 FpToX
            FmvHX   "fmv.h.x"   0xfff0707f 0xf4000053 XToFp
        }
    };
}
pub(super) use float_rows;
