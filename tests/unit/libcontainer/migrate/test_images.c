/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/images.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

struct round {
	char top[64];
	int from;
	int to;
	struct migrate_conn source;
	struct migrate_conn destination;
	int ends[2];
	struct migrate_round sent;
	int sender_rc;
	struct wh_error sender_err;
};

static int make_dir(struct round *round, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", round->top, name);
	if (mkdir(path, 0700) < 0)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int setup(void **state)
{
	static struct round round;

	round = (struct round){.top = "/tmp/test-migrate-images-XXXXXX"};
	*state = &round;
	if (!mkdtemp(round.top))
		return -1;
	round.from = make_dir(&round, "from");
	round.to = make_dir(&round, "to");
	if (round.from < 0 || round.to < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, round.ends) < 0)
		return -1;
	if (migrate_conn_init(&round.source, round.ends[0], round.ends[0], "source",
			      "the destination", NULL) < 0)
		return -1;
	return migrate_conn_init(&round.destination, round.ends[1], round.ends[1], "destination",
				 "the source", NULL);
}

static int teardown(void **state)
{
	struct round *round = *state;
	char command[128];

	fd_close(round->from);
	fd_close(round->to);
	fd_close(round->ends[0]);
	fd_close(round->ends[1]);
	migrate_conn_done(&round->source);
	migrate_conn_done(&round->destination);
	snprintf(command, sizeof(command), "rm -rf %s", round->top);
	return system(command);
}

/** A file of @size bytes with @len of them at @at, the rest of it holes. */
static void make_file(struct round *round, const char *name, off_t size, off_t at, size_t len)
{
	auto_fd fd = openat(round->from, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *data = malloc(len + 1);

	assert_true(fd >= 0 && data != NULL);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 31 + (i >> 10) + 1);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	assert_int_equal(ftruncate(fd, size), 0);
	free(data);
}

static void *send_round(void *arg)
{
	struct round *round = arg;

	round->sender_rc =
	    migrate_images_send(&round->source, round->from, 3, &round->sent, &round->sender_err);
	return NULL;
}

/** Both ends at once. Returns the receiver's result. */
static int travel(struct round *round, uint64_t limit, struct migrate_round *ret_received,
		  struct wh_error *err)
{
	struct migrate_message msg;
	pthread_t thread;
	int rc;

