/* SPDX-License-Identifier: Apache-2.0 */
#include "base/procfs.h"

#include "tests/unit/base/scratch.h"

#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/str.h"

/* Run @body in a child with a mount namespace of its own; @body returns 0 or the line that failed.
 */
static void in_mount_namespace(int (*body)(void))
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("needs root for a mount namespace\n");
		skip();
	}
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(255);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

static void own_path(char *buf, size_t size, const char *file)
{
	snprintf(buf, size, "%d/%s", (int)getpid(), file);
}

static void test_open_and_read(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	for (int whole = 0; whole < 2; whole++) {
		int proc = procfs_open(whole, &err);
		char path[64], text[4096];
		ssize_t n;

		assert_return_code(proc, -proc);
		assert_true(fcntl(proc, F_GETFD) & FD_CLOEXEC);
		own_path(path, sizeof(path), "comm");
		n = procfs_read(proc, path, text, sizeof(text), &err);
		assert_int_equal(n, strlen("test_procfs\n"));
		assert_string_equal(text, "test_procfs\n");
		/* Cut where the buffer ends. */
		assert_int_equal(procfs_read(proc, path, text, 5, &err), 4);
		assert_string_equal(text, "test");
		close(proc);
	}
}

/* "self" is resolved by reading it, in the procfs's own pid namespace. */
static void test_self(void **state)
{
	static const char *const paths[] = {"self/comm", "thread-self/comm", "self/task/../comm"};
	struct wh_error err = WH_ERROR_INIT;
	int proc = procfs_open(false, &err);
	char text[64];

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_true(procfs_read(proc, paths[i], text, sizeof(text), &err) > 0);
		assert_string_equal(text, "test_procfs\n");
	}
	close(proc);
}

/* Where /proc is something else, a new procfs is made, and only @whole has the sysctls. */
static int made_new(void)
{
	auto_fd pids = -EBADF;
	auto_fd whole = -EBADF;
	char text[256];

	CHECK(mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0);
	pids = procfs_open(false, NULL);
	whole = procfs_open(true, NULL);
	CHECK(pids >= 0 && whole >= 0);
	CHECK(fcntl(pids, F_GETFD) == FD_CLOEXEC && fcntl(whole, F_GETFD) == FD_CLOEXEC);
	CHECK(procfs_read(pids, "self/comm", text, sizeof(text), NULL) > 0);
	CHECK(streq(text, "test_procfs\n"));
	CHECK(procfs_read(pids, "sys/kernel/hostname", text, sizeof(text), NULL) == -ENOENT);
	CHECK(procfs_read(whole, "sys/kernel/hostname", text, sizeof(text), NULL) > 0);
	return 0;
}

static void test_made_new(void **state)
{
	in_mount_namespace(made_new);
}

static void test_refuses_links_and_escapes(void **state)
{
	static const struct {
		const char *path;
		int want;
	} cases[] = {
	    {"self",                  -ELOOP },
	    {"self/exe",              -ELOOP },
	    {"mounts",                -ELOOP },
	    {"self/root/etc/passwd",  -ELOOP },
	    {"self/../../etc/passwd", -EXDEV },
	    {"self/missing",          -ENOENT},
	    {"/proc/version",         -EXDEV },
	    {"../etc/passwd",         -EXDEV },
	    {"missing",               -ENOENT},
	};
	struct wh_error err = WH_ERROR_INIT;
	int proc = procfs_open(true, &err);
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(procfs_open_file(proc, cases[i].path, O_RDONLY, &err),
				 cases[i].want);
	own_path(path, sizeof(path), "exe");
	assert_int_equal(procfs_open_file(proc, path, O_RDONLY, &err), -ELOOP);
	own_path(path, sizeof(path), "root/etc/passwd");
	assert_int_equal(procfs_open_file(proc, path, O_RDONLY, &err), -ELOOP);
	close(proc);
}

static void test_write(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	int proc = procfs_open(false, &err);
	char path[64], text[64];

	own_path(path, sizeof(path), "comm");
	assert_int_equal(procfs_write(proc, path, "renamed", &err), 0);
	assert_int_equal(procfs_read(proc, path, text, sizeof(text), &err), 8);
	assert_string_equal(text, "renamed\n");
	assert_int_equal(procfs_write(proc, path, "test_procfs", &err), 0);

	own_path(path, sizeof(path), "oom_score_adj");
	assert_int_equal(procfs_write(proc, path, "5000", &err), -EINVAL);
	assert_non_null(strstr(err.message, "5000"));
	assert_non_null(strstr(err.message, path));
	own_path(path, sizeof(path), "missing");
	assert_int_equal(procfs_write(proc, path, "x", &err), -ENOENT);
	close(proc);
}

