/* SPDX-License-Identifier: Apache-2.0 */
/* One arena for all tests of a program, as cmocka group fixtures. */
#pragma once

#include "base/arena.h"

static struct arena arena;

/** cmocka group setup: make it. */
static inline int group_arena_setup(void **state)
{
	(void)state;
	return arena_init(&arena, NULL);
}

/** cmocka group teardown: give all of it back. */
static inline int group_arena_teardown(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}
