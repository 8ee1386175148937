/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/inherited_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define FIRST_FD 3
/** More fds than any process may have open. */
#define FDS_MAX (1U << 20)

static unsigned int count_listen_fds(void)
{
	const char *fds = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");
	uint64_t count;
	uint64_t owner;

	if (!fds)
		return 0;
	/* without LISTEN_PID they are nobody's (runc 1.1 passes none on then, as sd_listen_fds(3)
	 * says) */
	if (pid && str_parse_u64(pid, INT32_MAX, &owner) == 0 && owner == (uint64_t)getpid() &&
	    str_parse_u64(fds, FDS_MAX, &count) == 0)
		return (unsigned int)count;
	unsetenv("LISTEN_FDS");
	return 0;
}

static int check_open(unsigned int count, struct wh_error *err)
{
	for (unsigned int i = 0; i < count; i++) {
		if (fcntl(FIRST_FD + (int)i, F_GETFD) < 0)
			return wh_fail(
			    err, 0,
			    "fd %u is not open; --preserve-fds and LISTEN_FDS pass on fds %u to %u",
			    FIRST_FD + i, FIRST_FD, FIRST_FD + count - 1);
	}
	return 0;
}

int inherited_fds_close(struct wh_error *err)
{
	return fd_cloexec_from(FIRST_FD, err);
}

int inherited_fds_keep(unsigned int preserve, struct wh_error *err)
{
	unsigned int count = count_listen_fds();
	int rc;

	if (preserve > FDS_MAX)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--preserve-fds %u: more than a process can have", preserve);
	count += preserve;
	rc = check_open(count, err);
	return rc < 0 ? rc : fd_cloexec_from(FIRST_FD + (int)count, err);
}
