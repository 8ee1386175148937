/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/bus_value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"

#define FIRST_ROOM 16

struct bus_value bus_value_bool(bool value)
{
	return (struct bus_value){.type = 'b', .number = value};
}

struct bus_value bus_value_u64(uint64_t value)
{
	return (struct bus_value){.type = 't', .number = value};
}

struct bus_value bus_value_text(const char *text)
{
	return (struct bus_value){.type = 's', .text = text};
}

/** "(ss)" of a struct's items. */
static const char *struct_signature(const struct bus_value *value, struct arena *arena)
{
	const char *text = "(";

	for (size_t i = 0; i < value->count && text; i++) {
		const char *item = bus_value_signature(&value->items[i], arena);

		text = item ? arena_printf(arena, "%s%s", text, item) : NULL;
	}
	return text ? arena_printf(arena, "%s)", text) : NULL;
}

const char *bus_value_signature(const struct bus_value *value, struct arena *arena)
{
	if (value->type == '(')
		return struct_signature(value, arena);
	if (value->type == 'a')
		return arena_printf(arena, "a%s", value->text);
	return arena_printf(arena, "%c", value->type);
}

static const char *format_items(const struct bus_value *value, struct arena *arena)
{
	const char *text = value->type == 'a' ? "[" : "(";

	for (size_t i = 0; i < value->count && text; i++) {
		const char *item = bus_value_format(&value->items[i], arena);

		text = item ? arena_printf(arena, "%s%s%s", text, i ? ", " : "", item) : NULL;
	}
	return text ? arena_printf(arena, "%s%c", text, value->type == 'a' ? ']' : ')') : NULL;
}

const char *bus_value_format(const struct bus_value *value, struct arena *arena)
{
	switch (value->type) {
	case 'b':
		return value->number ? "true" : "false";
	case 'd':
		return arena_printf(arena, "%g", value->real);
	case 'n':
	case 'i':
	case 'x':
		return arena_printf(arena, "%" PRId64, value->integer);
	case 's':
	case 'o':
	case 'g':
		return arena_printf(arena, "'%s'", value->text);
	case 'a':
	case '(':
		return format_items(value, arena);
	default:
		break;
	}
	if (value->type == 't' && value->number == UINT64_MAX)
		return "infinity";
	return arena_printf(arena, "%" PRIu64, value->number);
}

int bus_properties_add(struct bus_properties *properties, const char *name, struct bus_value value)
{
	if (!name)
		return -ENOMEM;
	if (properties->count == properties->room) {
		size_t room = properties->room ? 2 * properties->room : FIRST_ROOM;
		struct bus_property *grown =
		    arena_array(properties->arena, struct bus_property, room);

		if (!grown)
			return -ENOMEM;
		if (properties->count)
			memcpy(grown, properties->list, properties->count * sizeof(*grown));
		properties->list = grown;
		properties->room = room;
	}
	properties->list[properties->count++] = (struct bus_property){name, value};
	return 0;
}

int bus_properties_add_pair(struct bus_properties *properties, const char *name,
			    struct bus_value first, struct bus_value second)
{
	struct arena *arena = properties->arena;
	struct bus_value *items = arena_array(arena, struct bus_value, 2);
	struct bus_value *pair = arena_new(arena, struct bus_value);
	const char *signature;

	if (!items || !pair)
		return -ENOMEM;
	items[0] = first;
	items[1] = second;
	*pair = (struct bus_value){.type = '(', .items = items, .count = 2};
	signature = bus_value_signature(pair, arena);
	if (!signature)
		return -ENOMEM;
	return bus_properties_add(
	    properties, name,
	    (struct bus_value){.type = 'a', .text = signature, .items = pair, .count = 1});
}

const struct bus_property *bus_properties_find(const struct bus_properties *properties,
					       const char *name)
{
	for (size_t i = properties->count; i > 0; i--)
		if (streq(properties->list[i - 1].name, name))
			return &properties->list[i - 1];
	return NULL;
}
