/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit's properties are: read one by one, each as it could be set again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/systemd_call.h"
#include "cgroups/systemd_manager.h"
#include "cgroups/unit_name.h"

#define UNIT_PATH "/org/freedesktop/systemd1/unit"

/** Where in a message it is read, and where to. */
struct reader {
	const struct sd_library *lib;
	sd_bus_message *message;
	struct arena *arena;
};

static int read_value(const struct reader *reader, unsigned int depth, struct bus_value *ret_value);

/** sd-bus gives each type in its own size. */
static int read_basic(const struct reader *reader, char type, struct bus_value *ret_value)
{
	union {
		uint8_t byte;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
		int16_t i16;
		int32_t i32;
		int64_t i64;
		double real;
		const char *text;
	} any = {.u64 = 0};
	int rc = reader->lib->message_read_basic(reader->message, type, &any);

	*ret_value = (struct bus_value){.type = type};
	if (rc < 0)
		return rc;
	switch (type) {
	case 'y':
		ret_value->number = any.byte;
		return 0;
	case 'q':
		ret_value->number = any.u16;
		return 0;
	case 'b':
	case 'u':
		ret_value->number = any.u32;
		return 0;
	case 't':
		ret_value->number = any.u64;
		return 0;
	case 'n':
		ret_value->integer = any.i16;
		return 0;
	case 'i':
		ret_value->integer = any.i32;
		return 0;
	case 'x':
		ret_value->integer = any.i64;
		return 0;
	case 'd':
		ret_value->real = any.real;
		return 0;
	case 's':
	case 'o':
	case 'g':
		ret_value->text = arena_strdup(reader->arena, any.text);
		return ret_value->text ? 0 : -ENOMEM;
	default:
		return -EBADMSG;
	}
}

/** All items of the array or struct that has been entered. */
static int read_items(const struct reader *reader, unsigned int depth, struct bus_value *value)
{
	struct bus_value *items = NULL;
	size_t room = 0;
	int rc;

	while ((rc = reader->lib->message_peek_type(reader->message, NULL, NULL)) > 0) {
		if (value->count == room) {
			struct bus_value *more;

			room = room ? 2 * room : 8;
			more = arena_array(reader->arena, struct bus_value, room);
			if (!more)
				return -ENOMEM;
			if (items)
				memcpy(more, items, value->count * sizeof(*items));
			items = more;
		}
		rc = read_value(reader, depth + 1, &items[value->count]);
		if (rc < 0)
			return rc;
		value->count++;
	}
	value->items = items;
	return rc;
}

static int read_value(const struct reader *reader, unsigned int depth, struct bus_value *ret_value)
{
	const char *contents = NULL;
	char type = 0;
	int rc = reader->lib->message_peek_type(reader->message, &type, &contents);

	if (rc <= 0 || depth > BUS_VALUE_MAX_DEPTH)
		return rc < 0 ? rc : -EBADMSG;
	if (type != 'a' && type != 'r')
		return read_basic(reader, type, ret_value);
	*ret_value = (struct bus_value){.type = type == 'a' ? 'a' : '('};
	if (type == 'a') {
		ret_value->text = arena_strdup(reader->arena, contents);
		if (!ret_value->text)
			return -ENOMEM;
	}
	rc = reader->lib->message_enter_container(reader->message, type, contents);
	if (rc >= 0)
		rc = read_items(reader, depth, ret_value);
	if (rc >= 0)
		rc = reader->lib->message_exit_container(reader->message);
	return rc < 0 ? rc : 0;
}

/** The variant that a Get answers with. */
static int read_answer(const struct systemd_call *call, struct arena *arena,
		       struct bus_value *ret_value)
{
	const struct reader reader = {
	    .lib = call->bus->lib, .message = call->reply, .arena = arena};
	const char *contents = NULL;
	char type = 0;
	int rc = reader.lib->message_peek_type(reader.message, &type, &contents);

	if (rc > 0)
		rc = reader.lib->message_enter_container(reader.message, 'v', contents);
	return rc < 0 ? rc : read_value(&reader, 0, ret_value);
}

static int get_one(struct systemd_bus *bus, const char *path, const char *interface,
		   const char *name, struct bus_properties *properties, struct wh_error *err)
{
	struct bus_value value = {.type = 0}, none;
	enum systemd_answer answer;
	struct systemd_call call;
	char what[128];
	int rc;

	snprintf(what, sizeof(what), "read the unit's %s", name);
	systemd_call_begin_at(&call, bus, path, DBUS_PROPERTY, "Get");
	systemd_call_text(&call, interface);
	systemd_call_text(&call, name);
	rc = systemd_call_send(&call, what, &answer, err);
	if (rc == 0) {
		rc = read_answer(&call, properties->arena, &value);
		if (rc < 0)
			wh_fail(err, -rc, "%s: read the answer of %s", what, systemd_bus_name(bus));
	}
	systemd_call_done(&call);
	if (rc < 0)
		return rc;
	/* what is set is added to a list: an empty one empties it first */
	none = (struct bus_value){.type = 'a', .text = value.text};
	if (value.type == 'a')
		rc = bus_properties_add(properties, name, none);
	if (rc == 0 && (value.type != 'a' || value.count))
		rc = bus_properties_add(properties, name, value);
	return rc < 0 ? wh_oom(err) : 0;
}

int systemd_unit_get(struct systemd_bus *bus, const char *unit, const struct bus_properties *wanted,
		     struct bus_properties *properties, struct wh_error *err)
{
	const char *interface =
	    unit_name_is_slice(unit) ? SYSTEMD_NAME ".Slice" : SYSTEMD_NAME ".Scope";
	char *path = NULL;
	int rc = bus->lib->path_encode(UNIT_PATH, unit, &path);

	if (rc < 0)
		return wh_fail(err, -rc, "make the object's path of unit '%s'", unit);
	for (size_t i = 0; i < wanted->count && rc >= 0; i++)
		if (!bus_properties_find(properties, wanted->list[i].name))
			rc = get_one(bus, path, interface, wanted->list[i].name, properties, err);
	free(path);
	return rc < 0 ? rc : 0;
}
