/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/user_mappings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "base/str.h"

#define LAST_ID (UINT32_MAX - 1)

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		struct id_range ranges[3];
	} cases[] = {
	    {"",									       0, {{0}}                        },
	    {"mate:100000:65536\n",							    1, {{100000, 65536}}            },
	    {"mate:100000:65536",							      1, {{100000, 65536}}            },
	    {"other:1:2\nmate:10:20\n1000:30:40\nmate:50:1\n",                                 3, {{10, 20}, {30, 40}, {50, 1}}},
	    {"matey:1:2\nmat:1:2\n100:1:2\n01000:3:4\n",                                       1, {{3, 4}}                     },
	    {"mate:1\nmate:1:\nmate::2\nmate:x:2\nmate:1:2:3\nmate:-1:2\n mate:1:2\n",         0, {{0}}                        },
	    {"mate:1:0\nmate:4294967295:1\nmate:4294967290:10\nmate:99999999999999999999:1\n",
	     0,										   {{0}}			},
	    {"mate:4294967290:5\n",							    1, {{4294967290, 5}}            },
	    {"#mate:1:2\n\n\n:::\nmate:7:8\r\nmate:9:9",                                       1, {{9, 9}}                     },
	};
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct id_range *ranges;
		size_t count;

		assert_int_equal(
		    user_mappings_parse(cases[i].text, "mate", 1000, &arena, &ranges, &count, NULL),
		    0);
		if (count != cases[i].count)
			fail_msg("case %zu: %zu ranges", i, count);
		for (size_t k = 0; k < count; k++) {
			assert_int_equal(ranges[k].first, cases[i].ranges[k].first);
			assert_int_equal(ranges[k].count, cases[i].ranges[k].count);
		}
	}
	arena_done(&arena);
}

static void test_plan(void **state)
{
	static const struct {
		uint32_t id;
		size_t n_ranges;
		struct id_range ranges[2];
		size_t count;
		struct oci_id_mapping want[4];
	} cases[] = {
	    {0,       0, {{0}},                1, {{0, 1000, 1}}                                       },
	    {7,       0, {{0}},                1, {{7, 1000, 1}}                                       },
	    {0,       1, {{100000, 65536}},    2, {{0, 1000, 1}, {1, 100000, 65536}}                   },
	    {5,       1, {{100, 50}},          3, {{0, 100, 5}, {5, 1000, 1}, {6, 105, 45}}            },
	    {50,      1, {{100, 50}},          2, {{0, 100, 50}, {50, 1000, 1}}                        },
	    {70,      1, {{100, 50}},          2, {{0, 100, 50}, {70, 1000, 1}}                        },
	    {0,       2, {{100, 5}, {200, 6}}, 3, {{0, 1000, 1}, {1, 100, 5}, {6, 200, 6}}             },
	    {5,       2, {{100, 5}, {200, 6}}, 3, {{0, 100, 5}, {5, 1000, 1}, {6, 200, 6}}             },
	    {6,       2, {{100, 5}, {200, 6}}, 4, {{0, 100, 5}, {5, 200, 1}, {6, 1000, 1}, {7, 201, 5}}},
	    {LAST_ID, 1, {{1, 3}},             2, {{0, 1, 3}, {LAST_ID, 1000, 1}}                      },
	};
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_id_mapping *maps;
		size_t count;

		assert_int_equal(user_mappings_plan(cases[i].id, 1000, cases[i].ranges,
						    cases[i].n_ranges, &arena, &maps, &count, NULL),
				 0);
		if (count != cases[i].count)
			fail_msg("case %zu: %zu mappings", i, count);
		for (size_t k = 0; k < count; k++) {
			assert_int_equal(maps[k].container_id, cases[i].want[k].container_id);
			assert_int_equal(maps[k].host_id, cases[i].want[k].host_id);
			assert_int_equal(maps[k].size, cases[i].want[k].size);
		}
	}
	arena_done(&arena);
}

/* One that is there stays as it is, new or joined. */
static void test_a_namespace_of_the_document(void **state)
{
	struct oci_namespace namespaces[] = {{.type = CLONE_NEWPID}, {.type = CLONE_NEWUSER}};
	const struct oci_linux linux_ = {.namespaces = namespaces, .n_namespaces = 2};
	const struct oci_spec spec = {.linux_ = &linux_};
	const struct oci_spec *changed = &spec;
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	assert_int_equal(user_mappings_add(&changed, &arena, NULL, NULL), 0);
	assert_ptr_equal(changed, &spec);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_plan),
	    cmocka_unit_test(test_a_namespace_of_the_document),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
