/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "cgroups/cgroup.h"
#include "cgroups/device_program.h"

/** How programs that wherry attached are known again; BPF_OBJ_NAME_LEN is 16 with the NUL. */
static const char program_name[] = "wherry_devices";
static_assert(sizeof(program_name) <= BPF_OBJ_NAME_LEN, "the kernel cuts longer names");

/** More programs than this on one cgroup the kernel does not take (BPF_CGROUP_MAX_PROGS). */
#define MAX_PROGRAMS 64

/** The kernel's programs of @dir_fd that carry wherry's name. */
struct own_programs {
	int fds[MAX_PROGRAMS];
	size_t count;
};

static int load(const struct bpf_insn *insns, size_t count)
{
	union bpf_attr attr = {
	    .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
	    .insns = (uintptr_t)insns,
	    .insn_cnt = (uint32_t)count,
	    .license = (uintptr_t) "Apache-2.0",
	};

	memcpy(attr.prog_name, program_name, sizeof(program_name));
	return (int)sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int attach(int dir_fd, int program_fd, int replaced_fd)
{
	union bpf_attr attr = {
	    .target_fd = (uint32_t)dir_fd,
	    .attach_bpf_fd = (uint32_t)program_fd,
	    .attach_type = BPF_CGROUP_DEVICE,
	    .attach_flags = BPF_F_ALLOW_MULTI,
	};

	if (replaced_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)replaced_fd;
	}
	return (int)sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
}

static int detach(int dir_fd, int program_fd)
{
	union bpf_attr attr = {
	    .target_fd = (uint32_t)dir_fd,
	    .attach_bpf_fd = (uint32_t)program_fd,
	    .attach_type = BPF_CGROUP_DEVICE,
	};

	return (int)sys_bpf(BPF_PROG_DETACH, &attr, sizeof(attr));
}

static bool is_own_program(int program_fd)
{
	struct bpf_prog_info info = {.type = 0};
	union bpf_attr attr = {
	    .info.bpf_fd = (uint32_t)program_fd,
	    .info.info_len = sizeof(info),
	    .info.info = (uintptr_t)&info,
	};

	return sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) == 0 &&
	       strncmp(info.name, program_name, sizeof(info.name)) == 0;
}

static int find_own_programs(int dir_fd, struct own_programs *ret_own)
{
	uint32_t ids[MAX_PROGRAMS] = {0};
	union bpf_attr attr = {
	    .query.target_fd = (uint32_t)dir_fd,
	    .query.attach_type = BPF_CGROUP_DEVICE,
	    .query.prog_ids = (uintptr_t)ids,
	    .query.prog_cnt = MAX_PROGRAMS,
	};
	int rc = (int)sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr));

	ret_own->count = 0;
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < attr.query.prog_cnt; i++) {
		union bpf_attr get = {.prog_id = ids[i]};
		int fd = (int)sys_bpf(BPF_PROG_GET_FD_BY_ID, &get, sizeof(get));

		if (fd >= 0 && is_own_program(fd))
			ret_own->fds[ret_own->count++] = fd;
		else
			fd_close(fd);
	}
	return 0;
}

static void own_programs_done(struct own_programs *own)
{
	for (size_t i = 0; i < own->count; i++)
		fd_close(own->fds[i]);
	own->count = 0;
}

/** Judge the refusal of @what: see device_program_attach(). */
static int refused(int rc, const char *what, struct wh_error *err)
{
	if ((rc == -EPERM || rc == -EACCES) && !cgroup_caller_is_host_root()) {
		log_debug("device rules are left to the host: %s: not permitted for an "
			  "unprivileged caller",
			  what);
		return 0;
	}
	return wh_fail(err, -rc, "%s", what);
}

int device_program_attach(const struct bpf_insn *insns, size_t count, int dir_fd,
			  struct wh_error *err)
{
	auto_fd program_fd = -EBADF;
	int rc;

	if (!insns)
		return 0;
	program_fd = load(insns, count);
	if (program_fd < 0)
		return refused(program_fd, "load the program of the device rules", err);
	rc = attach(dir_fd, program_fd, -EBADF);
	return rc < 0
		   ? refused(rc, "attach the program of the device rules to the container's cgroup",
			     err)
		   : 0;
}

static int replace_own(int program_fd, int dir_fd, const struct own_programs *own,
		       struct wh_error *err)
{
	size_t first_surplus = 0;
	int rc = 0;

	if (program_fd >= 0) {
		rc = attach(dir_fd, program_fd, own->count ? own->fds[0] : -EBADF);
		first_surplus = 1;
	}
	for (size_t i = first_surplus; i < own->count && rc >= 0; i++)
		rc = detach(dir_fd, own->fds[i]);
	return rc < 0 ? wh_fail(err, -rc,
				"replace the program of the device rules on the container's cgroup")
		      : 0;
}

int device_program_replace(const struct bpf_insn *insns, size_t count, int dir_fd,
			   struct wh_error *err)
{
	auto_fd program_fd = -EBADF;
	struct own_programs own;
	int rc;

	rc = find_own_programs(dir_fd, &own);
	if (rc < 0)
		return refused(rc, "list the device programs of the container's cgroup", err);
	if (insns)
		program_fd = load(insns, count);
	if (insns && program_fd < 0)
		rc = refused(program_fd, "load the program of the device rules", err);
	else
		rc = replace_own(program_fd, dir_fd, &own, err);
	own_programs_done(&own);
	return rc;
}
