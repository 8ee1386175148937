/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"
#include "base/sys.h"

/** A child that takes longer than this many seconds is stuck. */
#define CHILD_TIMEOUT 20

static const char *const rootfs_dirs[] = {"rootfs",     "rootfs/proc", "rootfs/sys", "rootfs/dev",
					  "rootfs/tmp", "rootfs/etc",  "canary"};

bool fixture_is_root(void)
{
	/* cmocka reports a skipped test as "not ok": a whole program that is left out is said in
	 * TAP's own way */
	if (geteuid() != 0)
		printf("1..0 # SKIP mounting needs root\n");
	return geteuid() == 0;
}

const char *fixture_path(struct fixture *fixture, const char *path)
{
	return arena_printf(&fixture->arena, "%s/%s", fixture->dir, path);
}

void fixture_file(struct fixture *fixture, const char *path, const char *content)
{
	auto_fd fd =
	    open(fixture_path(fixture, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, content, strlen(content)), 0);
}

void fixture_dir(struct fixture *fixture, const char *path, unsigned int mode)
{
	assert_int_equal(mkdir(fixture_path(fixture, path), 0700), 0);
	assert_int_equal(chmod(fixture_path(fixture, path), mode), 0);
}

void fixture_link(struct fixture *fixture, const char *path, const char *target)
{
	assert_int_equal(symlink(target, fixture_path(fixture, path)), 0);
}

int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/wherry-rootfs-XXXXXX");
	if (!mkdtemp(fixture->dir) || arena_init(&fixture->arena, NULL) < 0)
		return -1;
	chmod(fixture->dir, 0755);
	*state = fixture;
	for (size_t i = 0; i < ARRAY_LEN(rootfs_dirs); i++)
		fixture_dir(fixture, rootfs_dirs[i], 0755);
	fixture_file(fixture, "canary/f", "canary");
	snprintf(fixture->rootfs, sizeof(fixture->rootfs), "%s/rootfs", fixture->dir);
	snprintf(fixture->canary, sizeof(fixture->canary), "%s/canary", fixture->dir);
	problems_init(&fixture->problems, &fixture->arena);
	fixture->namespaces[0] = (struct oci_namespace){.type = CLONE_NEWNS};
	fixture->namespaces[1] = (struct oci_namespace){.type = CLONE_NEWNET};
	fixture->linux_.namespaces = fixture->namespaces;
	fixture->linux_.n_namespaces = 2;
	fixture->root.path = "rootfs";
	fixture->spec.root = &fixture->root;
	fixture->spec.linux_ = &fixture->linux_;
	fixture->cgroup_fd = -EBADF;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	fd_close(fixture->cgroup_fd);
	/* FTW_MOUNT: never into a mount that a failed test left, which is better seen than emptied
	 */
	nftw(fixture->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	arena_done(&fixture->arena);
	free(fixture);
	return 0;
}

void fixture_plan(struct fixture *fixture, bool no_pivot, struct rootfs_plan *ret_plan)
{
	struct wh_error err = WH_ERROR_INIT;

	if (rootfs_plan_build(&fixture->spec, fixture->dir, no_pivot, &fixture->arena,
			      &fixture->problems, ret_plan, &err) < 0)
		fail_msg("plan: %s", err.message);
}

void fixture_assert_canary(struct fixture *fixture)
{
	DIR *dir = opendir(fixture->canary);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		count++;
	closedir(dir);
	assert_int_equal(count, 3);
	assert_string_equal(fixture_read(fixture_path(fixture, "canary/f")), "canary");
}

