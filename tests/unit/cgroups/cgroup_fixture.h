/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests against a real v2 mount share: the mount, a name of their own, children inside a
 * cgroup, and removal whatever happens.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "cgroups/cgroup.h"

struct cgroup_fixture {
	int mount_fd;
	struct arena arena;
	char path[64]; /* "/wherry-test-PID-N", one for each test */
	struct cgroup_plan plan;
};

/**
 * cmocka set-up: *@state becomes a struct cgroup_fixture. Without root or a v2 mount the tests
 * skip: see fixture_or_skip().
 */
int cgroup_fixture_setup(void **state);
/** cmocka tear-down: kills and removes what the test left. */
int cgroup_fixture_teardown(void **state);
/** The fixture, or a skip with its cause on stderr. */
struct cgroup_fixture *fixture_or_skip(void **state);
/** Make the fixture's cgroup; asserts success. */
struct cgroup fixture_create(struct cgroup_fixture *fixture);
/**
 * A child inside @cgroup (CLONE_INTO_CGROUP) that runs @body(@arg), sleeps when it is NULL, and
 * ends by itself after 20 s.
 */
pid_t fixture_spawn(const struct cgroup *cgroup, int (*body)(void *), void *arg);
/** Reap @pid: its exit status, or 128 + signal. */
int fixture_reap(pid_t pid);
/** Whether the cgroup @path is there. */
bool fixture_exists(const struct cgroup_fixture *fixture, const char *path);
