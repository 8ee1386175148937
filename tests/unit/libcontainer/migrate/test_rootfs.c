/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/rootfs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

#define NAMED                                                                                      \
	"rsync|-aHAXS|--numeric-ids|--from0|--files-from=-|--ignore-times|--modify-window=-1|"     \
	"--protect-args|"
#define ALWAYS "rsync|-aHAXS|--numeric-ids|--delete|--modify-window=-1|--protect-args|"

static void test_words(void **state)
{
	static const struct {
		const char *destination;
		const char *rsh;
		enum migrate_rootfs_pass pass;
		const char *want;
	} cases[] = {
	    {"ssh://b",              NULL,        MIGRATE_ROOTFS_RUNNING, ALWAYS "-e|ssh|--|/r/|b:/r/"      },
	    {"ssh://root@b:2222",    NULL,        MIGRATE_ROOTFS_RUNNING,
	     ALWAYS "-e|ssh -p 2222|--|/r/|root@b:/r/"						      },
	    {"ssh://root@[fd00::2]", NULL,        MIGRATE_ROOTFS_RUNNING,
	     ALWAYS "-e|ssh|--|/r/|root@[fd00::2]:/r/"						      },
	    {"ssh://b",              "/x -i key", MIGRATE_ROOTFS_RUNNING, ALWAYS "-e|/x -i key|--|/r/|b:/r/"},
	    {"ssh://b",              NULL,        MIGRATE_ROOTFS_FROZEN,  ALWAYS "-e|ssh|--|/r/|b:/r/"      },
	    {"ssh://b",              NULL,        MIGRATE_ROOTFS_NAMED,   NAMED "-e|ssh|--|/r/|b:/r/"       },
	    {"local:/other",         NULL,        MIGRATE_ROOTFS_RUNNING, ALWAYS "--|/r/|/r/"               },
	};
	struct arena arena;

	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct migrate_destination destination;
		const char **argv;
		char got[512] = "";

		assert_int_equal(
		    migrate_destination_parse(cases[i].destination, &arena, &destination, NULL), 0);
		assert_int_equal(migrate_rootfs_words(&destination, cases[i].rsh, "/r",
						      cases[i].pass, &arena, &argv, NULL),
				 0);
		for (size_t j = 0; argv[j]; j++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", j ? "|" : "",
				 argv[j]);
		assert_string_equal(got, cases[i].want);
	}
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
