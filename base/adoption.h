/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a command and wants to be able to end all of it adopts what the command leaves behind:
 * as child subreaper (prctl(2)) the caller becomes the parent of every process of the command's whose
 * own parent has gone, whatever session or process group it made for itself.
 */
#pragma once

#include <stdbool.h>

/** The caller's children before are none of the command's: their pids, as the kernel lists them. */
struct adoption {
	bool active;
	bool was_subreaper;
	char children_before[1024];
};

/**
 * Adopt orphans from here on. Where the kernel does not list children (no /proc), or the caller has
 * more than can be told apart, nothing is adopted, and adoption_kill() finds nobody.
 */
void adoption_begin(struct adoption *adoption);
/**
 * Kill the children that came since adoption_begin(), and theirs, which become ours as their
 * parents die; all are reaped. A child's pid stays its own until then, so nobody else can be hit.
 * @limit_ms: how long to go on against processes that do not die, or fork faster than they do
 */
void adoption_kill(const struct adoption *adoption, int limit_ms);
/** What is an orphan from here on is not the caller's; what was adopted stays. */
void adoption_end(const struct adoption *adoption);