const char *fixture_text(const char *fmt, ...)
{
	static char text[2048];
	va_list args;

	va_start(args, fmt);
	/* It has just been started. NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return text;
}

const char *fixture_read(const char *path)
{
	static char text[256];
	auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (len < 0)
		snprintf(text, sizeof(text), "(%s)", strerror(errno));
	else
		text[len] = '\0';
	return text;
}

/* The private procfs that init has: a check works without a /proc in the container. */
static int inside_proc = -EBADF;

const char *fixture_mount_line(const char *mount_point)
{
	static char all[65536];
	static char found[1024];
	auto_fd fd = openat(inside_proc, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	ssize_t used = 0;
	ssize_t n;

	while ((n = read(fd, all + used, sizeof(all) - 1 - (size_t)used)) > 0)
		used += n;
	all[used] = '\0';
	found[0] = '\0';
	for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
		char at[512] = "";

		if (sscanf(line, "%*s %*s %*s %*s %511s", at) == 1 && streq(at, mount_point))
			snprintf(found, sizeof(found), "%s", line);
	}
	return found[0] ? found : NULL;
}

static void write_text(const char *path, const char *text)
{
	auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(97);
}

/* As the runtime does it: the sources are opened by the parent, and init is in the new namespaces.
 */
static int enter_namespaces(int flags, struct wh_error *err)
{
	bool user = flags & (FIXTURE_USER_NAMESPACE | FIXTURE_ALIEN_USER);

	if (unshare(CLONE_NEWNS | (flags & FIXTURE_HOST_IPC ? 0 : CLONE_NEWIPC) |
		    (user ? CLONE_NEWUSER : CLONE_NEWNET) |
		    (flags & FIXTURE_CGROUP_NAMESPACE ? CLONE_NEWCGROUP : 0)) < 0)
		return wh_fail(err, errno, "unshare");
	if (user) {
		write_text("/proc/self/setgroups", "deny");
		write_text("/proc/self/uid_map", "0 0 1");
		write_text("/proc/self/gid_map", "0 0 1");
	}
	return 0;
}

static int bind_console(struct rootfs_work *work, struct wh_error *err)
{
	int master = openat(work->root_fd, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0;
	int slave;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return wh_fail(err, errno, "open a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return wh_fail(err, errno, "open the terminal's other side");
	return rootfs_bind_console(work, slave, err);
}

static int apply(struct fixture *fixture, struct rootfs_work *work, int flags, struct wh_error *err)
{
	const char *wrong;
	int rc = rootfs_attach(work, err);

	if (rc == 0)
		rc = rootfs_mount_all(work, err);
	if (rc == 0)
		rc = rootfs_make_devices(work, err);
	if (rc == 0 && (flags & FIXTURE_CONSOLE))
		rc = bind_console(work, err);
	if (rc == 0 && fixture->before_pivot) {
		wrong = fixture->before_pivot(fixture, work);
		if (wrong)
			rc = wh_fail(err, 0, "before pivot: %s", wrong);
	}
	if (rc == 0)
		rc = rootfs_pivot(work, err);
	if (rc == 0)
		rc = rootfs_apply_masks(work, err);
	if (rc == 0)
		rc = rootfs_apply_readonly(work, err);
	return rc;
}

/** Stands for what a process in the joined pid namespace does. */
static int open_other_proc(void *ctx, struct wh_error *err)
{
	auto_fd fs_fd = sys_fsopen("proc", FSOPEN_CLOEXEC);

	if (fs_fd < 0 || sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "other", 0) < 0 ||
	    sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return wh_fail(err, EPERM, "make a procfs");
	return sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
}

static int make(struct fixture *fixture, int flags, struct wh_error *err)
{
	static struct rootfs_work work = {
	    .root_fd = -EBADF, .masked_fd = -EBADF, .null_fd = -EBADF};
	static struct rootfs_plan plan;
	static struct rootfs_fds fds;
	int rc;

	fixture_plan(fixture, flags & FIXTURE_NO_PIVOT, &plan);
	rc = problems_to_error(&fixture->problems, err);
	if (rc < 0)
		return rc;
	if (flags & FIXTURE_USER_NAMESPACE)
		plan.new_user_namespace = true;
	plan.new_cgroup_namespace = flags & FIXTURE_CGROUP_NAMESPACE;
	if (flags & FIXTURE_OPEN_INSIDE) {
		/* who has entered the namespace has the capabilities only there, not over the
		 * host's mounts */
		prctl(PR_SET_DUMPABLE, 1);
		if (unshare(CLONE_NEWUSER) < 0)
			return wh_fail(err, errno, "unshare");
		write_text("/proc/self/setgroups", "deny");
		write_text("/proc/self/uid_map", "0 0 1");
		write_text("/proc/self/gid_map", "0 0 1");
	}
	rc = rootfs_open_sources(&plan, &fixture->arena, &fds, err);
	if (rc == 0 && (flags & FIXTURE_OPEN_INSIDE) && !fds.path_only)
		rc = wh_fail(err, 0, "the sources were cloned by one that may not");
	if (rc == 0 && fixture->after_open)
		fixture->after_open(fixture);
	if (rc == 0)
		rc = flags & FIXTURE_OPEN_INSIDE
			 ? (unshare(CLONE_NEWNS) < 0 ? wh_fail(err, errno, "unshare") : 0)
			 : enter_namespaces(flags, err);
	if (rc < 0)
		return rc;
	work.plan = &plan;
	work.fds = &fds;
	work.cgroup_fd = fixture->cgroup_fd;
	if (flags & FIXTURE_JOINED_PROC)
		work.open_proc = open_other_proc;
	work.proc_fd = procfs_open(false, err);
	if (work.proc_fd < 0)
		return work.proc_fd;
	inside_proc = work.proc_fd;
	return apply(fixture, &work, flags, err);
}

/** What stands for the host's mount namespace, and its table as it was before. */
static int host_namespace = -EBADF;
/** The table shows cgroup mounts as the reader's cgroup namespace sees them. */
static int host_cgroup_namespace = -EBADF;
static char host_before[65536];

static void read_mount_table(char *table, size_t size)
{
	auto_fd fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, table + used, size - 1 - used)) > 0)
		used += (size_t)n;
	table[used] = '\0';
}

