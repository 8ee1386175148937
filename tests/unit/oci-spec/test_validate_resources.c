/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#define RES(members)    "\"resources\":{" members "}"
#define MEMORY(members) RES("\"memory\":{" members "}")

static void test_cases(void **state)
{
	expect_linux(MEMORY("\"limit\":10,\"swap\":10"), "");
	expect_linux(MEMORY("\"limit\":10,\"swap\":-1"), "");
	expect_linux(MEMORY("\"limit\":-1,\"swap\":-1"), "");
	expect_linux(MEMORY("\"swap\":0"), "");
	expect_linux(MEMORY("\"swap\":-1"), "");
	expect_linux(MEMORY("\"limit\":10,\"swap\":9"),
		     "linux.resources.memory.swap: must not be smaller than limit: it is the sum "
		     "of memory and swap");
	expect_linux(
	    MEMORY("\"swap\":9"),
	    "linux.resources.memory.swap: needs a memory limit: it is the sum of memory and swap");
	expect_linux(
	    MEMORY("\"limit\":-1,\"swap\":9"),
	    "linux.resources.memory.swap: needs a memory limit: it is the sum of memory and swap");
	expect_linux(RES("\"cpu\":{\"quota\":10,\"burst\":10}"), "");
	expect_linux(RES("\"cpu\":{\"quota\":-1,\"burst\":10}"), "");
	expect_linux(RES("\"cpu\":{\"quota\":10,\"burst\":11}"),
		     "linux.resources.cpu.burst: must not be larger than quota");
	expect_linux(
	    RES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"leafWeight\":10}]}"),
	    "");
	expect_linux(RES("\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}"),
		     "linux.resources.blockIO.weightDevice[0]: must have weight or leafWeight");
	expect_linux(RES("\"rdma\":{\"mlx\":{\"hcaHandles\":0}}"), "");
	expect_linux(RES("\"rdma\":{\"mlx\":{}}"),
		     "linux.resources.rdma.mlx: must have hcaHandles or hcaObjects");
	expect_linux(RES("\"devices\":[{\"allow\":true,\"major\":-1,\"minor\":-1}]"), "");
}

static const struct {
	const char *text;
	const char *want;
} update_cases[] = {
    {"{\"memory\":{\"swap\":9}}",              ""						       },
    {"{\"memory\":{\"limit\":-1,\"swap\":9}}",
     "u:1:30: memory.swap: needs a memory limit: it is the sum of memory and swap"                      },
    {"{\"memory\":{\"limit\":10,\"swap\":9}}",
     "u:1:30: memory.swap: must not be smaller than limit: it is the sum of memory and swap"            },
    {"{\"pids\":{\"limit\":\"max\"}}",         "u:1:18: pids.limit: expected an integer, found a string"},
};

static void test_update(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(update_cases); i++) {
		const char *text = update_cases[i].text;
		const struct oci_resources *resources;
		struct document d;

		document_init(&d);
		oci_resources_decode("u", text, strlen(text), &d.arena, &d.problems, &resources,
				     &d.err);
		assert_string_equal(d.err.message, update_cases[i].want);
		document_done(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_update),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
