/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/libcontainer/migrate/pager_fixture.h"

#include <dirent.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/** Each page of pages-3.img is filled with the number of the image and its own. */
static int put_pages(const struct scratch *scratch, unsigned int image, size_t page)
{
	uint8_t data[65536];
	char path[32];
	int rc = 0;
	int fd;

	snprintf(path, sizeof(path), "%u", image);
	if (mkdirat(scratch->fd, path, 0700) < 0)
		return -1;
	snprintf(path, sizeof(path), "%u/pages-3.img", image);
	fd = openat(scratch->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (uint8_t i = 0; rc == 0 && i < 16; i++) {
		memset(data, (uint8_t)(image * 16 + i), page);
		rc = fd_write_all(fd, data, page);
	}
	fd_close(fd);
	return rc;
}

/** Process 5 has pages 4 and 5 of image 1 at 0x10000, then page 9 of image 0, and one whose file is not there. */
static int setup_stored_with(void **state, unsigned int version)
{
	static struct fixture f;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t at = 0x10000;
	struct migrate_conn ends = {.in = -EBADF, .out = -EBADF};
	void *images;

	if (scratch_setup(&images) < 0)
		return -1;
	f = (struct fixture){.page = page, .version = version, .images = images};
	f.wire[0] = f.wire[1] = -EBADF;
	f.pieces[0] = (struct page_piece){
	    {5, at, at + 2 * page},
            1, 3, 4 * page
        };
	f.pieces[1] = (struct page_piece){
	    {5, at + 2 * page, at + 3 * page},
            0, 3, 9 * page
        };
	f.pieces[2] = (struct page_piece){
	    {5, at + 3 * page, at + 4 * page},
            0, 4, 0
        };
	f.index = (struct page_index){f.pieces, ARRAY_LEN(f.pieces), 1};
	*state = &f;
	if (put_pages(f.images, 0, page) < 0 || put_pages(f.images, 1, page) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f.criu) < 0)
		return -1;
	f.giver = (struct lazy_pages){.pid = getpid(), .pidfd = sys_pidfd_open(getpid(), 0)};
	if (migrate_pager_start(&f.pager, &ends,
				&(struct migrate_pager_options){.pages = f.criu[1],
								.criu = &f.giver,
								.criu_version = version,
								.index = &f.index,
								.images_fd = f.images->fd,
								.answer_ms = ANSWER_MS},
				NULL) < 0)
		return -1;
	return migrate_conn_init(&f.receiver, ends.in, ends.out, "destination", "the pager", NULL);
}

static int setup_stored(void **state)
{
	return setup_stored_with(state, 40200);
}

static int setup_stored_narrow(void **state)
{
	return setup_stored_with(state, 40101);
}

static int teardown_stored(void **state)
{
	struct fixture *f = *state;
	void *images = f->images;

	teardown(state);
	return scratch_teardown(&images);
}

/** CRIU gets what it wanted last: pages that are filled with these. */
static void is_given(struct fixture *f, const uint8_t *marks, uint64_t count)
{
	const size_t size = migrate_page_request_size(f->version);
	uint8_t raw[MIGRATE_PAGE_REQUEST_MAX], got[65536], full[65536];
	struct migrate_page_request answer;

	assert_int_equal(recv(f->criu[0], raw, size, MSG_WAITALL), size);
	answer = migrate_page_request_decode(raw, f->version);
	assert_int_equal(answer.command, PAGE_SERVER_ADD | PAGE_SERVER_PRESENT << 16);
	assert_int_equal(answer.count, count);
	assert_int_equal(answer.address, 0x10000);
	assert_int_equal(answer.task, 5);
	for (uint64_t i = 0; i < count; i++) {
		memset(full, marks[i], f->page);
		assert_int_equal(recv(f->criu[0], got, f->page, MSG_WAITALL), f->page);
		assert_memory_equal(got, full, f->page);
	}
}

