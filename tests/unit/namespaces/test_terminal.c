/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "namespaces/terminal.h"

/** In a body: leave with a line for a person. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "# %s:%d: %s (errno %d) %s\n", __FILE__, __LINE__, #condition,  \
				errno, err.message);                                               \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static char directory[] = "/tmp/wherry-terminal-XXXXXX";

/**
 * A root with a devpts of its own at dev/pts, in a mount namespace that ends with the calling
 * process. Returns its fd.
 */
static int make_root(const char *pts_type)
{
	char path[64];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return -EPERM;
	if (mount("tmpfs", directory, "tmpfs", 0, NULL) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/dev", directory);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/dev/pts", directory);
	mkdir(path, 0755);
	if (pts_type && mount(pts_type, path, pts_type, 0,
			      streq(pts_type, "devpts") ? "newinstance,ptmxmode=0666" : NULL) < 0)
		return -errno;
	return open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void in_child(int (*body)(void))
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("# needs root: mounts a devpts\n");
		skip();
	}
	pid = fork();
	if (pid == 0) {
		alarm(30);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int body_open(void)
{
	struct wh_error err = WH_ERROR_INIT;
	int root = make_root("devpts");
	int master = -EBADF;
	int slave = -EBADF;
	struct winsize size;
	struct termios attrs;
	struct stat st;
	char c = 0;

	CHECK(root >= 0);
	CHECK(terminal_open(root, 24, 80, &master, &slave, &err) == 0);
	CHECK(fstat(master, &st) == 0 && st.st_rdev == makedev(5, 2));
	CHECK(fstat(slave, &st) == 0 && major(st.st_rdev) == 136);
	CHECK(ioctl(slave, TIOCGWINSZ, &size) == 0 && size.ws_row == 24 && size.ws_col == 80);
	CHECK(tcgetattr(slave, &attrs) == 0 && !(attrs.c_oflag & ONLCR));
	CHECK((fcntl(master, F_GETFD) & FD_CLOEXEC) && (fcntl(slave, F_GETFD) & FD_CLOEXEC));
	CHECK(write(slave, "x", 1) == 1 && read(master, &c, 1) == 1 && c == 'x');
	return 0;
}

static void test_open(void **state)
{
	in_child(body_open);
}

static int body_no_devpts(void)
{
	struct wh_error err = WH_ERROR_INIT;
	int root = make_root("tmpfs");
	char path[64];
	int master = -7;
	int slave = -7;

	CHECK(root >= 0);
	/*
	 * A look-alike of the image's: the right device number at the right place, but no devpts.
	 */
	snprintf(path, sizeof(path), "%s/dev/pts/ptmx", directory);
	CHECK(mknod(path, S_IFCHR | 0666, makedev(5, 2)) == 0);
	CHECK(terminal_open(root, 0, 0, &master, &slave, &err) < 0);
	CHECK(strstr(err.message, "/dev/pts is no devpts"));
	CHECK(master == -7 && slave == -7);
	return 0;
}

static void test_no_devpts(void **state)
{
	in_child(body_no_devpts);
}

/** A link to the host's devpts leads nowhere: it is resolved inside the root. */
static int body_link_out(void)
{
	struct wh_error err = WH_ERROR_INIT;
	int root = make_root(NULL);
	char path[64];
	int master, slave;

	CHECK(root >= 0);
	snprintf(path, sizeof(path), "%s/dev/pts", directory);
	CHECK(rmdir(path) == 0 && symlink("/dev/pts", path) == 0);
	CHECK(terminal_open(root, 0, 0, &master, &slave, &err) == -ELOOP);
	CHECK(unlink(path) == 0 && symlink("../../../../../../dev/other", path) == 0);
	CHECK(terminal_open(root, 0, 0, &master, &slave, &err) == -ENOENT);
	return 0;
}

static void test_link_out(void **state)
{
	in_child(body_link_out);
}

static int body_attach(void)
{
	struct wh_error err = WH_ERROR_INIT;
	int root = make_root("devpts");
	int report = fcntl(2, F_DUPFD_CLOEXEC, 10);
	int master = -EBADF;
	int slave = -EBADF;
	struct stat st;

	CHECK(root >= 0 && report >= 0);
	CHECK(terminal_open(root, 0, 0, &master, &slave, &err) == 0);
	CHECK(terminal_attach(slave, 1000, &err) == 0);
	if (getsid(0) != getpid() || tcgetsid(0) != getpid() || !isatty(0) || !isatty(1) ||
	    !isatty(2) || fstat(0, &st) < 0 || st.st_uid != 1000 || fcntl(0, F_GETFD) != 0 ||
	    fcntl(slave, F_GETFD) != -1) {
		dprintf(report, "# the terminal is not attached\n");
		return 1;
	}
	return 0;
}

static void test_attach(void **state)
{
	in_child(body_attach);
}

/** Listen at @path, which may be longer than an address holds, from inside its directory. */
static int listen_at(const char *dir, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	auto_fd back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(chdir(dir), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
	assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(sock, 1), 0);
	assert_int_equal(fchdir(back), 0);
	return sock;
}

struct socket_case {
	const char *name;
	size_t dir_len; /* of each of two directories */
};

static void test_socket(void **state)
{
	static const struct socket_case cases[] = {
	    {"short",                  3  },
            {"longer than an address", 200}
        };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		char dir[512], path[600], payload[64];
		int sent[2];
		int got = -EBADF;
		size_t n_fds = 1;
		auto_fd server = -EBADF;
		auto_fd client = -EBADF;
		auto_fd peer = -EBADF;
		struct stat a, b;
		ssize_t n;

		print_message("# %s\n", cases[i].name);
		snprintf(dir, sizeof(dir), "%s/%0*d", directory, (int)cases[i].dir_len, (int)i);
		assert_int_equal(mkdir(dir, 0700), 0);
		snprintf(path, sizeof(path), "%s/s", dir);
		server = listen_at(dir, "s");
		client = terminal_connect_socket(path, &err);
		assert_true(client >= 0);
		assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
		peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		assert_true(peer >= 0);
		assert_int_equal(pipe2(sent, O_CLOEXEC), 0);
		assert_int_equal(terminal_send(client, sent[0], &err), 0);
		n = fd_recv(peer, payload, sizeof(payload), &got, &n_fds);
		assert_true(n > 0);
		assert_int_equal(n_fds, 1);
		assert_int_equal(fstat(sent[0], &a), 0);
		assert_int_equal(fstat(got, &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		close(got);
		close(sent[0]);
		close(sent[1]);
		unlink(path);
		rmdir(dir);
	}
}

static void test_socket_errors(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	char path[5000];

	assert_int_equal(terminal_connect_socket("/nonexistent/console.sock", &err), -ENOENT);
	assert_string_equal(err.message, "connect to socket '/nonexistent/console.sock'");
	assert_int_equal(terminal_connect_socket("/etc/passwd", &err), -ECONNREFUSED);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[200] = '\0';
	assert_int_equal(terminal_connect_socket(path, &err), -ENOENT);
	path[200] = 'x';
	path[4999] = '\0';
	assert_int_equal(terminal_connect_socket(path, &err), -ENAMETOOLONG);
}

static void test_raw_and_size(void **state)
{
	struct terminal_saved saved;
	struct termios before, raw, after;
	struct winsize size = {.ws_row = 11, .ws_col = 22};
	uint16_t rows = 1, columns = 2;
	auto_fd a = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	auto_fd b = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	auto_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (a < 0 || b < 0) {
		print_message("# there are no ptys here\n");
		skip();
	}
	assert_int_equal(tcgetattr(a, &before), 0);
	assert_int_equal(terminal_make_raw(a, &saved), 0);
	assert_int_equal(tcgetattr(a, &raw), 0);
	assert_false(raw.c_lflag & (ICANON | ECHO | ISIG));
	assert_true(raw.c_oflag & OPOST);
	terminal_restore(&saved);
	assert_int_equal(tcgetattr(a, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_oflag, before.c_oflag);
	assert_int_equal(saved.fd, -EBADF);
	terminal_restore(&saved); /* a second time does nothing */

	assert_int_equal(terminal_make_raw(null, &saved), -ENOTTY);
	assert_int_equal(saved.fd, -EBADF);

	assert_int_equal(ioctl(a, TIOCSWINSZ, &size), 0);
	terminal_copy_size(a, b);
	size = (struct winsize){0};
	assert_int_equal(ioctl(b, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 11);
	assert_int_equal(size.ws_col, 22);
	terminal_copy_size(null, b);
	assert_int_equal(ioctl(b, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, 11);
	terminal_get_size(null, &rows, &columns);
	assert_int_equal(rows, 1);
	terminal_get_size(b, &rows, &columns);
	assert_int_equal(rows, 11);
	assert_int_equal(columns, 22);
	size = (struct winsize){0};
	assert_int_equal(ioctl(b, TIOCSWINSZ, &size), 0);
	terminal_get_size(b, &rows, &columns);
	assert_int_equal(rows, 11);
}

static int set_up(void **state)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_open),         cmocka_unit_test(test_no_devpts),
	    cmocka_unit_test(test_link_out),     cmocka_unit_test(test_attach),
	    cmocka_unit_test(test_socket),       cmocka_unit_test(test_socket_errors),
	    cmocka_unit_test(test_raw_and_size),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
