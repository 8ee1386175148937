/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/transport.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/unit/group_arena.h"

static const struct {
	const char *text;
	const char *want_error; /* part of it; NULL: it is right */
	struct migrate_destination want;
} destinations[] = {
    {"local:",		    NULL,              {.local = true}				      },
    {"local:/run/other",          NULL,              {.local = true, .root = "/run/other"}                },
    {"ssh://b",		   NULL,              {.host = "b"}					},
    {"ssh://b/",		  NULL,              {.host = "b"}					},
    {"ssh://root@b",              NULL,              {.user = "root", .host = "b"}                        },
    {"ssh://root@b.example:2222", NULL,              {.user = "root", .host = "b.example", .port = "2222"}},
    {"ssh://root@[fd00::2]:22",   NULL,              {.user = "root", .host = "fd00::2", .port = "22"}    },
    {"ssh://[fd00::2]",           NULL,              {.host = "fd00::2"}                                  },
    {"ssh://",		    "this is no host", {0}						  },
    {"ssh://@b",		  "this is no user", {0}						  },
    {"ssh://-oProxyCommand=x",    "this is no host", {0}                                                  },
    {"ssh://-l@b",                "this is no user", {0}						  },
    {"ssh://b:",		  "the port is no",  {0}						  },
    {"ssh://b:0",                 "the port is no",  {0}						  },
    {"ssh://b:65536",             "the port is no",  {0}						  },
    {"ssh://b:22/run",            "a path has no",   {0}						  },
    {"ssh://[fd00::2",            "no ']'",          {0}						  },
    {"ssh://[fd00::2]x",          "is no port",      {0}						  },
    {"ssh://b c",                 "it has a blank",  {0}						  },
    {"root@b",		    "unknown kind",    {0}						  },
    {"",			  "unknown kind",    {0}						  },
};

static void check_text(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void test_destinations(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(destinations); i++) {
		struct migrate_destination got = {0};
		struct wh_error err = WH_ERROR_INIT;
		int rc = migrate_destination_parse(destinations[i].text, &arena, &got, &err);

		if (destinations[i].want_error) {
			assert_int_equal(rc, -EINVAL);
			assert_int_equal(err.kind, WH_ERROR_USAGE);
			if (!strstr(err.message, destinations[i].want_error))
				fail_msg("%s: %s", destinations[i].text, err.message);
			continue;
		}
		if (rc < 0)
			fail_msg("%s: %s", destinations[i].text, err.message);
		assert_int_equal(got.local, destinations[i].want.local);
		check_text(got.root, destinations[i].want.root);
		check_text(got.user, destinations[i].want.user);
		check_text(got.host, destinations[i].want.host);
		check_text(got.port, destinations[i].want.port);
	}
}

static const struct {
	const char *destination;
	const char *rsh;
	const char *remote;
	const char *criu;
	const char *want; /* the words, with '|' between */
	bool systemd;
} commands[] = {
    {"local:",            NULL,              NULL,                    NULL, "/proc/self/exe|migrate|--receive",                        false},
    {"local:/r",          NULL,              NULL,                    "/c", "/proc/self/exe|--root|/r|migrate|--receive|--criu|/c",    false},
    {"local:/r",          NULL,              "w --root /x",           NULL, "/bin/sh|-c|exec w --root /x migrate --receive",           false},
    {"ssh://b",           NULL,              NULL,                    NULL,
     "ssh|-T|-o|ServerAliveInterval=15|-o|ServerAliveCountMax=4|b|wherry migrate --receive",                                           false},
    {"ssh://root@b:2222", "dbclient -i key", "/opt/wherry --root /r", "/c",
     "dbclient|-i|key|-p|2222|root@b|/opt/wherry --root /r migrate --receive --criu /c",                                               false},
    {"local:/r",          NULL,              NULL,                    NULL,
     "/proc/self/exe|--root|/r|--cgroup-manager|systemd|migrate|--receive",                                                            true },
    {"local:",            NULL,              "w --root /x",           NULL,
     "/bin/sh|-c|exec w --root /x --cgroup-manager systemd migrate --receive",                                                         true },
    {"ssh://b",           "rsh",             NULL,                    NULL, "rsh|b|wherry --cgroup-manager systemd migrate --receive", true },
};

static void test_commands(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const char *argv[MIGRATE_WORDS_MAX];
		struct migrate_destination destination;
		char got[512] = "";

		assert_int_equal(
		    migrate_destination_parse(commands[i].destination, &arena, &destination, NULL),
		    0);
		destination.systemd = commands[i].systemd;
		assert_int_equal(migrate_command_build(&destination, commands[i].rsh,
						       commands[i].remote, commands[i].criu, &arena,
						       argv, NULL),
				 0);
		for (size_t j = 0; argv[j]; j++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", j ? "|" : "",
				 argv[j]);
		assert_string_equal(got, commands[i].want);
	}
}

static void test_a_command_of_blanks_or_too_many_words(void **state)
{
	const char *argv[MIGRATE_WORDS_MAX];
	struct migrate_destination destination = {.host = "b"};
	char many[2 * MIGRATE_WORDS_MAX + 1] = "";

	assert_int_equal(migrate_command_build(&destination, "  ", NULL, NULL, &arena, argv, NULL),
			 -EINVAL);
	for (int i = 0; i < MIGRATE_WORDS_MAX; i++)
		memcpy(many + 2 * i, "a ", 3);
	assert_int_equal(migrate_command_build(&destination, many, NULL, NULL, &arena, argv, NULL),
			 -EINVAL);
}

static void test_a_transport_carries(void **state)
{
	const char *const argv[] = {"cat", NULL};
	struct migrate_transport transport;
	char buf[8] = "";

	assert_int_equal(migrate_transport_open(argv, &transport, NULL), 0);
	assert_int_equal(write(transport.to, "hello", 5), 5);
	assert_int_equal(read(transport.from, buf, 5), 5);
	assert_string_equal(buf, "hello");
	(void)migrate_transport_close(&transport);
	assert_int_equal(transport.pid, 0);
	(void)migrate_transport_close(&transport);
}

static void test_a_missing_program(void **state)
{
	const char *const argv[] = {"/nonexistent/ssh", NULL};
	struct migrate_transport transport = MIGRATE_TRANSPORT_NONE;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(migrate_transport_open(argv, &transport, &err), -ENOENT);
	assert_string_equal(err.message, "run '/nonexistent/ssh'");
	assert_int_equal(transport.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_destinations),
	    cmocka_unit_test(test_commands),
	    cmocka_unit_test(test_a_command_of_blanks_or_too_many_words),
	    cmocka_unit_test(test_a_transport_carries),
	    cmocka_unit_test(test_a_missing_program),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_arena_setup, group_arena_teardown);
}
