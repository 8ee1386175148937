/* SPDX-License-Identifier: Apache-2.0 */
/* The part of linux.intelRdt that only reads text. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "libcontainer/intel_rdt.h"

/** The class that every process is in from the start. */
#define DEFAULT_CLASS "."

/** Append the lines of @lines to *@text, but for those that begin with @without. */
static int add_lines(struct arena *arena, const char *lines, const char *without, const char **text)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		if (len > 0 && !(without && str_after(lines, without))) {
			*text =
			    arena_printf(arena, "%s%.*s\n", *text ? *text : "", (int)len, lines);
			if (!*text)
				return -ENOMEM;
		}
		lines += len + (lines[len] == '\n');
	}
	return 0;
}

/** The memory bandwidth of memBwSchema stands in for one that l3CacheSchema has, too. */
static int plan_limits(const struct oci_intel_rdt *rdt, struct arena *arena, const char **ret_text)
{
	int rc = 0;

	if (!str_empty(rdt->l3_cache_schema))
		rc = add_lines(arena, rdt->l3_cache_schema, rdt->mem_bw_schema ? "MB:" : NULL,
			       ret_text);
	if (rc == 0 && !str_empty(rdt->mem_bw_schema))
		rc = add_lines(arena, rdt->mem_bw_schema, NULL, ret_text);
	return rc;
}

int intel_rdt_plan_build(const struct oci_intel_rdt *rdt, const char *id, struct arena *arena,
			 struct intel_rdt_plan *ret_plan, struct wh_error *err)
{
	struct intel_rdt_plan plan = {0};
	const char *class;
	int rc;

	*ret_plan = plan;
	if (!rdt)
		return 0;
	plan.own = !rdt->clos_id;
	class = plan.own ? id : rdt->clos_id;
	plan.group = arena_strdup(arena, streq(class, "/") ? DEFAULT_CLASS : class);
	if (!plan.group)
		return wh_oom(err);
	rc = plan_limits(rdt, arena, &plan.limits);
	for (size_t i = 0; rc == 0 && i < rdt->n_schemata; i++)
		rc = add_lines(arena, rdt->schemata[i], NULL, &plan.schemata);
	if (rc == 0 && rdt->enable_monitoring && *rdt->enable_monitoring) {
		plan.monitor = arena_printf(arena, "%s/mon_groups/%s", plan.group, id);
		rc = plan.monitor ? 0 : -ENOMEM;
	}
	if (rc < 0)
		return wh_oom(err);
	*ret_plan = plan;
	return 0;
}

/** A piece of a text, that its neighbours are told from by separators. */
struct span {
	const char *start;
	size_t len;
};

/** Cut the next piece that ends in one of @separators off *@text, without the blanks around it. */
static struct span cut(const char **text, const char *end, const char *separators)
{
	const char *start = *text;
	const char *stop = start;
	struct span piece;

	while (stop < end && !strchr(separators, *stop))
		stop++;
	*text = stop < end ? stop + 1 : end;
	while (start < stop && *start == ' ')
		start++;
	while (stop > start && stop[-1] == ' ')
		stop--;
	piece = (struct span){start, (size_t)(stop - start)};
	return piece;
}

static bool same_text(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.start, b.start, a.len) == 0;
}

/** The same number in the same base, whichever that is. */
static bool same_number(struct span a, struct span b)
{
	struct span *both[] = {&a, &b};

	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		while (both[i]->len > 1 && both[i]->start[0] == '0') {
			both[i]->start++;
			both[i]->len--;
		}
	}
	return same_text(a, b);
}

/** What the schemata file has for @domain of @resource; empty when it does not have it. */
static struct span find_value(const char *schemata, struct span resource, struct span domain)
{
	const char *end = schemata + strlen(schemata);

	while (schemata < end) {
		struct span line = cut(&schemata, end, "\n");
		const char *at = line.start;
		const char *line_end = line.start + line.len;

		if (!same_text(cut(&at, line_end, ":"), resource))
			continue;
		while (at < line_end) {
			struct span pair = cut(&at, line_end, ";");
			const char *value = pair.start;

			if (same_number(cut(&value, pair.start + pair.len, "="), domain))
				return cut(&value, pair.start + pair.len, "=");
		}
	}
	return (struct span){"", 0};
}

static bool line_holds(struct span line, const char *schemata)
{
	const char *at = line.start;
	const char *end = line.start + line.len;
	struct span resource = cut(&at, end, ":");

	while (at < end) {
		struct span pair = cut(&at, end, ";");
		const char *value = pair.start;
		struct span domain = cut(&value, pair.start + pair.len, "=");
		struct span wanted = cut(&value, pair.start + pair.len, "=");

		if (pair.len > 0 && !same_number(wanted, find_value(schemata, resource, domain)))
			return false;
	}
	return true;
}

bool intel_rdt_limits_hold(const char *limits, const char *schemata)
{
	const char *end = limits + strlen(limits);

	while (limits < end) {
		if (!line_holds(cut(&limits, end, "\n"), schemata))
			return false;
	}
	return true;
}