	assert_int_equal(pthread_create(&thread, NULL, send_round, round), 0);
	rc = migrate_expect(&round->destination, MIGRATE_ROUND, 5000, &msg, err);
	if (rc == 0)
		rc = migrate_images_receive(&round->destination, &msg, round->to, 3, limit,
					    ret_received, err);
	if (rc < 0) {
		(void)migrate_send_abort(&round->destination, err);
		round->ends[1] = fd_close(round->ends[1]);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	return rc;
}

static void assert_same(const struct round *round)
{
	char command[256];

	snprintf(command, sizeof(command), "diff -r %s/from %s/to", round->top, round->top);
	assert_int_equal(system(command), 0);
}

static void test_files_arrive_as_they_were(void **state)
{
	struct round *round = *state;
	struct migrate_round received = {0};
	struct wh_error err = WH_ERROR_INIT;
	struct stat sparse;

	make_file(round, "inventory.img", 45, 0, 45);
	make_file(round, "empty.img", 0, 0, 0);
	make_file(round, "pages-1.img", 3 << 20, 0, 3 << 20);
	make_file(round, "ghost-file-1.img", 64 << 20, 32 << 20, 4096);
	if (travel(round, UINT64_MAX, &received, &err) < 0)
		fail_msg("%s; the sender: %s", err.message, round->sender_err.message);
	assert_int_equal(round->sender_rc, 0);
	assert_same(round);
	assert_int_equal(received.files, 4);
	assert_int_equal(received.pages, 3 << 20);
	assert_int_equal(received.bytes, round->sent.bytes);
	assert_int_equal(fstatat(round->to, "ghost-file-1.img", &sparse, 0), 0);
	assert_true(sparse.st_size == 64 << 20);
	assert_true(sparse.st_blocks * 512 < 1 << 20);
}

static void test_what_stays_behind(void **state)
{
	struct round *round = *state;
	struct migrate_round received = {0};
	struct stat st;

	make_file(round, "core-1.img", 10, 0, 10);
	make_file(round, "dump.log", 10, 0, 10);
	make_file(round, ".hidden", 10, 0, 10);
	assert_int_equal(symlinkat("../0", round->from, "parent"), 0);
	assert_int_equal(mkdirat(round->from, "sub", 0700), 0);
	assert_int_equal(travel(round, UINT64_MAX, &received, NULL), 0);
	assert_int_equal(received.files, 1);
	assert_int_equal(fstatat(round->to, "core-1.img", &st, 0), 0);
	assert_int_equal(fstatat(round->to, "dump.log", &st, 0), -1);
	assert_int_equal(fstatat(round->to, "parent", &st, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_more_than_was_agreed_on(void **state)
{
	struct round *round = *state;
	struct migrate_round received;
	struct wh_error err = WH_ERROR_INIT;

	make_file(round, "pages-1.img", 8 << 20, 0, 8 << 20);
	assert_int_equal(travel(round, 1 << 20, &received, &err), -EFBIG);
	assert_true(round->sender_rc < 0);
	/* and the sender knows why */
	assert_non_null(strstr(round->sender_err.message, "more than the 1048576 bytes"));
}

/* What a broken or hostile sender could say. */

struct utterance {
	enum migrate_type type;
	const char *text; /* NULL: the number */
	uint64_t number;
	const char *data; /* behind the number */
};

static const struct {
	const char *name;
	int want;
	struct utterance said[4];
} wrong_rounds[] = {
    {"a name with a slash",              -EPROTO, {{MIGRATE_FILE, "../x", 0, NULL}}                           },
    {"an absolute name",                 -EPROTO, {{MIGRATE_FILE, "/etc/passwd", 0, NULL}}                    },
    {"a hidden name",                    -EPROTO, {{MIGRATE_FILE, "..", 0, NULL}}                             },
    {"a name with a control byte",       -EPROTO, {{MIGRATE_FILE, "a\nb", 0, NULL}}                           },
    {"a file twice",
     -EEXIST,
     {{MIGRATE_FILE, "a", 0, NULL},
      {MIGRATE_FILE_END, NULL, 0, NULL},
      {MIGRATE_FILE, "a", 0, NULL}}									   },
    {"a file within a file",             -EPROTO, {{MIGRATE_FILE, "a", 0, NULL}, {MIGRATE_FILE, "b", 0, NULL}}},
    {"data of no file",                  -EPROTO, {{MIGRATE_DATA, NULL, 0, "x"}}                              },
    {"an end of no file",                -EPROTO, {{MIGRATE_FILE_END, NULL, 0, NULL}}                         },
    {"data behind the end of all files",
     -EPROTO,
     {{MIGRATE_FILE, "a", 0, NULL}, {MIGRATE_DATA, NULL, INT64_MAX, "x"}}                                     },
    {"data that goes back",
     -EPROTO,
     {{MIGRATE_FILE, "a", 0, NULL},
      {MIGRATE_DATA, NULL, 10, "xyz"},
      {MIGRATE_DATA, NULL, 12, "x"}}									  },
    {"a size below the data",
     -EPROTO,
     {{MIGRATE_FILE, "a", 0, NULL},
      {MIGRATE_DATA, NULL, 10, "xyz"},
      {MIGRATE_FILE_END, NULL, 12, NULL}}								     },
    {"another count of files",           -EPROTO, {{MIGRATE_ROUND_END, NULL, 1, NULL}}                        },
    {"an end within a file",
     -EPROTO,
     {{MIGRATE_FILE, "a", 0, NULL}, {MIGRATE_ROUND_END, NULL, 0, NULL}}                                       },
    {"a message of another phase",       -EPROTO, {{MIGRATE_COMMIT, "", 0, NULL}}                             },
    {"the end of the connection",        -EPIPE,  {{MIGRATE_EOF, NULL, 0, NULL}}                              },
};

static void say(struct round *round, const struct utterance *said)
{
	uint8_t number[8];

	migrate_put_u64(number, said->number);
	if (said->text)
		assert_int_equal(migrate_send(&round->source, said->type, said->text,
					      strlen(said->text), NULL, 0, NULL),
				 0);
	else if (said->type)
		assert_int_equal(migrate_send(&round->source, said->type, number, 8, said->data,
					      said->data ? strlen(said->data) : 0, NULL),
				 0);
}

static void test_wrong_rounds(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(wrong_rounds); i++) {
		struct round *round = *state;
		struct migrate_round received;
		struct migrate_message msg;
		struct wh_error err = WH_ERROR_INIT;
		int rc;

		say(round, &(struct utterance){.type = MIGRATE_ROUND});
		for (size_t j = 0; j < ARRAY_LEN(wrong_rounds[i].said); j++)
			say(round, &wrong_rounds[i].said[j]);
		shutdown(round->ends[0], SHUT_WR);
		assert_int_equal(
		    migrate_expect(&round->destination, MIGRATE_ROUND, 1000, &msg, NULL), 0);
		rc = migrate_images_receive(&round->destination, &msg, round->to, 0, UINT64_MAX,
					    &received, &err);
		if (rc != wrong_rounds[i].want)
			fail_msg("%s: %d, %s", wrong_rounds[i].name, rc, err.message);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

static void test_rounds_come_in_order(void **state)
{
	struct round *round = *state;
	struct migrate_round received;
	struct migrate_message msg;

	say(round, &(struct utterance){.type = MIGRATE_ROUND, .number = 2});
	assert_int_equal(migrate_expect(&round->destination, MIGRATE_ROUND, 1000, &msg, NULL), 0);
	assert_int_equal(
	    migrate_images_receive(&round->destination, &msg, round->to, 1, 100, &received, NULL),
	    -EPROTO);
}

static void test_names(void **state)
{
	char longest[300];

	memset(longest, 'a', sizeof(longest));
	assert_true(migrate_image_name_ok("pages-1.img", 11));
	assert_true(migrate_image_name_ok("fs-1.img", 8));
	assert_true(migrate_image_name_ok(longest, 255));
	assert_false(migrate_image_name_ok(longest, 256));
	assert_false(migrate_image_name_ok("", 0));
	assert_false(migrate_image_name_ok(".", 1));
	assert_false(migrate_image_name_ok("a\0b", 3));
	assert_false(migrate_image_name_ok("a b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_files_arrive_as_they_were, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_stays_behind, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_more_than_was_agreed_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong_rounds, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_rounds_come_in_order, setup, teardown),
	    cmocka_unit_test(test_names),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
