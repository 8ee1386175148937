/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRIU as a process of ours: `criu swrk FD` serves requests over one socket and ends with it. What is
 * said on the wire is criu_rpc.h's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/checkpoint/criu_rpc.h"

/** The oldest CRIU that is used: 4.0. */
#define CRIU_VERSION_MIN 40000

struct criu {
	int sock;
	int pidfd;
	pid_t pid;
	unsigned int version; /* as in struct criu_response */
	void *buffer;         /* a request on its way out */
	/*
	 * Called whenever CRIU's next words are waited for: does what else there is to do, and returns 0 as soon as
	 * @sock can be read. A failure is that of the call, once CRIU has ended it, too. NULL: there is nothing.
	 */
	int (*attend)(void *ctx, int sock, struct wh_error *err);
	void *attend_ctx;
	/*
	 * A signal that comes here (base/interrupt.h) ends what CRIU saves or restores, whatever CRIU is at: the call
	 * fails, and CRIU has ended. -EBADF: none does. Not heard by attend().
	 */
	int interrupt_fd;
	/* It knows that the image is complete: a signal leaves it a few seconds for the rest, and is no failure. */
	bool settled;
};

#define CRIU_NONE ((struct criu){.sock = -EBADF, .pidfd = -EBADF, .interrupt_fd = -EBADF})

/** How CRIU is started. All lent. */
struct criu_start {
	const char *program; /* NULL: where distributions and administrators install it */
	int cgroup_fd;       /* the cgroup it is born in, -EBADF: the caller's */
	bool dies_with_us;   /* SIGKILL when the caller ends */
	bool saves;          /* a file that cannot grow is an error to it, not its end */
	const int *inherit;  /* fds that it has under the same numbers */
	size_t n_inherit;
	/*
	 * > 0: where a lazy checkpoint serves memory after its image is complete, instead of listening for whoever may
	 * connect; a number that it has, too
	 */
	int page_socket;
	int terminal; /* > 0: its standard input, which CRIU gives to what had the caller's terminal */
	/*
	 * called in the caller while the new process waits to be told to go on, by SYNC_PROCEED on the other end
	 * of @gate; NULL: it does not wait
	 */
	int (*born)(void *ctx, pid_t pid, struct wh_error *err);
	int gate; /* with born only; lent */
	/* called in the new process before the execution of CRIU; NULL: nothing to do there */
	int (*prepare)(void *ctx, struct wh_error *err);
	void *ctx;
};

/**
 * CRIU's absolute path: @wanted (--criu), or, when that is NULL, where distributions and administrators install
 * it; never from PATH. Returns 0 or -errno.
 */
int criu_program_find(const char *wanted, const char **ret_path, struct wh_error *err);

/** CRIU's environment: a PATH for the programs that it runs. */
extern char criu_path[];

/** In a process that becomes CRIU: its own streams lead nowhere, since nobody reads what it prints besides its log. */
int criu_streams_settle(struct wh_error *err);

/**
 * In the parent of a process that becomes CRIU, or writes why it cannot (a struct wh_error) into a pipe that its
 * execution closes: wait for either at the end @report. Returns 0 when CRIU runs, or the other's error.
 */
int criu_hear(int report, struct wh_error *err);

/**
 * Start CRIU, which must be CRIU_VERSION_MIN or newer. It is never looked for in PATH. @arena gives
 * memory for requests. Undone by criu_done(), also after a failure. Returns 0 or -errno.
 */
int criu_start(struct criu *criu, const struct criu_start *start, struct arena *arena,
	       struct wh_error *err);
/** End it: it notices that its socket is closed. */
void criu_done(struct criu *criu);

/**
 * A point that CRIU has reached: @script as CRIU names it, @pid the container's first process, @fd
 * what came along (-EBADF: nothing), which is taken. A failure makes CRIU undo what it did.
 */
typedef int (*criu_notify_fn)(void *ctx, const char *script, pid_t pid, int fd,
			      struct wh_error *err);

/**
 * One request and its answer; meanwhile notifications are answered by @notify (NULL: with yes).
 * Returns 0 when it succeeded, or -errno: without a text when CRIU answered that it failed, which
 * *@ret_response then says more of.
 */
int criu_call(struct criu *criu, const struct criu_request *request, criu_notify_fn notify,
	      void *ctx, struct criu_response *ret_response, struct wh_error *err);

/**
 * Fill @err after CRIU failed at @what ("save container 'x'"): CRIU's own words from the end of
 * @log_name in @work_fd. @work_path is how the error names the directory, NULL when nobody will find
 * it. Returns -EIO.
 */
int criu_failed(const struct criu_response *response, const char *what, int work_fd,
		const char *work_path, const char *log_name, struct wh_error *err);

/**
 * The lines by which CRIU's log @text (NUL-terminated) explains a failure, joined in @buf: the first
 * errors, without times and places in the source.
 */
void criu_log_cause(const char *text, char *buf, size_t size);
/** What to do about such a cause, to stand after it: " (...)", or "" when nothing is known. */
const char *criu_log_hint(const char *cause);
