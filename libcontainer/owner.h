/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of users, from /etc/passwd alone: what the name service switch would load costs more than
 * the rest of `state`.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"

/** The login name of @uid, or its number as text, in the arena; NULL when the arena is full. */
const char *owner_name(uint32_t uid, struct arena *arena);
