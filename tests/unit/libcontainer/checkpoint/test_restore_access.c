/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/restore_access.h"

#include "base/str.h"
#include "tests/unit/base/scratch.h"

static void test_gid_of_root(void **state)
{
	static const struct oci_id_mapping mappings[] = {
	    {.container_id = 1, .host_id = 7, .size = 10},
	    {.container_id = 0, .host_id = 8, .size = 0 },
	    {.container_id = 0, .host_id = 9, .size = 1 },
	};

	(void)state;
	assert_int_equal(restore_gid_of_root(mappings, 3), 9);
	assert_int_equal(restore_gid_of_root(mappings, 2), (gid_t)-1);
	assert_int_equal(restore_gid_of_root(NULL, 0), (gid_t)-1);
}

/** What the group, or everybody, may already stays as it is; of what the group may there is nothing left but that. */
static void test_let_group(void **state)
{
	static const struct {
		mode_t before, bits, after;
	} cases[] = {
	    {0700,  S_IXGRP,           0710 },
            {0700,  S_IXGRP | S_IRGRP, 0750 },
            {0770,  S_IXGRP,           0770 },
	    {0701,  S_IXGRP,           0701 },
            {0705,  S_IXGRP | S_IRGRP, 0705 },
            {0740,  S_IXGRP,           0710 },
	    {01700, S_IXGRP,           01710},
	};
	const struct scratch *scratch = *state;
	struct wh_error err = WH_ERROR_INIT;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_return_code(fchmod(scratch->fd, cases[i].before), errno);
		assert_int_equal(
		    restore_let_group(scratch->fd, getgid(), cases[i].bits, "/image", NULL), 0);
		assert_return_code(fstat(scratch->fd, &st), errno);
		assert_int_equal(st.st_mode & 07777, cases[i].after);
	}
	assert_int_equal(restore_let_group(-EBADF, getgid(), S_IXGRP, "/image", &err), -EBADF);
	assert_non_null(strstr(err.message, "image '/image'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gid_of_root),
	    cmocka_unit_test_setup_teardown(test_let_group, scratch_setup, scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