/** The pager has its copies, whatever there is to copy. */
static void is_prepared(struct fixture *f)
{
	struct wh_error err = WH_ERROR_INIT;
	struct migrate_message msg;

	assert_int_equal(migrate_send(&f->receiver, MIGRATE_PREPARED, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_expect(&f->receiver, MIGRATE_PREPARED, 5000, &msg, &err), 0);
	assert_string_equal(err.message, "");
}

static void is_told_nothing(struct fixture *f)
{
	char byte;

	assert_int_equal(recv(f->receiver.in, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_images_are_read(void **state)
{
	struct fixture *f = *state;
	static const uint8_t marks[] = {16 + 4, 16 + 5, 9};
	int32_t status = -1;

	/* several at once are answered in their order */
	want(f, PAGE_SERVER_GET, 3);
	want(f, PAGE_SERVER_GET, 1);
	is_given(f, marks, 3);
	is_given(f, marks, 1);
	is_prepared(f);
	want(f, PAGE_SERVER_GET, 2);
	is_given(f, marks, 2);
	want(f, PAGE_SERVER_CLOSE, 0);
	assert_int_equal(recv(f->criu[0], &status, sizeof(status), MSG_WAITALL), sizeof(status));
	assert_int_equal(status, 0);
	is_told_nothing(f);
}

/** What the receiver says is between the two. */
static void test_prepared_comes_back_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	static const uint8_t marks[] = {16 + 4};

	is_prepared(f);
	is_prepared(f);
	assert_int_equal(migrate_send(&f->receiver, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL), 0);
	assert_int_equal(migrate_send(&f->receiver, MIGRATE_CONFIRM, NULL, 0, NULL, 0, NULL), 0);
	is_prepared(f);
	is_told_nothing(f);
	want(f, PAGE_SERVER_GET, 1);
	is_given(f, marks, 1);
}

static void ask(struct fixture *f)
{
	assert_int_equal(migrate_send(&f->receiver, MIGRATE_READING, NULL, 0, NULL, 0, NULL), 0);
}

/** To whom asks it says whether it has given anything since: PREPARED tells that it has heard the question. */
static void test_it_says_when_it_has_read(void **state)
{
	struct fixture *f = *state;
	struct migrate_message msg;
	static const uint8_t marks[] = {16 + 4};

	ask(f);
	is_prepared(f);
	for (int i = 0; i < 2; i++) {
		want(f, PAGE_SERVER_GET, 1);
		is_given(f, marks, 1);
		ask(f);
		assert_int_equal(migrate_expect(&f->receiver, MIGRATE_READING, 5000, &msg, NULL),
				 0);
		ask(f);
		is_prepared(f);
	}
	is_told_nothing(f);
}

static int userfaultfds(pid_t pid)
{
	char path[32], link[64];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[n < 0 ? 0 : n] = '\0';
		count += streq(link, "anon_inode:[userfaultfd]");
	}
	closedir(dir);
	return count;
}

/** One that the pager can copy, or nothing of it is tested. */
static int open_userfaultfd(const struct fixture *f)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0 || geteuid() != 0 ||
	    sys_kcmp_file(getpid(), f->criu[1], getpid(), f->criu[1]) != 0) {
		fd_close(fd);
		print_message(
		    "# no userfaultfd, no kcmp, or no right to copy from another process\n");
		skip();
	}
	return fd;
}

/** It has them when PREPARED comes back, and no longer than they are needed. */
static void test_copies_are_there_once_it_is_prepared(void **state)
{
	struct fixture *f = *state;
	int fd = open_userfaultfd(f);

	assert_int_equal(userfaultfds(f->pager.pid), 0);
	is_prepared(f);
	assert_int_equal(userfaultfds(f->pager.pid), 1);
	assert_int_equal(migrate_send(&f->receiver, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL), 0);
	for (int i = 0; userfaultfds(f->pager.pid) > 0; i++) {
		assert_true(i < 500);
		usleep(10000);
	}
	fd_close(fd);
}

static void hears_goodbye(struct fixture *f, uint32_t command)
{
	int32_t status = -1;

	want(f, command, 0);
	assert_int_equal(recv(f->criu[0], &status, sizeof(status), MSG_WAITALL), sizeof(status));
	assert_int_equal(status, 0);
}

/** CRIU ends with the pager's answer, and after that nobody can tell what it had closed before. */
static void test_copies_of_what_criu_has_closed_go_before_it_ends(void **state)
{
	struct fixture *f = *state;
	int kept = open_userfaultfd(f);

	/* several times: a while after the last look the pager looks by itself */
	for (int i = 0; i < 5; i++) {
		int closed = open_userfaultfd(f);

		is_prepared(f);
		assert_int_equal(userfaultfds(f->pager.pid), 2);
		fd_close(closed);
		hears_goodbye(f, i % 2 ? PAGE_SERVER_CLOSE : PAGE_SERVER_FORCE_CLOSE);
		assert_int_equal(userfaultfds(f->pager.pid), 1);
		assert_int_equal(
		    migrate_send(&f->receiver, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL), 0);
	}
	fd_close(kept);
}

/** It has all that it wanted, or was killed: that is seen elsewhere. */
static void test_criu_ends_and_the_images_are_not_needed(void **state)
{
	struct fixture *f = *state;
	struct wh_error err = WH_ERROR_INIT;
	static const uint8_t marks[] = {16 + 4};

	want(f, PAGE_SERVER_GET, 1);
	is_given(f, marks, 1);
	f->criu[0] = fd_close(f->criu[0]);
	f->criu[1] = fd_close(f->criu[1]);
	is_prepared(f);
	is_told_nothing(f);
	migrate_pager_cause(&f->pager, &f->receiver, &err);
	assert_string_equal(err.message, "");
}

