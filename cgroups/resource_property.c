/* SPDX-License-Identifier: Apache-2.0 */
/* From what is written to a file of the cgroup to the property by which systemd writes the same. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/number_list.h"
#include "base/str.h"
#include "cgroups/resource_convert.h"
#include "cgroups/resource_row.h"

#define USEC_PER_SEC 1000000u
/** systemd keeps a quota as a whole percentage: what is between two is rounded up (runc, too). */
#define USEC_PER_PERCENT      10000u
#define DEFAULT_CPU_PERIOD_US 100000u

/** "max", or a number. */
static int parse_limit(const char *text, uint64_t *ret_value)
{
	if (streq(text, "max")) {
		*ret_value = UINT64_MAX;
		return 0;
	}
	return str_parse_u64(text, UINT64_MAX - 1, ret_value);
}

int resource_property_limit(const struct resource_row *row, const char *value,
			    struct bus_properties *properties)
{
	uint64_t limit;

	if (parse_limit(value, &limit) < 0)
		return 0;
	return bus_properties_add(properties, row->property, bus_value_u64(limit));
}

int resource_property_weight(const struct resource_row *row, const char *value,
			     struct bus_properties *properties)
{
	uint64_t weight;

	if (str_parse_u64(value, 10000, &weight) < 0)
		return 0;
	return bus_properties_add(properties, row->property, bus_value_u64(weight));
}

int resource_property_idle(const struct resource_row *row, const char *value,
			   struct bus_properties *properties)
{
	/* the largest number takes a weight away; shares come after */
	return bus_properties_add(properties, row->property,
				  bus_value_u64(streq(value, "1") ? 0 : UINT64_MAX));
}

/** "QUOTA PERIOD", or the quota alone. */
int resource_property_quota(const struct resource_row *row, const char *value,
			    struct bus_properties *properties)
{
	const char *blank = strchr(value, ' ');
	const char *first = arena_strndup(properties->arena, value, strcspn(value, " "));
	uint64_t quota, period = DEFAULT_CPU_PERIOD_US;
	int rc;

	if (!first)
		return -ENOMEM;
	if (parse_limit(first, &quota) < 0 ||
	    (blank && str_parse_u64(blank + 1, UINT32_MAX, &period) < 0) || period == 0)
		return 0;
	if (quota != UINT64_MAX) {
		if (quota > UINT64_MAX / USEC_PER_SEC)
			return 0;
		quota = quota * USEC_PER_SEC / period;
		quota = (quota + USEC_PER_PERCENT - 1) / USEC_PER_PERCENT * USEC_PER_PERCENT;
	}
	rc = bus_properties_add(properties, "CPUQuotaPeriodUSec", bus_value_u64(period));
	return rc < 0 ? rc : bus_properties_add(properties, row->property, bus_value_u64(quota));
}

/** Processors, or nodes, that one list may name. */
#define SET_BITS 8192

/** A bit mask, the lowest byte first. */
int resource_property_set(const struct resource_row *row, const char *value,
			  struct bus_properties *properties)
{
	unsigned long mask[SET_BITS / (8 * sizeof(unsigned long))] = {0};
	struct bus_value set = {.type = 'a', .text = "y"};
	struct bus_value *bytes;
	int end = number_list_parse(value, mask, SET_BITS);

	if (end < 0)
		return 0;
	set.count = ((size_t)end + 7) / 8;
	bytes = arena_array(properties->arena, struct bus_value, set.count + 1);
	if (!bytes)
		return -ENOMEM;
	for (size_t i = 0; i < set.count; i++) {
		size_t word = i / sizeof(mask[0]), shift = 8 * (i % sizeof(mask[0]));

		bytes[i] = (struct bus_value){.type = 'y', .number = (mask[word] >> shift) & 0xff};
	}
	set.items = bytes;
	return bus_properties_add(properties, row->property, set);
}

/** Split "MAJOR:MINOR REST": *@ret_node is the device's node, NULL when @value names no device. */
static int split_device(const char *value, struct arena *arena, const char **ret_node,
			const char **ret_rest)
{
	size_t len = strcspn(value, " "), digits = strspn(value, "0123456789:");

	*ret_node = NULL;
	*ret_rest = value;
	if (!value[len] || digits != len || !memchr(value, ':', len))
		return 0;
	*ret_node = arena_printf(arena, "/dev/block/%.*s", (int)len, value);
	*ret_rest = value + len + 1;
	return *ret_node ? 0 : -ENOMEM;
}

/** @convert: from the file's scale to io.weight's. */
static int add_io_weight(const struct resource_row *row, const char *value,
			 uint64_t (*convert)(uint64_t), struct bus_properties *properties)
{
	const char *node, *number;
	uint64_t weight;

	if (split_device(value, properties->arena, &node, &number) < 0)
		return -ENOMEM;
	if (!node && str_after(value, "default "))
		number = str_after(value, "default ");
	if (str_parse_u64(number, 10000, &weight) < 0)
		return 0;
	weight = convert ? convert(weight) : weight;
	if (!node)
		return bus_properties_add(properties, row->property, bus_value_u64(weight));
	return bus_properties_add_pair(properties, "IODeviceWeight", bus_value_text(node),
				       bus_value_u64(weight));
}

int resource_property_io_weight(const struct resource_row *row, const char *value,
				struct bus_properties *properties)
{
	return add_io_weight(row, value, NULL, properties);
}

int resource_property_bfq_weight(const struct resource_row *row, const char *value,
				 struct bus_properties *properties)
{
	return add_io_weight(row, value, resource_convert_io_weight, properties);
}

/* clang-format off */
static const struct {
	const char *key;
	const char *property;
} throttles[] = {
	{ "rbps=", "IOReadBandwidthMax" }, { "wbps=", "IOWriteBandwidthMax" },
	{ "riops=", "IOReadIOPSMax" },	   { "wiops=", "IOWriteIOPSMax" },
};
/* clang-format on */

static int add_throttle(const char *node, const char *word, struct bus_properties *properties)
{
	for (size_t i = 0; i < ARRAY_LEN(throttles); i++) {
		const char *rate = str_after(word, throttles[i].key);
		uint64_t value;

		if (rate && parse_limit(rate, &value) == 0)
			return bus_properties_add_pair(properties, throttles[i].property,
						       bus_value_text(node), bus_value_u64(value));
	}
	return 0;
}

/** "MAJOR:MINOR KEY=RATE...". */
int resource_property_throttle(const struct resource_row *row, const char *value,
			       struct bus_properties *properties)
{
	const char *node, *rest;
	char *words, *word;
	int rc = split_device(value, properties->arena, &node, &rest);

	words = rc == 0 && node ? arena_strdup(properties->arena, rest) : NULL;
	if (rc < 0 || (node && !words))
		return -ENOMEM;
	while (rc == 0 && (word = strsep(&words, " ")) != NULL)
		rc = add_throttle(node, word, properties);
	return rc;
}
