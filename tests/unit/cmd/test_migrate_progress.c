/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/migrate_progress.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/group_arena.h"

#define MIB (1ULL << 20)
#define MS  1000000ULL

/** What is printed, to be freed. @print: with @arg. */
static char *printed(bool json, void (*print)(struct migrate_progress *progress, const void *arg),
		     const void *arg)
{
	struct migrate_progress progress = {
	    .json = json, .arena = &arena, .id = "web", .destination = "ssh://b"};
	char *text = NULL;
	size_t len;

	progress.out = open_memstream(&text, &len);
	assert_non_null(progress.out);
	print(&progress, arg);
	fclose(progress.out);
	return text;
}

static void check(bool json, void (*print)(struct migrate_progress *progress, const void *arg),
		  const void *arg, const char *want)
{
	char *text = printed(json, print, arg);

	assert_string_equal(text, want);
	free(text);
}

static void event(struct migrate_progress *progress, const void *arg)
{
	migrate_progress_event(progress, arg);
}

static void report(struct migrate_progress *progress, const void *arg)
{
	migrate_progress_report(progress, arg);
}

static void where(struct migrate_progress *progress, const void *arg)
{
	migrate_progress_where(progress, *(const enum migrate_where *)arg);
}

static void test_events(void **state)
{
	static const struct {
		struct migrate_event event;
		const char *text;
		const char *json;
	} cases[] = {
	    {{.type = MIGRATE_EVENT_CHECKED, .mode = MIGRATE_PRE_COPY, .why = "it can"},
	     "the destination can take the container; mode: pre-copy, since it can\n",	      "{\"event\":\"checked\",\"mode\":\"pre-copy\",\"why\":\"it can\"}\n"},
	    {{.type = MIGRATE_EVENT_CHECKED, .mode = MIGRATE_COLD, .why = ""},
	     "the destination can take the container; mode: cold\n",				"{\"event\":\"checked\",\"mode\":\"cold\",\"why\":\"\"}\n"          },
 /* the first one: what the container changes is not known yet */
	    {{.type = MIGRATE_EVENT_ROUND,
	      .round = 1,
	      .bytes = 64 * MIB,
	      .memory = 63 * MIB,
	      .ns = 2000 * MS},
	     "round 1: 64.0 MiB in 2.00 s (32.0 MiB/s)\n",					  "{\"event\":\"round\",\"round\":1,\"bytes\":67108864,\"memoryBytes\":66060288,"
	     "\"milliseconds\":2000,\"bytesPerSecond\":33554432,\"changedBytesPerSecond\":0,"
	     "\"expectedDowntimeMilliseconds\":0}\n"							  },
	    {{.type = MIGRATE_EVENT_ROUND,
	      .round = 2,
	      .bytes = 4 * MIB,
	      .memory = 3 * MIB,
	      .ns = 250 * MS,
	      .dirty = MIB,
	      .expected_ns = 120 * MS},
	     "round 2: 4.0 MiB in 250 ms (16.0 MiB/s), 1.0 MiB/s are changed, a freeze now would "
	     "take about 120 ms\n",								 "{\"event\":\"round\",\"round\":2,\"bytes\":4194304,\"memoryBytes\":3145728,"
	     "\"milliseconds\":250,\"bytesPerSecond\":16777216,\"changedBytesPerSecond\":1048576,"
	     "\"expectedDowntimeMilliseconds\":120}\n"									       },
	    {{.type = MIGRATE_EVENT_FROZEN},
	     "the container stands still\n",							"{\"event\":\"frozen\"}\n"					  },
	    {{.type = MIGRATE_EVENT_SENT, .round = 3, .bytes = 512, .memory = 500, .ns = 0},
	     "round 3, the last: 512 B in 0 ms\n",						  "{\"event\":\"sent\",\"round\":3,\"bytes\":512,\"memoryBytes\":500,\"milliseconds\":0,"
	     "\"bytesPerSecond\":0,\"changedBytesPerSecond\":0,"
	     "\"expectedDowntimeMilliseconds\":0}\n"								  },
	    {{.type = MIGRATE_EVENT_PREPARED},
	     "it is restored at the destination, and held there\n",				 "{\"event\":\"prepared\"}\n"                                        },
	    {{.type = MIGRATE_EVENT_RUNNING, .mode = MIGRATE_POST_COPY, .left = 512 * MIB},
	     "it runs there, and 512.0 MiB of its memory are still here: until they are there, "
	     "too, losing the destination loses what it does there, and this end's copy goes on\n", "{\"event\":\"running\",\"bytes\":0,\"leftBytes\":536870912,\"milliseconds\":0,"
	     "\"bytesPerSecond\":0}\n"                               },
	    {{.type = MIGRATE_EVENT_FETCHED,
	      .mode = MIGRATE_POST_COPY,
	      .bytes = 8 * MIB,
	      .left = MIB,
	      .ns = 500 * MS},
	     "memory: 8.0 MiB in 500 ms (16.0 MiB/s), 1.0 MiB left\n",			      "{\"event\":\"fetched\",\"bytes\":8388608,\"leftBytes\":1048576,"
	     "\"milliseconds\":500,\"bytesPerSecond\":16777216}\n"                                },
	    {{.type = MIGRATE_EVENT_RUNNING, .mode = MIGRATE_PRE_COPY},
	     "it runs there, and its memory is read from the images there meanwhile\n",	     "{\"event\":\"running\",\"bytes\":0,\"leftBytes\":0,\"milliseconds\":0,"
	     "\"bytesPerSecond\":0}\n"					   },
	    {{.type = MIGRATE_EVENT_FETCHED, .mode = MIGRATE_COLD, .ns = 2000 * MS},
	     "all of its memory is read, after 2.00 s\n",					   "{\"event\":\"fetched\",\"bytes\":0,\"leftBytes\":0,\"milliseconds\":2000,"
	     "\"bytesPerSecond\":0}\n"									 },
	    {{.type = MIGRATE_EVENT_MOVED},						  "",    ""								  }, /* the report says it */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check(false, event, &cases[i].event, cases[i].text);
		check(true, event, &cases[i].event, cases[i].json);
	}
}

