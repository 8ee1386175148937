/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_call.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define MANAGER_PATH      "/org/freedesktop/systemd1"
#define MANAGER_INTERFACE SYSTEMD_NAME ".Manager"

/** How often a systemd that has left the bus (daemon-reexec) is tried again. */
#define RESTART_PAUSE_MS 20

const char *systemd_bus_name(const struct systemd_bus *bus)
{
	return bus->user ? "the user's systemd" : "systemd";
}

void systemd_call_begin_at(struct systemd_call *call, struct systemd_bus *bus, const char *path,
			   const char *interface, const char *method)
{
	int rc;

	*call = (struct systemd_call){.bus = bus};
	rc = bus->lib->message_new_method_call(bus->bus, &call->message, SYSTEMD_NAME, path,
					       interface, method);
	call->failed = rc < 0 ? rc : 0;
}

void systemd_call_begin(struct systemd_call *call, struct systemd_bus *bus, const char *method)
{
	systemd_call_begin_at(call, bus, MANAGER_PATH, MANAGER_INTERFACE, method);
}

static void note(struct systemd_call *call, int rc)
{
	if (rc < 0 && !call->failed)
		call->failed = rc;
}

static void append_basic(struct systemd_call *call, char type, const void *value)
{
	if (!call->failed)
		note(call, call->bus->lib->message_append_basic(call->message, type, value));
}

static void open_container(struct systemd_call *call, char type, const char *contents)
{
	if (!contents)
		note(call, -ENOMEM);
	if (!call->failed)
		note(call, call->bus->lib->message_open_container(call->message, type, contents));
}

static void close_container(struct systemd_call *call)
{
	if (!call->failed)
		note(call, call->bus->lib->message_close_container(call->message));
}

void systemd_call_text(struct systemd_call *call, const char *text)
{
	append_basic(call, 's', text);
}

void systemd_call_bool(struct systemd_call *call, bool value)
{
	int number = value;

	append_basic(call, 'b', &number);
}

/** sd-bus wants each type in its own size. */
static void append_number(struct systemd_call *call, const struct bus_value *value)
{
	uint8_t byte = (uint8_t)value->number;
	uint16_t u16 = value->type == 'n' ? (uint16_t)value->integer : (uint16_t)value->number;
	uint32_t u32 = value->type == 'i' ? (uint32_t)value->integer : (uint32_t)value->number;

	switch (value->type) {
	case 'y':
		return append_basic(call, 'y', &byte);
	case 'n':
	case 'q':
		return append_basic(call, value->type, &u16);
	case 'b':
	case 'i':
	case 'u':
		return append_basic(call, value->type, &u32);
	case 'x':
		return append_basic(call, 'x', &value->integer);
	case 'd':
		return append_basic(call, 'd', &value->real);
	default:
		return append_basic(call, 't', &value->number);
	}
}

static void append_value(struct systemd_call *call, const struct bus_value *value,
			 struct arena *arena)
{
	const char *contents = value->text;

	if (strchr("sog", value->type))
		return append_basic(call, value->type, value->text);
	if (value->type != 'a' && value->type != '(')
		return append_number(call, value);
	if (value->type == '(') {
		contents = bus_value_signature(value, arena);
		/* what is between the parentheses */
		contents =
		    contents ? arena_strndup(arena, contents + 1, strlen(contents) - 2) : NULL;
	}
	open_container(call, value->type == 'a' ? 'a' : 'r', contents);
	for (size_t i = 0; i < value->count; i++)
		append_value(call, &value->items[i], arena);
	close_container(call);
}

void systemd_call_pids(struct systemd_call *call, pid_t pid)
{
	uint32_t number = (uint32_t)pid;

	open_container(call, 'a', "u");
	append_basic(call, 'u', &number);
	close_container(call);
}

void systemd_call_no_units(struct systemd_call *call)
{
	open_container(call, 'a', "(sa(sv))");
	close_container(call);
}

