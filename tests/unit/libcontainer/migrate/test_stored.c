/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/stored.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/str.h"
#include "tests/unit/base/scratch.h"

#define PAGE  ((size_t)sysconf(_SC_PAGESIZE))
#define FIRST 0x10000U /* where memory begins */

/** Versions of CRIU that count pages in 32 and in 64 bits. */
enum { NARROW = 40101, WIDE = 40200 };

/** The test is CRIU. */
struct fixture {
	struct scratch *scratch;
	int criu[2];
	struct migrate_fetch fetch;
	struct page_piece pieces[6];
	struct page_index index;
	struct migrate_stored stored;
};

/** The byte that fills page @page of pages-@pages.img of image @image. */
static uint8_t mark(unsigned int image, unsigned int pages, size_t page)
{
	return (uint8_t)(image * 100 + pages * 30 + page);
}

static void put_pages(const struct scratch *scratch, unsigned int image, unsigned int pages,
		      size_t count)
{
	uint8_t data[65536];
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%u", image);
	(void)mkdirat(scratch->fd, path, 0700);
	snprintf(path, sizeof(path), "%u/pages-%u.img", image, pages);
	fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	for (size_t i = 0; i < count; i++) {
		memset(data, mark(image, pages, i), PAGE);
		assert_int_equal(fd_write_all(fd, data, PAGE), 0);
	}
	close(fd);
}

/** Memory of process @task from page @start on, counted from FIRST, at page @offset of a file. */
static void add(struct fixture *f, uint64_t task, uint64_t start, uint64_t count, uint64_t image,
		uint32_t pages, uint64_t offset)
{
	f->pieces[f->index.count++] = (struct page_piece){
	    .range = {task, FIRST + start * PAGE, FIRST + (start + count) * PAGE},
	    .image = image,
	    .pages = pages,
	    .offset = offset * PAGE
        };
}

static int setup(void **state)
{
	static struct fixture f;
	void *scratch;

	if (scratch_setup(&scratch) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.criu) < 0)
		return -1;
	f = (struct fixture){
	    .scratch = scratch, .criu = {f.criu[0], f.criu[1]}
        };
	*state = &f;
	f.fetch = (struct migrate_fetch){.criu = f.criu[1], .version = WIDE, .answer_ms = 5000};
	f.index.list = f.pieces;
	/* pages 0 to 9 of process 5, in two files, and 20 to 23; two of another, in a file of their own */
	add(&f, 5, 0, 4, 1, 1, 2);
	add(&f, 5, 4, 3, 0, 1, 5);
	add(&f, 5, 7, 3, 1, 1, 0);
	add(&f, 5, 20, 4, 1, 1, 6);
	add(&f, 6, 0, 2, 1, 2, 1);
	put_pages(f.scratch, 0, 1, 8);
	put_pages(f.scratch, 1, 1, 10);
	put_pages(f.scratch, 1, 2, 3);
	f.stored = MIGRATE_STORED_NONE;
	f.stored.index = &f.index;
	f.stored.images_fd = f.scratch->fd;
	return migrate_stored_init(&f.stored, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	migrate_stored_done(&f->stored);
	fd_close(f->criu[0]);
	fd_close(f->criu[1]);
	return scratch_teardown(&scratch);
}

static int give(struct fixture *f, uint64_t task, uint64_t page, uint64_t count,
		struct wh_error *err)
{
	const struct migrate_range range = {
	    .task = task, .address = FIRST + page * PAGE, .count = count};

	return migrate_stored_give(&f->stored, &f->fetch, &range, err);
}

/** The head of an answer comes next. */
static void hear_head(struct fixture *f, uint64_t task, uint64_t page, uint64_t count)
{
	const size_t size = migrate_page_request_size(f->fetch.version);
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX];
	struct migrate_page_request head;

	assert_int_equal(recv(f->criu[0], raw, size, MSG_WAITALL), size);
	head = migrate_page_request_decode(raw, f->fetch.version);
	assert_int_equal(head.command, PAGE_SERVER_ADD | PAGE_SERVER_PRESENT << 16);
	assert_int_equal(head.count, count);
	assert_int_equal(head.address, FIRST + page * PAGE);
	assert_int_equal(head.task, task);
}

/** And these pages. */
static void hear_pages(struct fixture *f, const uint8_t *marks, size_t count)
{
	uint8_t got[65536], want[65536];

	for (size_t i = 0; i < count; i++) {
		memset(want, marks[i], PAGE);
		assert_int_equal(recv(f->criu[0], got, PAGE, MSG_WAITALL), PAGE);
		assert_memory_equal(got, want, PAGE);
	}
}

