/* SPDX-License-Identifier: Apache-2.0 */
#include "oci-spec/namespace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sched.h>

#include "base/str.h"

static void test_find(void **state)
{
	static struct oci_namespace list[] = {
	    {.type = CLONE_NEWPID, .path = "/proc/1/ns/pid"},
	    {.type = CLONE_NEWNS },
	    {.type = CLONE_NEWNET,          .path = ""                        },
	};
	static const struct {
		int64_t type;
		const struct oci_namespace *want;
		bool is_new;
		bool is_joined;
	} cases[] = {
	    {CLONE_NEWPID,  &list[0], false, true },
	    {CLONE_NEWNS,   &list[1], true,  false},
	    {CLONE_NEWNET,  &list[2], true,  false},
	    {CLONE_NEWUSER, NULL,     false, false},
	};
	const struct oci_linux linux_ = {.namespaces = list, .n_namespaces = ARRAY_LEN(list)};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct oci_namespace *got = oci_namespace_find(&linux_, cases[i].type);

		assert_ptr_equal(got, cases[i].want);
		assert_int_equal(oci_namespace_is_new(got), cases[i].is_new);
		assert_int_equal(oci_namespace_is_joined(got), cases[i].is_joined);
	}
	assert_null(oci_namespace_find(&(struct oci_linux){.namespaces = NULL}, CLONE_NEWNS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_find),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
