/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-copy's one decision: whether one more round of memory is worth it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/** Most rounds before the container is frozen anyway. */
#define MIGRATE_ROUNDS_MAX 12

/** What the rounds so far have shown. */
struct migrate_pace {
	uint64_t goal_ns;     /* downtime that is aimed at */
	uint64_t rounds;      /* done */
	uint64_t memory;      /* bytes of memory in the last one */
	uint64_t before;      /* and in the one before, 0: there was none */
	uint64_t rate;        /* bytes a second, of the last round */
	uint64_t dirty;       /* bytes a second that changed, as the last round shows; 0: unknown */
	uint64_t expected_ns; /* downtime if it were frozen now */
};

/**
 * Take in a round that held @memory bytes, took @send_ns to send, and holds what changed within @since_ns (0: it
 * is the first, which holds everything).
 */
void migrate_pace_add(struct migrate_pace *pace, uint64_t memory, uint64_t send_ns,
		      uint64_t since_ns);
/**
 * Whether to send one more round: NULL, or the reason not to ("the goal is reached", "it no longer shrinks",
 * "there were enough rounds").
 */
const char *migrate_pace_stop(const struct migrate_pace *pace);
