//! Small extensions around the base: Zicbom, Zicboz, Zawrs, Svinval, Zimop. Hints (Zicbop,
//! Zihintntl, Zihintpause) are base instructions that do nothing.

/// Appends these rows and goes on to `$next!`.
macro_rules! misc_rows {
    (($next:ident $($more:tt)*) $($row:tt)*) => {
        $next! {
            $($more)* $($row)*
            // 0x0f MISC-MEM
            CboInval "cbo.inval" 0xfff07fff 0x0000200f Cbo
            CboClean "cbo.clean" 0xfff07fff 0x0010200f Cbo
            CboFlush "cbo.flush" 0xfff07fff 0x0020200f Cbo
            CboZero "cbo.zero"  0xfff07fff 0x0040200f Cbo
            // 0x73 SYSTEM
            WrsNto  "wrs.nto"   0xffffffff 0x00d00073 None
            WrsSto  "wrs.sto"   0xffffffff 0x01d00073 None
            SinvalVma "sinval.vma" 0xfe007fff 0x16000073 Sfence
            SfenceWInval "sfence.w.inval" 0xffffffff 0x18000073 None
            SfenceInvalIr "sfence.inval.ir" 0xffffffff 0x18100073 None
            MopR    "mop.r"     0xb3c0707f 0x81c04073 MopR
            MopRr   "mop.rr"    0xb200707f 0x82004073 MopRr
        }
    };
}
pub(super) use misc_rows;
