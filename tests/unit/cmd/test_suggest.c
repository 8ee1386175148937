/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/str.h"

static const char *const words[] = {"create", "delete", "exec",  "pause", "ps",
				    "resume", "run",    "start", "state"};

static void test_nearest(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
	    {"crate",					       "create"},
            {"creat",					       "create"},
	    {"Create",					      "create"},
            {"stat",						"state" },
	    {"dlete",					       "delete"},
            {"resum",					       "resume"},
	    {"rn",						  "run"   },
            {"exce",						"exec"  },
	    {"checkpoint",					  NULL    },
            {"restore",                                             NULL    },
	    {"update",					      NULL    },
            {"events",					      NULL    },
	    {"frobnicate",					  NULL    },
            {"",						    NULL    },
	    {"x",						   NULL    },
            {"a-very-long-word-that-is-no-name-of-anything-at-all", NULL    },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct suggestion best = suggestion_start(cases[i].text, strlen(cases[i].text));

		for (size_t k = 0; k < ARRAY_LEN(words); k++)
			suggestion_consider(&best, words[k]);
		if (cases[i].want)
			assert_string_equal(best.word, cases[i].want);
		else
			assert_null(best.word);
	}
}

static void test_long_words_are_no_candidates(void **state)
{
	struct suggestion best = suggestion_start("abc", 3);

	suggestion_consider(&best, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
	assert_null(best.word);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nearest),
	    cmocka_unit_test(test_long_words_are_no_candidates),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
