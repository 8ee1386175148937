// SPDX-License-Identifier: Apache-2.0
/*
 * What single operations of a container's start cost on this machine: the figures behind the
 * decisions in docs/architecture.md. tests/bench/levers compiles and runs it.
 *
 *	levers CGROUP [NAME COMMAND]...
 *
 * CGROUP is a directory of the cgroup v2 tree to make cgroups in; each COMMAND (a path) is timed
 * from spawn to exit. Prints a row "name | median in us" a case.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

#define ROUNDS   200
#define MAX_PATH 256

extern char **environ;

/* Everything a case may need. */
struct setting {
	const char *cgroup;
	const char *command;
};

static void must(long result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	_exit(1);
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_median(const char *name, double *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), compare);
	printf("| %s | %.0f |\n", name, values[ROUNDS / 2]);
	fflush(stdout);
}

static void await(pid_t pid)
{
	int status;
	must(waitpid(pid, &status, 0), "waitpid");
	if (status != 0)
		must(-1, "a child failed");
}

static pid_t clone_with(uint64_t flags, int cgroup)
{
	struct clone_args args = {
	    .flags = flags, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static void clone_and_exit(uint64_t flags)
{
	pid_t pid = clone_with(flags, 0);
	must(pid, "clone3");
	if (pid == 0)
		_exit(0);
	await(pid);
}

static void spawn_command(const struct setting *s)
{
	char *argv[] = {(char *)s->command, NULL};
	pid_t pid;
	if (posix_spawn(&pid, s->command, NULL, NULL, argv, environ) != 0)
		must(-1, s->command);
	await(pid);
}

#define CLONE_CASE(name, flags)                                                                    \
	static void name(const struct setting *s)                                                  \
	{                                                                                          \
		(void)s;                                                                           \
		clone_and_exit(flags);                                                             \
	}

#define ALL_NAMESPACES                                                                             \
	(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP)

CLONE_CASE(clone_plain, 0)
CLONE_CASE(clone_pid, CLONE_NEWPID)
CLONE_CASE(clone_net, CLONE_NEWNET)
CLONE_CASE(clone_ipc, CLONE_NEWIPC)
CLONE_CASE(clone_uts, CLONE_NEWUTS)
CLONE_CASE(clone_mount, CLONE_NEWNS)
CLONE_CASE(clone_cgroup, CLONE_NEWCGROUP)
CLONE_CASE(clone_all, ALL_NAMESPACES)

static int make_cgroup(const struct setting *s, char path[MAX_PATH])
{
	snprintf(path, MAX_PATH, "%s/levers-%d", s->cgroup, getpid());
	must(mkdir(path, 0755), path);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(fd, path);
	return fd;
}

static void remove_cgroup(const char *path, int fd)
{
	close(fd);
	must(rmdir(path), path);
}

static void cgroup_make_remove(const struct setting *s)
{
	char path[MAX_PATH];
	remove_cgroup(path, make_cgroup(s, path));
}

static void cgroup_born_in(const struct setting *s)
{
	char path[MAX_PATH];
	int fd = make_cgroup(s, path);
	pid_t pid = clone_with(CLONE_INTO_CGROUP, fd);
	must(pid, "clone3");
	if (pid == 0)
		_exit(0);
	await(pid);
	remove_cgroup(path, fd);
}

static void cgroup_moved_in(const struct setting *s)
{
	char path[MAX_PATH];
	int fd = make_cgroup(s, path);
	pid_t pid = clone_with(0, 0);
	must(pid, "clone3");
	if (pid == 0) {
		int procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
		must(write(procs, "0", 1), "cgroup.procs");
		_exit(0);
	}
	await(pid);
	remove_cgroup(path, fd);
}

static void seal_copy(size_t size)
{
	static char image[1 << 20];
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	must(fd, "memfd_create");
	must(write(fd, image, size), "write");
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
	     "seal");
	close(fd);
}

static void seal_64k(const struct setting *s)
{
	(void)s;
	seal_copy(64 << 10);
}

static void seal_1m(const struct setting *s)
{
	(void)s;
	seal_copy(1 << 20);
}

static void tmpfs_by_mount(const struct setting *s)
{
	(void)s;
	must(mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), "mount");
	must(umount2("/mnt", MNT_DETACH), "umount");
}

