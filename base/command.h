/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running another program to its end: hooks, and the two helpers that write id maps. Works in both
 * programs, without memory of its own: input is fed while the time limit runs, output is caught,
 * and nothing that the program leaves behind can hold the caller up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/** Bytes of output that are kept: its end. */
#define COMMAND_OUTPUT_MAX 4096
/** No time limit. */
#define COMMAND_NO_TIMEOUT (-1)

/** What to run. All lent. */
struct command {
	const char *path;        /* executed as it is: no search in any PATH */
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL-terminated; NULL: an empty environment */
	int cwd_fd;              /* an O_PATH fd of its working directory; -EBADF: the caller's */
	const void *input;       /* for its standard input, which then ends */
	size_t input_len;
	int timeout_ms; /* COMMAND_NO_TIMEOUT: none */
	/*
	 * The caller ends when this is done, or soon: what the program starts and leaves behind
	 * becomes the caller's for that long (base/adoption.h), so that the end of the time is the
	 * end of all of it. And SIGTERM, SIGINT, SIGHUP and SIGQUIT to the caller, unless ignored, end the
	 * program and not the caller.
	 */
	bool attended;
};

/** How it ended. */
struct command_result {
	int exec_errno; /* not 0: it could not be executed at all, and nothing below holds */
	bool timed_out;
	int cancelled; /* the signal to the caller that ended it, or 0 */
	int status;    /* its exit status, or 128 + signal */
	size_t output_len;
	char output
	    [COMMAND_OUTPUT_MAX +
	     1]; /* standard output and error: their end, one line, printable, NUL-terminated */
};

/** Whether the caller may execute @path. */
bool command_can_run(const char *path);
/**
 * Run @command and wait for its end. It gets its own session, fds 0, 1 and 2 and no other, default
 * signals and an empty mask. A program that does not read its input gets no more of it; SIGPIPE
 * never reaches the caller. What is written after its end, by processes it left behind, is not
 * waited for.
 *
 * When the time is over, the program's whole process group is killed; of one that is attended also
 * whatever left that group.
 * Returns 0 when it was run, however it ended (*@ret_result), or -errno when the caller could not
 * make it.
 */
int command_run(const struct command *command, struct command_result *ret_result,
		struct wh_error *err);
