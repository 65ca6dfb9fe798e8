/* Portable CPU/syscall benchmark: bench <test> [n].  Prints one line:
   RES test=<t> n=<n> chk=<hex> ms=<guest-clock ms> inst=<rdinstret delta or 0> */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

static sigjmp_buf jb;

static void ill(int s) {
    (void)s;
    siglongjmp(jb, 1);
}

static uint64_t instret(void) {
#if defined(__riscv)
    static int bad = 0;
    uint64_t v = 0;
    if (bad)
        return 0;
    if (sigsetjmp(jb, 1)) {
        bad = 1;
        return 0;
    }
    signal(SIGILL, ill);
    asm volatile("rdinstret %0" : "=r"(v));
    signal(SIGILL, SIG_DFL);
    return v;
#else
    return 0;
#endif
}

/* ---- integer loop: mix of list walk, matrix, state machine, crc (CoreMark-like), all in L1 ----
 */
static uint16_t crc16(uint16_t c, uint16_t d) {
    for (int i = 0; i < 16; i++) {
        c = ((c ^ d) & 1) ? (uint16_t)((c >> 1) ^ 0xa001) : (uint16_t)(c >> 1);
        d >>= 1;
    }
    return c;
}

struct node {
    struct node *next;
    int16_t v, idx;
};

static uint64_t t_int(long n) {
    enum { N = 24, L = 128 };

    static int32_t A[N][N], B[N][N], C[N][N];
    static struct node nd[L];
    uint32_t x = 12345;
    uint16_t crc = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            x = x * 1664525u + 1013904223u;
            A[i][j] = (int16_t)(x >> 16);
            x = x * 1664525u + 1013904223u;
            B[i][j] = (int16_t)(x >> 16);
        }
    for (int i = 0; i < L; i++) {
        x = x * 1664525u + 1013904223u;
        nd[i].v = (int16_t)(x >> 18);
        nd[i].idx = (int16_t)i;
        nd[i].next = i + 1 < L ? &nd[i + 1] : 0;
    }
    struct node *h = &nd[0];
    static const char *num[8] = {"5012",     "-874", "+122.5", "1.1e-10",
                                 "T0.3e-1F", "0x7a", "99.",    "-.5e+3"};
    for (long it = 0; it < n; it++) {
        /* list: find, reverse */
        struct node *p = 0, *q = h;
        int s = 0;
        while (q) {
            if (q->v > (int)(it & 0xfff))
                s += q->v;
            else
                s ^= q->idx;
            struct node *t = q->next;
            q->next = p;
            p = q;
            q = t;
        }
        h = p;
        crc = crc16(crc, (uint16_t)s);
        /* matrix */
        if ((it & 3) == 0) {
            for (int i = 0; i < N; i++)
                for (int j = 0; j < N; j++) {
                    int32_t a = 0;
                    for (int k = 0; k < N; k++)
                        a += A[i][k] * B[k][j];
                    C[i][j] = a;
                }
            int32_t m = 0;
            for (int i = 0; i < N; i++)
                for (int j = 0; j < N; j++)
                    m = (m << 1 | (uint32_t)m >> 31) ^ (C[i][j] >> 3);
            crc = crc16(crc, (uint16_t)m);
            crc = crc16(crc, (uint16_t)(m >> 16));
            A[it % N][(it >> 2) % N] ^= (int16_t)crc;
        }
        /* state machine */
        int cnt[6] = {0};
        for (int r = 0; r < 16; r++) {
            const char *c = num[(r + it) & 7];
            int st = 0;
            for (; *c; c++) {
                switch (st) {
                case 0:
                    if (*c >= '0' && *c <= '9')
                        st = 1;
                    else if (*c == '+' || *c == '-')
                        st = 2;
                    else if (*c == '.')
                        st = 3;
                    else
                        st = 5;
                    break;
                case 1:
                    if (*c == '.')
                        st = 3;
                    else if (*c == 'e' || *c == 'E')
                        st = 4;
                    else if (*c < '0' || *c > '9')
                        st = 5;
                    break;
                case 2:
                    if (*c >= '0' && *c <= '9')
                        st = 1;
                    else if (*c == '.')
                        st = 3;
                    else
                        st = 5;
                    break;
                case 3:
                    if (*c == 'e' || *c == 'E')
                        st = 4;
                    else if (*c < '0' || *c > '9')
                        st = 5;
                    break;
                case 4:
                    if (*c == '+' || *c == '-' || (*c >= '0' && *c <= '9'))
                        st = 1;
                    else
                        st = 5;
                    break;
                default:
                    break;
                }
            }
            cnt[st]++;
        }
        for (int i = 0; i < 6; i++)
            crc = crc16(crc, (uint16_t)cnt[i]);
    }
    return crc;
}

/* ---- plain sha256 ---- */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
#define RR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))