void systemd_call_properties(struct systemd_call *call, const struct bus_properties *properties,
			     pid_t pid)
{
	open_container(call, 'a', "(sv)");
	for (size_t i = 0; i < properties->count; i++) {
		const struct bus_property *property = &properties->list[i];

		open_container(call, 'r', "sv");
		systemd_call_text(call, property->name);
		open_container(call, 'v', bus_value_signature(&property->value, properties->arena));
		append_value(call, &property->value, properties->arena);
		close_container(call);
		close_container(call);
	}
	if (pid > 0) {
		open_container(call, 'r', "sv");
		systemd_call_text(call, "PIDs");
		open_container(call, 'v', "au");
		systemd_call_pids(call, pid);
		close_container(call);
		close_container(call);
	}
	close_container(call);
}

static enum systemd_answer answer_of(const char *name)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum systemd_answer answer;
	} rows[] = {
		{ SYSTEMD_NAME ".NoSuchUnit", SYSTEMD_NO_UNIT },
		{ SYSTEMD_NAME ".UnitExists", SYSTEMD_UNIT_EXISTS },
		{ "org.freedesktop.DBus.Error.UnknownObject", SYSTEMD_NO_OBJECT },
		{ "org.freedesktop.DBus.Error.NoReply", SYSTEMD_GONE },
		{ "org.freedesktop.DBus.Error.NameHasNoOwner", SYSTEMD_GONE },
	};
	/* clang-format on */

	for (size_t i = 0; name && i < ARRAY_LEN(rows); i++)
		if (streq(name, rows[i].name))
			return rows[i].answer;
	return SYSTEMD_FAILED;
}

static int fail_call(const struct systemd_call *call, const char *what, int rc,
		     const sd_bus_error *error, struct wh_error *err)
{
	const char *who = systemd_bus_name(call->bus);

	/* the bus's NoReply, of a systemd that left, has the same number as our own time limit */
	if (rc == -ETIMEDOUT && answer_of(error->name) != SYSTEMD_GONE)
		return wh_fail(err, -rc, "%s: %s did not answer within %d seconds", what, who,
			       SYSTEMD_CALL_TIMEOUT_MS / 1000);
	if (error->message)
		return wh_fail(err, 0, "%s: %s answered: %s", what, who, error->message);
	return wh_fail(err, -rc, "%s: call %s", what, who);
}

static int send_once(struct systemd_call *call, const char *what, enum systemd_answer *ret_answer,
		     struct wh_error *err)
{
	const struct sd_library *lib = call->bus->lib;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int rc = lib->call(call->bus->bus, call->message, (uint64_t)SYSTEMD_CALL_TIMEOUT_MS * 1000,
			   &error, &call->reply);

	if (rc >= 0) {
		*ret_answer = SYSTEMD_DONE;
		return 0;
	}
	*ret_answer = answer_of(error.name);
	rc = fail_call(call, what, rc, &error, err);
	lib->error_free(&error);
	return rc;
}

int systemd_call_send(struct systemd_call *call, const char *what, enum systemd_answer *ret_answer,
		      struct wh_error *err)
{
	int64_t deadline = clock_ms() + SYSTEMD_RESTART_TIMEOUT_MS;
	struct wh_error reason = WH_ERROR_INIT;
	int rc = call->failed;

	*ret_answer = SYSTEMD_FAILED;
	if (rc < 0)
		return wh_fail(err, -rc, "%s: compose the message", what);
	rc = send_once(call, what, ret_answer, &reason);
	while (*ret_answer == SYSTEMD_GONE && clock_ms() < deadline) {
		poll(NULL, 0, RESTART_PAUSE_MS);
		call->repeated = true;
		rc = send_once(call, what, ret_answer, &reason);
	}
	if (rc < 0 && err)
		*err = reason;
	return rc;
}

void systemd_call_done(struct systemd_call *call)
{
	call->bus->lib->message_unref(call->message);
	call->bus->lib->message_unref(call->reply);
}
