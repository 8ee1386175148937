/* SPDX-License-Identifier: Apache-2.0 */
/* Both halves: what is written is read back, and what is no trace is refused. */
#include "cmd/trace_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/trace.h"

#define INIT_PID 4242

struct fixture {
	char path[64];
	struct arena arena;
	struct wh_error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	if (!f)
		return -1;
	strcpy(f->path, "/tmp/test-trace-XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0)
		return -1;
	close(fd);
	*state = f;
	return arena_init(&f->arena, &f->err);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	arena_done(&f->arena);
	free(f);
	return 0;
}

static struct trace_span span(const char *name, uint64_t start_ns, uint64_t duration_ns)
{
	struct trace_span made = {.start_ns = start_ns, .duration_ns = duration_ns};

	snprintf(made.name, sizeof(made.name), "%s", name);
	return made;
}

static void put(const struct fixture *f, const char *text)
{
	FILE *out = fopen(f->path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void test_written_and_read_back(void **state)
{
	struct fixture *f = *state;
	struct trace_event *events;
	struct trace_file trace;
	struct trace_span spans[3];
	size_t count;

	assert_int_equal(trace_file_open(&trace, f->path, "create", &f->err), 0);
	spans[0] = span("odd \"name\"\\\n", trace.start + 1500, 1000);
	spans[1] = span("mount", trace.start + 10000, 25250);
	spans[2] = span("proc", trace.start + 11000, 2000);
	trace_add(spans, 1, (int)getpid());
	trace_add(spans + 1, 2, INIT_PID);
	usleep(1000);
	assert_int_equal(trace_file_finish(&trace, &f->err), 0);

	assert_int_equal(trace_file_read(f->path, &f->arena, &events, &count, &f->err), 0);
	assert_int_equal(count, 4);
	assert_string_equal(events[0].name, "create");
	assert_string_equal(events[0].process, "wherry");
	assert_true(events[0].start_us == 0 && events[0].duration_us >= 1000);
	assert_string_equal(events[1].name, "odd \"name\"\\?");
	assert_int_equal(events[1].depth, 1);
	assert_string_equal(events[2].name, "mount");
	assert_string_equal(events[2].process, "init");
	assert_int_equal(events[2].pid, INIT_PID);
	assert_true(events[2].start_us == 10.0 && events[2].duration_us == 25.25);
	assert_int_equal(events[2].depth, 0);
	assert_true(events[2].parent);
	assert_int_equal(events[3].depth, 1);
	assert_false(events[3].parent);
}

static void test_a_place_that_cannot_be(void **state)
{
	struct fixture *f = *state;
	struct trace_file trace;

	assert_int_equal(trace_file_open(&trace, "/proc/self/no/such", "run", &f->err), -ENOENT);
	assert_non_null(strstr(f->err.message, "'/proc/self/no/such'"));
}

static void test_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct trace_file trace;

	assert_int_equal(trace_file_open(&trace, "/dev/full", "run", &f->err), 0);
	assert_int_equal(trace_file_finish(&trace, &f->err), -ENOSPC);
	assert_non_null(strstr(f->err.message, "'/dev/full'"));
}

static void test_order_and_foreign_events(void **state)
{
	struct fixture *f = *state;
	struct trace_event *events;
	size_t count;

	put(f, "[{\"ph\":\"B\",\"name\":\"x\"},"
	       "{\"ph\":\"X\",\"name\":\"late\",\"ts\":5,\"dur\":1,\"pid\":1},"
	       "{\"ph\":\"X\",\"name\":\"short\",\"ts\":1e0,\"dur\":1,\"pid\":1},"
	       "{\"ph\":\"X\",\"name\":\"long\",\"ts\":1,\"dur\":2.5,\"pid\":1},"
	       "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"args\":{\"name\":\"\\u001b["
	       "2J\"}}]");
	assert_int_equal(trace_file_read(f->path, &f->arena, &events, &count, &f->err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(events[0].name, "long");
	assert_string_equal(events[1].name, "short");
	assert_string_equal(events[2].name, "late");
	assert_string_equal(events[0].process, "?[2J");
}

static void test_no_trace(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
	    {"",								       "empty"			    },
	    {"{",								      "not valid JSON"                   },
	    {"null",								   "not a trace"                      },
	    {"7",								      "not a trace"                      },
	    {"{}",								     "not a trace"                      },
	    {"{\"traceEvents\": 5}",						   "not a trace"                      },
	    {"{\"traceEvents\": []}",						  "no complete event"                },
	    {"[{\"ph\":\"M\",\"name\":\"x\"}]",                                        "no complete event"                },
	    {"[5]",								    "traceEvents[0]: not a trace event"},
	    {"[{}]",								   "traceEvents[0]: not a trace event"},
	    {"[{\"ph\":\"M\"}, {\"ph\":\"X\"}]",                                       "traceEvents[1]: not a trace event"},
	    {"[{\"ph\":\"X\",\"name\":\"x\",\"ts\":-1,\"dur\":1,\"pid\":1}]",          "traceEvents[0]"                   },
	    {"[{\"ph\":\"X\",\"name\":\"x\",\"ts\":1e300,\"dur\":1,\"pid\":1}]",       "traceEvents[0]"                   },
	    {"[{\"ph\":\"X\",\"name\":\"x\",\"ts\":1,\"dur\":\"1\",\"pid\":1}]",       "traceEvents[0]"                   },
	    {"[{\"ph\":\"X\",\"name\":7,\"ts\":1,\"dur\":1,\"pid\":1}]",               "traceEvents[0]"                   },
	    {"[{\"ph\":\"X\",\"name\":\"x\",\"ts\":1,\"dur\":1,\"pid\":99999999999}]",
	     "traceEvents[0]"											     },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		struct trace_event *events;
		size_t count;

		put(f, cases[i].text);
		assert_true(trace_file_read(f->path, &f->arena, &events, &count, &err) < 0);
		assert_non_null(strstr(err.message, cases[i].want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_written_and_read_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_place_that_cannot_be, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_full_disk, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_order_and_foreign_events, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_no_trace, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("trace_file", tests, NULL, NULL);
}
