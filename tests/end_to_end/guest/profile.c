// What the guest's kernel makes of the hart's extensions: its own words about them, and whether it
// keeps the vector registers of each process. Prints one line for each check, "ok" or what failed.
// Static, for riscv64; built and run by ../profile.rs.
#define _GNU_SOURCE
#include <elf.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// --- riscv_hwprobe(2): Documentation/arch/riscv/hwprobe.rst

struct pair {
    int64_t key;
    uint64_t value;
};

enum { HWPROBE_CALL = 258, BASE = 3, EXTENSIONS = 4, UNKNOWN = 1000 };

// Bits of RISCV_HWPROBE_KEY_IMA_EXT_0.
static const char *const EXTENSION_NAMES[64] = {
    "fd", "c", "v", "zba", "zbb", "zbs", "zicboz", "zbc", "zbkb", "zbkc", "zbkx", "zknd", "zkne",
    "zknh", "zksed", "zksh", "zkt", "zvbb", "zvbc", "zvkb", "zvkg", "zvkned", "zvknha", "zvknhb",
    "zvksed", "zvksh", "zvkt", "zfh", "zfhmin", "zihintntl", "zvfh", "zvfhmin", "zfa", "ztso",
    "zacas", "zicond", "zihintpause", "zve32x", "zve32f", "zve64x", "zve64f", "zve64d", "zimop",
    "zca", "zcb", "zcd", "zcf", "zcmop", "zawrs", "supm", "zicntr", "zihpm", "zfbfmin", "zvfbfmin",
    "zvfbfwma", "zicbom", "zaamo", "zalrsc", "zabha", "zalasr", "zicbop",
};

static const struct {
    int64_t key;
    const char *name;
} VALUES[] = {
    {8, "timebase"},         {9, "misaligned scalars"}, {10, "misaligned vectors"},
    {6, "zicboz block"},     {12, "zicbom block"},      {15, "zicbop block"},
    {7, "highest address"},  {11, "thead"},             {UNKNOWN, "unknown key"},
};

static struct pair probe(int64_t key)
{
    struct pair pair = {.key = key};
    if (syscall(HWPROBE_CALL, &pair, (size_t)1, (size_t)0, NULL, 0u) != 0)
        perror("riscv_hwprobe");
    return pair;
}

static void print_hwprobe(void)
{
    uint64_t extensions = probe(EXTENSIONS).value;
    printf("hwprobe%s:", probe(BASE).value == 1 ? " ima" : "");
    for (int bit = 0; bit < 64; bit++)
        if (extensions >> bit & 1)
            printf(" %s", EXTENSION_NAMES[bit] ? EXTENSION_NAMES[bit] : "?");
    putchar('\n');
    for (size_t at = 0; at < sizeof VALUES / sizeof VALUES[0]; at++) {
        struct pair pair = probe(VALUES[at].key);
        printf("%s: %s%llu\n", VALUES[at].name, pair.key == -1 ? "no such key, " : "",
               (unsigned long long)pair.value);
    }
}

static void print_isa(void)
{
    char line[4096];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "isa", 3) == 0)
            fputs(line, stdout);
    if (file)
        fclose(file);
}

// --- Cache blocks, in user mode

enum { BLOCK = 64 };

static sigjmp_buf after_signal;

static void jump_out(int signal)
{
    siglongjmp(after_signal, signal);
}

