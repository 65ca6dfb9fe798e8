/* String functions and loops as they are written with vectors, on random bytes, against plain C:
   vectors ROUNDS. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__asm__(".option arch, +v");

#define LOOP __attribute__((noinline)) static

LOOP void copy(uint8_t *to, const uint8_t *from, size_t length) {
    __asm__ volatile(
        "1: vsetvli t0, %2, e8, m8, ta, ma\n"
        "vle8.v v0, (%1)\n"
        "add %1, %1, t0\n"
        "sub %2, %2, t0\n"
        "vse8.v v0, (%0)\n"
        "add %0, %0, t0\n"
        "bnez %2, 1b\n"
        : "+r"(to), "+r"(from), "+r"(length) : : "t0", "memory");
}

LOOP void fill(uint8_t *to, int byte, size_t length) {
    __asm__ volatile(
        "vsetvli t0, %1, e8, m8, ta, ma\n"
        "vmv.v.x v0, %2\n"
        "1: vse8.v v0, (%0)\n"
        "sub %1, %1, t0\n"
        "add %0, %0, t0\n"
        "vsetvli t0, %1, e8, m8, ta, ma\n"
        "bnez %1, 1b\n"
        : "+r"(to), "+r"(length) : "r"(byte) : "t0", "memory");
}

LOOP size_t length_of(const uint8_t *text) {
    const uint8_t *at = text;
    long found;
    __asm__ volatile(
        "1: vsetvli t0, x0, e8, m8, ta, ma\n"
        "vle8ff.v v8, (%0)\n"
        "csrr t0, vl\n"
        "vmseq.vi v0, v8, 0\n"
        "vfirst.m %1, v0\n"
        "add %0, %0, t0\n"
        "bltz %1, 1b\n"
        "sub %0, %0, t0\n"
        "add %0, %0, %1\n"
        : "+r"(at), "=&r"(found) : : "t0", "memory");
    return at - text;
}

LOOP const uint8_t *find(const uint8_t *in, int byte, size_t length) {
    long found;
    __asm__ volatile(
        "1: vsetvli t0, %2, e8, m4, ta, ma\n"
        "vle8ff.v v8, (%0)\n"
        "csrr t0, vl\n"
        "vmseq.vx v0, v8, %3\n"
        "vfirst.m %1, v0\n"
        "bgez %1, 2f\n"
        "add %0, %0, t0\n"
        "sub %2, %2, t0\n"
        "bnez %2, 1b\n"
        "li %0, 0\n"
        "li %1, 0\n"
        "2: add %0, %0, %1\n"
        : "+r"(in), "=&r"(found), "+r"(length) : "r"(byte) : "t0", "memory");
    return in;
}

/* Both end within as many bytes as there is a zero. */
LOOP int compare(const uint8_t *a, const uint8_t *b) {
    long found;
    __asm__ volatile(
        "1: vsetvli t0, x0, e8, m2, ta, ma\n"
        "vle8ff.v v8, (%0)\n"
        "vle8ff.v v16, (%1)\n"
        "csrr t0, vl\n"
        "vmseq.vi v0, v8, 0\n"
        "vmsne.vv v1, v8, v16\n"
        "vmor.mm v0, v0, v1\n"
        "vfirst.m %2, v0\n"
        "add %0, %0, t0\n"
        "add %1, %1, t0\n"
        "bltz %2, 1b\n"
        "sub %0, %0, t0\n"
        "sub %1, %1, t0\n"
        "add %0, %0, %2\n"
        "add %1, %1, %2\n"
        : "+r"(a), "+r"(b), "=&r"(found) : : "t0", "memory");
    return *a - *b;
}

/* The type is set outside of the loop. */
LOOP void scale(uint32_t *to, const uint32_t *from, size_t count, uint32_t factor) {
    __asm__ volatile(
        "vsetivli x0, 8, e32, m2, ta, ma\n"
        "1: vle32.v v8, (%1)\n"
        "vmul.vx v10, v8, %3\n"
        "vadd.vv v10, v10, v8\n"
        "vsrl.vi v12, v10, 3\n"
        "vxor.vv v10, v10, v12\n"
        "vminu.vv v10, v10, v12\n"
        "vse32.v v10, (%0)\n"
        "addi %0, %0, 32\n"
        "addi %1, %1, 32\n"
        "addi %2, %2, -8\n"
        "bnez %2, 1b\n"
        : "+r"(to), "+r"(from), "+r"(count) : "r"(factor) : "memory");
}

