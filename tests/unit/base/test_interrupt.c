/* SPDX-License-Identifier: Apache-2.0 */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool is_pending(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

static void test_a_signal_is_heard(void **state)
{
	struct interrupt interrupt = INTERRUPT_NONE;

	(void)state;
	assert_int_equal(interrupt_begin(&interrupt, NULL), 0);
	assert_int_equal(interrupt_take(interrupt.fd), 0);
	raise(SIGTERM);
	assert_true(is_pending(interrupt.fd));
	assert_int_equal(interrupt_take(interrupt.fd), SIGTERM);
	assert_false(is_pending(interrupt.fd));
	interrupt_end(&interrupt);
	assert_int_equal(interrupt.fd, -EBADF);
	interrupt_end(&interrupt);
}

/** Whoever waits first hears of it, and the outer one holds them back until its own end. */
static void test_nested(void **state)
{
	struct interrupt outer = INTERRUPT_NONE;
	struct interrupt inner = INTERRUPT_NONE;
	sigset_t mask;

	(void)state;
	assert_int_equal(interrupt_begin(&outer, NULL), 0);
	assert_int_equal(interrupt_begin(&inner, NULL), 0);
	raise(SIGINT);
	assert_int_equal(interrupt_take(inner.fd), SIGINT);
	assert_int_equal(interrupt_take(outer.fd), 0);
	interrupt_end(&inner);
	raise(SIGHUP);
	assert_int_equal(interrupt_take(outer.fd), SIGHUP);
	interrupt_end(&outer);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGINT), 0);
}

static void test_what_is_ignored_stays_so(void **state)
{
	struct interrupt interrupt = INTERRUPT_NONE;

	(void)state;
	signal(SIGHUP, SIG_IGN);
	assert_int_equal(interrupt_begin(&interrupt, NULL), 0);
	raise(SIGHUP);
	assert_false(is_pending(interrupt.fd));
	interrupt_end(&interrupt);
	signal(SIGHUP, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_signal_is_heard),
	    cmocka_unit_test(test_nested),
	    cmocka_unit_test(test_what_is_ignored_stays_so),
	};

	/* whoever runs the tests in the background may ignore them */
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
