/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/receipt.h"

#include "base/fd.h"
#include "base/str.h"
#include "libcontainer/migrate/record.h"
#include "tests/unit/base/scratch.h"

#define NUMBER "0123456789abcdef0123456789abcdef"

/** A receiver that has the lock is this process: it lives, unless its record is another's. */
static void test_a_receiver_that_is_still_at_it(void **state)
{
	static const struct {
		enum migrate_phase phase;
		const char *id;
		bool dead;
		int rc;
	} cases[] = {
	    {MIGRATE_PHASE_FETCHING,  "web",   false, 0     },
	    {MIGRATE_PHASE_FETCHING,  "other", false, -EBUSY},
	    {MIGRATE_PHASE_FETCHING,  "web",   true,  -EBUSY},
	    {MIGRATE_PHASE_RECEIVING, "web",   false, -EBUSY},
	    {MIGRATE_PHASE_COMMITTED, "web",   false, -EBUSY},
	    {MIGRATE_PHASE_RUNNING,   "web",   false, -EBUSY},
	};
	struct scratch *scratch = *state;
	const struct runtime rt = {.root = scratch->path};
	auto_fd receipt = migrate_receipt_make(scratch->fd, NUMBER, NULL);
	struct migrate_record record;
	struct arena arena;

	assert_true(receipt >= 0);
	assert_int_equal(arena_init(&arena, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		enum migrate_fate fate = MIGRATE_FATE_ABSENT;

		assert_int_equal(migrate_record_begin(&record, NUMBER, "web", &arena, NULL), 0);
		record.phase = cases[i].phase;
		record.worker.start_time += cases[i].dead;
		assert_int_equal(migrate_record_write(receipt, &record, &arena, NULL), 0);
		assert_int_equal(migrate_receipt_settle(&rt, NUMBER, cases[i].id, 20, &fate, &err),
				 cases[i].rc);
		assert_int_equal(fate,
				 cases[i].rc < 0 ? MIGRATE_FATE_ABSENT : MIGRATE_FATE_READING);
		if (cases[i].rc < 0)
			assert_non_null(strstr(err.message, "is still being received"));
		else
			assert_string_equal(err.message, "");
	}
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_receiver_that_is_still_at_it, scratch_setup,
					    scratch_teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