/* What somebody mounted over a part of /proc is met, and refused, for reading and writing. */
static int overmounted(void)
{
	auto_fd proc = procfs_open(true, NULL);
	char path[64], whole[80], text[64];

	own_path(path, sizeof(path), "comm");
	snprintf(whole, sizeof(whole), "/proc/%s", path);
	CHECK(proc >= 0);
	CHECK(mount("/dev/null", whole, NULL, MS_BIND, NULL) == 0);
	CHECK(procfs_read(proc, path, text, sizeof(text), NULL) == -EXDEV);
	CHECK(procfs_read(proc, "self/comm", text, sizeof(text), NULL) == -EXDEV);
	CHECK(procfs_write(proc, path, "x", NULL) == -EXDEV);
	return 0;
}

static void test_overmounts(void **state)
{
	in_mount_namespace(overmounted);
}

/* Without the right to make a procfs, /proc is looked at, and must be one. */
static int not_a_procfs(void)
{
	struct wh_error err = WH_ERROR_INIT;

	CHECK(mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK(procfs_open(false, &err) == -EPERM);
	CHECK(strstr(err.message, "not a procfs"));
	return 0;
}

static int unprivileged(void)
{
	char path[64], text[64];
	auto_fd proc = -EBADF;

	CHECK(setresuid(65534, 65534, 65534) == 0);
	proc = procfs_open(false, NULL);
	CHECK(proc >= 0);
	own_path(path, sizeof(path), "comm");
	CHECK(procfs_read(proc, path, text, sizeof(text), NULL) > 0);
	CHECK(streq(text, "test_procfs\n"));
	return 0;
}

static void test_fallback_is_verified(void **state)
{
	in_mount_namespace(not_a_procfs);
}

static void test_unprivileged(void **state)
{
	in_mount_namespace(unprivileged);
}

/** Which of the files was met, and how often any was. */
struct met {
	int fd;
	char link[PROCFS_LINK_MAX + 1];
	size_t count;
	int answer; /* to the walk */
};

static int meet(void *ctx, int fd, const char *link)
{
	struct met *met = ctx;

	met->count++;
	if (fd == met->fd)
		strcpy(met->link, link);
	return met->answer;
}

static void test_each_fd(void **state)
{
	auto_fd proc = procfs_open(true, NULL);
	auto_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct met met = {.fd = fd};

	assert_int_equal(procfs_each_fd(proc, getpid(), meet, &met, NULL), 0);
	assert_string_equal(met.link, "/dev/null");
	assert_true(met.count >= 2);
	met = (struct met){.answer = -EPERM};
	assert_int_equal(procfs_each_fd(proc, getpid(), meet, &met, NULL), -EPERM);
	assert_int_equal(met.count, 1);
}

/** A name that is too long is cut, and no file is left out for it. */
static void test_each_fd_cuts(void **state)
{
	auto_fd proc = procfs_open(true, NULL);
	char name[200], shown[PATH_MAX];
	struct scratch *scratch;
	struct met met = {0};
	int dir;

	assert_int_equal(scratch_setup(state), 0);
	scratch = *state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	dir = dup(scratch->fd);
	for (int i = 0; i < 4; i++) {
		assert_return_code(mkdirat(dir, name, 0755), errno);
		met.fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_return_code(met.fd, errno);
		close(dir);
		dir = met.fd;
	}
	assert_return_code(fd_path(dir, shown, sizeof(shown)), errno);
	assert_int_equal(procfs_each_fd(proc, getpid(), meet, &met, NULL), 0);
	assert_int_equal(strlen(met.link), PROCFS_LINK_MAX);
	assert_memory_equal(met.link, shown, PROCFS_LINK_MAX);
	close(dir);
	assert_int_equal(scratch_teardown(state), 0);
}

static void test_each_fd_of_none(void **state)
{
	auto_fd proc = procfs_open(true, NULL);
	struct wh_error err = WH_ERROR_INIT;
	struct met met = {0};
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	/* a zombie has nothing open */
	assert_return_code(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), errno);
	assert_int_equal(procfs_each_fd(proc, pid, meet, &met, NULL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(procfs_each_fd(proc, pid, meet, &met, &err), -ENOENT);
	assert_int_equal(met.count, 0);
	assert_non_null(strstr(err.message, "/fd'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open_and_read),
	    cmocka_unit_test(test_self),
	    cmocka_unit_test(test_made_new),
	    cmocka_unit_test(test_refuses_links_and_escapes),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_overmounts),
	    cmocka_unit_test(test_fallback_is_verified),
	    cmocka_unit_test(test_unprivileged),
	    cmocka_unit_test(test_each_fd),
	    cmocka_unit_test(test_each_fd_cuts),
	    cmocka_unit_test(test_each_fd_of_none),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
