/* SPDX-License-Identifier: Apache-2.0 */
/* What only the container's own files can tell: the user's home, and where the program is. */
#include "libcontainer/init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/sys.h"

/** The container's passwd file is hostile: only this much of it is read. */
#define PASSWD_MAX (1024 * 1024)

/** Field @index (from 0) of the passwd line @line of @len bytes; false when it has fewer. */
static bool passwd_field(const char *line, size_t len, unsigned int index, const char **ret_field,
			 size_t *ret_len)
{
	const char *end = line + len;

	while (index > 0) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return false;
		line++;
		index--;
	}
	const char *stop = memchr(line, ':', (size_t)(end - line));

	*ret_field = line;
	*ret_len = (size_t)((stop ? stop : end) - line);
	return true;
}

/**
 * Whether @line is the entry of @uid with an absolute home, which then goes to @buf as HOME=....
 */
static bool take_home(const char *line, size_t len, uint32_t uid, char *buf, size_t size)
{
	char number[16];
	const char *field;
	size_t field_len;
	uint64_t value;

	if (!passwd_field(line, len, 2, &field, &field_len) || field_len == 0 ||
	    field_len >= sizeof(number))
		return false;
	memcpy(number, field, field_len);
	number[field_len] = '\0';
	if (str_parse_u64(number, UINT32_MAX, &value) < 0 || value != uid)
		return false;
	if (!passwd_field(line, len, 5, &field, &field_len) || field_len == 0 || field[0] != '/' ||
	    field_len + 6 > size)
		return false;
	snprintf(buf, size, "HOME=%.*s", (int)field_len, field);
	return true;
}

static bool find_home(const char *data, size_t len, uint32_t uid, char *buf, size_t size)
{
	const char *end = data + len;

	while (data < end) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));
		const char *stop = newline ? newline : end;

		if (take_home(data, (size_t)(stop - data), uid, buf, size))
			return true;
		data = stop + 1;
	}
	return false;
}

/** Whether the container's passwd file cannot be opened for a reason that is the container's own. */
static bool is_absent(int code)
{
	return code == ENOENT || code == ENOTDIR || code == EACCES || code == ELOOP ||
	       code == ENXIO;
}

static int look_up_home(struct init *init, struct wh_error *err)
{
	uint32_t uid = init->plan->process.uid;
	auto_fd fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	void *data;
	ssize_t n;

	/*
	 * Root without an entry is at home in /root in no image that has none: "/" is what runc
	 * gives to anybody without an entry.
	 */
	snprintf(init->home, sizeof(init->home), "HOME=/");
	if (fd < 0 && is_absent(errno))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return wh_fail(err, errno, "look up the user's home in /etc/passwd");
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > PASSWD_MAX)
		return 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (data == MAP_FAILED)
		return wh_fail(err, errno, "memory for /etc/passwd");
	do {
		n = read(fd, data, (size_t)st.st_size);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		find_home(data, (size_t)n, uid, init->home, sizeof(init->home));
	if (n < 0)
		wh_fail(err, errno, "look up the user's home in /etc/passwd");
	munmap(data, (size_t)st.st_size);
	return n < 0 ? -EIO : 0;
}

int init_make_environment(struct init *init, struct wh_error *err)
{
	const struct process_plan *process = &init->plan->process;
	size_t n = process->n_env;
	const char **env;

	init->env = process->env;
	if (!process->home_missing && !process->listen_pid)
		return 0;
	env = mmap(NULL, (n + 3) * sizeof(*env), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (env == MAP_FAILED)
		return wh_fail(err, errno, "memory for the environment");
	memcpy(env, process->env, n * sizeof(*env));
	if (process->home_missing) {
		int rc = look_up_home(init, err);

		if (rc < 0)
			return rc;
		env[n++] = init->home;
	}
	if (process->listen_pid) {
		snprintf(init->listen_pid, sizeof(init->listen_pid), "LISTEN_PID=%d",
			 (int)getpid());
		env[n++] = init->listen_pid;
	}
	env[n] = NULL;
	init->env = env;
	return 0;
}

static const char *env_value(const char **env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	}
	return NULL;
}

/** 0 when @path can be executed by this process, else -errno (EISDIR for a directory). */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	/*
	 * faccessat2 with AT_EACCESS asks for the effective user and capabilities, as execve will.
	 */
	if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -errno;
	return 0;
}

static int search_path(struct init *init, const char *name, const char *path, struct wh_error *err)
{
	int found = -ENOENT;

	for (const char *entry = path;; entry++) {
		size_t len = strcspn(entry, ":");
		int n = snprintf(init->program, sizeof(init->program), "%.*s%s%s", (int)len,
				 len ? entry : ".", len && entry[len - 1] == '/' ? "" : "/", name);

		if (n > 0 && (size_t)n < sizeof(init->program)) {
			int rc = check_executable(init->program);

			if (rc == 0)
				return 0;
			if (rc == -EACCES)
				found = rc;
		}
		entry += len;
		if (*entry == '\0')
			break;
	}
	if (found == -EACCES)
		return wh_fail_kind(err, WH_ERROR_PROGRAM, EACCES, "exec: \"%s\"", name);
	wh_fail_kind(err, WH_ERROR_PROGRAM, 0, "exec: \"%s\": executable file not found in $PATH",
		     name);
	return -ENOENT;
}

int init_find_program(struct init *init, struct wh_error *err)
{
	const char *name = init->plan->process.args[0];
	const char *path;
	int rc;

	if (!strchr(name, '/')) {
		path = env_value(init->env, "PATH");
		if (name[0] == '\0') {
			wh_fail_kind(err, WH_ERROR_PROGRAM, 0,
				     "exec: \"\": executable file not found in $PATH");
			return -ENOENT;
		}
		return search_path(
		    init, name,
		    path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		    err);
	}
	if (strlen(name) >= sizeof(init->program))
		return wh_fail_kind(err, WH_ERROR_PROGRAM, ENAMETOOLONG, "exec: \"%.64s...\"",
				    name);
	memcpy(init->program, name, strlen(name) + 1);
	rc = check_executable(name);
	if (rc < 0)
		return wh_fail_kind(err, WH_ERROR_PROGRAM, -rc, "exec: \"%s\"", name);
	return 0;
}
