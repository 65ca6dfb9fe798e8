//! Small programs, one for each thing that the emitter does in its own way.

/// A program on a page of its own.
pub struct Program {
    pub name: &'static str,
    pub about: &'static str,
    /// Whether it runs in U-mode.
    pub user: bool,
    pub words: &'static [u32],
    /// The words at which blocks begin that are executed one after the other.
    pub trace: &'static [usize],
}

pub const PROGRAMS: &[Program] = &[
    Program {
        name: "integers",
        about: "Arithmetic on registers, and a return.",
        user: true,
        words: &[
            0x00b50533, // add a0,a0,a1
            0x00351593, // slli a1,a0,3
            0x00a5863b, // addw a2,a1,a0
            0x00a636b3, // sltu a3,a2,a0
            0x02b6b733, // mulhu a4,a3,a1
            0x02c757b3, // divu a5,a4,a2
            0x20b7c533, // sh2add a0,a5,a1
            0x00008067, // ret
        ],
        trace: &[0],
    },
    Program {
        name: "one_probe",
        about: "Accesses at one base register share a TLB probe.",
        user: true,
        words: &[
            0x00013503, // ld a0,0(sp)
            0x00813583, // ld a1,8(sp)
            0x00b50533, // add a0,a0,a1
            0x00a13823, // sd a0,16(sp)
            0x00314603, // lbu a2,3(sp)
            0x00008067, // ret
        ],
        trace: &[0],
    },
    Program {
        name: "linked_base",
        about: "A jump that overwrites a base register: what was probed there is forgotten.",
        user: true,
        words: &[
            0x00053583, // ld a1,0(a0)
            0x0080056f, // jal a0,1f
            0x00000013, // nop
            0x00053603, // 1: ld a2,0(a0)
            0x00008067, // ret
        ],
        trace: &[0, 3],
    },
    Program {
        name: "diamond",
        about: "A branch whose ways meet: registers that only one of them has loaded.",
        user: true,
        words: &[
            0x00013503, // ld a0,0(sp)
            0x00050663, // beqz a0,1f
            0x00150593, // addi a1,a0,1
            0x00b13423, // sd a1,8(sp)
            0x00b50633, // 1: add a2,a0,a1
            0x00008067, // ret
        ],
        trace: &[0, 2, 4, 0, 4],
    },
    Program {
        name: "counting_loop",
        about: "A loop without accesses to memory: its registers are in locals all the time.",
        user: true,
        words: &[
            0x00000513, // li a0,0
            0x00b50533, // 1: add a0,a0,a1
            0x00a64633, // xor a2,a2,a0
            0xfff58593, // addi a1,a1,-1
            0xfe059ae3, // bnez a1,1b
            0x00060593, // mv a1,a2
            0x00008067, // ret
        ],
        trace: &[0, 1, 1, 1, 5],
    },
    Program {
        name: "strip",
        about: "A loop that walks through memory: probes are made for a strip of rounds ahead.",
        user: true,
        words: &[
            0x00b50633, // add a2,a0,a1
            0x00054683, // 1: lbu a3,0(a0)
            0x00150513, // addi a0,a0,1
            0x00d70733, // add a4,a4,a3
            0xfec51ae3, // bne a0,a2,1b
            0x00070513, // mv a0,a4
            0x00008067, // ret
        ],
        trace: &[0, 1, 1, 1, 1, 5],
    },
    Program {
        name: "direct_call",
        about: "A call of another region, and what it comes back to.",
        user: true,
        words: &[
            0xff010113, // addi sp,sp,-16
            0x010000ef, // jal ra,2f
            0x00b50533, // add a0,a0,a1
            0x00008067, // ret
            0x00000013, // nop
            0x00151513, // 2: slli a0,a0,1
            0x00008067, // ret
        ],
        trace: &[0, 5, 2],
    },
    Program {
        name: "indirect_call",
        about: "A call by register.",
        user: true,
        words: &[
            0x00050313, // mv t1,a0
            0x000300e7, // jalr ra,0(t1)
            0x00150513, // addi a0,a0,1
            0x00008067, // ret
            0x00000013, // nop
            0x40b50533, // 2: sub a0,a0,a1
            0x00008067, // ret
        ],
        trace: &[0, 5, 2],
    },
    Program {
        name: "jump_table",
        about: "A jump by register to places that were seen.",
        user: true,
        words: &[
            0x00351513, // slli a0,a0,3
            0x00a302b3, // add t0,t1,a0
            0x00028067, // jr t0
            0x00100593, // li a1,1
            0x0100006f, // j 9f
            0x00200593, // li a1,2
            0x0080006f, // j 9f
            0x00300593, // li a1,3
            0x00058513, // 9: mv a0,a1
            0x00008067, // ret
        ],
        trace: &[0, 3, 8, 0, 5, 8, 0, 7],
    },
    Program {
        name: "system_call",
        about: "An environment call.",
        user: true,
        words: &[
            0x0ac00893, // li a7,172
            0x00000073, // ecall
            0x00150513, // addi a0,a0,1
            0x00008067, // ret
        ],
        trace: &[0, 2],
    },
    Program {
        name: "atomics",
        about: "Atomics, and a pair of load reserved and store conditional.",
        user: true,
        words: &[
            0x00b6352f, // amoadd.d a0,a1,(a2)
            0x100626af, // 1: lr.w a3,(a2)
            0x00a686bb, // addw a3,a3,a0
            0x18d6272f, // sc.w a4,a3,(a2)
            0xfe071ae3, // bnez a4,1b
            0x00008067, // ret
        ],
        trace: &[0, 1, 1, 5],
    },
    Program {
        name: "floating_point",
        about: "Double precision, in the rounding mode of fcsr.",
        user: true,
        words: &[
            0x00053507, // fld fa0,0(a0)
            0x12a575d3, // fmul.d fa1,fa0,fa0
            0x02a5f5d3, // fadd.d fa1,fa1,fa0
            0xa2b515d3, // flt.d a1,fa0,fa1
            0xd225f653, // fcvt.d.l fa2,a1
            0x00b53427, // fsd fa1,8(a0)
            0x00008067, // ret
        ],
        trace: &[0],
    },
    Program {
        name: "vectors",
        about: "A vector loop.",
        user: true,
        words: &[
            0x0c0676d7, // 1: vsetvli a3,a2,e8,m1,ta,ma
            0x02050407, // vle8.v v8,(a0)
            0x0280b457, // vadd.vi v8,v8,1
            0x02058427, // vse8.v v8,(a1)
            0x00d50533, // add a0,a0,a3
            0x00d585b3, // add a1,a1,a3
            0x40d60633, // sub a2,a2,a3
            0xfe0612e3, // bnez a2,1b
            0x00008067, // ret
        ],
        trace: &[0, 0, 0, 0, 8],
    },
    Program {
        name: "supervisor",
        about: "sstatus and sscratch, and an instruction that is left to the interpreter.",
        user: false,
        words: &[
            0x14021273, // csrrw tp,sscratch,tp
            0x10017573, // csrrci a0,sstatus,2
            0x00a23023, // sd a0,0(tp)
            0x12000073, // sfence.vma
            0x10052073, // csrs sstatus,a0
            0x00008067, // ret
        ],
        trace: &[0],
    },
];
