/* SPDX-License-Identifier: Apache-2.0 */
#include "base/interrupt.h"

#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

static void fill(sigset_t *set)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct sigaction action;

		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, signals[i]);
	}
}

int interrupt_begin(struct interrupt *interrupt, struct wh_error *err)
{
	sigset_t set;

	fill(&set);
	interrupt->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (interrupt->fd < 0) {
		interrupt->fd = -EBADF;
		return wh_fail(err, errno, "make a signalfd");
	}
	sigprocmask(SIG_BLOCK, &set, &interrupt->saved);
	return 0;
}

void interrupt_end(struct interrupt *interrupt)
{
	if (interrupt->fd < 0)
		return;
	interrupt->fd = fd_close(interrupt->fd);
	sigprocmask(SIG_SETMASK, &interrupt->saved, NULL);
}

int interrupt_take(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}
