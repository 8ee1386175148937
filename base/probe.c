/* SPDX-License-Identifier: Apache-2.0 */
#include "base/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/utsname.h>

/* Set by tests to stand for the running kernel's release. */
#define PROBE_RELEASE_VARIABLE "WHERRY_TEST_KERNEL_RELEASE"

/* Read a decimal number at *@s and step over it. Returns it, or -1 when there is none or it is
 * absurd. */
static int take_number(const char **s)
{
	const char *p = *s;
	int n = 0;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (*p - '0');
		if (n > 100000)
			return -1;
	}
	*s = p;
	return n;
}

/* Whether @release ("6.18.44-fc", "5.14") is new enough: 1 or 0, or -EINVAL when it is no release.
 */
static int is_new_enough(const char *release)
{
	int major = take_number(&release);
	int minor;

	if (major < 0 || *release++ != '.')
		return -EINVAL;
	minor = take_number(&release);
	if (minor < 0)
		return -EINVAL;
	if (major != PROBE_KERNEL_MAJOR)
		return major > PROBE_KERNEL_MAJOR;
	return minor >= PROBE_KERNEL_MINOR;
}

int probe_kernel(const char *release, struct wh_error *err)
{
	struct utsname name;
	int r;

	if (!release)
		release = secure_getenv(PROBE_RELEASE_VARIABLE);
	if (!release) {
		if (uname(&name) < 0)
			return wh_fail(err, errno, "read the kernel's release");
		release = name.release;
	}
	r = is_new_enough(release);
	if (r > 0)
		return 0;
	/* Code 0: "function not implemented" would add nothing for the reader. */
	wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
		     r < 0 ? "the kernel calls itself '%s', which is no release; wherry needs "
			     "Linux %d.%d or newer"
			   : "the kernel is Linux %s; wherry needs Linux %d.%d or newer",
		     release, PROBE_KERNEL_MAJOR, PROBE_KERNEL_MINOR);
	return -ENOSYS;
}
