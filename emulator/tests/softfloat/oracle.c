/* Executes floating-point instructions on a RISC-V machine: reads records of four 64-bit words
 * (operation << 32 | format << 8 | rounding mode, and three operands) until end of file and writes
 * two (result, fflags) for each. The numbers are those of tests/softfloat_qemu.rs. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct record {
    uint64_t code, a, b, c;
};
struct answer {
    uint64_t result, flags;
};

/* Loads ft0-ft2 with the operands, runs `instruction` with cleared flags and the dynamic rounding
 * mode, and stores t0. */
#define RUN(load, instruction, store)                                                             \
    asm volatile(".option push\n .option arch, +zfh\n"                                            \
                 load " ft0, %3\n " load " ft1, %4\n " load " ft2, %5\n"                          \
                 "mv t0, %3\n fsrm %2\n fsflags zero\n"                                           \
                 instruction "\n" store "\n"                                                      \
                 "mv %0, t0\n frflags %1\n .option pop"                                           \
                 : "=&r"(result), "=&r"(flags)                                                    \
                 : "r"(mode), "r"(r->a), "r"(r->b), "r"(r->c)                                     \
                 : "t0", "ft0", "ft1", "ft2", "ft3")

#define KEEP "" /* the instruction left its result in t0 */

/* The operations of one format: `f` is its suffix, `load` and `store` move raw bits. */
#define OPERATIONS(f, load, store)                                                                \
    switch (operation) {                                                                          \
    case 0: RUN(load, "fadd." f " ft3, ft0, ft1", store); break;                                  \
    case 1: RUN(load, "fsub." f " ft3, ft0, ft1", store); break;                                  \
    case 2: RUN(load, "fmul." f " ft3, ft0, ft1", store); break;                                  \
    case 3: RUN(load, "fdiv." f " ft3, ft0, ft1", store); break;                                  \
    case 4: RUN(load, "fsqrt." f " ft3, ft0", store); break;                                      \
    case 5: RUN(load, "fmadd." f " ft3, ft0, ft1, ft2", store); break;                            \
    case 6: RUN(load, "fmsub." f " ft3, ft0, ft1, ft2", store); break;                            \
    case 7: RUN(load, "fnmsub." f " ft3, ft0, ft1, ft2", store); break;                           \
    case 8: RUN(load, "fnmadd." f " ft3, ft0, ft1, ft2", store); break;                           \
    case 9: RUN(load, "fmin." f " ft3, ft0, ft1", store); break;                                  \
    case 10: RUN(load, "fmax." f " ft3, ft0, ft1", store); break;                                 \
    case 11: RUN(load, "feq." f " t0, ft0, ft1", KEEP); break;                                    \
    case 12: RUN(load, "flt." f " t0, ft0, ft1", KEEP); break;                                    \
    case 13: RUN(load, "fle." f " t0, ft0, ft1", KEEP); break;                                    \
    case 14: RUN(load, "fclass." f " t0, ft0", KEEP); break;                                      \
    case 15: RUN(load, "fcvt.w." f " t0, ft0, dyn", KEEP); break;                                 \
    case 16: RUN(load, "fcvt.wu." f " t0, ft0, dyn", KEEP); break;                                \
    case 17: RUN(load, "fcvt.l." f " t0, ft0, dyn", KEEP); break;                                 \
    case 18: RUN(load, "fcvt.lu." f " t0, ft0, dyn", KEEP); break;                                \
    case 19: RUN(load, "fcvt." f ".w ft3, t0", store); break;                          \
    case 20: RUN(load, "fcvt." f ".wu ft3, t0", store); break;                         \
    case 21: RUN(load, "fcvt." f ".l ft3, t0, dyn", store); break;                                \
    case 22: RUN(load, "fcvt." f ".lu ft3, t0, dyn", store); break;                               \
    default: abort();                                                                             \
    }

#define STORE_H "fmv.x.h t0, ft3"
#define STORE_S "fmv.x.w t0, ft3"
#define STORE_D "fmv.x.d t0, ft3"

static struct answer execute(const struct record *r) {
    uint64_t operation = r->code >> 32, format = r->code >> 8 & 0xff, mode = r->code & 0xff;
    uint64_t result, flags;
    if (operation == 23) { /* conversion to half precision */
        if (format == 2) RUN("fmv.d.x", "fcvt.h.d ft3, ft0", STORE_H);
        else if (format == 1) RUN("fmv.w.x", "fcvt.h.s ft3, ft0", STORE_H);
        else abort();
    } else if (operation == 24) { /* to single */
        if (format == 2) RUN("fmv.d.x", "fcvt.s.d ft3, ft0", STORE_S);
        else if (format == 0) RUN("fmv.h.x", "fcvt.s.h ft3, ft0", STORE_S);
        else abort();
    } else if (operation == 25) { /* to double */
        if (format == 1) RUN("fmv.w.x", "fcvt.d.s ft3, ft0", STORE_D);
        else if (format == 0) RUN("fmv.h.x", "fcvt.d.h ft3, ft0", STORE_D);
        else abort();
    } else if (format == 2) {
        OPERATIONS("d", "fmv.d.x", STORE_D)
    } else if (format == 1) {
        OPERATIONS("s", "fmv.w.x", STORE_S)
    } else {
        OPERATIONS("h", "fmv.h.x", STORE_H)
    }
    return (struct answer){result, flags};
}

int main(void) {
    static struct record records[4096];
    static struct answer answers[4096];
    size_t count;
    while ((count = fread(records, sizeof records[0], 4096, stdin)) > 0) {
        for (size_t i = 0; i < count; i++) answers[i] = execute(&records[i]);
        if (fwrite(answers, sizeof answers[0], count, stdout) != count) return 1;
    }
    return ferror(stdin) || fflush(stdout) != 0;
}
