/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a compiled filter: the half that the init image carries, without libseccomp. */
#include <errno.h>
#include <linux/seccomp.h>

#include "base/sys.h"
#include "libcontainer/seccomp/program.h"

int seccomp_program_load(const struct seccomp_program *program, int *ret_listener,
			 struct wh_error *err)
{
	struct sock_fprog prog = {.len = (unsigned short)program->n_insns,
				  .filter = program->insns};
	unsigned int flags = program->flags;
	long rc;

	*ret_listener = -EBADF;
	if (program->n_insns == 0 || program->n_insns > BPF_MAXINSNS)
		return wh_fail(err, EINVAL, "load the seccomp filter of %u instructions",
			       program->n_insns);
	if (program->notify) {
		/*
		 * one return value cannot be both a listener and the thread that could not be
		 * synchronised
		 */
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
		if (flags & SECCOMP_FILTER_FLAG_TSYNC)
			flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	}
	rc = sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog);
	/*
	 * the filter rules from here on: no system call on the good path but those that the caller
	 * makes
	 */
	if (rc < 0)
		return wh_fail(err, (int)-rc, "load the seccomp filter");
	if (program->notify)
		*ret_listener = (int)rc; /* close-on-exec: the kernel opens it so */
	return 0;
}
