/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides and what is expected are documents, so that a member without a row shows. */
#include "oci-spec/resources_merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "oci-spec/config.h"
#include "oci-spec/config_types.h"

static int setup(void **state)
{
	static struct arena arena;

	*state = &arena;
	return arena_init(&arena, NULL);
}

static int teardown(void **state)
{
	arena_done(*state);
	return 0;
}

static const struct oci_resources *decode(const char *text, struct arena *arena)
{
	const struct oci_resources *resources = NULL;
	struct problems problems;

	problems_init(&problems, arena);
	assert_int_equal(
	    oci_resources_decode("test", text, strlen(text), arena, &problems, &resources, NULL),
	    0);
	return resources;
}

static const char *encode(const struct oci_resources *resources, struct arena *arena)
{
	const char *json;
	size_t len;

	assert_int_equal(
	    field_encode_document(&oci_resources_type, resources, NULL, arena, &json, &len, NULL),
	    0);
	return json;
}

#define EVERYTHING                                                                                 \
	"{\"devices\":[{\"allow\":false}],\"memory\":{\"limit\":9,\"reservation\":2,\"swap\":9,"   \
	"\"kernel\":-1,\"kernelTCP\":-1,\"swappiness\":60,\"disableOOMKiller\":false,"             \
	"\"useHierarchy\":true,\"checkBeforeUpdate\":true},"                                       \
	"\"cpu\":{\"shares\":2,\"quota\":2000,\"burst\":3,\"period\":4000,\"realtimeRuntime\":5,"  \
	"\"realtimePeriod\":6,\"cpus\":\"0\",\"mems\":\"1\",\"idle\":1},\"pids\":{\"limit\":7},"   \
	"\"blockIO\":{\"weight\":10,\"leafWeight\":11,"                                            \
	"\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":12}],"                              \
	"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":13}],"                       \
	"\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":14}],"                      \
	"\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":15}],"                      \
	"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":16}]},"                    \
	"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":17}],"                                \
	"\"network\":{\"classID\":18,\"priorities\":[{\"name\":\"eth0\",\"priority\":19}]},"       \
	"\"rdma\":{\"mlx0\":{\"hcaHandles\":20}},\"unified\":{\"memory.high\":\"21\"}}"

static void test_merge(void **state)
{
	static const struct {
		const char *base, *change, *want;
	} cases[] = {
	    {"{}",								"{}",						 "{}"							},
	    {EVERYTHING,							  "{}",						 EVERYTHING						  },
	    {"{}",								EVERYTHING,					   EVERYTHING						  },
	    {EVERYTHING,							  EVERYTHING,					   EVERYTHING						  },
	    {"{\"memory\":{\"limit\":5,\"swap\":9}}",                             "{\"memory\":{\"limit\":7}}",
	     "{\"memory\":{\"limit\":7,\"swap\":9}}"																		},
	    {"{\"memory\":{\"limit\":5}}",                                        "{\"cpu\":{\"quota\":7000}}",
	     "{\"memory\":{\"limit\":5},\"cpu\":{\"quota\":7000}}"																  },
	    {"{\"cpu\":{\"cpus\":\"0\"}}",                                        "{\"cpu\":{\"cpus\":\"\",\"mems\":\"0\"}}",
	     "{\"cpu\":{\"cpus\":\"0\",\"mems\":\"0\"}}"																	    },
	    {"{\"blockIO\":{\"weight\":10,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,"
	     "\"rate\":1},{\"major\":8,\"minor\":16,\"rate\":2}]}}", "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":16,\"rate\":3},{"
	     "\"major\":9,\"minor\":0,\"rate\":4}]}}", "{\"blockIO\":{\"weight\":10,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,"
	     "\"rate\":1},{\"major\":8,\"minor\":16,\"rate\":3},{\"major\":9,\"minor\":0,"
	     "\"rate\":4}]}}"				},
	    {"{\"unified\":{\"memory.high\":\"1\",\"cpu.weight\":\"2\"}}",
	     "{\"unified\":{\"cpu.weight\":\"3\"}}",										    "{\"unified\":{\"memory.high\":\"1\",\"cpu.weight\":\"3\"}}"},
	    {"{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]}",
	     "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":2}]}",							       "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"1GB\","
	     "\"limit\":2}]}"											      },
 /* the order of device rules is their meaning */
	    {"{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\"}]}",
	     "{\"devices\":[{\"allow\":true,\"type\":\"b\"}]}",									 "{\"devices\":[{\"allow\":true,\"type\":\"b\"}]}"           },
	    {"{\"devices\":[{\"allow\":false}]}",                                 "{\"devices\":[]}",                                   "{\"devices\":[]}"                                          },
	    {"{\"devices\":[{\"allow\":false}]}",                                 "{\"pids\":{\"limit\":0}}",
	     "{\"devices\":[{\"allow\":false}],\"pids\":{\"limit\":0}}"															     },
	};
	struct arena *arena = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_resources *base = decode(cases[i].base, arena), *merged = NULL;
		const char *before = encode(base, arena);

		assert_int_equal(
		    oci_resources_merge(base, decode(cases[i].change, arena), arena, &merged, NULL),
		    0);
		assert_string_equal(encode(merged, arena), cases[i].want);
		assert_string_equal(encode(base, arena), before);
	}
}

static void test_drop_unset(void **state)
{
	static const struct {
		const char *change, *want;
	} cases[] = {
	    {"{}",											 "{}"										 },
	    {EVERYTHING,										   EVERYTHING									   },
	    {"{\"memory\":{\"limit\":0,\"reservation\":0,\"swap\":0,\"kernel\":0,\"kernelTCP\":0},"
	     "\"cpu\":{\"shares\":0,\"quota\":0,\"period\":0,\"realtimeRuntime\":0,"
	     "\"realtimePeriod\":0,\"cpus\":\"\",\"mems\":\"\"},\"blockIO\":{\"weight\":0}}", "{\"memory\":{},\"cpu\":{},\"blockIO\":{}}"                                          },
	    {"{\"cpu\":{\"burst\":0,\"idle\":0},\"pids\":{\"limit\":0},"
	     "\"memory\":{\"limit\":-1}}",						    "{\"memory\":{\"limit\":-1},\"cpu\":{\"burst\":0,\"idle\":0},\"pids\":{\"limit\":0}}"},
	};
	struct arena *arena = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_resources *kept = NULL;

		assert_int_equal(
		    oci_resources_drop_unset(decode(cases[i].change, arena), arena, &kept, NULL),
		    0);
		assert_string_equal(encode(kept, arena), cases[i].want);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_merge),
	    CASE(test_drop_unset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
