// Code that changes while it is hot: written, copied, mapped and protected in every way that Linux
// has. Prints one line for each check, "ok" or what came of it instead.
// Static, for riscv64; built and run by ../translation.rs.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, RWX = PROT_READ | PROT_WRITE | PROT_EXEC, RX = PROT_READ | PROT_EXEC };

// Pages of the program itself. Only what stays in place is seen in training, so the checks run
// these as they are, and copies of them.
//   page_1, page_2  rounds -> the sum of as many constants: the second instruction has it
//   page_next       x -> x + 1
//   page_self       rounds, address -> adds 1 to the constant of the instruction there, executes
//                   `self_add`, again and again; the sum of the constants of `self_add`
//   straddle        -> 0x10000; the constant's upper half is in the page that follows
__asm__(
    ".pushsection .text.pages, \"ax\", @progbits\n"
    ".option push\n"
    ".option norelax\n"
    ".option norvc\n"
    ".macro summing constant\n"
    ".balign 4096\n"
    "page_\\constant:\n"
    "  li a1, 0\n"
    "1: addi a1, a1, \\constant\n"
    "  addi a0, a0, -1\n"
    "  bnez a0, 1b\n"
    "  mv a0, a1\n"
    "  ret\n"
    ".endm\n"
    "summing 1\n"
    "summing 2\n"
    ".balign 4096\n"
    "page_next:\n"
    "  addi a0, a0, 1\n"
    "  ret\n"
    ".balign 4096\n"
    "page_self:\n"
    "  li a2, 0\n"
    "  lui a4, 0x100\n"
    "1: lw a3, 0(a1)\n"
    "  add a3, a3, a4\n"
    "  sw a3, 0(a1)\n"
    "  fence.i\n"
    "self_add:\n"
    "  addi a2, a2, 0\n"
    "  addi a0, a0, -1\n"
    "  bnez a0, 1b\n"
    "  mv a0, a2\n"
    "  ret\n"
    ".balign 4096\n"
    "straddling:\n"
    ".skip 4096 - 8\n"
    ".option rvc\n"
    "straddle:\n"
    "  c.nop\n"
    "  .option norvc\n"
    "  li a1, 0\n"
    "  .2byte 0x0537, 1\n" // lui a0, 0x10
    "  .option rvc\n"
    "  c.add a0, a1\n"
    "  c.jr ra\n"
    ".balign 4096\n"
    ".option pop\n"
    ".popsection\n");

typedef long code(long, void *);

extern code page_1, page_2, page_next, page_self, straddle;
extern unsigned char self_add[], straddling[];

// addi a1, a1, constant
static uint32_t add(int constant)
{
    return (uint32_t)constant << 20 | 0x00058593;
}

static code *as_code(void *address)
{
    return (code *)address;
}

static void synchronise(void *page)
{
    __builtin___clear_cache((char *)page, (char *)page + PAGE);
}

static void copy(void *to, code *from)
{
    memcpy(to, (void *)from, PAGE);
    synchronise(to);
}

// Changes the constant of a copy of page_1 or page_2.
static void patch(void *page, int constant)
{
    ((uint32_t *)page)[1] = add(constant);
    synchronise(page);
}