/** NULL, or what became of the host's mount table. */
static const char *look_at_host(int flags)
{
	static char after[sizeof(host_before)];

	if (flags & (FIXTURE_USER_NAMESPACE | FIXTURE_ALIEN_USER | FIXTURE_OPEN_INSIDE))
		return NULL; /* there is no way back from there, nor could it have changed */
	if (setns(host_namespace, CLONE_NEWNS) < 0 ||
	    setns(host_cgroup_namespace, CLONE_NEWCGROUP) < 0)
		return "no way back to the host's mount namespace";
	read_mount_table(after, sizeof(after));
	return streq(after, host_before)
		   ? NULL
		   : fixture_text("the host's mount table changed: %s", after);
}

/* The child's tree stands for the host's: private to the test, so that a mistake reaches nobody. */
static void isolate(struct fixture *fixture, int flags)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(98);
	/* held open: with the last of its members gone, the host's mounts would be gone, and with
	 * them the peers of the container's */
	host_namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	host_cgroup_namespace = open("/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC);
	if (host_namespace < 0 || host_cgroup_namespace < 0)
		_exit(98);
	if ((flags & FIXTURE_SHARED_HOST) &&
	    (mount(fixture->dir, fixture->dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	     mount("", fixture->dir, NULL, MS_SHARED | MS_REC, NULL) < 0))
		_exit(98);
	read_mount_table(host_before, sizeof(host_before));
}

static void run_child(struct fixture *fixture, int flags, const char *(*check)(void), int pipe_fd)
{
	static struct wh_error err;
	static char text[4000];
	const char *wrong = NULL;

	alarm(CHILD_TIMEOUT);
	isolate(fixture, flags);
	if (make(fixture, flags, &err) < 0) {
		wh_error_format(&err, text, sizeof(text));
		wrong = text[0] ? text : "failed without an error";
	} else {
		wrong = check ? check() : NULL;
	}
	if (wrong && write(pipe_fd, wrong, strlen(wrong)) < 0)
		_exit(99);
	wrong = look_at_host(flags);
	if (wrong && write(pipe_fd, wrong, strlen(wrong)) < 0)
		_exit(99);
	_exit(0);
}

const char *fixture_run(struct fixture *fixture, int flags, const char *(*check)(void))
{
	size_t used = 0;
	int pipe_fds[2];
	int status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		run_child(fixture, flags, check, pipe_fds[1]);
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], fixture->message + used,
			 sizeof(fixture->message) - 1 - used)) > 0)
		used += (size_t)n;
	close(pipe_fds[0]);
	fixture->message[used] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x: %s", status, fixture->message);
	return used ? fixture->message : NULL;
}
