/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define WORDS_MAX 12

struct args {
	bool all;
	bool force;
	const char *bundle;
	unsigned int count;
	struct string_list env;
	struct choice format;
	const int64_t *quota;
	const uint64_t *shares;
	const int64_t *memory;
};

static const char *const formats[] = {"table", "json", NULL};

static const struct option rows[] = {
    OPTION("all", 'a', option_flag, struct args, all, NULL, "every one"),
    OPTION("force", 'f', option_flag, struct args, force, NULL, "without asking"),
    OPTION("no-subreaper", '\0', option_flag, struct args, force, NULL, "a long name only"),
    OPTION("bundle", 'b', option_string, struct args, bundle, "DIR", "a directory"),
    OPTION("count", '\0', option_count, struct args, count, "N", "a number"),
    OPTION("env", 'e', option_list, struct args, env, "K=V", "a list"),
    OPTION("format", 'F', option_choice, struct args, format, "FORMAT", "a word",
	   .choices = formats),
    OPTION("quota", '\0', option_i64, struct args, quota, "N", "a number with a sign"),
    OPTION("shares", '\0', option_u64, struct args, shares, "N", "a number without"),
    OPTION("memory", '\0', option_size, struct args, memory, "SIZE", "bytes"),
};

static const struct option other_rows[] = {
    OPTION("root", '\0', option_string, struct args, bundle, "DIR", "belongs elsewhere"),
};

struct run {
	struct args args;
	struct arena arena;
	struct wh_error err;
	char *words[WORDS_MAX];
	char message[1024];
	int rc;
};

static bool at_first(const void *context)
{
	return true;
}

static bool when_forced(const void *context)
{
	return ((const struct args *)context)->force;
}

/** Parse the blank-separated words of @line. A word of '' is empty. */
static void parse(struct run *run, const char *line, bool (*arguments_follow)(const void *))
{
	struct option_set set = OPTION_SET(rows, &run->args);
	struct option_set other = OPTION_SET(other_rows, NULL);
	struct option_parser parser = {
	    .sets = &set,
	    .n_sets = 1,
	    .arguments_follow = arguments_follow,
	    .context = &run->args,
	    .elsewhere = &other,
	    .elsewhere_hint = "it goes elsewhere",
	    .arena = &run->arena,
	};
	char *copy, *word, *save = NULL;
	int n = 0;

	*run = (struct run){.err = WH_ERROR_INIT};
	assert_int_equal(arena_init(&run->arena, &run->err), 0);
	copy = arena_strdup(&run->arena, line);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(n < WORDS_MAX);
		run->words[n++] = streq(word, "''") ? word + 2 : word;
	}
	run->rc = options_parse(&parser, n, run->words, &run->err);
	if (run->rc < 0)
		wh_error_format(&run->err, run->message, sizeof(run->message));
}

static void done(struct run *run)
{
	arena_done(&run->arena);
}

static void test_forms_of_a_value(void **state)
{
	static const char *const lines[] = {
	    "--bundle /x", "--bundle=/x", "-bundle /x", "-bundle=/x", "-b /x",
	    "-b/x",        "-b=/x",       "-ab /x",     "-afb=/x",    "--bundle old -b /x",
	    "id -b /x",    "-b /x id",    "--all -b /x"};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct run run;

		parse(&run, lines[i], NULL);
		assert_true(run.rc >= 0);
		assert_string_equal(run.args.bundle, "/x");
		done(&run);
	}
}

static void test_values_are_taken_as_they_are(void **state)
{
	static const struct {
		const char *line;
		const char *want;
	} cases[] = {
	    {"--bundle --all", "--all"},
            {"--bundle -- x",  "--"   },
            {"--bundle= x",    ""     },
	    {"--bundle '' x",  ""     },
            {"--bundle=a=b",   "a=b"  },
            {"-b -a",          "-a"   },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		parse(&run, cases[i].line, NULL);
		assert_true(run.rc >= 0);
		assert_string_equal(run.args.bundle, cases[i].want);
		assert_false(run.args.all);
		done(&run);
	}
}

