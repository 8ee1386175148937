/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read by clang-tidy before each source, and by no compiler: the contract of base/error.h, which an analyser that sees one
 * file at a time cannot know. A failure is negative, so what a function writes "only on success" is written when the
 * result is not.
 */
#pragma once

#include "base/error.h"

static inline int analysis_negative(int result)
{
	if (result >= 0)
		__builtin_unreachable();
	return result;
}

#define wh_fail(...)      analysis_negative(wh_fail(__VA_ARGS__))
#define wh_fail_kind(...) analysis_negative(wh_fail_kind(__VA_ARGS__))
#define wh_oom(err)       analysis_negative(wh_oom(err))
