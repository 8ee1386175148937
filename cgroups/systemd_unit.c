/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_unit.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "cgroups/variant_text.h"

#define USEC_PER_SEC 1000000u

/**
 * For the sake of statistics, and so that systemd enables the controllers. Booleans, like the rest of
 * what every unit has.
 */
/* clang-format off */
static const struct {
	const char *name;
	bool value;
	bool scope_only;
} flags[] = {
	{ "Delegate", true, true },
	{ "DefaultDependencies", false, false },
	{ "CPUAccounting", true, false },
	{ "IOAccounting", true, false },
	{ "MemoryAccounting", true, false },
	{ "TasksAccounting", true, false },
};
/* clang-format on */

static int add_common(const char *id, struct systemd_unit *unit, struct arena *arena)
{
	const char *description = arena_printf(arena, "container %s", id);
	int rc = description ? bus_properties_add(&unit->properties, "Description",
						  bus_value_text(description))
			     : -ENOMEM;

	/* where a slice is its name says */
	if (rc == 0 && !unit->name.is_slice)
		rc = bus_properties_add(&unit->properties, "Slice",
					bus_value_text(unit->name.slice));
	/* a unit that has failed would stay, and its name with it */
	if (rc == 0)
		rc = bus_properties_add(&unit->properties, "CollectMode",
					bus_value_text("inactive-or-failed"));
	for (size_t i = 0; i < ARRAY_LEN(flags) && rc == 0; i++)
		if (!flags[i].scope_only || !unit->name.is_slice)
			rc = bus_properties_add(&unit->properties, flags[i].name,
						bus_value_bool(flags[i].value));
	return rc;
}

/** Times are given in seconds, "TimeoutStopSec", and systemd's bus wants microseconds. */
static int seconds_to_usec(const char *name, struct arena *arena, struct bus_value *value,
			   const char **ret_name)
{
	double seconds = value->type == 'd'           ? value->real
			 : strchr("nix", value->type) ? (double)value->integer
						      : (double)value->number;

	if (!strchr("ynqiuxtd", value->type) || seconds < 0 ||
	    seconds > (double)(UINT64_MAX / USEC_PER_SEC))
		return -EINVAL;
	*ret_name = arena_printf(arena, "%.*sUSec", (int)(strlen(name) - strlen("Sec")), name);
	*value = bus_value_u64((uint64_t)(seconds * USEC_PER_SEC));
	return *ret_name ? 0 : -ENOMEM;
}

/** At least three letters, as runc has it. */
static bool is_property_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 3 &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == len;
}

/** "TimeoutStopSec", but not "TimeoutStopUSec". */
static bool is_seconds(const char *name)
{
	size_t len = strlen(name);

	return len > strlen("Sec") && streq(name + len - strlen("Sec"), "Sec") &&
	       name[len - strlen("Sec") - 1] >= 'a';
}

static int add_annotation(const char *key, const char *text, struct problems *problems,
			  struct bus_properties *properties)
{
	const char *name = str_after(key, SYSTEMD_PROPERTY_PREFIX);
	struct wh_error reason = WH_ERROR_INIT;
	struct bus_value value;
	int rc;

	if (!is_property_name(name)) {
		problems_add(problems, PROBLEM_ERROR,
			     "annotations.%s: '%s' is no name of a property", key, name);
		return 0;
	}
	rc = variant_text_parse(text, properties->arena, &value, &reason);
	if (rc == 0 && is_seconds(name)) {
		rc = seconds_to_usec(name, properties->arena, &value, &name);
		if (rc == -EINVAL)
			wh_fail(&reason, 0, "a time is a number of seconds that is not negative");
	}
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		problems_add(problems, PROBLEM_ERROR, "annotations.%s: '%s': %s", key, text,
			     reason.message);
		return 0;
	}
	return bus_properties_add(properties, name, value);
}

int systemd_unit_plan(const struct oci_spec *spec, const char *id,
		      const struct bus_properties *limits, struct arena *arena,
		      struct problems *problems, struct systemd_unit *unit)
{
	int rc;

	unit->properties = (struct bus_properties){.arena = arena};
	rc = add_common(id, unit, arena);
	for (size_t i = 0; i < limits->count && rc == 0; i++)
		rc = bus_properties_add(&unit->properties, limits->list[i].name,
					limits->list[i].value);
	for (size_t i = 0; i < spec->n_annotations && rc == 0; i++)
		if (str_after(spec->annotations[i].key, SYSTEMD_PROPERTY_PREFIX))
			rc = add_annotation(spec->annotations[i].key, spec->annotations[i].value,
					    problems, &unit->properties);
	return rc;
}
