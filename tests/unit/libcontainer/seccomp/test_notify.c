/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

static char directory[] = "/tmp/wherry-notify-XXXXXX";
static char path[64];

static int listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(sock, 4), 0);
	return sock;
}

/** Read a connection to its end; the fd must come with the first message. Returns the length. */
static size_t receive_all(int sock, char *text, size_t size, int *ret_fd)
{
	size_t n_fds = 1;
	ssize_t n = fd_recv(sock, text, size - 1, ret_fd, &n_fds);
	size_t len = n > 0 ? (size_t)n : 0;

	if (n <= 0 || n_fds != 1)
		return 0;
	while ((n = read(sock, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

struct state_case {
	const char *metadata;
	const char *state;
	const char *want;
};

static void test_state(void **state)
{
	static const struct state_case cases[] = {
	    {NULL,                 "{\"id\":\"c\"}",
	     "{\"ociVersion\":\"1.2.0\",\"fds\":[\"seccompFd\"],\"pid\":4242,\"state\":{\"id\":"
	     "\"c\"}}"			      },
	    {"a \"quoted\"\nline", "{}",
	     "{\"ociVersion\":\"1.2.0\",\"fds\":[\"seccompFd\"],\"pid\":4242,\"metadata\":\"a "
	     "\\\"quoted\\\"\\nline\",\"state\":{}}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct seccomp_program program = {
		    .notify = true, .listener_path = path, .listener_metadata = cases[i].metadata};
		struct wh_error err = WH_ERROR_INIT;
		auto_fd server = listen_here();
		auto_fd null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		auto_fd peer = -EBADF;
		auto_fd got = -EBADF;
		char text[1024];
		struct stat a, b;

		assert_int_equal(
		    seccomp_notify_send(&program, null, 4242, cases[i].state, "1.2.0", &err), 0);
		peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		assert_true(receive_all(peer, text, sizeof(text), &got) > 0);
		assert_string_equal(text, cases[i].want);
		assert_int_equal(fstat(null, &a), 0);
		assert_int_equal(fstat(got, &b), 0);
		assert_int_equal(a.st_rdev, b.st_rdev);
		/* the listener is lent */
		assert_true(fcntl(null, F_GETFD) >= 0);
	}
}

/** More than the socket holds: the rest follows. */
static void test_large_state(void **state)
{
	static char big[700000], text[800000];
	struct seccomp_program program = {.notify = true, .listener_path = path};
	struct wh_error err = WH_ERROR_INIT;
	auto_fd server = listen_here();
	int status = 0;
	pid_t pid;

	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "{\"a\":\"", 6);
	memcpy(big + sizeof(big) - 3, "\"}", 2);
	pid = fork();
	if (pid == 0) {
		int got = -1;
		int peer = accept(server, NULL, NULL);
		size_t len = receive_all(peer, text, sizeof(text), &got);

		_exit(len > sizeof(big) && got >= 0 && streq(text + len - 3, "\"}}") ? 0 : 1);
	}
	assert_int_equal(seccomp_notify_send(&program, 0, 1, big, "1.0.0", &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_errors(void **state)
{
	static char big[3000000];
	struct seccomp_program program = {.notify = true};
	struct wh_error err = WH_ERROR_INIT;
	auto_fd server = -EBADF;
	int status = 0;
	pid_t pid;

	assert_true(seccomp_notify_send(&program, 0, 1, "{}", "1.0.0", &err) < 0);
	assert_non_null(strstr(err.message, "needs listenerPath"));
	program.listener_path = "/nonexistent/agent";
	assert_int_equal(seccomp_notify_send(&program, 0, 1, "{}", "1.0.0", &err), -ENOENT);
	assert_string_equal(err.message,
			    "linux.seccomp.listenerPath: connect to socket '/nonexistent/agent'");
	/* an agent that goes away in the middle: an error, and no signal */
	program.listener_path = path;
	server = listen_here();
	memset(big, ' ', sizeof(big) - 1);
	signal(SIGPIPE, SIG_DFL);
	pid = fork();
	if (pid == 0) {
		char byte;
		int peer = accept(server, NULL, NULL);

		_exit(read(peer, &byte, 1) == 1 ? 0 : 1);
	}
	assert_true(seccomp_notify_send(&program, 0, 1, big, "1.0.0", &err) < 0);
	assert_true(err.code == EPIPE || err.code == ECONNRESET);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int set_up(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/agent", directory);
	return 0;
}

static int tear_down(void **state)
{
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_state),
	    cmocka_unit_test(test_large_state),
	    cmocka_unit_test(test_errors),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
