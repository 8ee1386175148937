/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GVariant's text format, in which engines write the value of an annotation
 * "org.systemd.property.NAME": 'text', true, 5, uint64 5, [1, 2], ('a', 1), @as []. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/bus_value.h"

/**
 * Parse all of @text. A number without a type is int32, or a double when it has a fraction or an
 * exponent. Dictionaries, variants and maybes are refused: no property of a unit that a container
 * could be given has them.
 * Returns 0, or -errno with a text that has no place in front.
 */
int variant_text_parse(const char *text, struct arena *arena, struct bus_value *ret_value,
		       struct wh_error *err);
