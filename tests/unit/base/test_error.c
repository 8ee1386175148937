/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"

static void test_fail_fills_and_returns(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	assert_false(wh_error_set(&err));
	strcpy(err.step, "left over");
	assert_int_equal(wh_fail(&err, EACCES, "open '%s'", "/x"), -EACCES);
	assert_true(wh_error_set(&err));
	assert_int_equal(err.code, EACCES);
	assert_int_equal(err.kind, WH_ERROR_RUNTIME);
	assert_string_equal(err.message, "open '/x'");
	assert_string_equal(err.step, "");

	assert_int_equal(wh_fail_kind(&err, WH_ERROR_CONFIG, 0, "bad"), -EINVAL);
	assert_int_equal(err.kind, WH_ERROR_CONFIG);
	assert_int_equal(err.code, 0);
	assert_int_equal(wh_oom(&err), -ENOMEM);
}

static void test_null_is_ignored(void **state)
{
	assert_int_equal(wh_fail(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(wh_fail_kind(NULL, WH_ERROR_STATE, 0, "x"), -EINVAL);
	wh_error_prefix(NULL, "x");
}

static void test_empty_message_is_still_an_error(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	wh_fail(&err, EIO, "%s", "");
	assert_true(wh_error_set(&err));
}

static void test_prefix(void **state)
{
	struct wh_error err = WH_ERROR_INIT;

	wh_error_prefix(&err, "nothing to prefix");
	assert_false(wh_error_set(&err));
	wh_fail(&err, EIO, "read");
	wh_error_prefix(&err, "mounts[%d] '%s'", 3, "/proc");
	wh_error_prefix(&err, "outer");
	assert_string_equal(err.message, "outer: mounts[3] '/proc': read");
	assert_int_equal(err.code, EIO);
}

/* Whatever the lengths, the prefix is kept from its start and the message is cut at its end. */
static void test_prefix_cuts_at_the_end(void **state)
{
	static const size_t lengths[] = {1, 100, 3797, 3799, 5000};
	static char text[6000];

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		struct wh_error err = WH_ERROR_INIT;

		memset(text, 'p', sizeof(text));
		text[lengths[i]] = '\0';
		wh_fail(&err, EIO, "%s", text);
		assert_true(strlen(err.message) < sizeof(err.message));
		wh_error_prefix(&err, "ab");
		assert_memory_equal(err.message, "ab: p", 5);
		wh_error_prefix(&err, "%s", text);
		assert_int_equal(err.message[0], 'p');
		assert_non_null(memchr(err.message, '\0', sizeof(err.message)));
	}
}

static void test_format(void **state)
{
	static const struct {
		struct wh_error err;
		const char *want;
	} cases[] = {
	    {{.code = EACCES, .message = "open '/x'"},                                          "open '/x': permission denied"       },
	    {{.code = 0, .message = "it is so"},                                                "it is so"                           },
	    {{.code = ENOENT, .message = "open '/x'"},                                          "open '/x': file is missing (ENOENT)"},
	    {{.code = ENOENT, .kind = WH_ERROR_PROGRAM, .message = "exec 'x'"},
	     "exec 'x': no such file or directory"										   },
	    {{.code = EACCES, .kind = WH_ERROR_PROGRAM, .step = "exec", .message = "exec 'x'"},
	     "exec 'x': permission denied"											   },
	    {{.code = EINVAL, .kind = WH_ERROR_CONFIG, .message = "config.json:1:2: bad"},
	     "config.json:1:2: bad"												  },
	    {{.code = EIO, .step = "pivot root", .message = "open '/x'"},
	     "pivot root: open '/x': input/output error"									     },
	    {{.code = ENOSPC, .message = "write 'f'"},                                          "write 'f': no space left on device" },
	};
	char buf[5000];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		wh_error_format(&cases[i].err, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].want);
	}
	wh_error_format(&cases[0].err, buf, 8);
	assert_string_equal(buf, "open '/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fail_fills_and_returns),
	    cmocka_unit_test(test_null_is_ignored),
	    cmocka_unit_test(test_empty_message_is_still_an_error),
	    cmocka_unit_test(test_prefix),
	    cmocka_unit_test(test_prefix_cuts_at_the_end),
	    cmocka_unit_test(test_format),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
