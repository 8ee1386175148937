/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include "tests/unit/base/scratch.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/str.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int open_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_return_code(fd, errno);
	return fd;
}

static int open_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += is_open(fd);
	return count;
}

static void test_close_keeps_errno(void **state)
{
	int fd = open_null();

	errno = 77;
	assert_int_equal(fd_close(fd), -EBADF);
	assert_int_equal(errno, 77);
	assert_false(is_open(fd));
	errno = 77;
	assert_int_equal(fd_close(-1), -EBADF);
	assert_int_equal(fd_close(-EBADF), -EBADF);
	assert_int_equal(errno, 77);
}

static void test_owned_until_taken(void **state)
{
	int kept, closed;
	char *leak = malloc(10);

	{
		auto_fd a = open_null();
		auto_fd b = open_null();
		auto_free char *text = leak;
		auto_dir *dir = opendir("/");

		closed = b;
		kept = fd_take(&a);
		assert_int_equal(a, -EBADF);
		assert_non_null(dir);
		text[0] = 'x';
		errno = 78;
	}
	assert_int_equal(errno, 78);
	assert_true(is_open(kept));
	assert_false(is_open(closed));
	close(kept);
}

static void test_set_cloexec(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	int fd = open_null();

	assert_int_equal(fd_set_cloexec(fd, false, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_int_equal(fd_set_cloexec(fd, true, &err), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(fd_set_cloexec(fd, true, &err), -EBADF);
	assert_true(wh_error_set(&err));
}

/* More than a pipe holds, so that writes come up short. */
static void test_write_all(void **state)
{
	enum { SIZE = 300000 };
	char *data = malloc(SIZE), *got = malloc(SIZE);
	size_t len = 0;
	int pipe_fds[2], status;
	pid_t pid;

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7);
	assert_return_code(pipe2(pipe_fds, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[0]);
		_exit(fd_write_all(pipe_fds[1], data, SIZE) ? 1 : 0);
	}
	close(pipe_fds[1]);
	for (;;) {
		ssize_t n = read(pipe_fds[0], got + len, SIZE - len);

		assert_return_code(n, errno);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(len, SIZE);
	assert_memory_equal(data, got, SIZE);
	close(pipe_fds[0]);
	free(data);
	free(got);
	assert_int_equal(fd_write_all(-EBADF, "x", 1), -EBADF);
	assert_int_equal(fd_write_all(-EBADF, "x", 0), 0);
}

/** What comes in pieces is read whole, to the end or as much as there is room for. */
static void test_read_up_to(void **state)
{
	char got[8] = "";
	int ends[2];
	pid_t pid;

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	pid = fork();
	if (pid == 0) {
		for (const char *at = "abcdefghijk"; *at; at++) {
			usleep(2000);
			(void)fd_write_all(ends[1], at, 1);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(fd_read_up_to(ends[0], got, sizeof(got)), 8);
	assert_memory_equal(got, "abcdefgh", 8);
	assert_int_equal(fd_read_up_to(ends[0], got, sizeof(got)), 3);
	assert_memory_equal(got, "ijk", 3);
	assert_int_equal(fd_read_up_to(ends[0], got, sizeof(got)), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ends[0]);
	assert_int_equal(fd_read_up_to(-EBADF, got, 1), -EBADF);
	assert_int_equal(fd_read_up_to(-EBADF, got, 0), 0);
}

static void test_await(void **state)
{
	int ends[2];

	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
	assert_int_equal(fd_await(ends[1], POLLOUT, 0), 0);
	assert_int_equal(fd_await(ends[0], POLLIN, 10), -ETIMEDOUT);
	close(ends[1]);
	assert_int_equal(fd_await(ends[0], POLLIN, -1), 0);
	close(ends[0]);
}

static void test_write_all_full_device(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(fd_write_all(fd, "x", 1), -ENOSPC);
	close(fd);
}

/* In a child, whose standard fds may be closed: 0 when all three are open afterwards and are
 * /dev/null where they were not. */
static int open_std_child(int closed_mask)
{
	struct stat null, st;

	for (int fd = 0; fd < 3; fd++) {
		if (closed_mask & 1 << fd)
			close(fd);
	}
	if (fd_open_std(NULL) < 0)
		return 1;
	stat("/dev/null", &null);
	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0)
			return 2;
		if ((closed_mask & 1 << fd) && st.st_rdev != null.st_rdev)
			return 3;
		if ((closed_mask & 1 << fd) && fcntl(fd, F_GETFD) != 0)
			return 4;
	}
	return 0;
}

/** It begins at the beginning whatever was read before, and leaves what it is lent alone. */
static void test_list(void **state)
{
	int lent = open("/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < 2; i++) {
		auto_dir *dir = fd_list(lent);
		size_t count = 0;

		assert_non_null(dir);
		assert_true(fcntl(dirfd(dir), F_GETFD) & FD_CLOEXEC);
		while (readdir(dir))
			count++;
		assert_int_equal(count, 3); /* ".", ".." and this thread */
	}
	assert_return_code(fcntl(lent, F_GETFD), errno);
	assert_null(fd_list(file));
	assert_int_equal(errno, ENOTDIR);
	close(file);
	close(lent);
	assert_null(fd_list(-EBADF));
	assert_int_equal(errno, EBADF);
}

static void test_open_std(void **state)
{
	for (int mask = 0; mask < 8; mask++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(open_std_child(mask));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_cloexec_from(void **state)
{
	int a = open_null(), b = open_null();
	struct wh_error err = WH_ERROR_INIT;

	fd_set_cloexec(a, false, NULL);
	fd_set_cloexec(b, false, NULL);
	assert_int_equal(fd_cloexec_from(b, &err), 0);
	assert_int_equal(fcntl(a, F_GETFD), 0);
	assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
	close(a);
	close(b);
}

static void test_send_and_receive(void **state)
{
	int pair[2], sent[8], got[8];
	int before = open_fds();
	char text[16];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	for (int i = 0; i < 8; i++)
		sent[i] = pair[i % 2];
	for (size_t n = 0; n <= 8; n++) {
		size_t n_got = 8;

		assert_int_equal(fd_send(pair[0], "hello", 5, sent, n), 0);
		assert_int_equal(fd_recv(pair[1], text, sizeof(text), got, &n_got), 5);
		assert_memory_equal(text, "hello", 5);
		assert_int_equal(n_got, n);
		for (size_t i = 0; i < n; i++) {
			struct stat a, b;

			assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
			assert_return_code(fstat(got[i], &a), errno);
			assert_return_code(fstat(sent[i], &b), errno);
			assert_int_equal(a.st_ino, b.st_ino);
			close(got[i]);
		}
	}
	assert_int_equal(fd_send(pair[0], "x", 1, sent, 9), -E2BIG);
	close(pair[0]);
	assert_int_equal(fd_recv(pair[1], text, sizeof(text), NULL, NULL), 0);
	/* The other end is gone: an error, not SIGPIPE. */
	assert_int_equal(fd_send(pair[1], "x", 1, NULL, 0), -EPIPE);
	close(pair[1]);
	assert_int_equal(open_fds(), before);
}

/* What is too much is refused whole, and no fd stays behind. */
static void test_receive_refuses(void **state)
{
	static const struct {
		size_t len, n_fds; /* sent */
		size_t size, room; /* received into */
		int want;
	} cases[] = {
	    {5, 0, 5, 0, 5        },
            {6, 0, 5, 0, -EMSGSIZE},
            {6, 2, 5, 8, -EMSGSIZE},
	    {5, 2, 5, 1, -EMSGSIZE},
            {5, 1, 5, 0, -EMSGSIZE},
            {5, 8, 5, 7, -EMSGSIZE},
	    {0, 1, 5, 8, -EMSGSIZE},
	};
	int pair[2], fds[8], got[8];
	char text[16] = "";
	int before;

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), errno);
	for (int i = 0; i < 8; i++)
		fds[i] = pair[0];
	before = open_fds();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = cases[i].room;

		assert_int_equal(fd_send(pair[0], text, cases[i].len, fds, cases[i].n_fds), 0);
		assert_int_equal(fd_recv(pair[1], text, cases[i].size, got, &n), cases[i].want);
		assert_int_equal(n, 0);
		assert_int_equal(open_fds(), before);
	}
	/* NULL: no fds are wanted. */
	assert_int_equal(fd_send(pair[0], "x", 1, fds, 1), 0);
	assert_int_equal(fd_recv(pair[1], text, 1, NULL, NULL), -EMSGSIZE);
	assert_int_equal(open_fds(), before);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_close_keeps_errno),
	    cmocka_unit_test(test_owned_until_taken),
	    cmocka_unit_test(test_set_cloexec),
	    cmocka_unit_test(test_write_all),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_read_up_to),
	    cmocka_unit_test(test_await),
	    cmocka_unit_test(test_write_all_full_device),
	    cmocka_unit_test(test_open_std),
	    cmocka_unit_test(test_cloexec_from),
	    cmocka_unit_test(test_send_and_receive),
	    cmocka_unit_test(test_receive_refuses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
