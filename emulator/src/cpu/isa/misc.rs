//! Small extensions around the base: may-be-operations (Zimop).

/// Appends these rows and goes on to `$next!`.
macro_rules! misc_rows {
    (($next:ident $($more:tt)*) $($row:tt)*) => {
        $next! {
            $($more)* $($row)*
            // 0x73 SYSTEM
            MopR    "mop.r"     0xb3c0707f 0x81c04073 MopR
            MopRr   "mop.rr"    0xb200707f 0x82004073 MopRr
        }
    };
}
pub(super) use misc_rows;
