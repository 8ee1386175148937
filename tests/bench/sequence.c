// SPDX-License-Identifier: Apache-2.0
/*
 * Runs commands one after the other, so that a benchmark can time a sequence (create, start,
 * delete) without a shell's own cost, and read the peak memory of a command without its parent's: a
 * child's ru_maxrss begins with what its parent had, and this static program has next to nothing.
 *
 *	sequence [--count N] [--peak FILE] COMMAND [ARGUMENT...] [+ COMMAND [ARGUMENT...]]...
 *
 * With --count each command is started N times at once, "{}" in its arguments being 0 to N-1, and
 * all are awaited before the next command starts. --peak writes the greatest resident set of any of
 * them, in KiB. Exits 1 when one fails.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ARGUMENTS   64
#define LONGEST_ARGUMENT 512

extern char **environ;

static long peak_kib;

static int fail(const char *what, const char *detail)
{
	fprintf(stderr, "sequence: %s: %s\n", what, detail);
	return -1;
}

/* Writes argument with its first "{}" replaced by the number. */
static void expand(char *ret_text, const char *argument, unsigned int number)
{
	const char *place = strstr(argument, "{}");
	if (place)
		snprintf(ret_text, LONGEST_ARGUMENT, "%.*s%u%s", (int)(place - argument), argument,
			 number, place + 2);
	else
		snprintf(ret_text, LONGEST_ARGUMENT, "%s", argument);
}

static int start(char **command, int length, unsigned int number)
{
	static char text[MOST_ARGUMENTS][LONGEST_ARGUMENT];
	char *argv[MOST_ARGUMENTS + 1];
	pid_t pid;
	for (int i = 0; i < length; i++) {
		expand(text[i], command[i], number);
		argv[i] = text[i];
	}
	argv[length] = NULL;
	int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	return error ? fail(argv[0], strerror(error)) : 0;
}

static int await(unsigned int count, const char *name)
{
	int result = 0;
	while (count-- > 0) {
		int status;
		struct rusage usage;
		if (wait4(-1, &status, 0, &usage) < 0)
			return fail("wait4", strerror(errno));
		if (usage.ru_maxrss > peak_kib)
			peak_kib = usage.ru_maxrss;
		if (status != 0)
			result = fail(name, "failed");
	}
	return result;
}

static int run_all(char **argv, unsigned int count)
{
	while (*argv) {
		int length = 0;
		while (argv[length] && strcmp(argv[length], "+") != 0)
			length++;
		if (length == 0 || length > MOST_ARGUMENTS)
			return fail("usage", "an empty command, or one that is too long");
		for (unsigned int number = 0; number < count; number++)
			if (start(argv, length, number) < 0)
				return -1;
		if (await(count, argv[0]) < 0)
			return -1;
		argv += length + (argv[length] != NULL);
	}
	return 0;
}

static int write_peak(const char *path)
{
	FILE *file = fopen(path, "w");
	if (!file)
		return fail(path, strerror(errno));
	fprintf(file, "%ld\n", peak_kib);
	return fclose(file) == 0 ? 0 : fail(path, strerror(errno));
}

int main(int argc, char **argv)
{
	unsigned int count = 1;
	const char *peak_file = NULL;
	int next = 1;
	for (; next + 1 < argc && strncmp(argv[next], "--", 2) == 0; next += 2) {
		if (strcmp(argv[next], "--count") == 0)
			count = (unsigned int)strtoul(argv[next + 1], NULL, 10);
		else if (strcmp(argv[next], "--peak") == 0)
			peak_file = argv[next + 1];
		else
			return -fail("unknown option", argv[next]);
	}
	if (next >= argc || run_all(argv + next, count) < 0)
		return 1;
	return peak_file && write_peak(peak_file) < 0 ? 1 : 0;
}