static void tmpfs_by_fsopen(const struct setting *s)
{
	(void)s;
	int context = (int)syscall(SYS_fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */);
	must(context, "fsopen");
	must(syscall(SYS_fsconfig, context, 1 /* FSCONFIG_SET_STRING */, "mode", "755", 0),
	     "fsconfig");
	must(syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0), "create");
	int fd =
	    (int)syscall(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 2 | 4 /* nosuid, nodev */);
	must(fd, "fsmount");
	must(syscall(SYS_move_mount, fd, "", AT_FDCWD, "/mnt", 4 /* MOVE_MOUNT_F_EMPTY_PATH */),
	     "move_mount");
	close(fd);
	close(context);
	must(umount2("/mnt", MNT_DETACH), "umount");
}

static void bind_by_mount(const struct setting *s)
{
	(void)s;
	must(mount("/dev/null", "/proc/version", NULL, MS_BIND, NULL), "bind");
	must(umount2("/proc/version", MNT_DETACH), "umount");
}

static void bind_by_open_tree(const struct setting *s)
{
	(void)s;
	int fd =
	    (int)syscall(SYS_open_tree, AT_FDCWD, "/dev/null", 1 | O_CLOEXEC /* OPEN_TREE_CLONE */);
	must(fd, "open_tree");
	must(syscall(SYS_move_mount, fd, "", AT_FDCWD, "/proc/version", 4), "move_mount");
	close(fd);
	must(umount2("/proc/version", MNT_DETACH), "umount");
}

static const struct {
	const char *name;
	void (*run)(const struct setting *s);
} cases[] = {
    {"clone3, exit, wait: no namespace",                             clone_plain       },
    {"the same with a pid namespace",                                clone_pid         },
    {"... network",						  clone_net         },
    {"... ipc",						      clone_ipc         },
    {"... uts",						      clone_uts         },
    {"... mount",						    clone_mount       },
    {"... cgroup",						   clone_cgroup      },
    {"... all six",						  clone_all         },
    {"cgroup: mkdir, rmdir",					 cgroup_make_remove},
    {"cgroup: mkdir, a child born in it (CLONE_INTO_CGROUP), rmdir", cgroup_born_in    },
    {"cgroup: mkdir, a child that writes cgroup.procs, rmdir",       cgroup_moved_in   },
    {"sealed memfd with a copy of 64 KiB",                           seal_64k          },
    {"sealed memfd with a copy of 1 MiB",                            seal_1m           },
    {"tmpfs by mount(2), umount",				    tmpfs_by_mount    },
    {"tmpfs by fsopen, fsconfig, fsmount, move_mount, umount",       tmpfs_by_fsopen   },
    {"bind of /dev/null by mount(2), umount",                        bind_by_mount     },
    {"bind of /dev/null by open_tree, move_mount, umount",           bind_by_open_tree },
};

static void measure(const char *name, void (*run)(const struct setting *), const struct setting *s)
{
	static double values[ROUNDS];
	for (int i = -5; i < ROUNDS; i++) {
		double began = now_us();
		run(s);
		if (i >= 0)
			values[i] = now_us() - began;
	}
	print_median(name, values);
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc % 2 != 0) {
		fprintf(stderr, "usage: levers CGROUP [NAME COMMAND]...\n");
		return 2;
	}
	must(unshare(CLONE_NEWNS), "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
	struct setting setting = {.cgroup = argv[1]};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		measure(cases[i].name, cases[i].run, &setting);
	for (int i = 2; i < argc; i += 2) {
		setting.command = argv[i + 1];
		measure(argv[i], spawn_command, &setting);
	}
	return 0;
}
