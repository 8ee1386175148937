/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#define M(container, host, size)                                                                   \
	"{\"containerID\":" #container ",\"hostID\":" #host ",\"size\":" #size "}"
#define ONE "[" M(0, 0, 1) "]"

static void expect_mappings(const char *mappings, const char *want)
{
	char members[1024];

	snprintf(members, sizeof(members),
		 "\"namespaces\":[{\"type\":\"user\"}],\"gidMappings\":" ONE
		 ",\"uidMappings\":[%s]",
		 mappings);
	expect_linux(members, want);
}

static void test_cases(void **state)
{
	expect_mappings(M(0, 1000, 1) "," M(1, 100000, 65535), "");
	expect_mappings(M(0, 0, 4294967295), "");
	expect_mappings(M(4294967294, 4294967294, 1), "");
	expect_mappings(
	    M(1, 0, 4294967295),
	    "linux.uidMappings[0].size: containerID and size reach past the last id, 4294967294");
	expect_mappings(
	    M(0, 1, 4294967295),
	    "linux.uidMappings[0].size: hostID and size reach past the last id, 4294967294");
	expect_mappings(M(0, 0, 0),
			"linux.uidMappings[0].size: must be between 1 and 4294967295, found 0");
	expect_mappings(M(0, 1000, 10) "," M(10, 1010, 10), "");
	expect_mappings(M(0, 1000, 10) "," M(9, 2000, 1),
			"linux.uidMappings[1]: overlaps uidMappings[0]");
	expect_mappings(M(0, 1000, 10) "," M(20, 3000, 10) "," M(10, 1009, 1),
			"linux.uidMappings[2]: overlaps uidMappings[0]");
	expect_mappings(M(10, 1000, 10) "," M(0, 2000, 11),
			"linux.uidMappings[1]: overlaps uidMappings[0]");
}

/* The kernel takes 340 lines. */
static void test_count(void **state)
{
	for (int count = 340; count <= 341; count++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		struct document d;

		fputs("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"/"
		      "\"},\"linux\":{\"namespaces\":[{\"type\":\"user\"}],\"gidMappings\":" ONE
		      ",\"uidMappings\":[",
		      out);
		for (int i = 0; i < count; i++)
			fprintf(out, "%s{\"containerID\":%d,\"hostID\":%d,\"size\":1}",
				i ? "," : "", i, i);
		fputs("]}}", out);
		fclose(out);
		document_decode(&d, "c", text, len);
		assert_int_equal(d.result, count == 340 ? 0 : -EINVAL);
		if (count == 341)
			assert_non_null(
			    strstr(d.err.message,
				   "linux.uidMappings: must not have more than 340 mappings"));
		document_done(&d);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_count),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
