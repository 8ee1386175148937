/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/cpu_affinity.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/number_list.h"

int cpu_affinity_set(const char *list, const char *place, struct wh_error *err)
{
	unsigned long mask[CPU_AFFINITY_MAX / (8 * sizeof(unsigned long))] = {0};

	if (number_list_parse(list, mask, CPU_AFFINITY_MAX) <= 0)
		return wh_fail(err, EINVAL, "%s: '%s' is no list of CPUs", place, list);
	if (syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0)
		return wh_fail(err, errno, "%s: run on CPUs '%s'", place, list);
	return 0;
}
