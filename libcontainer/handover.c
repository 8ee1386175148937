/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/handover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "libcontainer/pid_file.h"
#include "namespaces/terminal.h"

int handover_check_terminal(bool needs_taker, const char *console_socket, struct wh_error *err)
{
	if (needs_taker == (console_socket != NULL))
		return 0;
	if (console_socket)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "cannot use console socket if runc will not detach or allocate "
				    "tty: process.terminal is false, or it is in the foreground");
	return wh_fail_kind(err, WH_ERROR_USAGE, 0,
			    "cannot allocate tty if runc will detach without setting console "
			    "socket: give --console-socket, or set process.terminal to false");
}

static int connect_socket(const char *path, const char *option, int *ret_fd, struct wh_error *err)
{
	if (!path)
		return 0;
	*ret_fd = terminal_connect_socket(path, err);
	if (*ret_fd >= 0)
		return 0;
	wh_error_prefix(err, "%s", option);
	return *ret_fd;
}

int handover_open(struct handover *handover, const char *console_socket, const char *pidfd_socket,
		  const char *pid_file, struct wh_error *err)
{
	int rc = connect_socket(console_socket, "--console-socket", &handover->console_fd, err);

	if (rc == 0)
		rc =
		    connect_socket(pidfd_socket, "--pidfd-socket", &handover->pidfd_socket_fd, err);
	handover->pid_file = pid_file;
	return rc == 0 && pid_file ? pid_file_check(pid_file, err) : rc;
}

void handover_done(struct handover *handover)
{
	handover->pty_master = fd_close(handover->pty_master);
	handover->pidfd_socket_fd = fd_close(handover->pidfd_socket_fd);
	handover->console_fd = fd_close(handover->console_fd);
}

int handover_console(struct handover *handover, int master, struct wh_error *err)
{
	int rc;

	if (handover->console_fd < 0) {
		fd_close(handover->pty_master);
		handover->pty_master = master;
		return 0;
	}
	rc = terminal_send(handover->console_fd, master, err);
	fd_close(master);
	return rc;
}

int handover_pid_file(const struct handover *handover, pid_t pid, struct wh_error *err)
{
	return handover->pid_file ? pid_file_write(handover->pid_file, pid, err) : 0;
}

void handover_undo_pid_file(const struct handover *handover)
{
	if (handover->pid_file)
		unlink(handover->pid_file);
}

int handover_pidfd(const struct handover *handover, int pidfd, const char *kind,
		   struct wh_error *err)
{
	int rc;

	if (handover->pidfd_socket_fd < 0)
		return 0;
	rc = fd_send(handover->pidfd_socket_fd, kind, strlen(kind), &pidfd, 1);
	return rc < 0 ? wh_fail(err, -rc, "--pidfd-socket: send the pidfd") : 0;
}
