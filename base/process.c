/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/sys.h"

/* <linux/wait.h>; glibc 2.36 has it as an enumerator, musl as a macro. */
#define WAIT_FOR_PIDFD ((idtype_t)3)

/* Fields of /proc/PID/stat after the command's name (proc_pid_stat(5)): the state is field 3, the
 * start time field 22. */
#define STAT_FIELDS_BETWEEN (22 - 3)
/* The kernel's flags of a process are field 9; PF_EXITING (<linux/sched.h> of the kernel) is as old as Linux. */
#define STAT_FIELDS_TO_FLAGS (9 - 3)
#define FLAG_EXITING         0x4
/* 52 numbers of at most 20 digits, and a name. */
#define STAT_SIZE 2048

/* Parse the line @stat. Returns 0 or -EBADMSG. */
static int parse_stat(char *stat, uint64_t *ret_start_time, char *ret_state)
{
	/* The name is in brackets and may hold brackets and blanks itself: the last one closes it.
	 */
	char *field = strrchr(stat, ')');
	uint64_t start_time;
	char state;

	if (!field || field[1] != ' ' || !field[2])
		return -EBADMSG;
	field += 2;
	state = field[0];
	for (int i = 0; i < STAT_FIELDS_BETWEEN; i++) {
		field = strchr(field, ' ');
		if (!field)
			return -EBADMSG;
		field++;
	}
	field[strcspn(field, " ")] = '\0';
	if (str_parse_u64(field, UINT64_MAX, &start_time) < 0)
		return -EBADMSG;
	if (ret_start_time)
		*ret_start_time = start_time;
	if (ret_state)
		*ret_state = state;
	return 0;
}

/* /proc does not show @pid: tell a process that is gone from one that is hidden (hidepid, no
 * /proc). */
static int why_missing(pid_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM ? -ENOENT : -ESRCH;
}

int process_stat(pid_t pid, uint64_t *ret_start_time, char *ret_state)
{
	char path[32], stat[STAT_SIZE];
	ssize_t n;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = file_read_small(AT_FDCWD, path, stat, sizeof(stat));
	if (n == -ENOENT)
		return why_missing(pid);
	return n < 0 ? (int)n : parse_stat(stat, ret_start_time, ret_state);
}

/* Of the fields from @state, the third, on. */
static bool is_ending(const char *state)
{
	const char *field = state;

	for (int i = 0; i < STAT_FIELDS_TO_FLAGS && field; i++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	return field && (strtoul(field, NULL, 10) & FLAG_EXITING);
}

int process_look(pid_t pid, struct process_look *ret_look)
{
	char path[32], stat[STAT_SIZE];
	const char *name, *name_end, *last;
	uint64_t wait_status;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = file_read_small(AT_FDCWD, path, stat, sizeof(stat));
	if (n == -ENOENT)
		return why_missing(pid);
	if (n < 0)
		return (int)n;
	name = strchr(stat, '(');
	name_end = strrchr(stat, ')');
	last = strrchr(stat, ' ');
	if (!name || !name_end || name_end[1] != ' ' || last < name_end ||
	    name_end - name > PROCESS_NAME_SIZE ||
	    str_parse_u64(last + 1, INT32_MAX, &wait_status) < 0)
		return -EBADMSG;
	snprintf(ret_look->name, sizeof(ret_look->name), "%.*s", (int)(name_end - name - 1),
		 name + 1);
	ret_look->state = name_end[2];
	ret_look->ending = is_ending(name_end + 2);
	ret_look->wait_status = (int)wait_status;
	return 0;
}

int process_find(const struct process_id *id, char *ret_state)
{
	uint64_t start_time;
	int r = process_stat(id->pid, &start_time, ret_state);

	if (r == 0 && start_time != id->start_time)
		r = -ESRCH;
	return r;
}

int process_open(const struct process_id *id)
{
	auto_fd pidfd = -EBADF;
	char state;
	int r;

	if (id->pid <= 0)
		return -ESRCH;
	pidfd = sys_pidfd_open(id->pid, 0);
	/* Both say that the number is a thread's: the process it was once is gone. */
	if (pidfd == -EINVAL || pidfd == -ENOENT)
		return -ESRCH;
	if (pidfd < 0)
		return pidfd;
	/* Looked at after the pidfd is held: it cannot become another's between the two. */
	r = process_find(id, &state);
	if (r < 0)
		return r;
	if (state == 'Z' || state == 'X')
		return -ESRCH;
	return fd_take(&pidfd);
}

int process_wait_end(int pidfd, int timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int left = timeout_ms;
	int r;

	for (;;) {
		r = poll(&poll_fd, 1, left);
		if (r >= 0 || errno != EINTR)
			break;
		if (timeout_ms >= 0) {
			int64_t rest = deadline - clock_ms();

			left = rest > 0 ? (int)rest : 0;
		}
	}
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	return poll_fd.revents & POLLNVAL ? -EBADF : 0;
}

int process_reap(int pidfd, int *ret_status)
{
	siginfo_t info = {0};
	int r;

	do {
		r = waitid(WAIT_FOR_PIDFD, (id_t)pidfd, &info, WEXITED);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 0;
}

int process_status_signal(int status)
{
	return status > 128 && status < 128 + _NSIG ? status - 128 : 0;
}

int process_boot_id(char buf[BOOT_ID_SIZE], struct wh_error *err)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	static char known[BOOT_ID_SIZE]; /* no program outlives it */

	if (!known[0]) {
		char text[BOOT_ID_SIZE + 2];
		ssize_t n = file_read_small(AT_FDCWD, path, text, sizeof(text));

		if (n < 0)
			return wh_fail(err, (int)-n, "read '%s'", path);
		if (n != BOOT_ID_SIZE - 1)
			return wh_fail(err, EBADMSG, "read '%s'", path);
		memcpy(known, text, sizeof(known));
	}
	memcpy(buf, known, BOOT_ID_SIZE);
	return 0;
}
