/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socketcall(2) and ipc(2): one number for all calls of sockets and of System V IPC on some
 * architectures (32-bit x86, s390, PowerPC), which have numbers of their own for most of them as
 * well. The first argument says which call it is; those of sockets are in memory, where no filter
 * sees them.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/seccomp/rules.h"

/** libseccomp's own numbers for the calls that are made in this way. */
#define SECCOMP_MULTIPLEXED_FIRST (-100)
#define SECCOMP_MULTIPLEXED_LAST  (-299)

/**
 * Where a rule about such a call has conditions, add to @rules what the rules say about socketcall
 * or ipc: for each call a rule that asks for its number in the first argument. What its
 * own rule asks of the first argument is taken to be so, since something else is there; the rest
 * is compared as it is. That is how libseccomp reads these rules. Nothing is added about a
 * multiplexer that a rule without conditions decides. What is added is in @arena, and behind the
 * rest: no longer in order. Returns 0 or -errno.
 */
int seccomp_multiplexed_add(struct seccomp_rules *rules, struct arena *arena, struct wh_error *err);
