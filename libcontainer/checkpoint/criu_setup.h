/* SPDX-License-Identifier: Apache-2.0 */
/* What checkpoint and restore tell CRIU alike: its directories, the choices of the caller. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/checkpoint/checkpoint.h"
#include "libcontainer/checkpoint/criu.h"
#include "oci-spec/types.h"

/** CRIU's directories, opened. */
struct criu_files {
	int image_fd;
	int work_fd;
	const char *image_path; /* as errors name them */
	const char *work_path;  /* as errors name it; NULL: not at all */
};

#define CRIU_FILES_NONE ((struct criu_files){.image_fd = -EBADF, .work_fd = -EBADF})

/** Open them; with @create the image's directory is made (0700), and its parents. Returns 0 or -errno. */
int criu_files_open(struct criu_files *files, const struct criu_choices *choices, bool create,
		    struct wh_error *err);
void criu_files_close(struct criu_files *files);

/**
 * Fill @ret with what both directions have. CRIU's configuration file is the annotation
 * org.criu.config's ("" is none), else /etc/criu/wherry.conf, else /etc/criu/runc.conf.
 * Returns 0 or -errno.
 */
int criu_options_common(const struct criu_choices *choices, const struct criu_files *files,
			const struct oci_spec *spec, struct criu_options *ret,
			struct wh_error *err);

/**
 * Ask CRIU to describe this processor in the image (CRIU_CPUINFO_DUMP), or to compare it with the one that
 * the image describes (CRIU_CPUINFO_CHECK). Returns 0 or -errno.
 */
int criu_cpuinfo(struct criu *criu, enum criu_request_type type, const struct criu_files *files,
		 struct wh_error *err);
