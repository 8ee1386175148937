/* SPDX-License-Identifier: Apache-2.0 */
#include "namespaces/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"

#define DEVPTS_MAGIC 0x1cd1

/**
 * Payload of the message that carries the master: receivers want at least one byte, and go-runc
 * takes it for a file name.
 */
static const char master_name[] = "/dev/ptmx";

/** The container's devpts, not something else that was put at its place. */
static int open_devpts(int root_fd, struct wh_error *err)
{
	auto_fd dir = path_open_in_root(root_fd, "dev/pts", O_PATH | O_DIRECTORY, 0);
	struct statfs fs;

	if (dir < 0)
		return wh_fail(err, -dir, "open the container's /dev/pts");
	if (fstatfs(dir, &fs) < 0)
		return wh_fail(err, errno, "look at the container's /dev/pts");
	if (fs.f_type != DEVPTS_MAGIC)
		return wh_fail(err, 0,
			       "process.terminal: the container's /dev/pts is no devpts, so there "
			       "are no terminals in it");
	return fd_take(&dir);
}

/**
 * A devpts holds nothing that it did not make itself, so what is called ptmx there is the
 * multiplexer; still it is looked at.
 */
static int open_master(int root_fd, struct wh_error *err)
{
	auto_fd dir = open_devpts(root_fd, err);
	auto_fd master = -EBADF;
	struct stat st;

	if (dir < 0)
		return dir;
	master = path_open_beneath(dir, "ptmx", O_RDWR | O_NOCTTY, 0);
	if (master < 0)
		return wh_fail(err, -master, "open the container's /dev/pts/ptmx");
	if (fstat(master, &st) < 0)
		return wh_fail(err, errno, "look at the container's /dev/pts/ptmx");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return wh_fail(err, 0, "the container's /dev/pts/ptmx is not the pty multiplexer");
	return fd_take(&master);
}

/**
 * New lines are the outer terminal's to translate (terminal_make_raw()), else they are translated
 * twice.
 */
static int clear_onlcr(int master, struct wh_error *err)
{
	struct termios attrs;

	if (tcgetattr(master, &attrs) < 0)
		return wh_fail(err, errno, "read the modes of the container's terminal");
	attrs.c_oflag &= ~(tcflag_t)ONLCR;
	if (tcsetattr(master, TCSANOW, &attrs) < 0)
		return wh_fail(err, errno, "set the modes of the container's terminal");
	return 0;
}

static int set_size(int master, uint16_t rows, uint16_t columns, struct wh_error *err)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};

	if (rows == 0 && columns == 0)
		return 0;
	if (ioctl(master, TIOCSWINSZ, &size) < 0)
		return wh_fail(err, errno, "set the size of the container's terminal");
	return 0;
}

int terminal_open(int root_fd, uint16_t rows, uint16_t columns, int *ret_master, int *ret_slave,
		  struct wh_error *err)
{
	auto_fd master = open_master(root_fd, err);
	auto_fd slave = -EBADF;
	int locked = 0;
	int rc;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &locked) < 0)
		return wh_fail(err, errno, "unlock the container's terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return wh_fail(err, errno, "open the container's terminal");
	rc = clear_onlcr(master, err);
	if (rc == 0)
		rc = set_size(master, rows, columns, err);
	if (rc < 0)
		return rc;
	*ret_master = fd_take(&master);
	*ret_slave = fd_take(&slave);
	return 0;
}

static int make_controlling(int slave, struct wh_error *err)
{
	if (setsid() < 0 && getsid(0) != getpid())
		return wh_fail(err, errno, "make a session for the terminal");
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return wh_fail(err, errno, "make the terminal the controlling one");
	return 0;
}

int terminal_attach(int slave, uint32_t uid, struct wh_error *err)
{
	auto_fd owned = slave;
	int rc = make_controlling(slave, err);

	if (rc < 0)
		return rc;
	/*
	 * As runc does: where the id means nothing to the file system, the terminal stays root's.
	 */
	if (fchown(slave, uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM &&
	    errno != EROFS)
		return wh_fail(err, errno, "give the terminal to user %u", uid);
	for (int fd = 0; fd <= 2; fd++) {
		if (slave == fd)
			rc = fd_set_cloexec(fd, false, err);
		else if (dup2(slave, fd) < 0)
			rc = wh_fail(err, errno, "make the terminal fd %d", fd);
		if (rc < 0)
			return rc;
	}
	if (slave <= 2)
		owned = -EBADF;
	return 0;
}

/**
 * The address of @path; a long one goes by the socket's own link under /proc/self/fd, *@ret_fd, to
 * be kept open meanwhile.
 */
static int make_address(const char *path, struct sockaddr_un *ret_address, int *ret_fd,
			struct wh_error *err)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC};

	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof(ret_address->sun_path)) {
		memcpy(ret_address->sun_path, path, strlen(path));
		return 0;
	}
	*ret_fd = sys_openat2(AT_FDCWD, path, &how);
	if (*ret_fd < 0)
		return wh_fail(err, -*ret_fd, "open socket '%s'", path);
	snprintf(ret_address->sun_path, sizeof(ret_address->sun_path), "/proc/self/fd/%d", *ret_fd);
	return 0;
}

int terminal_connect_socket(const char *path, struct wh_error *err)
{
	struct sockaddr_un address;
	auto_fd link = -EBADF;
	auto_fd sock = -EBADF;
	int rc;

	rc = make_address(path, &address, &link, err);
	if (rc < 0)
		return rc;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return wh_fail(err, errno, "make a socket");
	if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return wh_fail(err, errno, "connect to socket '%s'", path);
	return fd_take(&sock);
}

int terminal_send(int socket, int master, struct wh_error *err)
{
	int rc = fd_send(socket, master_name, sizeof(master_name) - 1, &master, 1);

	if (rc < 0)
		return wh_fail(err, -rc, "send the terminal over the console socket");
	return 0;
}

int terminal_make_raw(int fd, struct terminal_saved *ret_saved)
{
	struct termios raw;

	ret_saved->fd = -EBADF;
	if (tcgetattr(fd, &ret_saved->attrs) < 0)
		return -ENOTTY;
	raw = ret_saved->attrs;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* the container's side does not translate new lines */
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return -ENOTTY;
	ret_saved->fd = fd;
	return 0;
}

void terminal_restore(struct terminal_saved *saved)
{
	if (saved->fd >= 0)
		tcsetattr(saved->fd, TCSADRAIN, &saved->attrs);
	saved->fd = -EBADF;
}

void terminal_get_size(int fd, uint16_t *rows, uint16_t *columns)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
		return;
	*rows = size.ws_row;
	*columns = size.ws_col;
}

void terminal_copy_size(int from, int to)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(to, TIOCSWINSZ, &size);
}
