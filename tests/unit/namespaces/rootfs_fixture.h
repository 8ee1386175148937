/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle on disk, and a child that makes its root file system in a mount namespace of its own and
 * looks at it from inside. */
#pragma once

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "mount_rows.h"
#include "namespaces/mount_plan.h"
#include "namespaces/rootfs.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/** What the child does differently from a plain run; bits. */
#define FIXTURE_USER_NAMESPACE                                                                     \
	(1 << 0) /* in a user namespace that maps root only; the plan says so */
#define FIXTURE_ALIEN_USER                                                                         \
	(1 << 1) /* the same, but the document knows nothing of it: rootless Podman */
#define FIXTURE_CGROUP_NAMESPACE (1 << 2)
#define FIXTURE_NO_PIVOT         (1 << 3)
#define FIXTURE_SHARED_HOST                                                                        \
	(1 << 4) /* what stands for the host's tree is shared, as systemd makes it */
#define FIXTURE_OPEN_INSIDE (1 << 5) /* the sources are opened by one that may not clone mounts */
#define FIXTURE_HOST_IPC    (1 << 7) /* no ipc namespace of its own */
#define FIXTURE_JOINED_PROC                                                                        \
	(1 << 8)                 /* procfs comes from the one who is in the joined pid namespace */
#define FIXTURE_CONSOLE (1 << 6) /* bind a new pty of the container's devpts to /dev/console */

struct fixture {
	char dir[PATH_MAX / 2]; /* the bundle */
	char rootfs[PATH_MAX];
	char
	    canary[PATH_MAX]; /* a directory of the host that must not change; holds the file "f" */
	struct arena arena;
	struct problems problems;
	struct oci_spec spec; /* one to be changed by the test; root.path is "rootfs" */
	struct oci_linux linux_;
	struct oci_root root;
	struct oci_process process;
	struct oci_namespace namespaces[4];
	/* runs in the child between what the parent does and what init does; may be NULL */
	void (*after_open)(struct fixture *fixture);
	/* runs in the child when all is attached and before the root is pivoted to; may be NULL */
	const char *(*before_pivot)(struct fixture *fixture, const struct rootfs_work *work);
	int cgroup_fd;
	char message[4096];
};

/**
 * cmocka set-up and tear-down; *@state is the fixture. Fails the test when the machine does not
 * let it.
 */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/** For main(): whether the tests can run; if not, that and why is the program's output. */
bool fixture_is_root(void);

/** Make a file, a directory or a link below the bundle. */
void fixture_file(struct fixture *fixture, const char *path, const char *content);
void fixture_dir(struct fixture *fixture, const char *path, unsigned int mode);
void fixture_link(struct fixture *fixture, const char *path, const char *target);
/** A path below the bundle, in the arena. */
const char *fixture_path(struct fixture *fixture, const char *path);

/**
 * Build the plan of fixture->spec; fails the test when that fails. Problems are in
 * fixture->problems.
 */
void fixture_plan(struct fixture *fixture, bool no_pivot, struct rootfs_plan *ret_plan);

/**
 * Do all of it in a child: plan, open, attach, mount, devices, pivot, masks, read-only root; then
 * @check with the container's root as root, which returns NULL, or what is wrong. Returns NULL when
 * all went well, "" never, else the error's sentence or what @check found.
 */
const char *fixture_run(struct fixture *fixture, int flags, const char *(*check)(void));

/** fixture_run() that has to go well. */
#define fixture_assert_ok(fixture, flags, check)                                                   \
	do {                                                                                       \
		const char *wrong_ = fixture_run(fixture, flags, check);                           \
		if (wrong_)                                                                        \
			fail_msg("%s", wrong_);                                                    \
	} while (0)
/** fixture_run() that has to fail with a sentence that contains @text. */
#define fixture_assert_fails(fixture, flags, text)                                                 \
	do {                                                                                       \
		const char *wrong_ = fixture_run(fixture, flags, NULL);                            \
		if (!wrong_ || !strstr(wrong_, text))                                              \
			fail_msg("expected an error with '%s', got: %s", text,                     \
				 wrong_ ? wrong_ : "none");                                        \
	} while (0)

/** The canary's directory still holds only what the set-up put there. */
void fixture_assert_canary(struct fixture *fixture);

/* For checks, inside the container. */

/**
 * The line of the last mount at @mount_point in mountinfo, in a static buffer; NULL when nothing
 * is mounted there.
 */
const char *fixture_mount_line(const char *mount_point);
/** Formats into a static buffer: `return fixture_text("mode %o", mode);` */
const char *fixture_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** The first bytes of a file in a static buffer; "(errno's text)" when it cannot be read. */
const char *fixture_read(const char *path);

/** Return what is wrong from a check unless @condition holds. */
#define check_that(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return fixture_text("line %d: %s (errno %d)", __LINE__, #condition,        \
					    errno);                                                \
	} while (0)
