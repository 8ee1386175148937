// SPDX-License-Identifier: Apache-2.0
/*
 * The least that a run of the default spec can cost: the system calls that no runtime can leave
 * out, and nothing else.
 *
 *	floor CGROUP ROOTFS COMMAND [ARGUMENT...]
 *
 * CGROUP is a directory that does not exist yet in the cgroup v2 tree, ROOTFS one with empty proc,
 * dev and sys. There is no config to read, no state to keep, no privilege to drop, no path to mask
 * and no error worth a word: what a runtime takes longer than this is its own work. mount(2) is
 * used where it takes fewer calls than the new mount API; the child is made in its cgroup, because
 * a write to cgroup.procs waits for an RCU grace period.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

struct floor_mount {
	const char *source, *target, *type, *data;
	unsigned long flags;
};

/* The mounts of the default spec, in its order. */
static const struct floor_mount mounts[] = {
    {"proc",   "proc",          "proc",    NULL,					0					   },
    {"tmpfs",  "dev",           "tmpfs",   "mode=755,size=65536k",                      MS_NOSUID | MS_STRICTATIME                  },
    {"devpts", "dev/pts",       "devpts",  "newinstance,ptmxmode=0666,mode=0620,gid=5",
     MS_NOSUID | MS_NOEXEC													  },
    {"shm",    "dev/shm",       "tmpfs",   "mode=1777,size=65536k",                     MS_NOSUID | MS_NOEXEC | MS_NODEV            },
    {"mqueue", "dev/mqueue",    "mqueue",  NULL,                                        MS_NOSUID | MS_NOEXEC | MS_NODEV            },
    {"sysfs",  "sys",           "sysfs",   NULL,					MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY},
    {"cgroup", "sys/fs/cgroup", "cgroup2", NULL,
     MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RELATIME | MS_RDONLY								     },
};

static const struct {
	const char *path;
	unsigned int major, minor;
} devices[] = {
    {"dev/null",    1, 3},
    {"dev/zero",    1, 5},
    {"dev/full",    1, 7},
    {"dev/random",  1, 8},
    {"dev/urandom", 1, 9},
    {"dev/tty",     5, 0},
};

static const struct {
	const char *path, *target;
} links[] = {
    {"dev/fd",     "/proc/self/fd"  },
    {"dev/stdin",  "/proc/self/fd/0"},
    {"dev/stdout", "/proc/self/fd/1"},
    {"dev/stderr", "/proc/self/fd/2"},
    {"dev/core",   "/proc/kcore"    },
    {"dev/ptmx",   "pts/ptmx"       },
};

static const char *const masked_files[] = {
    "proc/kcore",      "proc/keys",        "proc/latency_stats",
    "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
};

static const char *const masked_directories[] = {
    "proc/acpi",
    "proc/asound",
    "proc/scsi",
    "sys/firmware",
};

static const char *const read_only[] = {
    "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Ends the process, naming the call, unless result says that it went well. */
static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	_exit(125);
}

static void make_dev(void)
{
	for (size_t i = 0; i < COUNT(devices); i++)
		must(mknod(devices[i].path, S_IFCHR | 0666,
			   makedev(devices[i].major, devices[i].minor)),
		     devices[i].path);
	for (size_t i = 0; i < COUNT(links); i++)
		must(symlink(links[i].target, links[i].path), links[i].path);
	must(mkdir("dev/pts", 0755), "dev/pts");
	must(mkdir("dev/shm", 0755), "dev/shm");
	must(mkdir("dev/mqueue", 0755), "dev/mqueue");
}

static void mount_all(void)
{
	for (size_t i = 0; i < COUNT(mounts); i++) {
		const struct floor_mount *m = &mounts[i];
		must(mount(m->source, m->target, m->type, m->flags, m->data), m->target);
		if (i == 1)
			make_dev();
	}
}

/* A path that this kernel does not have is no error. */
static void must_if_there(int result, const char *what)
{
	if (result < 0 && errno != ENOENT)
		must(result, what);
}

static void mask_all(void)
{
	for (size_t i = 0; i < COUNT(masked_files); i++)
		must_if_there(mount("dev/null", masked_files[i], NULL, MS_BIND, NULL),
			      masked_files[i]);
	for (size_t i = 0; i < COUNT(masked_directories); i++)
		must_if_there(mount("tmpfs", masked_directories[i], "tmpfs", MS_RDONLY, NULL),
			      masked_directories[i]);
	for (size_t i = 0; i < COUNT(read_only); i++) {
		const char *path = read_only[i];
		must_if_there(mount(path, path, NULL, MS_BIND | MS_REC, NULL), path);
		must_if_there(mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
			      path);
	}
}

static void bring_lo_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(fd, "socket");
	must(ioctl(fd, SIOCSIFFLAGS, &request), "lo");
}

static void drop_privileges(void)
{
	const uint32_t kept = 1U << CAP_AUDIT_WRITE | 1U << CAP_KILL | 1U << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct sets[2] = {
	    {.effective = kept, .permitted = kept}
        };
	const struct rlimit files = {1024, 1024};
	must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap > 31 || !(kept & 1U << cap))
			must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "drop from the bounding set");
	must((int)syscall(SYS_capset, &header, sets), "capset");
	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
}

static void enter_root(const char *rootfs, bool whole)
{
	must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "make / a slave");
	must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind the root");
	must(chdir(rootfs), rootfs);
	umask(0);
	mount_all();
	umask(022);
	if (whole) {
		mask_all();
		bring_lo_up();
	}
	must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
	must(umount2(".", MNT_DETACH), "leave the old root");
	must(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
	     "make the root read-only");
	must(sethostname("floor", 5), "sethostname");
	if (whole)
		drop_privileges();
}

static pid_t clone_into(int cgroup)
{
	struct clone_args args = {
	    .flags = CLONE_INTO_CGROUP | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		     CLONE_NEWNS | CLONE_NEWCGROUP,
	    .exit_signal = SIGCHLD,
	    .cgroup = (uint64_t)cgroup,
	};
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char **argv)
{
	char *const environment[] = {
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	bool whole = argc > 1 && strcmp(argv[1], "--whole") == 0;
	argv += whole;
	if (argc - whole < 4) {
		fprintf(stderr, "usage: floor [--whole] CGROUP ROOTFS COMMAND [ARGUMENT...]\n");
		return 125;
	}
	must(mkdir(argv[1], 0755), argv[1]);
	int cgroup = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(cgroup, argv[1]);
	pid_t child = clone_into(cgroup);
	must(child, "clone3");
	if (child == 0) {
		enter_root(argv[2], whole);
		execve(argv[3], argv + 3, environment);
		perror(argv[3]);
		_exit(127);
	}
	int status;
	must(waitpid(child, &status, 0), "waitpid");
	must(rmdir(argv[1]), "rmdir");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
