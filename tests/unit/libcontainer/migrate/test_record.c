/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

#define NUMBER "0123456789abcdef0123456789abcdef"

static struct arena arena = {.fd = -EBADF};
static char top[] = "/tmp/test-migrate-record-XXXXXX";
static int top_fd = -EBADF;

static int setup(void **state)
{
	if (!mkdtemp(top))
		return -1;
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return top_fd < 0 ? -1 : arena_init(&arena, NULL);
}

static int teardown(void **state)
{
	char command[64];

	arena_done(&arena);
	fd_close(top_fd);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

static void test_a_record_is_read_as_it_was_written(void **state)
{
	struct migrate_record written;
	struct migrate_record got;

	assert_int_equal(migrate_record_read(top_fd, &arena, &got, NULL), -ENOENT);
	assert_int_equal(migrate_record_begin(&written, NUMBER, "web", &arena, NULL), 0);
	written.phase = MIGRATE_PHASE_HANDED_OVER;
	written.destination = "ssh://b";
	written.images = "/var/tmp/x";
	assert_int_equal(migrate_record_write(top_fd, &written, &arena, NULL), 0);
	assert_int_equal(migrate_record_read(top_fd, &arena, &got, NULL), 0);
	assert_string_equal(got.number, NUMBER);
	assert_string_equal(got.id, "web");
	assert_string_equal(got.destination, "ssh://b");
	assert_int_equal(got.phase, MIGRATE_PHASE_HANDED_OVER);
	assert_int_equal(got.worker.pid, getpid());
	assert_true(migrate_record_worker_alive(&got));
	got.worker.start_time++;
	assert_false(migrate_record_worker_alive(&got));
	assert_int_equal(migrate_record_remove(top_fd, NULL), 0);
	assert_int_equal(migrate_record_remove(top_fd, NULL), 0);
	assert_int_equal(migrate_record_read(top_fd, &arena, &got, NULL), -ENOENT);
}

static void test_a_damaged_record(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{",
	    "{}",
	    "{\"number\":\"../../x\",\"id\":\"web\"}",
	};
	struct migrate_record got;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_fd fd =
		    openat(top_fd, MIGRATE_RECORD_FILE, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		size_t len = strlen(texts[i]);

		assert_int_equal(write(fd, texts[i], len), (ssize_t)len);
		assert_int_equal(migrate_record_read(top_fd, &arena, &got, NULL), -EBADMSG);
	}
	assert_int_equal(migrate_record_remove(top_fd, NULL), 0);
}

static void test_receipts(void **state)
{
	struct stat st;
	int fd;

	assert_int_equal(migrate_receipt_open(top_fd, NUMBER, 0, NULL), -ENOENT);
	fd = migrate_receipt_make(top_fd, NUMBER, NULL);
	assert_true(fd >= 0);
	assert_int_equal(migrate_receipt_make(top_fd, NUMBER, NULL), -EEXIST);
	/* the receiver that made it is still at it */
	assert_int_equal(migrate_receipt_open(top_fd, NUMBER, 5, NULL), -EBUSY);
	fd_close(fd);
	fd = migrate_receipt_open(top_fd, NUMBER, 5, NULL);
	assert_true(fd >= 0);
	assert_int_equal(migrate_receipt_remove(top_fd, NUMBER, fd, NULL), 0);
	fd_close(fd);
	assert_int_equal(migrate_receipt_open(top_fd, NUMBER, 0, NULL), -ENOENT);
	assert_int_equal(fstatat(top_fd, MIGRATE_RECORDS_DIR, &st, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_numbers(void **state)
{
	char a[MIGRATE_NUMBER_SIZE];
	char b[MIGRATE_NUMBER_SIZE];

	assert_int_equal(migrate_number_make(a, NULL), 0);
	assert_int_equal(migrate_number_make(b, NULL), 0);
	assert_true(migrate_number_ok(a) && migrate_number_ok(b));
	assert_string_not_equal(a, b);
	assert_false(migrate_number_ok("x"));
	assert_false(migrate_number_ok("../56789abcdef0123456789abcdef01"));
	assert_false(migrate_number_ok(NUMBER "0"));
}

/** What comes from the other side is checked as a document is. */
static void test_documents(void **state)
{
	static const char good[] =
	    "{\"number\":\"" NUMBER "\",\"id\":\"web\",\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
	    "\"cgroup\":\"/wherry-web\",\"rootfsCopied\":false,\"witness\":\".wherry-1\","
	    "\"rootfsDevice\":1,\"rootfsInode\":2,\"bootId\":\"x\",\"machine\":\"x86_64\","
	    "\"kernel\":\"6.12\",\"criuVersion\":40101,\"memory\":1,\"postCopy\":false,"
	    "\"cpuFeatures\":[\"sse2\",\"avx\"]}";
	static const struct {
		const char *from;
		const char *to;
	} changes[] = {
	    {"\"id\":\"web\"",          "\"id\":\"../web\"" },
	    {"\"bundle\":\"/b\"",       "\"bundle\":\"b\""  },
	    {".wherry-1",               "../../x"           },
	    {NUMBER,                    "1"                 },
	    {"\"criuVersion\":40101",   "\"criuVersion\":-1"},
	    {"\"machine\":\"x86_64\",", ""                  },
	};
	struct migrate_offer offer = {0};

	assert_int_equal(migrate_document_decode(MIGRATE_DOCUMENT_OFFER, good, strlen(good), &arena,
						 &offer, NULL),
			 0);
	assert_string_equal(offer.cpu_features[1], "avx");
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		const char *place = strstr(good, changes[i].from);
		char text[1024];

		assert_non_null(place);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(place - good), good, changes[i].to,
			 place + strlen(changes[i].from));
		offer = (struct migrate_offer){0};
		if (migrate_document_decode(MIGRATE_DOCUMENT_OFFER, text, strlen(text), &arena,
					    &offer, NULL) != -EINVAL)
			fail_msg("taken: %s", text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_record_is_read_as_it_was_written),
	    cmocka_unit_test(test_a_damaged_record),
	    cmocka_unit_test(test_receipts),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_documents),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
