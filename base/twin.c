/* SPDX-License-Identifier: Apache-2.0 */
#include "base/twin.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.build.h"

static struct {
	bool is_static;
	char **argv;
	int passed_fd; /* 0: none */
} program;

void twin_init(bool is_static, int argc, char **argv)
{
	size_t size = ((size_t)argc + 1) * sizeof(*argv);

	if (!is_static)
		return;
	program.is_static = true;
	program.argv = malloc(size);
	if (program.argv)
		memcpy(program.argv, argv, size);
}

void twin_pass_fd(int fd)
{
	program.passed_fd = fd;
}

/**
 * In a build tree the twin lies beside the program. It is tried first: an installed one may be of another
 * version.
 */
static void execute_beside(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("-dynamic"));

	if (n <= 0)
		return;
	strcpy(path + n, "-dynamic");
	execv(path, program.argv);
}

int twin_require(const char *library, struct wh_error *err)
{
	int code;

	if (!program.is_static)
		return 0;
	if (!program.argv)
		return wh_oom(err);
	if (program.passed_fd > 0)
		fcntl(program.passed_fd, F_SETFD, 0);
	execute_beside();
	execv(WHERRY_TWIN_PATH, program.argv);
	code = errno;
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, code, "%s is needed: execute '%s'", library,
			    WHERRY_TWIN_PATH);
}
