/* System calls and files that programs ask a kernel for, each used once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* <asm-generic/unistd.h>, <linux/landlock.h> and <linux/mman.h>, of newer kernels than the compiler's. */
#define LANDLOCK_CREATE_RULESET 444
#define LANDLOCK_RESTRICT_SELF 446
#define MEMFD_SECRET 447
#define CACHESTAT 451
#define LANDLOCK_VERSION 1
#define LANDLOCK_WRITE_FILE 2

struct cache_range { __u64 offset, length; };
struct cache_stat { __u64 cached, dirty, written, evicted, recently_evicted; };

static void report(const char *what, int works)
{
	printf("%s: %s\n", what, works ? "yes" : strerror(errno));
}

static int secret(void)
{
	int file = syscall(MEMFD_SECRET, 0);
	if (file < 0 || ftruncate(file, 8192))
		return 0;
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		return 0;
	strcpy(memory, "secret");
	/* The kernel has no mapping of it, so that nobody reads it by another way. */
	char copy[8];
	struct iovec to = { copy, sizeof copy }, from = { memory, sizeof copy };
	int hidden = process_vm_readv(getpid(), &to, 1, &from, 1, 0) < 0 && errno == EFAULT;
	return hidden && !strcmp(memory, "secret") && !munmap(memory, 8192) && !close(file);
}

static int cached(void)
{
	struct cache_range all = { 0, 0 };
	struct cache_stat stat = { 0 };
	int file = open("/dev/shm/cached", O_RDWR | O_CREAT, 0600);
	if (file < 0 || write(file, "text", 4) != 4)
		return 0;
	return !syscall(CACHESTAT, file, &all, &stat, 0) && stat.cached == 1;
}

static int not_empty(const char *path)
{
	char text[64];
	int file = open(path, O_RDONLY);
	return file >= 0 && read(file, text, sizeof text) > 0;
}

/* Last: from here on this process cannot write to files. */
static int restricted(void)
{
	__u64 handled[1] = { LANDLOCK_WRITE_FILE };
	int rules = syscall(LANDLOCK_CREATE_RULESET, handled, sizeof handled, 0);
	if (rules < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(LANDLOCK_RESTRICT_SELF, rules, 0))
		return 0;
	return open("/dev/shm/cached", O_WRONLY) < 0 && errno == EACCES &&
	       open("/dev/shm/cached", O_RDONLY) >= 0;
}

int main(void)
{
	report("memfd_secret", secret());
	report("cachestat", cached());
	report("/proc/self/io", not_empty("/proc/self/io"));
	report("/proc/pressure", not_empty("/proc/pressure/cpu") && not_empty("/proc/pressure/memory"));
	report("memory blocks", not_empty("/sys/devices/system/memory/block_size_bytes"));
	printf("landlock: version %ld\n",
	       syscall(LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION));
	report("landlock", restricted());
	return 0;
}