/* How many are between two numbers, and not negative. */
LOOP size_t between(const uint64_t *in, size_t count, uint64_t low, uint64_t high) {
    size_t all = 0, some;
    __asm__ volatile(
        "1: vsetvli t0, %1, e64, m4, ta, ma\n"
        "vle64.v v8, (%0)\n"
        "vmsltu.vx v0, v8, %4\n"
        "vmsgtu.vx v1, v8, %5\n"
        "vmnor.mm v0, v0, v1\n"
        "vmslt.vx v2, v8, x0\n"
        "vmandn.mm v0, v0, v2\n"
        "vcpop.m %2, v0\n"
        "add %3, %3, %2\n"
        "slli t1, t0, 3\n"
        "add %0, %0, t1\n"
        "sub %1, %1, t0\n"
        "bnez %1, 1b\n"
        : "+r"(in), "+r"(count), "=&r"(some), "+r"(all)
        : "r"(low), "r"(high)
        : "t0", "t1", "memory");
    return all;
}

#define SIZE 20000
static uint8_t a[SIZE], b[SIZE], c[SIZE];

static uint64_t next_random(void) {
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void expect(int holds, const char *what, long round) {
    if (!holds) {
        printf("%s is wrong in round %ld\n", what, round);
        exit(1);
    }
}

static void check_strings(size_t from, size_t to, size_t length, long round) {
    size_t zero = from + next_random() % length;
    a[zero] = 0;
    expect(length_of(a + from) == zero - from, "length", round);
    expect(find(a + from, 0, length) == a + zero, "find", round);
    if (zero > from)
        expect(!find(a + from, 0, zero - from), "find to the end", round);
    memcpy(c + to, a + from, length);
    expect(compare(a + from, c + to) == 0, "compare", round);
    size_t change = next_random() % length;
    c[to + change] ^= 1 + next_random() % 255;
    int same = change > zero - from;
    int expected = same ? 0 : a[from + change] - c[to + change];
    expect(compare(a + from, c + to) == expected, "compare what differs", round);
}

static void check_numbers(size_t from, size_t to, size_t count, long round) {
    uint32_t *in = (uint32_t *)(a + (from & ~7ul)), *out = (uint32_t *)(b + (to & ~7ul));
    scale(out, in, count, round);
    for (size_t i = 0; i < count; i++) {
        uint32_t sum = in[i] * (uint32_t)round + in[i], shifted = sum >> 3;
        uint32_t mixed = sum ^ shifted;
        expect(out[i] == (mixed < shifted ? mixed : shifted), "scale", round);
    }
    uint64_t *longs = (uint64_t *)in, low = next_random(), high = next_random();
    size_t expected = 0;
    for (size_t i = 0; i < count / 2; i++)
        expected += longs[i] >= low && longs[i] <= high && (int64_t)longs[i] >= 0;
    expect(between(longs, count / 2, low, high) == expected, "between", round);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 1;
    for (long round = 0; round < rounds; round++) {
        size_t from = next_random() % 5000, to = next_random() % 5000;
        size_t length = next_random() % (round % 7 ? 300 : 9000) + 1;
        for (size_t i = 0; i < length + 8; i++)
            a[from + i] = next_random() % 255 + 1;
        fill(b + to, (int)round, length + 8);
        for (size_t i = 0; i < length + 8; i++)
            expect(b[to + i] == (uint8_t)round, "fill", round);
        copy(b + to, a + from, length);
        expect(!memcmp(b + to, a + from, length), "copy", round);
        expect(b[to + length] == (uint8_t)round, "the end of copy", round);
        check_strings(from, to, length, round);
        size_t count = length / 8 & ~7ul;
        if (count > 0)
            check_numbers(from, to, count, round);
    }
    puts("vectors ok");
}
