//! Bodies of the interpreter loop's jumps and branches. `$bytes` is the distance to the next slot.

/// What an operation does, in the terms of the loop's own macros.
macro_rules! flow {
    (beq $bytes:literal) => {
        branch_near!(x!(a) == x!(b), $bytes)
    };
    (bne $bytes:literal) => {
        branch_near!(x!(a) != x!(b), $bytes)
    };
    (blt $bytes:literal) => {
        branch_near!((x!(a) as i64) < x!(b) as i64, $bytes)
    };
    (bge $bytes:literal) => {
        branch_near!(x!(a) as i64 >= x!(b) as i64, $bytes)
    };
    (bltu $bytes:literal) => {
        branch_near!(x!(a) < x!(b), $bytes)
    };
    (bgeu $bytes:literal) => {
        branch_near!(x!(a) >= x!(b), $bytes)
    };
    (beqz $bytes:literal) => {
        branch_near!(x!(a) == 0, $bytes)
    };
    (bnez $bytes:literal) => {
        branch_near!(x!(a) != 0, $bytes)
    };
    (beq_far $bytes:literal) => {
        branch_far!(x!(a) == x!(b), $bytes)
    };
    (bne_far $bytes:literal) => {
        branch_far!(x!(a) != x!(b), $bytes)
    };
    (blt_far $bytes:literal) => {
        branch_far!((x!(a) as i64) < x!(b) as i64, $bytes)
    };
    (bge_far $bytes:literal) => {
        branch_far!(x!(a) as i64 >= x!(b) as i64, $bytes)
    };
    (bltu_far $bytes:literal) => {
        branch_far!(x!(a) < x!(b), $bytes)
    };
    (bgeu_far $bytes:literal) => {
        branch_far!(x!(a) >= x!(b), $bytes)
    };
    (j $bytes:literal) => {
        branch_near!(true, $bytes)
    };
    (jal $bytes:literal) => {{
        let link = u64::from(u16::from_le_bytes([op!().c, op!().d]));
        set_x!(a, page!().wrapping_add(link));
        branch_near!(true, $bytes)
    }};
    (j_far $bytes:literal) => {{
        retire!();
        jump_to!(page!().wrapping_add(op!().wide_imm() as u64))
    }};
    (jal_far $bytes:literal) => {{
        retire!();
        set_x!(a, pc!().wrapping_add($bytes / (SLOT as u64 / 2)));
        jump_to!(page!().wrapping_add(op!().wide_imm() as u64))
    }};
    (jr $bytes:literal) => {{
        retire!();
        jump_to!(x!(b).wrapping_add(imm!()) & !1)
    }};
    (jalr $bytes:literal) => {{
        retire!();
        let destination = x!(b).wrapping_add(imm!()) & !1;
        set_x!(a, pc!().wrapping_add($bytes / (SLOT as u64 / 2)));
        jump_to!(destination)
    }};
    (page_end $bytes:literal) => {
        jump_to!(pc!())
    };
    (cross_page $bytes:literal) => {
        enter_page_crosser!()
    };
}
pub(super) use flow;
