/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/sys.h"
#include "namespaces/mount_opts.h"
#include "tests/unit/group_arena.h"

#define ATIME MOUNT_ATTR__ATIME

/** What one option alone adds up to. */
struct option_case {
	const char *name;
	uint64_t set;
	uint64_t clr;
	uint64_t rec_set;
	uint64_t rec_clr;
	uint64_t propagation; /* MS_REC for the recursive ones */
	uint32_t ext;
	const char *sb_flag;
};

/* A row as a macro: clang-format 14 crashes on rows of different lengths. */
#define CASE(option, ...)                                                                          \
	{                                                                                          \
		.name = option, __VA_ARGS__                                                        \
	}
static const struct option_case option_cases[] = {
    CASE("async", .set = 0),
    CASE("atime", .clr = ATIME),
    CASE("bind", .ext = MOUNT_EXT_BIND),
    CASE("defaults", .set = 0),
    CASE("dev", .clr = MOUNT_ATTR_NODEV),
    CASE("diratime", .clr = MOUNT_ATTR_NODIRATIME),
    CASE("dirsync", .sb_flag = "dirsync"),
    CASE("exec", .clr = MOUNT_ATTR_NOEXEC),
    CASE("idmap", .ext = MOUNT_EXT_IDMAP),
    CASE("iversion", .sb_flag = "iversion"),
    CASE("lazytime", .sb_flag = "lazytime"),
    CASE("loud", .set = 0),
    CASE("mand", .sb_flag = "mand"),
    CASE("noatime", .set = MOUNT_ATTR_NOATIME, .clr = ATIME),
    CASE("nodev", .set = MOUNT_ATTR_NODEV),
    CASE("nodiratime", .set = MOUNT_ATTR_NODIRATIME),
    CASE("noexec", .set = MOUNT_ATTR_NOEXEC),
    CASE("noiversion", .set = 0),
    CASE("nolazytime", .set = 0),
    CASE("nomand", .set = 0),
    CASE("norelatime", .set = 0),
    CASE("nostrictatime", .clr = ATIME),
    CASE("nosuid", .set = MOUNT_ATTR_NOSUID),
    CASE("nosymfollow", .set = MOUNT_ATTR_NOSYMFOLLOW),
    CASE("private", .propagation = MS_PRIVATE),
    CASE("ratime", .rec_clr = ATIME),
    CASE("rbind", .ext = MOUNT_EXT_BIND | MOUNT_EXT_RECURSIVE),
    CASE("rdev", .rec_clr = MOUNT_ATTR_NODEV),
    CASE("rdiratime", .rec_clr = MOUNT_ATTR_NODIRATIME),
    CASE("relatime", .clr = ATIME),
    CASE("remount", .ext = MOUNT_EXT_REMOUNT),
    CASE("rexec", .rec_clr = MOUNT_ATTR_NOEXEC),
    CASE("ridmap", .ext = MOUNT_EXT_RIDMAP),
    CASE("rnoatime", .rec_set = MOUNT_ATTR_NOATIME, .rec_clr = ATIME),
    CASE("rnodev", .rec_set = MOUNT_ATTR_NODEV),
    CASE("rnodiratime", .rec_set = MOUNT_ATTR_NODIRATIME),
    CASE("rnoexec", .rec_set = MOUNT_ATTR_NOEXEC),
    CASE("rnorelatime", .set = 0),
    CASE("rnostrictatime", .rec_clr = ATIME),
    CASE("rnosuid", .rec_set = MOUNT_ATTR_NOSUID),
    CASE("rnosymfollow", .rec_set = MOUNT_ATTR_NOSYMFOLLOW),
    CASE("ro", .set = MOUNT_ATTR_RDONLY, .sb_flag = "ro"),
    CASE("rprivate", .propagation = MS_PRIVATE | MS_REC),
    CASE("rrelatime", .rec_clr = ATIME),
    CASE("rro", .rec_set = MOUNT_ATTR_RDONLY),
    CASE("rrw", .rec_clr = MOUNT_ATTR_RDONLY),
    CASE("rshared", .propagation = MS_SHARED | MS_REC),
    CASE("rslave", .propagation = MS_SLAVE | MS_REC),
    CASE("rstrictatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clr = ATIME),
    CASE("rsuid", .rec_clr = MOUNT_ATTR_NOSUID),
    CASE("rsymfollow", .rec_clr = MOUNT_ATTR_NOSYMFOLLOW),
    CASE("runbindable", .propagation = MS_UNBINDABLE | MS_REC),
    CASE("rw", .clr = MOUNT_ATTR_RDONLY),
    CASE("shared", .propagation = MS_SHARED),
    CASE("silent", .sb_flag = "silent"),
    CASE("slave", .propagation = MS_SLAVE),
    CASE("strictatime", .set = MOUNT_ATTR_STRICTATIME, .clr = ATIME),
    CASE("suid", .clr = MOUNT_ATTR_NOSUID),
    CASE("symfollow", .clr = MOUNT_ATTR_NOSYMFOLLOW),
    CASE("sync", .sb_flag = "sync"),
    CASE("tmpcopyup", .ext = MOUNT_EXT_TMPCOPYUP),
    CASE("unbindable", .propagation = MS_UNBINDABLE),
};

static struct mount_flags parse(const char *const *options, size_t count)
{
	struct mount_flags flags;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(mount_opts_parse(options, count, &arena, &flags, &err), 0);
	return flags;
}

/** @list: options with blanks between them. */
static struct mount_flags parse_list(const char *list)
{
	const char *options[16];
	size_t count = 0;
	char *copy = arena_strdup(&arena, list);

	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		options[count++] = word;
	return parse(options, count);
}

static void test_each_option(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(option_cases); i++) {
		const struct option_case *c = &option_cases[i];
		struct mount_flags flags = parse(&c->name, 1);

		if (flags.attr_set != c->set || flags.attr_clr != c->clr ||
		    flags.rec_attr_set != c->rec_set || flags.rec_attr_clr != c->rec_clr ||
		    flags.ext != c->ext ||
		    (flags.propagation | (flags.propagation_recursive ? MS_REC : 0)) !=
			c->propagation)
			fail_msg("option %s", c->name);
		assert_int_equal(flags.n_sb_flags, c->sb_flag ? 1 : 0);
		if (c->sb_flag)
			assert_string_equal(flags.sb_flags[0], c->sb_flag);
		assert_int_equal(flags.n_params, 0);
	}
}

