/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/pace.h"

#include <stddef.h>

/**
 * What a freeze takes however little memory there is: seizing the processes, saving and restoring all else.
 * Measured with small containers; the expected downtime is a forecast, and the goal counts from it.
 */
#define FIXED_NS 150000000ULL

/** A round that is not at least this much smaller than the one before is not worth another. */
#define SHRINK_PERCENT 90

static uint64_t per_second(uint64_t bytes, uint64_t ns)
{
	return ns ? (uint64_t)((double)bytes * 1e9 / (double)ns) : 0;
}

void migrate_pace_add(struct migrate_pace *pace, uint64_t memory, uint64_t send_ns,
		      uint64_t since_ns)
{
	double rest = (double)memory;

	pace->before = pace->rounds ? pace->memory : 0;
	pace->memory = memory;
	pace->rate = per_second(memory, send_ns);
	pace->dirty = since_ns ? per_second(memory, since_ns) : 0;
	pace->rounds++;
	/* What is changed while this round is on its way is what remains of it: as much as the round itself, or less
	 * when changing takes longer than sending. */
	if (pace->dirty && pace->rate && pace->dirty < pace->rate)
		rest = rest * (double)pace->dirty / (double)pace->rate;
	pace->expected_ns =
	    FIXED_NS + (pace->rate ? (uint64_t)(rest * 1e9 / (double)pace->rate) : 0);
}

const char *migrate_pace_stop(const struct migrate_pace *pace)
{
	/* The first holds everything, and says nothing of what changes. */
	if (pace->rounds < 2)
		return NULL;
	if (pace->expected_ns <= pace->goal_ns)
		return "the goal is reached";
	if (pace->rounds >= MIGRATE_ROUNDS_MAX)
		return "there were enough rounds";
	if (pace->rounds > 2 && pace->memory >= pace->before / 100 * SHRINK_PERCENT)
		return "the rest no longer shrinks";
	return NULL;
}
