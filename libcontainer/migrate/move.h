/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from one file descriptor to another, without a look at them. */
#pragma once

#include <stddef.h>

/**
 * Write all @len bytes at @data to the stream socket @to, blocking or not. Waits at most @timeout_ms in which nothing of it is
 * taken. Returns 0, -ETIMEDOUT, or -errno (-EPIPE: nobody reads it).
 */
int migrate_put(int to, const void *data, size_t len, int timeout_ms);

/**
 * Move @len bytes from @from to @to, each a pipe or a stream socket, blocking or not: by splice(2) where one of them is a
 * pipe, which passes pages on instead of copying them, else through memory. Waits at most @timeout_ms for either.
 *
 * *@ret_taken: the bytes that are gone from @from, whatever is returned. Returns 0 (fewer than @len only at the end of @from);
 * -ETIMEDOUT, or -errno (-EPIPE: nobody reads @to; what was taken last may be lost).
 */
int migrate_move(int from, int to, size_t len, int timeout_ms, size_t *ret_taken);