static void test_report(void **state)
{
	struct migrate_report done = {.mode = MIGRATE_PRE_COPY,
				      .rounds = 3,
				      .sent = 70 * MIB,
				      .memory = 68 * MIB,
				      .total_ns = 3210 * MS,
				      .downtime_ns = 95 * MS};

	check(false, report, &done,
	      "it runs at 'ssh://b': 3.21 s in all, 95 ms of them standing still, 70.0 MiB sent\n");
	check(true, report, &done,
	      "{\"event\":\"moved\",\"mode\":\"pre-copy\",\"rounds\":3,\"sentBytes\":73400320,"
	      "\"memoryBytes\":71303168,\"totalMilliseconds\":3210,\"downtimeMilliseconds\":95}\n");
	done.mode = MIGRATE_POST_COPY;
	done.window_ns = 1500 * MS;
	check(true, report, &done,
	      "{\"event\":\"moved\",\"mode\":\"post-copy\",\"rounds\":3,\"sentBytes\":73400320,"
	      "\"memoryBytes\":71303168,\"totalMilliseconds\":3210,\"downtimeMilliseconds\":95,"
	      "\"windowMilliseconds\":1500}\n");
}

static void test_where(void **state)
{
	static const struct {
		enum migrate_where where;
		const char *text;
		const char *json;
	} cases[] = {
	    {MIGRATE_HERE,      "container 'web' runs here, on, as before\n",                     "runs here"        },
	    {MIGRATE_NOT_HERE,  "",							       "does not run here"},
	    {MIGRATE_WENT_BACK, "container 'web' runs here, on from its freeze\n",
	     "runs here, from its freeze"									    },
	    {MIGRATE_IN_DOUBT,  "container 'web' is held here, and may run at the destination\n",
	     "in doubt"											      },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char json[128];

		snprintf(json, sizeof(json), "{\"event\":\"failed\",\"container\":\"%s\"}\n",
			 cases[i].json);
		check(false, where, &cases[i].where, cases[i].text);
		check(true, where, &cases[i].where, json);
	}
}

static void test_sizes_and_times(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} sizes[] = {
	    {0,          "0 B"           },
	    {1023,       "1023 B"        },
	    {1024,       "1.0 KiB"       },
	    {1536 * MIB, "1.5 GiB"       },
	    {UINT64_MAX, "16777216.0 TiB"},
	};
	char buf[32];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_string_equal(migrate_size_text(sizes[i].bytes, buf, sizeof(buf)),
				    sizes[i].want);
	assert_string_equal(migrate_time_text(999 * MS, buf, sizeof(buf)), "999 ms");
	assert_string_equal(migrate_time_text(1000 * MS, buf, sizeof(buf)), "1.00 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_report),
	    cmocka_unit_test(test_where),
	    cmocka_unit_test(test_sizes_and_times),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