#define CBO(operation, address) \
    __asm__ volatile(".insn i 0x0f, 2, x0, %0, " #operation : : "r"(address) : "memory")
#define PREFETCH(kind, address) \
    __asm__ volatile(".insn i 0x13, 6, x0, %0, " #kind : : "r"(address) : "memory")

static void check_cache_blocks(void)
{
    static unsigned char memory[3 * BLOCK] __attribute__((aligned(BLOCK)));
    memset(memory, 0xa5, sizeof memory);
    CBO(1, memory + BLOCK); // cbo.clean
    CBO(2, memory + BLOCK); // cbo.flush
    PREFETCH(0, memory);
    PREFETCH(1, memory);
    PREFETCH(3, memory);
    CBO(4, memory + BLOCK + 5); // cbo.zero
    int wrong = 0;
    for (int at = 0; at < 3 * BLOCK; at++)
        wrong += memory[at] != (at / BLOCK == 1 ? 0 : 0xa5);
    printf("cbo.zero %s\n", wrong ? "cleared something else" : "ok");

    signal(SIGILL, jump_out);
    if (sigsetjmp(after_signal, 1) == 0) {
        CBO(0, memory); // cbo.inval
        puts("cbo.inval was executed");
    } else {
        puts("cbo.inval is refused");
    }
    signal(SIGILL, SIG_DFL);
}

// --- Vector state

enum { VLENB = 16, REGISTERS = 32, STATE = VLENB * REGISTERS };

// What the asm below sets besides the registers: e16, m2, tail and mask undisturbed.
enum { VL = 11, VTYPE = 0x09, VCSR = 0x5 };

struct vectors {
    unsigned char registers[STATE];
    uint64_t vl, vtype, vcsr;
};

static void fill(unsigned char *registers, unsigned seed)
{
    for (int at = 0; at < STATE; at++) {
        seed = seed * 1103515245u + 12345u;
        registers[at] = (unsigned char)(seed >> 16);
    }
}

// Loads all vector registers, spins, and stores what is in them then. No system call in between:
// those may clobber vectors.
static void hold(const unsigned char *before, struct vectors *after, uint64_t spins)
{
    unsigned char *to = after->registers;
    uint64_t vl = VL, vtype, vcsr = VCSR;
    __asm__ volatile(
        ".option push\n"
        ".option arch, +v\n"
        "vl8re8.v v0, (%[from])\n addi %[from], %[from], %[group]\n"
        "vl8re8.v v8, (%[from])\n addi %[from], %[from], %[group]\n"
        "vl8re8.v v16, (%[from])\n addi %[from], %[from], %[group]\n"
        "vl8re8.v v24, (%[from])\n"
        "vsetvli x0, %[vl], e16, m2, tu, mu\n"
        "csrw vcsr, %[vcsr]\n"
        "1: addi %[spins], %[spins], -1\n"
        "bnez %[spins], 1b\n"
        "csrr %[vcsr], vcsr\n"
        "csrr %[vl], vl\n"
        "csrr %[vtype], vtype\n"
        "vs8r.v v0, (%[to])\n addi %[to], %[to], %[group]\n"
        "vs8r.v v8, (%[to])\n addi %[to], %[to], %[group]\n"
        "vs8r.v v16, (%[to])\n addi %[to], %[to], %[group]\n"
        "vs8r.v v24, (%[to])\n"
        ".option pop\n"
        : [from] "+r"(before), [to] "+r"(to), [spins] "+r"(spins), [vl] "+r"(vl),
          [vtype] "=&r"(vtype), [vcsr] "+r"(vcsr)
        : [group] "i"(8 * VLENB)
        : "memory");
    after->vl = vl;
    after->vtype = vtype;
    after->vcsr = vcsr;
}

// Whether vectors survive `spins` rounds.
static int survive(unsigned seed, uint64_t spins)
{
    unsigned char before[STATE];
    struct vectors after;
    fill(before, seed);
    hold(before, &after, spins);
    return memcmp(before, after.registers, STATE) == 0 && after.vl == VL
        && after.vtype == VTYPE && after.vcsr == VCSR;
}

static volatile sig_atomic_t signals;
static volatile sig_atomic_t handler_failed;

// Interrupts a process that holds vectors, and overwrites them all.
static void use_vectors(int signal)
{
    signals++;
    if (!survive(0x5160000u + (unsigned)signal, 1))
        handler_failed = 1;
}

static long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

enum { ROUND = 200000, ENOUGH = 5 };

// Holds vectors until this process has been interrupted often enough by signals and by the other
// process. Returns whether they were always intact.
static int hold_while_disturbed(unsigned seed)
{
    struct itimerval timer = {{0, 3000}, {0, 3000}};
    int intact = 1;
    long before = switches();
    signal(SIGALRM, use_vectors);
    setitimer(ITIMER_REAL, &timer, NULL);
    while (intact && (signals < ENOUGH || switches() - before < ENOUGH))
        intact = survive(seed++, ROUND);
    timer = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    return intact && !handler_failed;
}

static void check_switches(void)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        // Both go on until each has lost the hart to the other often enough.
        _exit(hold_while_disturbed(1) ? 0 : 1);
    }
    // A signal handler and a second process use the same registers.
    int intact = 1;
    unsigned seed = 1000000;
    signal(SIGALRM, use_vectors);
    struct itimerval timer = {{0, 3000}, {0, 3000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    while (waitpid(child, &status, WNOHANG) == 0)
        intact &= survive(seed++, ROUND);
    timer = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("vectors across switches and signals %s\n",
           intact && status == 0 && signals > 0 && !handler_failed ? "ok" : "lost");
}

// --- Vector state seen by a debugger: struct __riscv_v_regset_state of <asm/ptrace.h>

enum { VECTOR_NOTE = 0x901 };

struct vector_note {
    uint64_t vstart, vl, vtype, vcsr, vlenb;
    unsigned char registers[STATE];
};

// Loads the vectors, stops, and says whether the debugger's change has arrived.
static int debugged(const unsigned char *before, const unsigned char *changed)
{
    unsigned char after[STATE];
    unsigned char *to = after;
    uint64_t vl = VL;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    __asm__ volatile(
        ".option push\n"
        ".option arch, +v\n"
        "vl8re8.v v0, (%[from])\n addi %[from], %[from], %[group]\n"
        "vl8re8.v v8, (%[from])\n addi %[from], %[from], %[group]\n"
        "vl8re8.v v16, (%[from])\n addi %[from], %[from], %[group]\n"
        "vl8re8.v v24, (%[from])\n"
        "vsetvli x0, %[vl], e16, m2, tu, mu\n"
        ".option norvc\n"
        "ebreak\n" // the debugger goes on behind these four bytes
        "vs8r.v v0, (%[to])\n addi %[to], %[to], %[group]\n"
        "vs8r.v v8, (%[to])\n addi %[to], %[to], %[group]\n"
        "vs8r.v v16, (%[to])\n addi %[to], %[to], %[group]\n"
        "vs8r.v v24, (%[to])\n"
        ".option pop\n"
        : [from] "+r"(before), [to] "+r"(to)
        : [vl] "r"(vl), [group] "i"(8 * VLENB)
        : "memory");
    return memcmp(after, changed, STATE) == 0;
}

static void skip_breakpoint(pid_t child)
{
    uint64_t registers[32]; // pc first: struct user_regs_struct
    struct iovec part = {registers, sizeof registers};
    ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &part);
    registers[0] += 4;
    ptrace(PTRACE_SETREGSET, child, NT_PRSTATUS, &part);
}

static void check_debugger(void)
{
    unsigned char before[STATE], changed[STATE];
    struct vector_note note;
    struct iovec part = {&note, sizeof note};
    int status;
    fill(before, 77);
    fill(changed, 78);
    pid_t child = fork();
    if (child == 0)
        _exit(debugged(before, changed) ? 0 : 1);
    waitpid(child, &status, 0);
    int stopped = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    int seen = ptrace(PTRACE_GETREGSET, child, VECTOR_NOTE, &part) == 0 && note.vl == VL
        && note.vtype == VTYPE && note.vlenb == VLENB
        && memcmp(note.registers, before, STATE) == 0;
    memcpy(note.registers, changed, STATE);
    int set = ptrace(PTRACE_SETREGSET, child, VECTOR_NOTE, &part) == 0;
    skip_breakpoint(child);
    ptrace(PTRACE_CONT, child, NULL, NULL);
    waitpid(child, &status, 0);
    printf("vectors in a debugger %s\n", stopped && seen && set && status == 0 ? "ok" : "wrong");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "extensions") == 0) {
        print_isa();
        print_hwprobe();
    } else if (argc == 2 && strcmp(argv[1], "blocks") == 0) {
        check_cache_blocks();
    } else if (argc == 2 && strcmp(argv[1], "vectors") == 0) {
        check_switches();
        check_debugger();
    } else {
        fputs("usage: profile extensions|blocks|vectors\n", stderr);
        return 2;
    }
    return 0;
}
