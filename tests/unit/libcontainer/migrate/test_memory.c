/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"

#define TASK  7U
#define PAGES 80U /* more than one frame holds */

/** This process is the one whose memory is wanted. */
struct fixture {
	int wire[2];
	struct migrate_conn source;
	struct migrate_conn destination;
	struct migrate_task task;
	struct migrate_memory memory;
	uint8_t *pages;
	size_t size; /* of one */
};

static int setup(void **state)
{
	static struct fixture f;
	const int room = 1 << 20;

	f = (struct fixture){.size = (size_t)sysconf(_SC_PAGESIZE)};
	*state = &f;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.wire) < 0)
		return -1;
	setsockopt(f.wire[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (migrate_conn_init(&f.source, f.wire[0], f.wire[0], "source", "the destination", NULL) <
		0 ||
	    migrate_conn_init(&f.destination, f.wire[1], f.wire[1], "destination", "the source",
			      NULL) < 0)
		return -1;
	/* and one more, which is not there */
	f.pages = mmap(NULL, (PAGES + 1) * f.size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f.pages == MAP_FAILED || munmap(f.pages + PAGES * f.size, f.size) < 0)
		return -1;
	for (size_t i = 0; i < PAGES * f.size; i++)
		f.pages[i] = (uint8_t)(i * 31 + i / f.size);
	f.task = (struct migrate_task){.number = TASK,
				       .fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
	f.memory = (struct migrate_memory){
	    .tasks = &f.task, .n_tasks = 1, .buffer = malloc(MIGRATE_CHUNK_MAX)};
	return f.task.fd < 0 || !f.memory.buffer ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->memory.buffer);
	fd_close(f->task.fd);
	munmap(f->pages, PAGES * f->size);
	migrate_conn_done(&f->source);
	migrate_conn_done(&f->destination);
	fd_close(f->wire[0]);
	fd_close(f->wire[1]);
	return 0;
}

/** The destination asks, and the source answers. */
static int ask(struct fixture *f, uint64_t task, uint64_t address, uint64_t count,
	       struct wh_error *err)
{
	struct migrate_message msg;

	assert_int_equal(migrate_send_range(&f->destination, MIGRATE_WANT,
					    &(struct migrate_range){task, address, count}, NULL),
			 0);
	assert_int_equal(migrate_expect(&f->source, MIGRATE_WANT, 1000, &msg, NULL), 0);
	return migrate_memory_send(&f->memory, &f->source, &msg, err);
}

static void test_pages_arrive(void **state)
{
	struct fixture *f = *state;
	struct migrate_message msg;
	struct migrate_range range;
	size_t done = 0;

	assert_int_equal(ask(f, TASK, (uintptr_t)f->pages, PAGES, NULL), 0);
	assert_int_equal(migrate_expect(&f->destination, MIGRATE_GIVEN, 1000, &msg, NULL), 0);
	range = migrate_get_range(&msg);
	assert_true(range.task == TASK && range.address == (uintptr_t)f->pages &&
		    range.count == PAGES);
	while (done < PAGES * f->size) {
		assert_int_equal(
		    migrate_expect(&f->destination, MIGRATE_GIVEN_DATA, 1000, &msg, NULL), 0);
		assert_memory_equal(msg.payload, f->pages + done, msg.len);
		done += msg.len;
	}
	assert_int_equal(done, PAGES * f->size);
	assert_int_equal(f->memory.sent, done);
}

static void test_what_nobody_can_want(void **state)
{
	struct fixture *f = *state;
	const uint64_t at = (uintptr_t)f->pages;
	const struct {
		const char *name;
		uint64_t task, address, count;
		const char *want;
	} cases[] = {
	    {"another process",      TASK + 1, at,                     1, "process 8, which is none of it"},
	    {"the middle of a page", TASK,     at + 1,                 1, "no page"                       },
	    {"nothing",              TASK,     at,                     0, "no page"                       },
	    {"no address",           TASK,     UINT64_MAX & ~0xfffULL, 1, "no page"                       },
	    {"what is not there",    TASK,     at + PAGES * f->size,   1, "read the memory of process 7"  },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;

		if (ask(f, cases[i].task, cases[i].address, cases[i].count, &err) >= 0 ||
		    !strstr(err.message, cases[i].want))
			fail_msg("%s: '%s'", cases[i].name, err.message);
	}
}

static void test_inner_pid(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} cases[] = {
	    {"Name:\tx\nNSpid:\t1234\t1\nNSpgid:\t1234\t1\n", 1},
	    {"Name:\tx\nNSpid:\t1234\t77\t5\nNSpgid:\t9\n",   5},
	    {"Name:\tx\nNSpid:\t1234\nNSpgid:\t1234\t9\n",    0},
	    {"Name:\tNSpid:\nNSpgid:\t1234\t9\n",             0},
	    {"",					      0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_true(migrate_inner_pid(cases[i].text) == cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pages_arrive, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_what_nobody_can_want, setup, teardown),
	    cmocka_unit_test(test_inner_pid),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
