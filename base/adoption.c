/* SPDX-License-Identifier: Apache-2.0 */
#include "base/adoption.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"

/** proc_tid_children(5): the pids of the calling thread's children, each with a blank after it. */
#define CHILDREN "/proc/thread-self/children"

/**
 * The list has a blank in front of each pid, too, so that one can be looked for as " PID ". Returns 0 or
 * -errno; -EFBIG: there are more, and @buf has the first.
 */
static int list_children(char *buf, size_t size)
{
	ssize_t n = file_read_small(AT_FDCWD, CHILDREN, buf + 1, size - 1);

	buf[0] = ' ';
	if (n == -EFBIG) {
		buf[size - 1] = '\0';
		strrchr(buf, ' ')[1] = '\0'; /* the last pid may be cut */
	}
	return n < 0 ? (int)n : 0;
}

void adoption_begin(struct adoption *adoption)
{
	int was = 0;

	adoption->active = false;
	if (list_children(adoption->children_before, sizeof(adoption->children_before)) < 0 ||
	    prctl(PR_GET_CHILD_SUBREAPER, &was) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return;
	adoption->was_subreaper = was != 0;
	adoption->active = true;
}

static bool was_there_before(const struct adoption *adoption, long pid)
{
	char word[24];

	snprintf(word, sizeof(word), " %ld ", pid);
	return strstr(adoption->children_before, word) != NULL;
}

/** Kill, and reap what is dead. Returns how many children there still were. */
static int kill_once(const struct adoption *adoption)
{
	char children[4096];
	char *word = children;
	int found = 0;
	int rc = list_children(children, sizeof(children));

	if (rc < 0 && rc != -EFBIG)
		return 0;
	for (;;) {
		char *end;
		long pid = strtol(word, &end, 10);

		if (end == word)
			return found;
		word = end;
		if (was_there_before(adoption, pid))
			continue;
		found++;
		kill((pid_t)pid, SIGKILL);
		waitpid((pid_t)pid, NULL, WNOHANG | __WALL);
	}
}

void adoption_kill(const struct adoption *adoption, int limit_ms)
{
	const struct timespec pause = {.tv_nsec = 1000 * 1000};

	if (!adoption->active)
		return;
	for (int waited_ms = 0; kill_once(adoption) > 0 && waited_ms < limit_ms; waited_ms++)
		nanosleep(&pause, NULL);
}

void adoption_end(const struct adoption *adoption)
{
	if (adoption->active && !adoption->was_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}
