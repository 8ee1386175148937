/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value of D-Bus, and named ones as systemd takes them for a unit's properties. Plain data in the
 * arena, so that what a unit is asked for is decided, printed and tested without a bus.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/** One value. Its type is a letter of D-Bus's signatures; which member counts follows from it. */
struct bus_value {
	char type;                     /* b y n q i u x t d s o g; 'a' an array, '(' a struct */
	uint64_t number;               /* b y q u t */
	int64_t integer;               /* n i x */
	double real;                   /* d */
	const char *text;              /* s o g; of an array the signature of its items */
	const struct bus_value *items; /* 'a' and '(' */
	size_t count;
};

/** How deep values are nested at most. */
#define BUS_VALUE_MAX_DEPTH 16

struct bus_value bus_value_bool(bool value);
struct bus_value bus_value_u64(uint64_t value);
struct bus_value bus_value_text(const char *text);
/** The signature of @value in the arena ("a(ss)"), or NULL when memory ran out. */
const char *bus_value_signature(const struct bus_value *value, struct arena *arena);
/**
 * @value as text of the form that GVariant reads, types left out, for people; NULL when memory ran
 * out.
 */
const char *bus_value_format(const struct bus_value *value, struct arena *arena);

struct bus_property {
	const char *name;
	struct bus_value value;
};

/** A growing list; of two with the same name the later one holds, as systemd reads them. */
struct bus_properties {
	struct arena *arena;
	struct bus_property *list;
	size_t count;
	size_t room;
};

/** Append. @name and what @value points to are lent for as long as the arena. Returns 0 or -ENOMEM. */
int bus_properties_add(struct bus_properties *properties, const char *name, struct bus_value value);
/** Append the array of structs of two items each, "a(s?)", with the one element @first, @second. */
int bus_properties_add_pair(struct bus_properties *properties, const char *name,
			    struct bus_value first, struct bus_value second);
/** The last property called @name, or NULL. */
const struct bus_property *bus_properties_find(const struct bus_properties *properties,
					       const char *name);
