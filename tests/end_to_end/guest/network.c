// Sockets as programs use them. Each mode prints what it saw.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_storage address;
static socklen_t address_length;

static void resolve(const char *ip, const char *port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(atoi(port));
        address_length = sizeof *v4;
    } else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(atoi(port));
        address_length = sizeof *v6;
    } else {
        printf("%s is not an address\n", ip);
        exit(2);
    }
}

static int fail(const char *what)
{
    printf("%s: %s\n", what, strerrorname_np(errno));
    return 1;
}

static int connected(void)
{
    int fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (void *)&address, address_length) < 0) {
        exit(fail("connect"));
    }
    return fd;
}

// As many bytes as there are up to the end.
static long read_all(int fd)
{
    char buffer[65536];
    long total = 0, count;
    while ((count = read(fd, buffer, sizeof buffer)) > 0) {
        total += count;
    }
    return count < 0 ? -1 : total;
}

// N connections that are open together, each echoed.
static int many(int n)
{
    int *fds = calloc(n, sizeof *fds);
    for (int i = 0; i < n; i++) {
        fds[i] = connected();
        if (write(fds[i], &i, sizeof i) != sizeof i) {
            return fail("write");
        }
    }
    for (int i = n - 1; i >= 0; i--) {
        int back;
        if (read(fds[i], &back, sizeof back) != sizeof back || back != i) {
            return fail("read");
        }
        close(fds[i]);
    }
    printf("%d echoed\n", n);
    return 0;
}

// A datagram that is echoed.
static int datagram(int size)
{
    static char sent[70000], back[70000];
    struct timeval limit = { .tv_sec = 20 };
    int fd = socket(address.ss_family, SOCK_DGRAM, 0);
    for (int i = 0; i < size; i++) {
        sent[i] = i * 7;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (sendto(fd, sent, size, 0, (void *)&address, address_length) != size) {
        return fail("sendto");
    }
    struct sockaddr_storage from;
    socklen_t from_length = sizeof from;
    int count = recvfrom(fd, back, sizeof back, 0, (void *)&from, &from_length);
    if (count < 0) {
        return fail("recvfrom");
    }
    int same = count == size && !memcmp(sent, back, size)
        && from_length == address_length && !memcmp(&from, &address, from_length);
    printf("%d bytes, %s\n", count, same ? "the same from the same" : "others");
    return !same;
}

// Sends, ends its side, and reads what comes then.
static int half_close(void)
{
    int fd = connected();
    if (write(fd, "all", 3) != 3 || shutdown(fd, SHUT_WR) < 0) {
        return fail("write");
    }
    printf("%ld bytes after the end\n", read_all(fd));
    return 0;
}

// What becomes of a connection that the other side resets.
static int reset(void)
{
    char byte;
    int fd = connected();
    if (write(fd, "x", 1) != 1) {
        return fail("write");
    }
    return read(fd, &byte, 1) < 0 ? fail("read") : printf("an end\n") < 0;
}

// Sends and is gone.
static int send_and_exit(int size)
{
    static char bytes[6000000];
    int fd = connected();
    return write(fd, bytes, size) == size ? 0 : fail("write");
}

// A question for the address a.test over TCP: how many answers there are.
static int dns_over_tcp(void)
{
    static const char question[] = "\0\x18\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1";
    unsigned char answer[512];
    int fd = connected();
    if (write(fd, question, sizeof question - 1) != sizeof question - 1) {
        return fail("write");
    }
    if (read(fd, answer, sizeof answer) < 14) {
        return fail("read");
    }
    printf("%d answers\n", answer[2 + 6] << 8 | answer[2 + 7]);
    return 0;
}

// Writes until nobody takes it, and reads what was said before.
static int answer_before_the_end(void)
{
    static char bytes[65536];
    int fd = connected();
    signal(SIGPIPE, SIG_IGN);
    while (write(fd, bytes, sizeof bytes) > 0) {
    }
    long count = read(fd, bytes, sizeof bytes);
    printf("%.*s\n", count < 0 ? 0 : (int)count, bytes);
    return 0;
}

// The port that the kernel chose.
static int local(void)
{
    struct sockaddr_in own;
    socklen_t length = sizeof own;
    int fd = connected();
    getsockname(fd, (void *)&own, &length);
    printf("%d\n", ntohs(own.sin_port));
    return 0;
}

// Echoes connections and datagrams until its standard input ends.
static int echo(const char *port)
{
    static char buffer[70000];
    struct pollfd fds[1100];
    int count = 3, one = 1;
    resolve("0.0.0.0", port);
    int listener = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, address_length) < 0 || listen(listener, 1000) < 0
        || bind(datagrams, (void *)&address, address_length) < 0) {
        return fail("bind");
    }
    fds[0] = (struct pollfd) { .fd = 0, .events = POLLIN };
    fds[1] = (struct pollfd) { .fd = listener, .events = POLLIN };
    fds[2] = (struct pollfd) { .fd = datagrams, .events = POLLIN };
    printf("ready\n");
    fflush(stdout);
    while (poll(fds, count, -1) > 0) {
        if (fds[0].revents) {
            return 0;
        }
        if (fds[1].revents && count < 1100) {
            fds[count++] = (struct pollfd) { .fd = accept(listener, 0, 0), .events = POLLIN };
        }
        if (fds[2].revents) {
            struct sockaddr_in from;
            socklen_t length = sizeof from;
            int size = recvfrom(datagrams, buffer, sizeof buffer, 0, (void *)&from, &length);
            sendto(datagrams, buffer, size, 0, (void *)&from, length);
        }
        for (int i = 3; i < count; i++) {
            if (!fds[i].revents) {
                continue;
            }
            int size = read(fds[i].fd, buffer, 60000);
            if (size <= 0 || write(fds[i].fd, buffer, size) != size) {
                close(fds[i].fd);
                fds[i--] = fds[--count];
            }
        }
    }
    return fail("poll");
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "echo")) {
        return echo(argv[2]);
    }
    if (argc < 4) {
        return 2;
    }
    resolve(argv[2], argv[3]);
    int number = argc > 4 ? atoi(argv[4]) : 0;
    if (!strcmp(argv[1], "connect")) {
        connected();
        return printf("connected\n") < 0;
    }
    if (!strcmp(argv[1], "many")) return many(number);
    if (!strcmp(argv[1], "datagram")) return datagram(number);
    if (!strcmp(argv[1], "half-close")) return half_close();
    if (!strcmp(argv[1], "reset")) return reset();
    if (!strcmp(argv[1], "dns-over-tcp")) return dns_over_tcp();
    if (!strcmp(argv[1], "answer")) return answer_before_the_end();
    if (!strcmp(argv[1], "send")) return send_and_exit(number);
    if (!strcmp(argv[1], "local")) return local();
    return 2;
}
