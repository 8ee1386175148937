/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "libcontainer/migrate/obstacles.h"

#define HEAD "pos:\t0\nflags:\t02100002\nmnt_id:\t29\nino:\t7\n"

static void test_what_keeps_others_off(void **state)
{
	static const struct {
		const char *fdinfo;
		bool want;
	} cases[] = {
	    {"",								      false},
	    {HEAD,								    false},
	    {HEAD "lock:\t1: POSIX  ADVISORY  WRITE 12 00:1f:7 0 9\n",                true },
	    {HEAD "lock:\t1: FLOCK  ADVISORY  WRITE 12 00:1f:7 0 EOF\n",              true },
	    {HEAD "lock:\t1: POSIX  ADVISORY  READ 12 00:1f:7 0 9\n",                 false},
	    {HEAD "lock:\t1: POSIX  ADVISORY  READ 12 00:1f:7 0 9\n"
		  "lock:\t2: POSIX  ADVISORY  WRITE 12 00:1f:7 20 29\n", true },
	    {HEAD "lock:\t1: OFDLCK ADVISORY  READ -1 00:1f:7 0 9\nx: WRITE \n",      false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (migrate_lock_excludes(cases[i].fdinfo) != cases[i].want)
			fail_msg("%s", cases[i].fdinfo);
	}
}

static void test_what_is_shared(void **state)
{
	static const char *bind[] = {"rbind"};
	static const char *plain[] = {"nosuid"};
	struct oci_mount mounts[] = {
	    {.destination = "/data", .options = bind,  .n_options = 1},
	    {.destination = "/run",  .options = plain, .n_options = 1},
	};
	struct oci_spec spec = {.mounts = mounts, .n_mounts = ARRAY_LEN(mounts)};
	static const struct {
		const char *mountpoint;
		const char *fs_type;
		bool shared;
		bool when_copied;
	} cases[] = {
	    {"/",          "ext4",  true,  false},
	    {"/",          "tmpfs", true,  false}, /* the bundle may lie on one */
	    {"/data",      "ext4",  true,  true },
	    {"/data",      "tmpfs", true,  true },
	    {"/data/sub",  "tmpfs", true,  true },
	    {"/database",  "tmpfs", false, false},
	    {"/run",       "tmpfs", false, false},
	    {"/by-a-hook", "nfs4",  true,  true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mountinfo mount = {.mountpoint = cases[i].mountpoint,
					  .fs_type = cases[i].fs_type};

		if (migrate_mount_is_shared(&mount, &spec, false) != cases[i].shared ||
		    migrate_mount_is_shared(&mount, &spec, true) != cases[i].when_copied)
			fail_msg("%s %s", cases[i].mountpoint, cases[i].fs_type);
	}
	assert_false(migrate_mount_is_shared(NULL, &spec, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_keeps_others_off),
	    cmocka_unit_test(test_what_is_shared),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
