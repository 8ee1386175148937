/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/lazy_keep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/sys.h"

/** This process is the one whose userfaultfds are copied. */
struct fixture {
	int pidfd;
	int witness;
	int theirs;
	struct lazy_keep keep;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){
	    .pidfd = sys_pidfd_open(getpid(), 0),
	    .witness = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    .theirs = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY),
	};
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lazy_keep_drop(&f->keep);
	fd_close(f->theirs);
	fd_close(f->witness);
	fd_close(f->pidfd);
	return 0;
}

/** Copies are taken and compared as long as the witness is ours, too; a kernel without one of the calls skips. */
static void take(struct fixture *f, size_t want)
{
	const struct lazy_copy witness = {.theirs = f->witness, .ours = f->witness};

	if (f->theirs < 0 || sys_kcmp_file(getpid(), f->witness, getpid(), f->witness) != 0) {
		print_message("# no userfaultfd or no kcmp here\n");
		skip();
	}
	assert_int_equal(lazy_keep_take(&f->keep, getpid(), f->pidfd, witness, NULL), 0);
	assert_int_equal(f->keep.count, want);
}

static void test_a_copy_goes_with_what_it_is_a_copy_of(void **state)
{
	struct fixture *f = *state;

	take(f, 1);
	lazy_keep_prune(&f->keep);
	assert_int_equal(f->keep.count, 1);
	f->theirs = fd_close(f->theirs);
	lazy_keep_prune(&f->keep);
	assert_int_equal(f->keep.count, 0);
}

static void test_another_file_of_that_number_is_not_it(void **state)
{
	struct fixture *f = *state;

	take(f, 1);
	assert_int_equal(dup3(f->witness, f->theirs, O_CLOEXEC), f->theirs);
	lazy_keep_prune(&f->keep);
	assert_int_equal(f->keep.count, 0);
}

/** With the witness all files of the process are gone: it was ended, and not in peace. */
static void test_it_stays_when_the_process_is_ended(void **state)
{
	struct fixture *f = *state;

	take(f, 1);
	f->theirs = fd_close(f->theirs);
	f->keep.witness.theirs = 1 << 20;
	lazy_keep_prune(&f->keep);
	assert_int_equal(f->keep.count, 1);
}

static void test_nothing_without_a_witness(void **state)
{
	struct fixture *f = *state;
	const struct lazy_copy none = {.theirs = 1 << 20, .ours = f->witness};

	assert_int_equal(lazy_keep_take(&f->keep, getpid(), f->pidfd, none, NULL), 0);
	assert_int_equal(f->keep.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_copy_goes_with_what_it_is_a_copy_of, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_another_file_of_that_number_is_not_it, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_it_stays_when_the_process_is_ended, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_without_a_witness, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