/** With what it was given unread, and while the pager waits for room to give it more. */
static void test_criu_is_killed_while_images_are_read(void **state)
{
	struct fixture *f = *state;
	const int room = 8192;
	int there[2] = {0, -1};

	assert_int_equal(setsockopt(f->criu[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	for (int i = 0; i < 8; i++)
		want(f, PAGE_SERVER_GET, 3);
	while (there[0] == 0 || there[0] != there[1]) {
		there[1] = there[0];
		usleep(50000);
		assert_int_equal(ioctl(f->criu[0], FIONREAD, &there[0]), 0);
	}
	f->criu[0] = fd_close(f->criu[0]);
	f->criu[1] = fd_close(f->criu[1]);
	is_prepared(f);
	is_told_nothing(f);
}

/** The pager is gone within seconds. */
static void is_over(struct fixture *f)
{
	struct pollfd fd = {.fd = f->pager.pidfd, .events = POLLIN};

	assert_int_equal(poll(&fd, 1, 5000), 1);
}

static void gives_up(struct fixture *f, const char *why)
{
	ends(f, why);
	is_over(f);
	/* over the link there is nobody who could be told */
	assert_int_not_equal(migrate_send(&f->receiver, MIGRATE_COMPLETE, NULL, 0, NULL, 0, NULL),
			     0);
}

static void test_images_do_not_have_it(void **state)
{
	struct fixture *f = *state;

	want(f, PAGE_SERVER_GET, 5);
	gives_up(f, "memory that the images do not have: process 5, 10000");
}

static void test_images_are_damaged(void **state)
{
	struct fixture *f = *state;
	static const uint8_t marks[] = {16 + 4};
	int fd = openat(f->images->fd, "1/pages-3.img", O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(ftruncate(fd, 5 * (off_t)f->page + 100), 0);
	close(fd);
	want(f, PAGE_SERVER_GET, 1);
	is_given(f, marks, 1);
	is_prepared(f);
	want(f, PAGE_SERVER_GET, 2);
	gives_up(f, "read memory of the images");
}

static void test_images_have_no_such_file(void **state)
{
	struct fixture *f = *state;

	want(f, PAGE_SERVER_GET, 4);
	gives_up(f, "open image '0/pages-4.img'");
}

static void test_criu_does_not_read_what_the_images_have(void **state)
{
	struct fixture *f = *state;
	const int room = 8192;

	assert_int_equal(setsockopt(f->criu[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	for (int i = 0; i < 8; i++)
		want(f, PAGE_SERVER_GET, 3);
	gives_up(f, "'criu lazy-pages' has not read for 4 s what it was given");
}

static void test_criu_asks_for_something_else_than_the_images(void **state)
{
	struct fixture *f = *state;

	want(f, PAGE_SERVER_ADD, 1);
	gives_up(f, "something else than memory");
}

/** Whether CRIU is still there or not: without a word, since nobody has to be told. */
static void test_it_ends_with_its_link(void **state)
{
	for (int gone = 0; gone < 2; gone++) {
		struct fixture *f = *state;
		struct wh_error err = WH_ERROR_INIT;

		is_prepared(f);
		if (gone) {
			f->criu[0] = fd_close(f->criu[0]);
			f->criu[1] = fd_close(f->criu[1]);
		}
		f->receiver.in = fd_close(f->receiver.in);
		is_over(f);
		migrate_pager_cause(&f->pager, &f->receiver, &err);
		assert_string_equal(err.message, "");
		if (!gone) {
			teardown_stored(state);
			assert_int_equal(setup_stored(state), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_images_are_read, setup_stored, teardown_stored),
	    cmocka_unit_test_setup_teardown(test_images_are_read, setup_stored_narrow,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_prepared_comes_back_and_nothing_else, setup_stored,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_it_says_when_it_has_read, setup_stored,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_copies_are_there_once_it_is_prepared, setup_stored,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_copies_of_what_criu_has_closed_go_before_it_ends,
					    setup_stored, teardown_stored),
	    cmocka_unit_test_setup_teardown(test_criu_ends_and_the_images_are_not_needed,
					    setup_stored, teardown_stored),
	    cmocka_unit_test_setup_teardown(test_criu_is_killed_while_images_are_read, setup_stored,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_images_do_not_have_it, setup_stored,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_images_are_damaged, setup_stored, teardown_stored),
	    cmocka_unit_test_setup_teardown(test_images_have_no_such_file, setup_stored,
					    teardown_stored),
	    cmocka_unit_test_setup_teardown(test_criu_does_not_read_what_the_images_have,
					    setup_stored, teardown_stored),
	    cmocka_unit_test_setup_teardown(test_criu_asks_for_something_else_than_the_images,
					    setup_stored, teardown_stored),
	    cmocka_unit_test_setup_teardown(test_it_ends_with_its_link, setup_stored,
					    teardown_stored),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