static void sha_blk(uint32_t *h, const uint8_t *p) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (RR(a, 7) ^ RR(a, 18) ^ (a >> 3)) + w[i - 7] +
               (RR(b, 17) ^ RR(b, 19) ^ (b >> 10));
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = k + (RR(e, 6) ^ RR(e, 11) ^ RR(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i],
                 t2 = (RR(a, 2) ^ RR(a, 13) ^ RR(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        k = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += k;
}

static uint64_t t_sha(long mb) {
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    static uint8_t z[65536];
    for (long i = 0; i < mb * 16; i++)
        for (int j = 0; j < 65536; j += 64)
            sha_blk(h, z + j);
    uint8_t l[64] = {0x80};
    uint64_t bits = (uint64_t)mb << 23;
    for (int i = 0; i < 8; i++)
        l[63 - i] = (uint8_t)(bits >> (8 * i));
    sha_blk(h, l);
    return (uint64_t)h[0] << 32 | h[1];
}

/* ---- memory: random pointer chase over n MB, tests soft-TLB ---- */
static uint64_t t_mem(long n) {
    size_t w = (size_t)8 << 20;
    uint32_t cnt = (uint32_t)(w / 8);
    uint64_t *a = mmap(0, w, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (uint32_t i = 0; i < cnt; i++)
        a[i] = i;
    uint64_t x = 88172645463325252ull;
    for (uint32_t i = cnt - 1; i > 0; i--) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        uint32_t j = (uint32_t)(x % i);
        uint64_t t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
    uint64_t p = 0;
    for (long i = 0; i < n; i++)
        p = a[p];
    munmap(a, w);
    return p;
}

/* ---- double FP ---- */
static uint64_t t_fp(long n) {
    double x = 0.5, y = 0.25, s = 0;
    for (long i = 0; i < n; i++) {
        x = 3.9 * x * (1 - x);
        y = y * 0.99 + x * 0.01;
        s += y / (1.0 + x * x);
    }
    return (uint64_t)(s * 1e6);
}

static uint64_t t_sys(long n) {
    uint64_t s = 0;
    for (long i = 0; i < n; i++)
        s += (uint64_t)syscall(SYS_getppid);
    return s ? 1 : 0;
}

static uint64_t t_fork(long n, const char *prog) {
    int bad = 0;
    for (long i = 0; i < n; i++) {
        pid_t p = fork();
        if (p == 0) {
            execl(prog, "true", (char *)0);
            _exit(127);
        }
        int st;
        waitpid(p, &st, 0);
        bad += st != 0;
    }
    return (uint64_t)bad;
}

static uint64_t t_gen(long mb) { /* compressible text-like data to stdout */
    uint32_t x = 1;
    static char b[65536];
    static const char *w[16] = {"the ",   "quick ",      "brown ", "fox ",     "jumps ",  "over ",
                                "lazy ",  "dog ",        "riscv ", "wasm ",    "kernel ", "page ",
                                "fault ", "0x80000000 ", "\n",     "emulator "};
    for (long i = 0; i < mb * 16; i++) {
        int k = 0;
        while (k < 65536 - 16) {
            x = x * 1664525u + 1013904223u;
            const char *s = w[x >> 28];
            while (*s)
                b[k++] = *s++;
            if ((x >> 20 & 15) == 0) {
                b[k++] = (char)('a' + (x >> 8) % 26);
                b[k++] = (char)('0' + (x >> 4) % 10);
            }
        }
        while (k < 65536)
            b[k++] = ' ';
        if (write(1, b, 65536) != 65536)
            return 1;
    }
    return 0;
}

int main(int c, char **v) {
    setvbuf(stdout, 0, _IOLBF, 0);
    if (c < 2) {
        fprintf(stderr, "bench int|sha|mem|fp|sys|fork|gen [n] [prog] | run LABEL prog args..\n");
        return 2;
    }
    const char *t = v[1];
    long n = c > 2 ? atol(v[2]) : 0;
    uint64_t r = 0;
    if (!strcmp(t, "gen")) {
        return (int)t_gen(n ? n : 20);
    }
    uint64_t i0 = instret();
    double a = now();
    if (!strcmp(t, "run")) { /* bench run LABEL prog args... : time + count a child (rdinstret is
                                machine-wide in the guest) */
        pid_t p = fork();
        if (p == 0) {
            execvp(v[3], v + 3);
            _exit(127);
        }
        int st;
        waitpid(p, &st, 0);
        t = v[2];
        n = st;
        r = 0;
    } else if (!strcmp(t, "int"))
        r = t_int(n = n ? n : 20000);
    else if (!strcmp(t, "sha"))
        r = t_sha(n = n ? n : 64);
    else if (!strcmp(t, "mem"))
        r = t_mem(n = n ? n : 5000000);
    else if (!strcmp(t, "fp"))
        r = t_fp(n = n ? n : 5000000);
    else if (!strcmp(t, "sys"))
        r = t_sys(n = n ? n : 1000000);
    else if (!strcmp(t, "fork"))
        r = t_fork(n = n ? n : 200, c > 3 ? v[3] : "/bin/true");
    else
        return 2;
    double b = now();
    uint64_t i1 = instret();
    printf("RES test=%s n=%ld chk=%llx ms=%.1f inst=%llu\n", t, n, (unsigned long long)r, b - a,
           (unsigned long long)(i1 - i0));
    return 0;
}
