/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/restore_label.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/procfs.h"
#include "base/str.h"

#define LABEL_SIZE 4096

/** The label of "self" or of a pid; "" where nothing says one. */
static int read_label(int proc_fd, const char *who, char *buf, size_t size, struct wh_error *err)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/attr/current", who);
	n = procfs_read(proc_fd, path, buf, size, NULL);
	if (n == -EINVAL)
		n = 0; /* no security module has anything to say */
	if (n < 0)
		return wh_fail(err, (int)-n, "read /proc/%s", path);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

int restore_check_label(pid_t pid, const char *label, struct wh_error *err)
{
	auto_fd proc = -EBADF;
	char found[LABEL_SIZE] = "";
	char ours[LABEL_SIZE] = "";
	char who[16];
	int rc;

	if (!label)
		return 0;
	proc = procfs_open(true, err);
	if (proc < 0)
		return proc;
	snprintf(who, sizeof(who), "%d", (int)pid);
	rc = read_label(proc, who, found, sizeof(found), err);
	if (rc == 0)
		rc = read_label(proc, "self", ours, sizeof(ours), err);
	/* an AppArmor profile has no such parts */
	if (rc < 0 || !strchr(ours, ':') || !streq(found, ours) || streq(found, label))
		return rc;
	return wh_fail(err, EPERM,
		       "process.selinuxLabel '%s': CRIU has restored the process with wherry's "
		       "label '%s': it takes a CRIU that was built with SELinux",
		       label, found);
}
