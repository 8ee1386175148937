/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/device_property.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static const int64_t one = 1, three = 3, eight = 8, wild = -1;

/** What every container may use, in the order of the table. */
#define ALWAYS ALWAYS_WITH("m", "m")
/** The same, beside rules that allow more of all devices of a kind. */
#define ALWAYS_WITH(char_access, block_access)                                                     \
	" char-* " char_access ", block-* " block_access                                           \
	", /dev/char/1:3 rwm, /dev/char/1:5 rwm, /dev/char/1:7 rwm, "                              \
	"/dev/char/1:8 rwm, /dev/char/1:9 rwm, /dev/char/5:0 rwm, /dev/char/5:2 rwm, char-136 "    \
	"rwm, /dev/char/10:200 rwm,"

/** "POLICY: DEVICE ACCESS, ..." */
static const char *describe(const struct bus_properties *properties)
{
	const struct bus_property *policy = bus_properties_find(properties, "DevicePolicy");
	const char *text;

	assert_non_null(policy);
	text = arena_printf(properties->arena, "%s:", policy->value.text);
	assert_string_equal(properties->list[1].name, "DeviceAllow");
	assert_int_equal(properties->list[1].value.count, 0);
	for (size_t i = 2; i < properties->count; i++) {
		const struct bus_value *pair = properties->list[i].value.items;

		assert_string_equal(properties->list[i].name, "DeviceAllow");
		assert_string_equal(
		    bus_value_signature(&properties->list[i].value, properties->arena), "a(ss)");
		text = arena_printf(properties->arena, "%s %s %s,", text, pair->items[0].text,
				    pair->items[1].text);
	}
	return text;
}

static void test_rules(void **state)
{
	/* clang-format off */
	static const struct {
		struct oci_device_rule rules[3];
		size_t count;
		const char *want;
	} cases[] = {
		{ { { .allow = false } }, 0, "strict:" ALWAYS },
		{ { { .type = 'a' } }, 1, "strict:" ALWAYS },
		{ { { .type = 'a', .allow = true } }, 1, "auto:" },
		{ { { .type = 'a', .allow = true }, { .type = 'a' } }, 2, "strict:" ALWAYS },
		{ { { .type = 'a', .access = "rwm" }, { .type = 'a', .allow = true, .access = "rwm" } }, 2, "auto:" },
		/* a refusal inside of what is allowed is our own program's */
		{ { { .type = 'a', .allow = true }, { .type = 'b', .major = &eight } }, 2, "auto:" },
		{ { { .type = 'c', .major = &one, .minor = &three, .access = "r", .allow = true } }, 1, "strict: /dev/char/1:3 rwm," ALWAYS },
		{ { { .type = 'b', .major = &eight, .allow = true } }, 1, "strict: block-8 rwm," ALWAYS },
		{ { { .type = 'b', .major = &eight, .minor = &wild, .allow = true } }, 1, "strict: block-8 rwm," ALWAYS },
		{ { { .type = 'c', .minor = &three, .access = "rw", .allow = true } }, 1, "strict: char-* rwm," ALWAYS_WITH("rwm", "m") },
		{ { { .type = 'b', .access = "rw", .allow = true } }, 1, "strict: block-* rwm," ALWAYS_WITH("m", "rwm") },
		/* systemd keeps the last entry about a device: each says all */
		{ { { .type = 'b', .major = &eight, .access = "r", .allow = true }, { .type = 'b', .major = &eight, .access = "w", .allow = true } },
		  2, "strict: block-8 rw, block-8 rw," ALWAYS },
		{ { { .type = 'a', .major = &eight, .minor = &one, .allow = true } }, 1, "strict: /dev/char/8:1 rwm, /dev/block/8:1 rwm," ALWAYS },
	};
	/* clang-format on */
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bus_properties properties = {.arena = &arena};
		const char *got;

		assert_int_equal(
		    device_property_add(cases[i].rules, cases[i].count, &properties, NULL), 0);
		got = describe(&properties);
		if (!streq(got, cases[i].want))
			fail_msg("case %zu: want '%s', got '%s'", i, cases[i].want, got);
	}
	arena_done(&arena);
}

static void test_malformed(void **state)
{
	const struct oci_device_rule rule = {.type = 'x'};
	struct wh_error err = WH_ERROR_INIT;
	struct bus_properties properties;
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	properties = (struct bus_properties){.arena = &arena};
	assert_true(device_property_add(&rule, 1, &properties, &err) < 0);
	assert_non_null(strstr(err.message, "[0].type"));
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_malformed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
