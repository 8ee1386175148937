/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/ps_table.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

/** Where ps is looked for: never in the caller's PATH. */
static const char *const programs[] = {"/bin/ps", "/usr/bin/ps"};

#define BLANKS " \t\n"

/** The @column-th word of @line, or NULL. */
static const char *find_word(const char *line, size_t column)
{
	line += strspn(line, BLANKS);
	while (column-- > 0) {
		line += strcspn(line, BLANKS);
		line += strspn(line, BLANKS);
	}
	return *line ? line : NULL;
}

/** Which word of the header is PID; -1 when none is. */
static int pid_column(const char *header)
{
	const char *word;

	for (int column = 0; (word = find_word(header, (size_t)column)); column++) {
		if (strcspn(word, BLANKS) == 3 && strncmp(word, "PID", 3) == 0)
			return column;
	}
	return -1;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a;
	pid_t y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static bool is_of(const char *line, int column, const pid_t *pids, size_t count)
{
	const char *word = find_word(line, (size_t)column);
	pid_t pid = word ? (pid_t)strtol(word, NULL, 10) : 0;

	return count && bsearch(&pid, pids, count, sizeof(*pids), compare_pids);
}

int ps_table_filter(FILE *in, FILE *out, const pid_t *pids, size_t count, struct wh_error *err)
{
	auto_free char *line = NULL;
	size_t size = 0;
	int column;

	if (getline(&line, &size, in) < 0)
		return wh_fail(err, 0, "ps printed nothing");
	column = pid_column(line);
	if (column < 0)
		return wh_fail(err, 0, "ps printed no PID column; let its options ask for one");
	fputs(line, out);
	while (getline(&line, &size, in) >= 0) {
		if (is_of(line, column, pids, count))
			fputs(line, out);
	}
	return 0;
}

/** Start ps with its output in a pipe. Returns the pipe's fd, the caller's, or -errno. */
static int start(char *const *argv, pid_t *ret_pid, struct wh_error *err)
{
	posix_spawn_file_actions_t actions;
	auto_fd reader = -EBADF;
	auto_fd writer = -EBADF;
	int fds[2];
	int rc = ENOENT;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return wh_fail(err, errno, "make a pipe");
	reader = fds[0];
	writer = fds[1];
	if (posix_spawn_file_actions_init(&actions) != 0)
		return wh_oom(err);
	if (posix_spawn_file_actions_adddup2(&actions, writer, STDOUT_FILENO) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return wh_oom(err);
	}
	for (size_t i = 0; i < ARRAY_LEN(programs) && rc == ENOENT; i++)
		rc = posix_spawn(ret_pid, programs[i], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc == ENOENT)
		return wh_fail(err, 0,
			       "ps is not installed on this host (Debian: procps); 'ps --format "
			       "json' does without");
	if (rc != 0)
		return wh_fail(err, rc, "run ps");
	return fd_take(&reader);
}

static int reap(pid_t pid, struct wh_error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return wh_fail(err, errno, "wait for ps");
	}
	/* ps -o pid -p N ends with 1 when it found nothing: no failure of ours */
	if (WIFEXITED(status) && WEXITSTATUS(status) <= 1)
		return 0;
	return wh_fail(err, 0, "ps failed");
}

static char **make_argv(char *const *options, size_t n_options, struct arena *arena)
{
	char **argv = arena_array(arena, char *, n_options + 3);

	if (!argv)
		return NULL;
	argv[0] = arena_strdup(arena, "ps");
	if (n_options)
		memcpy(argv + 1, options, n_options * sizeof(*argv));
	else
		argv[1] = arena_strdup(arena, "-ef");
	return argv;
}

int ps_table_print(FILE *out, const pid_t *pids, size_t count, char *const *options,
		   size_t n_options, struct arena *arena, struct wh_error *err)
{
	char **argv = make_argv(options, n_options, arena);
	FILE *in;
	pid_t pid = 0;
	int ended;
	int rc;
	int fd;

	if (!argv)
		return wh_oom(err);
	fd = start(argv, &pid, err);
	if (fd < 0)
		return fd;
	in = fdopen(fd, "r");
	if (in) {
		rc = ps_table_filter(in, out, pids, count, err);
		fclose(in);
	} else {
		fd_close(fd);
		rc = wh_oom(err);
	}
	ended = reap(pid, rc < 0 ? NULL : err);
	return rc < 0 ? rc : ended;
}
