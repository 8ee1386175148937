/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/ps_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static const pid_t pids[] = {7, 12, 1234567};

/** Filter @input; the result is in *@ret_text, the caller's. */
static int filter(const char *input, size_t n_pids, char **ret_text, struct wh_error *err)
{
	size_t len;
	FILE *in = fmemopen((void *)(uintptr_t)input, strlen(input), "r");
	FILE *out = open_memstream(ret_text, &len);
	int rc;

	assert_non_null(in);
	assert_non_null(out);
	rc = ps_table_filter(in, out, pids, n_pids, err);
	fclose(in);
	fclose(out);
	return rc;
}

static void test_filter(void **state)
{
	static const struct {
		const char *input;
		const char *want;
	} cases[] = {
	    {"UID PID CMD\nroot 7 sh\nroot 8 ls\nroot 12 7\n",
	     "UID PID CMD\nroot 7 sh\nroot 12 7\n"                              },
	    {"  PID COMMAND\n    7 a b\n   77 c\n1234567 d\n",
	     "  PID COMMAND\n    7 a b\n1234567 d\n"                            },
	    {"PPID PID\n7 8\n8 7\n",                           "PPID PID\n8 7\n"},
	    {"PID\n",					  "PID\n"          },
	    {"A PID\n\n7\n",				   "A PID\n"        },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		char *text = NULL;

		assert_int_equal(filter(cases[i].input, ARRAY_LEN(pids), &text, &err), 0);
		assert_string_equal(text, cases[i].want);
		free(text);
	}
}

static void test_no_processes(void **state)
{
	struct wh_error err = WH_ERROR_INIT;
	char *text = NULL;

	assert_int_equal(filter("PID\n7\n", 0, &text, &err), 0);
	assert_string_equal(text, "PID\n");
	free(text);
}

static void test_no_pid_column(void **state)
{
	static const char *const inputs[] = {"UID CMD\nroot 7\n", "PPID\n7\n", "pid\n7\n", "\n"};

	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		struct wh_error err = WH_ERROR_INIT;
		char *text = NULL;

		assert_true(filter(inputs[i], ARRAY_LEN(pids), &text, &err) < 0);
		assert_non_null(strstr(err.message, "no PID column"));
		assert_string_equal(text, "");
		free(text);
	}
}

static void test_this_process(void **state)
{
	char *options[] = {(char[]){"-eo"}, (char[]){"comm,pid"}};
	struct wh_error err = WH_ERROR_INIT;
	const pid_t self = getpid();
	struct arena arena;
	char *text = NULL;
	char line[64];
	size_t len;
	FILE *out;

	if (access("/bin/ps", X_OK) < 0) {
		print_message("no /bin/ps on this host\n");
		skip();
	}
	out = open_memstream(&text, &len);
	assert_non_null(out);
	assert_int_equal(arena_init(&arena, &err), 0);
	assert_int_equal(ps_table_print(out, &self, 1, options, 2, &arena, &err), 0);
	fclose(out);
	snprintf(line, sizeof(line), " %d\n", self);
	assert_non_null(strstr(text, "PID\n"));
	assert_non_null(strstr(text, line));
	assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n') + 1, text + len);
	free(text);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_filter),
	    cmocka_unit_test(test_no_processes),
	    cmocka_unit_test(test_no_pid_column),
	    cmocka_unit_test(test_this_process),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ps_table", tests, NULL, NULL);
}