static void test_names_are_the_cases(void **state)
{
	assert_int_equal(mount_option_names.len, ARRAY_LEN(option_cases));
	for (size_t i = 0; i < ARRAY_LEN(option_cases); i++)
		assert_string_equal(mount_option_names.rows[i].name, option_cases[i].name);
}

/** Lists, and the words that describe their sum; the words themselves add up to the same. */
static const struct {
	const char *list;
	const char *want;
} list_cases[] = {
    {"",								""			    },
    {"defaults",							""			    },
    {"ro rw",							   "rw"			  },
    {"rw ro",							   "ro"			  },
    {"nosuid nodev noexec",					     "nodev,noexec,nosuid"         },
    {"nosuid suid",						     "suid"                        },
    {"noatime relatime",						"relatime"                    },
    {"noatime atime",						   "relatime"                    },
    {"strictatime atime",					       "strictatime"                 },
    {"strictatime nostrictatime",				       "relatime"                    },
    {"noatime nostrictatime",					   "noatime"                     },
    {"rnoatime rstrictatime",					   "rstrictatime"                },
    {"rstrictatime ratime",					     "rstrictatime"                },
    {"rstrictatime rnostrictatime",				     "rrelatime"                   },
    {"bind ro rprivate",						"bind,ro,rprivate"            },
    {"bind rbind",						      "rbind"                       },
    {"rbind rro rslave",						"rbind,rro,rslave"            },
    {"rro rrw",							 "rrw"			 },
    {"shared private",						  "private"                     },
    {"rshared shared",						  "shared"                      },
    {"sync async",						      ""			    },
    {"sync sync lazytime",					      "lazytime,sync"               },
    {"lazytime nolazytime iversion noiversion mand nomand silent loud", ""                            },
    {"mode=755 size=64k",					       "mode=755,size=64k"           },
    {"nr_inodes=1 noswap ro",					   "ro,nr_inodes=1,noswap"       },
    {"lowerdir=/a:/b,c upperdir=/u",                                    "lowerdir=/a:/b,c,upperdir=/u"},
    {"empty= =value",						   "empty=,=value"               },
    {"tmpcopyup",						       "tmpcopyup"                   },
    {"idmap=uids=0-1-2",						"idmap"                       },
    {"ridmap=uids=0-1-2",					       "ridmap"                      },
    {"RO Nosuid",						       "RO,Nosuid"                   },
};

static void test_lists(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(list_cases); i++) {
		struct mount_flags flags = parse_list(list_cases[i].list);
		const char *text = mount_flags_describe(&flags, &arena);

		if (!text || !streq(text, list_cases[i].want))
			fail_msg("'%s': expected '%s', got '%s'", list_cases[i].list,
				 list_cases[i].want, text);
	}
}

static void test_an_option_is_one_parameter(void **state)
{
	struct mount_flags flags = parse_list("context=\"a:b:c0,c1\" flag key=a=b");

	assert_int_equal(flags.n_params, 3);
	assert_string_equal(flags.params[0], "context");
	assert_string_equal(flags.params[1], "\"a:b:c0,c1\"");
	assert_string_equal(flags.params[2], "flag");
	assert_null(flags.params[3]);
	assert_string_equal(flags.params[4], "key");
	assert_string_equal(flags.params[5], "a=b");
}

static void test_empty_options_are_none(void **state)
{
	const char *options[] = {"", "rw", ""};
	struct mount_flags flags = parse(options, 3);

	assert_int_equal(flags.n_params, 0);
	assert_int_equal(flags.attr_clr, MOUNT_ATTR_RDONLY);
}

static bool in_arena(const void *p)
{
	return (const char *)p >= arena.base && (const char *)p < arena.base + arena.used;
}

/* init is another program: what it reads has to lie in the arena */
static void test_nothing_points_outside_the_arena(void **state)
{
	struct mount_flags flags = parse_list("sync ro lazytime size=1k noswap");

	assert_true(in_arena(flags.sb_flags) && in_arena(flags.params));
	for (uint32_t i = 0; i < flags.n_sb_flags; i++)
		assert_true(in_arena(flags.sb_flags[i]));
	for (uint32_t i = 0; i < 2 * flags.n_params; i++)
		assert_true(!flags.params[i] || in_arena(flags.params[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_option),
	    cmocka_unit_test(test_names_are_the_cases),
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_an_option_is_one_parameter),
	    cmocka_unit_test(test_empty_options_are_none),
	    cmocka_unit_test(test_nothing_points_outside_the_arena),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
