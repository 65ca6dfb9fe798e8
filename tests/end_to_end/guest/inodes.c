/* Inode numbers of the container's root, of the image's files and of new ones: one device, the same
 * number in a directory as in stat(2), below 2^32, and still the same after files were changed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MOST 256

struct seen { char *path; ino_t number; };
static struct seen seen[MOST];
static int count;
static dev_t device;

static void fail(const char *what, const char *path)
{
	printf("%s: %s\n", path, what);
	exit(1);
}

/* What the container runtime mounts over the root. */
static int is_mount(const char *path)
{
	static const char *const mounts[] = {
		"/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
	};
	for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++)
		if (!strcmp(path, mounts[i]))
			return 1;
	return 0;
}

static struct stat look(const char *path)
{
	struct stat stat;
	if (lstat(path, &stat))
		fail(strerror(errno), path);
	return stat;
}

static void visit(const char *directory, ino_t parent);

static void entry(const char *directory, const struct dirent *entry, ino_t own, ino_t parent)
{
	char path[PATH_MAX];
	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) {
		if (entry->d_ino != (entry->d_name[1] ? parent : own))
			fail("another number for . or ..", directory);
		return;
	}
	snprintf(path, sizeof path, "%s/%s", strcmp(directory, "/") ? directory : "", entry->d_name);
	if (is_mount(path))
		return;
	struct stat stat = look(path);
	if (stat.st_dev != device)
		fail("another device", path);
	if (stat.st_ino != entry->d_ino)
		fail("another number in its directory", path);
	if (stat.st_ino >> 32)
		fail("a number of more than 32 bits", path);
	for (int i = 0; i < count; i++)
		if (seen[i].number == stat.st_ino && (stat.st_nlink < 2 || S_ISDIR(stat.st_mode)))
			fail("the number of another file", path);
	if (count == MOST)
		fail("too many files", path);
	seen[count++] = (struct seen){ strdup(path), stat.st_ino };
	if (S_ISDIR(stat.st_mode))
		visit(path, own);
}

static void visit(const char *directory, ino_t parent)
{
	struct dirent *next;
	ino_t own = look(directory).st_ino;
	DIR *open = opendir(directory);
	if (!open)
		fail(strerror(errno), directory);
	while ((next = readdir(open)))
		entry(directory, next, own, parent);
	closedir(open);
}

static void walk(void)
{
	count = 0;
	visit("/", look("/").st_ino);
}

static void append(const char *path)
{
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (file < 0 || write(file, "more\n", 5) != 5)
		fail(strerror(errno), path);
	close(file);
}

/* Writes to the image's files and directories, each in another way. */
static void change(void)
{
	append("/written");
	append("/first-link");
	append("/folder/new");
	if (chmod("/folder/inside", 0600) || rename("/moved", "/folder/moved") ||
	    link("/linked", "/new-link") || mkdir("/made", 0755) || unlink("/removed"))
		fail(strerror(errno), "changing the image's files");
	append("/made/new");
}

static void same_as(const struct seen *before, const char *path)
{
	if (look(path).st_ino != before->number)
		fail("another number after a change", path);
}

/* The program's mapping and the root's mount say which device and file they are of. */
static void in_proc(const char *program)
{
	char line[1024];
	unsigned major, minor;
	unsigned long number;
	struct stat stat = look(program);
	FILE *maps = fopen("/proc/self/maps", "r"), *mounts = fopen("/proc/self/mountinfo", "r");
	if (!maps || !fgets(line, sizeof line, maps) ||
	    sscanf(line, "%*s %*s %*s %x:%x %lu", &major, &minor, &number) != 3)
		fail("no mapping", program);
	if (makedev(major, minor) != stat.st_dev || number != stat.st_ino)
		fail("another file in /proc/self/maps", program);
	while (mounts && fgets(line, sizeof line, mounts))
		if (strstr(line, " / / ") && sscanf(line, "%*s %*s %u:%u", &major, &minor) == 2)
			if (makedev(major, minor) == device)
				return;
	fail("another device in /proc/self/mountinfo", "/");
}

int main(int argc, char **argv)
{
	static struct seen before[MOST];
	(void)argc;
	device = look("/").st_dev;
	walk();
	printf("the image's files have numbers of their own\n");
	memcpy(before, seen, sizeof seen);
	int files = count;
	change();
	walk();
	for (int i = 0; i < files; i++)
		if (!strcmp(before[i].path, "/moved"))
			same_as(&before[i], "/folder/moved");
		else if (strcmp(before[i].path, "/removed"))
			same_as(&before[i], before[i].path);
	printf("they keep them\n");
	struct stat first = look("/first-link"), second = look("/second-link");
	if (first.st_ino != second.st_ino || second.st_size != first.st_size || second.st_nlink != 2)
		fail("not a link of /first-link any more", "/second-link");
	printf("hard links stay together\n");
	in_proc(argv[0]);
	printf("/proc says the same\n");
	return 0;
}
