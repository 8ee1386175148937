/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for yajl, which does not look whether it got what it asked for: where there is no more, it is
 * left behind by a jump. Nothing is lost by that, since all it had is the arena's.
 */
#pragma once

#include <setjmp.h>

#include <yajl/yajl_common.h>

#include "base/arena.h"

struct json_memory {
	struct arena *arena;
	jmp_buf exhausted; /* to be set by setjmp() before yajl is called */
};

/** What yajl_alloc() takes. @memory is lent for as long as the handle lives. */
yajl_alloc_funcs json_memory_funcs(struct json_memory *memory);
