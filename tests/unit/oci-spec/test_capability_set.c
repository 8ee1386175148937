/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

static const struct {
	const char *names;
	uint64_t mask;
	size_t n_unknown;
	const char *written;
} cases[] = {
    {"[]",						     0,          0, "[]"			  },
    {"[\"CAP_CHOWN\"]",					1,          0, "[\"CAP_CHOWN\"]"             },
    {"[\"CAP_CHECKPOINT_RESTORE\"]",                           1ULL << 40, 0, "[\"CAP_CHECKPOINT_RESTORE\"]"},
    {"[\"CAP_KILL\",\"CAP_CHOWN\",\"CAP_KILL\"]",              1 | 1 << 5, 0, "[\"CAP_CHOWN\",\"CAP_KILL\"]"},
 /* Names are exact: neither case nor the prefix may be left to taste. */
    {"[\"cap_chown\",\"CHOWN\",\"\",\"CAP_CHOWN \",\"CAP_\"]", 0,          5,
     "[\"cap_chown\",\"CHOWN\",\"\",\"CAP_CHOWN \",\"CAP_\"]"                                               },
    {"[\"CAP_NEW\",\"CAP_CHOWN\"]",                            1,          1, "[\"CAP_CHOWN\",\"CAP_NEW\"]" },
};

static void test_sets(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_capability_set *set;
		const struct oci_process *process;
		char text[512];
		struct document d;

		snprintf(text, sizeof(text),
			 "{\"args\":[\"a\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":%s}}",
			 cases[i].names);
		document_init(&d);
		assert_int_equal(oci_process_decode("p", text, strlen(text), &d.arena, &d.problems,
						    &process, &d.err),
				 0);
		set = process->capabilities->bounding;
		assert_int_equal(set->mask, cases[i].mask);
		assert_int_equal(set->n_unknown, cases[i].n_unknown);
		assert_int_equal(d.problems.n_warnings, cases[i].n_unknown);
		assert_null(process->capabilities->ambient);
		document_done(&d);
	}
}

static void test_written(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[512], want[512];
		struct document d;
		const char *json;
		char *packed;
		size_t len, used = 0;

		snprintf(text, sizeof(text),
			 "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"/"
			 "\"},\"process\":{\"args\":[\"a\"],\"cwd\":\"/\","
			 "\"capabilities\":{\"inheritable\":%s}}}",
			 cases[i].names);
		document_decode(&d, "c", text, strlen(text));
		assert_int_equal(d.result, 0);
		assert_int_equal(oci_config_encode(d.spec, &d.arena, &json, &len, &d.err), 0);
		/* Without the layout; no name of the cases but the one with a blank is hurt by
		 * that. */
		packed = calloc(1, len + 1);
		for (size_t k = 0; k < len; k++)
			if (!strchr("\n\t", json[k]))
				packed[used++] = json[k];
		snprintf(want, sizeof(want), "\"inheritable\": %s", cases[i].written);
		if (!strstr(packed, want))
			fail_msg("no %s in %s", want, packed);
		free(packed);
		document_done(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sets),
	    cmocka_unit_test(test_written),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