static void hear_nothing(struct fixture *f)
{
	char byte;

	assert_int_equal(recv(f->criu[0], &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_what_is_wanted_is_given(void **state)
{
	struct fixture *f = *state;
	const struct {
		uint64_t task, page, count;
		uint8_t marks[16];
	} cases[] = {
  /* a piece, and parts of one */
	    {5, 0,  4,  {mark(1, 1, 2), mark(1, 1, 3), mark(1, 1, 4), mark(1, 1, 5)}    },
	    {5, 0,  1,  {mark(1, 1, 2)}						 },
	    {5, 1,  2,  {mark(1, 1, 3), mark(1, 1, 4)}                                  },
	    {5, 3,  1,  {mark(1, 1, 5)}						 },
	    {5, 23, 1,  {mark(1, 1, 9)}						 },
 /* pieces of several images, and of one file but not in its order */
	    {5, 3,  2,  {mark(1, 1, 5), mark(0, 1, 5)}                                  },
	    {5, 5,  3,  {mark(0, 1, 6), mark(0, 1, 7), mark(1, 1, 0)}                   },
	    {5,
	     0,     10,
	     {mark(1, 1, 2), mark(1, 1, 3), mark(1, 1, 4), mark(1, 1, 5), mark(0, 1, 5),
	      mark(0, 1, 6), mark(0, 1, 7), mark(1, 1, 0), mark(1, 1, 1), mark(1, 1, 2)}},
 /* of another process, whose file has another number in the same image */
	    {6, 0,  2,  {mark(1, 2, 1), mark(1, 2, 2)}                                  },
	    {5, 4,  1,  {mark(0, 1, 5)}						 },
	};

	for (unsigned int round = 0; round < 2; round++) {
		f->fetch.version = round ? NARROW : WIDE;
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			assert_int_equal(
			    give(f, cases[i].task, cases[i].page, cases[i].count, NULL), 0);
			hear_head(f, cases[i].task, cases[i].page, cases[i].count);
			hear_pages(f, cases[i].marks, cases[i].count);
			hear_nothing(f);
		}
	}
}

/** More than is read at once, and than fits into a socket. */
static void test_a_long_range(void **state)
{
	enum { COUNT = 200 };
	struct fixture *f = *state;
	uint8_t marks[COUNT];
	int status;
	pid_t pid;

	f->index.count = 0;
	add(f, 5, 0, COUNT, 0, 4, 3);
	put_pages(f->scratch, 0, 4, COUNT + 3);
	for (size_t i = 0; i < COUNT; i++)
		marks[i] = mark(0, 4, i + 3);
	pid = fork();
	if (pid == 0)
		_exit(give(f, 5, 0, COUNT, NULL) == 0 ? 0 : 1);
	hear_head(f, 5, 0, COUNT);
	hear_pages(f, marks, COUNT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	hear_nothing(f);
}

/** CRIU would wait for the rest of what it is told of. */
static void test_nothing_is_said_of_what_is_not_there(void **state)
{
	static const struct {
		uint64_t task, page, count;
	} cases[] = {
	    {5, 10, 1               },
	    {5, 19, 2               },
	    {5, 0,  11              },
	    {5, 9,  12              },
	    {5, 23, 2               },
	    {5, 24, 1               },
	    {6, 0,  3               },
	    {7, 0,  1               },
	    {4, 0,  1               },
	    {5, 0,  0               },
	    {5, 0,  UINT64_MAX      },
 /* that is where the address would be again, or before it */
	    {5, 0,  1ULL << 52      },
	    {5, 0,  (1ULL << 52) - 1},
	    {5, 2,  (1ULL << 52) + 1},
	    {5, 0,  1ULL << 32      },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wh_error err = WH_ERROR_INIT;
		char address[32];

		assert_int_equal(give(f, cases[i].task, cases[i].page, cases[i].count, &err),
				 -EPROTO);
		assert_int_equal(err.code, EPROTO);
		snprintf(address, sizeof(address), "process %u, %zx", (unsigned int)cases[i].task,
			 (size_t)(FIRST + cases[i].page * PAGE));
		assert_non_null(strstr(err.message, address));
		hear_nothing(f);
	}
	f->index.count = 0;
	assert_int_equal(give(f, 5, 0, 1, NULL), -EPROTO);
	hear_nothing(f);
	/* nor was anything opened */
	assert_int_equal(f->stored.file_fd, -EBADF);
}

static void test_a_file_that_is_cut(void **state)
{
	struct fixture *f = *state;
	static const size_t lens[] = {4 * 4096 + 100, 2 * 4096, 0};

	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct wh_error err = WH_ERROR_INIT;
		int fd = openat(f->scratch->fd, "1/pages-1.img", O_WRONLY | O_CLOEXEC);

		assert_return_code(fd, errno);
		assert_int_equal(ftruncate(fd, (off_t)lens[i]), 0);
		close(fd);
		assert_int_equal(give(f, 5, 0, 4, &err), -ENODATA);
		assert_non_null(strstr(err.message, "read memory of the images"));
	}
}

static void test_a_file_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;

	assert_int_equal(unlinkat(f->scratch->fd, "0/pages-1.img", 0), 0);
	assert_int_equal(give(f, 5, 4, 1, &err), -ENOENT);
	assert_non_null(strstr(err.message, "'0/pages-1.img'"));
	/* nor is it looked for elsewhere */
	assert_int_equal(symlinkat("../1/pages-1.img", f->scratch->fd, "0/pages-1.img"), 0);
	assert_int_equal(give(f, 5, 4, 1, &err), -ELOOP);
}

static void test_criu_is_gone(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;

	f->criu[0] = fd_close(f->criu[0]);
	assert_int_equal(give(f, 5, 0, 1, &err), -EPIPE);
	assert_non_null(strstr(err.message, "give memory to 'criu lazy-pages'"));
}

/** Killed, with what it was given before unread. */
static void test_criu_is_gone_and_has_left_something(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(give(f, 5, 0, 1, NULL), 0);
	assert_int_equal(send(f->criu[0], "x", 1, 0), 1);
	f->criu[0] = fd_close(f->criu[0]);
	assert_int_equal(give(f, 5, 0, 1, NULL), -EPIPE);
}

static void test_criu_does_not_read(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	const int room = 8192;

	assert_int_equal(setsockopt(f->criu[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	f->fetch.answer_ms = 1000;
	assert_int_equal(give(f, 5, 0, 10, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "has not read for 1 s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_what_is_wanted_is_given, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_long_range, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_is_said_of_what_is_not_there, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_a_file_that_is_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_a_file_that_is_not_there, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_criu_is_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_criu_is_gone_and_has_left_something, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_criu_does_not_read, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