static void test_flags(void **state)
{
	static const struct {
		const char *line;
		bool all, force;
	} cases[] = {
	    {"--all",                true,  false},
	    {"-all",                 true,  false},
	    {"-a",		   true,  false},
	    {"-af",                  true,  true },
	    {"-fa",                  true,  true },
	    {"--all=true --force=1", true,  true },
	    {"--all --all=false",    false, false},
	    {"-a=false",             false, false},
	    {"-a=T -f=0",            true,  false},
	    {"-no-subreaper",        false, true },
	    {"--no-subreaper=TRUE",  false, true },
	    {"",		     false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		parse(&run, cases[i].line, NULL);
		assert_int_equal(run.rc, 0);
		assert_int_equal(run.args.all, cases[i].all);
		assert_int_equal(run.args.force, cases[i].force);
		done(&run);
	}
}

static void test_kinds(void **state)
{
	struct run run;

	parse(&run, "--count 7 --format json -e A=1 --env=B=2 -eC=3 id", NULL);
	assert_int_equal(run.rc, 1);
	assert_int_equal(run.args.count, 7);
	assert_true(run.args.format.given);
	assert_int_equal(run.args.format.value, 1);
	assert_int_equal(run.args.env.count, 3);
	assert_string_equal(run.args.env.items[0], "A=1");
	assert_string_equal(run.args.env.items[1], "B=2");
	assert_string_equal(run.args.env.items[2], "C=3");
	done(&run);
}

static void test_numbers_are_absent_until_given(void **state)
{
	struct run run;

	parse(&run, "id", NULL);
	assert_null(run.args.quota);
	assert_null(run.args.shares);
	assert_null(run.args.memory);
	done(&run);
	parse(&run, "--quota -1 --shares 18446744073709551615 --memory 512m", NULL);
	assert_int_equal(run.rc, 0);
	assert_int_equal(*run.args.quota, -1);
	assert_true(*run.args.shares == UINT64_MAX);
	assert_int_equal(*run.args.memory, 512 << 20);
	done(&run);
	parse(&run, "--memory -1 --memory=0", NULL);
	assert_int_equal(*run.args.memory, 0);
	done(&run);
}

/** What remains, joined by blanks. */
static void test_arguments(void **state)
{
	static const struct {
		const char *line;
		bool (*follow)(const void *);
		const char *want;
	} cases[] = {
	    {"a b",		    NULL,        "a b"             },
	    {"a --all b",              NULL,        "a b"             },
	    {"-a -- --all -x",         NULL,        "--all -x"        },
	    {"a -- b",                 NULL,        "a b"             },
	    {"-",		      NULL,        "-"               },
	    {"--",		     NULL,        ""                },
	    {"--all id ls -l --force", at_first,    "id ls -l --force"},
	    {"id -- ls -- -l",         at_first,    "id ls -- -l"     },
	    {"id --",                  at_first,    "id"              },
	    {"-- id -- ls",            at_first,    "id -- ls"        },
	    {"id --force x -a",        when_forced, "id x -a"         },
	    {"--force id -a",          when_forced, "id -a"           },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char joined[128] = "";
		struct run run;

		parse(&run, cases[i].line, cases[i].follow);
		assert_true(run.rc >= 0);
		for (int k = 0; k < run.rc; k++) {
			strcat(joined, k ? " " : "");
			strcat(joined, run.words[k]);
		}
		assert_string_equal(joined, cases[i].want);
		done(&run);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *line;
		const char *want;
	} cases[] = {
	    {"--bundle",           "flag needs an argument: --bundle"                              },
	    {"-bundle",            "flag needs an argument: -bundle"                               },
	    {"-b",                 "flag needs an argument: -b"                                    },
	    {"-ab",                "flag needs an argument: -b"                                    },
	    {"--nonsense",         "unknown option '--nonsense'"                                   },
	    {"--nonsense=1",       "unknown option '--nonsense'"                                   },
	    {"-nonsense",          "unknown option '-nonsense'"                                    },
	    {"-x",                 "unknown option '-x'"					   },
	    {"-ax",                "unknown option '-x'"					   },
	    {"--bundel x",         "unknown option '--bundel'; did you mean --bundle?"             },
	    {"--forc",             "unknown option '--forc'; did you mean --force?"                },
	    {"--root /x",          "unknown option '--root' here; it goes elsewhere"               },
	    {"--root=/x",          "unknown option '--root' here; it goes elsewhere"               },
	    {"--all=yes",          "invalid value 'yes' for --all: expected true or false"         },
	    {"--count -1",         "invalid value '-1' for --count: expected a number from 0 on"   },
	    {"--count 2147483648",
	     "invalid value '2147483648' for --count: expected a number from 0 on"                 },
	    {"--count ''",         "invalid value '' for --count: expected a number from 0 on"     },
	    {"-F xml",             "invalid value 'xml' for -F: expected one of table, json"       },
	    {"--format JSON",      "invalid value 'JSON' for --format: expected one of table, json"},
	    {"--format=",          "invalid value '' for --format: expected one of table, json"    },
	    {"--quota 1k",         "invalid value '1k' for --quota: expected a number"             },
	    {"--shares -1",        "invalid value '-1' for --shares: expected a number from 0 on"  },
	    {"--memory -2",
	     "invalid value '-2' for --memory: expected a size like 512m, or -1 for none"          },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct run run;

		parse(&run, cases[i].line, NULL);
		assert_int_equal(run.rc, -EINVAL);
		assert_int_equal(run.err.kind, WH_ERROR_USAGE);
		assert_string_equal(run.message, cases[i].want);
		done(&run);
	}
}

static void test_help_lines_up(void **state)
{
	struct option_set sets[] = {OPTION_SET(rows, NULL), OPTION_SET(other_rows, NULL)};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	options_print(out, sets, ARRAY_LEN(sets));
	fclose(out);
	assert_non_null(strstr(text, "  -a, --all            every one\n"));
	assert_non_null(strstr(text, "      --count N        a number\n"));
	assert_non_null(strstr(text, "  -b, --bundle DIR     a directory\n"));
	assert_non_null(strstr(text, "  -F, --format FORMAT  a word\n"));
	assert_non_null(strstr(text, "      --root DIR       belongs elsewhere\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms_of_a_value),
	    cmocka_unit_test(test_values_are_taken_as_they_are),
	    cmocka_unit_test(test_flags),
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_numbers_are_absent_until_given),
	    cmocka_unit_test(test_arguments),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_help_lines_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
