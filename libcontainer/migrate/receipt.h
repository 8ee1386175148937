/* SPDX-License-Identifier: Apache-2.0 */
/* The destination: what became of a migration whose receiver has ended. */
#pragma once

#include "base/error.h"
#include "libcontainer/container.h"
#include "libcontainer/migrate/document.h"

/**
 * Settle migration @number of container @id: wait for the end of its receiver, at most @timeout_ms; if the container
 * did not get to run here, take away all that is left of it, so that it never will. *@ret_fate says which.
 * A container that runs keeps its receipt until migrate_receipt_forget(). One whose receiver still reads its memory, and does not
 * end, is MIGRATE_FATE_READING.
 * Returns 0 or -errno (-EBUSY: the receiver is still at something else).
 */
int migrate_receipt_settle(const struct runtime *rt, const char *number, const char *id,
			   int timeout_ms, enum migrate_fate *ret_fate, struct wh_error *err);
/** The source knows: forget migration @number. Never fails; what cannot be removed is a warning. */
void migrate_receipt_forget(const struct runtime *rt, const char *number);
