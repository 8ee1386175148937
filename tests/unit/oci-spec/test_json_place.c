/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/json_place.h"

static void test_quote(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *want;
	} cases[] = {
	    {"",				 16, ""                   },
	    {"plain",			    16, "plain"              },
	    {"a\nb\x1b\x7f",                     32, "a\\x0ab\\x1b\\x7f"  },
	    {"exactly7",			 12, "exactly7"           },
	    {"one too many",                     12, "one too ..."        },
	    {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 9,  "\xc3\xa9\xc3\xa9..."},
	    {"\n\n\n",			   9,  "\\x0a..."           },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char buf[64];

		assert_string_equal(
		    json_quote(cases[i].text, strlen(cases[i].text), buf, cases[i].size),
		    cases[i].want);
	}
}

static void test_place(void **state)
{
	struct json_value object = {.kind = JSON_OBJECT};
	struct json_value rlimits = {.key = "rlimits", .key_len = 7};
	struct json_value element = {.kind = JSON_OBJECT};
	struct json_value dotted = {.key = "net.ipv4", .key_len = 8};
	struct json_value control = {.key = "a\nb", .key_len = 3};
	struct json_value empty = {.key = "", .key_len = 0};
	struct json_place root = {.value = &object};
	struct json_place a = {.up = &root, .value = &rlimits};
	struct json_place b = {.up = &a, .value = &element, .index = 12};
	struct json_place c = {.up = &b, .value = &dotted};
	struct json_place d = {.up = &b, .value = &control};
	struct json_place e = {.up = &root, .value = &empty};
	char buf[64];

	json_place_text(&root, buf, sizeof(buf));
	assert_string_equal(buf, "");
	json_place_text(NULL, buf, sizeof(buf));
	assert_string_equal(buf, "");
	json_place_text(&b, buf, sizeof(buf));
	assert_string_equal(buf, "rlimits[12]");
	json_place_text(&c, buf, sizeof(buf));
	assert_string_equal(buf, "rlimits[12]['net.ipv4']");
	json_place_text(&d, buf, sizeof(buf));
	assert_string_equal(buf, "rlimits[12]['a\\x0ab']");
	json_place_text(&e, buf, sizeof(buf));
	assert_string_equal(buf, "['']");
	/* What does not fit is cut at the root's end. */
	json_place_text(&c, buf, 18);
	assert_string_equal(buf, "...['net.ipv4']");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quote),
	    cmocka_unit_test(test_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