static void *map(int pages, int protection)
{
    void *at = mmap(NULL, (size_t)pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return at;
}

static void protect(void *page, int protection)
{
    if (mprotect(page, PAGE, protection) != 0)
        perror("mprotect");
}

static void check(const char *name, long found, long wanted)
{
    if (found == wanted)
        printf("%s ok\n", name);
    else
        printf("%s: %ld instead of %ld\n", name, found, wanted);
}

enum { ROUNDS = 5000, TIMES = 40 };

static void check_in_place(void)
{
    uint32_t scratch = add(0);
    check("in place", page_1(ROUNDS, NULL) + page_2(ROUNDS, NULL), 3 * ROUNDS);
    long count = 0;
    for (int i = 0; i < ROUNDS; i++)
        count = page_next(count, NULL);
    check("called in place", count, ROUNDS);
    check("another's constant", page_self(ROUNDS / 5, &scratch), 0);
    long sum = 0;
    for (int i = 0; i < ROUNDS; i++)
        sum += straddle(0, NULL);
    check("on two pages", sum, ROUNDS * 0x10000L);
}

static void check_copied(void)
{
    void *page = map(1, RWX);
    long sum = 0;
    for (int i = 0; i < TIMES; i++) {
        copy(page, i % 2 ? page_2 : page_1);
        sum += as_code(page)(ROUNDS, NULL);
    }
    check("copied", sum, 3L * ROUNDS * TIMES / 2);
}

// To contents that are known, to others, and back.
static void check_patched(void)
{
    void *page = map(1, RWX);
    long sum = 0, wanted = 0;
    copy(page, page_1);
    for (int i = 0; i < TIMES; i++) {
        int constant = i % 5 + 1;
        patch(page, constant);
        sum += as_code(page)(ROUNDS, NULL);
        wanted += (long)constant * ROUNDS;
    }
    check("patched", sum, wanted);
}

// The loop is here, what it calls changes between two calls.
static void check_called(void)
{
    uint32_t *page = map(1, RWX);
    long sum = 0, wanted = 0;
    copy(page, page_next);
    for (int i = 0; i < TIMES * 1000; i++) {
        int constant = i / 1000 % 3 + 1;
        if (i % 1000 == 0) {
            page[0] = (uint32_t)constant << 20 | 0x00050513; // addi a0, a0, constant
            synchronise(page);
        }
        sum = as_code(page)(sum, NULL);
        wanted += constant;
    }
    check("called while patched", sum, wanted);
}

// A loop that changes an instruction of its own in each round.
static void check_self(void)
{
    unsigned char *page = map(1, RWX);
    unsigned char *changed = page + (self_add - (unsigned char *)page_self);
    long sum = 0, rounds = 1500;
    for (int i = 0; i < 5; i++) {
        copy(page, page_self);
        sum += as_code(page)(rounds, changed);
    }
    check("patching itself", sum, 5 * rounds * (rounds + 1) / 2);
}

static void check_straddling(void)
{
    unsigned char *pages = map(2, RWX);
    memcpy(pages, straddling, 2 * PAGE);
    code *call = as_code(pages + ((unsigned char *)straddle - straddling));
    long sum = 0, wanted = 0;
    for (int i = 0; i < TIMES; i++) {
        uint16_t upper = (uint16_t)(i % 3 + 1);
        memcpy(pages + PAGE, &upper, sizeof upper);
        synchronise(pages + PAGE);
        for (int j = 0; j < 500; j++)
            sum += call(0, NULL);
        wanted += 500L * upper << 16;
    }
    check("second page patched", sum, wanted);
}

// Never writable and executable at once, as JIT compilers do.
static void check_protected(void)
{
    void *page = map(1, PROT_READ | PROT_WRITE);
    long sum = 0, wanted = 0;
    for (int i = 0; i < TIMES; i++) {
        int constant = i % 4 + 1;
        protect(page, PROT_READ | PROT_WRITE);
        if (i == 0)
            copy(page, page_1);
        patch(page, constant);
        protect(page, RX);
        sum += as_code(page)(ROUNDS, NULL);
        wanted += (long)constant * ROUNDS;
    }
    check("writable or executable", sum, wanted);
}

static sigjmp_buf after_signal;

static void jump_out(int signal)
{
    siglongjmp(after_signal, signal);
}

// Calls a page; -1 if that faults.
static long try_call(void *page)
{
    if (sigsetjmp(after_signal, 1) != 0)
        return -1;
    return as_code(page)(ROUNDS, NULL);
}

// The program's own page is taken away while its code is known to be hot, and given back.
static void check_refused(void)
{
    static const int NOT_EXECUTABLE[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
    void *page = map(1, RWX), *own = (void *)page_2;
    int wrong = 0;
    signal(SIGSEGV, jump_out);
    copy(page, page_1);
    for (int i = 0; i < TIMES; i++) {
        int protection = NOT_EXECUTABLE[i % 3];
        wrong += try_call(page) != ROUNDS || try_call(own) != 2 * ROUNDS;
        protect(page, protection);
        protect(own, protection);
        wrong += try_call(page) != -1 || try_call(own) != -1;
        protect(page, RX);
        protect(own, RX);
    }
    signal(SIGSEGV, SIG_DFL);
    check("not executable", wrong, 0);
}

// A file with page_1 and page_2.
static int file(void)
{
    int file = memfd_create("pages", 0);
    if (pwrite(file, (void *)page_1, PAGE, 0) != PAGE
        || pwrite(file, (void *)page_2, PAGE, PAGE) != PAGE)
        perror("memfd");
    return file;
}

// One page at two addresses: it is written at one and executed at the other.
static void check_aliased(void)
{
    int pages = file();
    void *written = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, pages, 0);
    void *executed = mmap(NULL, PAGE, RX, MAP_SHARED, pages, 0);
    long sum = 0, wanted = 0;
    for (int i = 0; i < TIMES; i++) {
        int constant = i % 3 + 1;
        patch(written, constant);
        synchronise(executed);
        sum += as_code(executed)(ROUNDS, NULL);
        wanted += (long)constant * ROUNDS;
    }
    check("written elsewhere", sum, wanted);
}

// One address with one page and then another.
static void check_remapped(void)
{
    int pages = file();
    void *at = map(1, PROT_NONE);
    long sum = 0;
    for (int i = 0; i < TIMES; i++) {
        mmap(at, PAGE, RX, MAP_SHARED | MAP_FIXED, pages, i % 2 ? PAGE : 0);
        synchronise(at);
        sum += as_code(at)(ROUNDS, NULL);
    }
    check("mapped anew", sum, 3L * ROUNDS * TIMES / 2);
}

// The kernel writes the page.
static void check_read(void)
{
    int pages = file();
    void *page = map(1, RWX);
    long sum = 0;
    for (int i = 0; i < TIMES; i++) {
        if (pread(pages, page, PAGE, i % 2 ? PAGE : 0) != PAGE)
            perror("pread");
        synchronise(page);
        sum += as_code(page)(ROUNDS, NULL);
    }
    check("read from a file", sum, 3L * ROUNDS * TIMES / 2);
}

// Parent and child have one page until one of them writes to it.
static void check_forked(void)
{
    void *page = map(1, RWX);
    int wrong = 0;
    for (int i = 0; i < 10; i++) {
        int status = -1;
        copy(page, i % 2 ? page_2 : page_1);
        pid_t child = fork();
        if (child == 0) {
            patch(page, 7);
            _exit(as_code(page)(ROUNDS, NULL) == 7 * ROUNDS ? 0 : 1);
        }
        wrong += as_code(page)(ROUNDS, NULL) != (i % 2 + 1) * ROUNDS;
        waitpid(child, &status, 0);
        wrong += status != 0 || as_code(page)(ROUNDS, NULL) != (i % 2 + 1) * ROUNDS;
    }
    check("forked", wrong, 0);
}

// The program's own page, privately written and then the file's again.
static void check_own(void)
{
    void *own = (void *)page_1;
    protect(own, RWX);
    patch(own, 9);
    long sum = page_1(ROUNDS, NULL);
    madvise(own, PAGE, MADV_DONTNEED);
    sum += page_1(ROUNDS, NULL);
    protect(own, RX);
    check("own page", sum, 10 * ROUNDS);
}

static jmp_buf bottom;

// Goes down, and comes back in one step every third time.
static __attribute__((noinline)) long descend(long depth, long value)
{
    if (depth == 0) {
        if (value % 3 == 0)
            longjmp(bottom, 1);
        return value;
    }
    long below = descend(depth - 1, value);
    __asm__ volatile("" : "+r"(below)); // so that it is no loop
    return below + 1;
}

static void check_unwound(void)
{
    volatile long returned = 0, jumped = 0;
    for (volatile long i = 0; i < 3000; i = i + 1) {
        if (setjmp(bottom) == 0)
            returned += descend(i % 300, i) - i;
        else
            jumped++;
    }
    long wanted = 0;
    for (long i = 0; i < 3000; i++)
        wanted += i % 3 ? i % 300 : 0;
    check("returned", returned, wanted);
    check("unwound", jumped, 1000);
}

static void *volatile signalled;
static volatile sig_atomic_t signals;

// Changes what has been interrupted.
static void rewrite(int signal)
{
    (void)signal;
    patch(signalled, ++signals % 2 ? 2 : 1);
}

// A signal's handler patches the loop that it came into; at least one round is of each kind.
static void check_signalled(void)
{
    struct itimerval timer = {{0, 1000}, {0, 1000}};
    void *page = map(1, RWX);
    long rounds = 0, sum = 0;
    copy(page, page_1);
    signalled = page;
    signal(SIGALRM, rewrite);
    setitimer(ITIMER_REAL, &timer, NULL);
    while (signals < 20) {
        sum += as_code(page)(ROUNDS, NULL);
        rounds += ROUNDS;
    }
    timer = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    check("patched by a signal's handler", rounds < sum && sum < 2 * rounds, 1);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    check_in_place();
    check_copied();
    check_patched();
    check_called();
    check_self();
    check_straddling();
    check_protected();
    check_refused();
    check_aliased();
    check_remapped();
    check_read();
    check_forked();
    check_own();
    check_unwound();
    check_signalled();
    return 0;
}
