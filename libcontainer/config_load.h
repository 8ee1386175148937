/* SPDX-License-Identifier: Apache-2.0 */
/* From a bundle's directory to a decoded spec: what create, run and plan share. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/container.h"
#include "libcontainer/container_plan.h"

struct loaded_config {
	const char *bundle; /* absolute path of the bundle, resolved */
	const char *text;   /* the document as read, for the copy in the state directory */
	size_t len;
	const struct oci_spec *spec;
};

/**
 * Read and decode the configuration. @bundle NULL = the current directory; @config NULL =
 * config.json in it. Returns 0, or -errno with all problems in @problems and the first in @err.
 */
int config_load(const char *bundle, const char *config, struct arena *arena,
		struct problems *problems, struct loaded_config *ret_config, struct wh_error *err);
/**
 * Read and decode the copy of the configuration in the state directory @dir_fd. Returns 0 or
 * -errno.
 */
int state_config_read(int dir_fd, struct arena *arena, const struct oci_spec **ret_spec,
		      struct wh_error *err);
/**
 * The text of @spec for that copy, read back once: what another verb could not read is refused here.
 * Returns 0 or -errno.
 */
int state_config_encode(const struct oci_spec *spec, struct arena *arena, const char **ret_text,
			size_t *ret_len, struct wh_error *err);
/** Replace that copy, whole or not at all. Returns 0 or -errno. */
int state_config_write(int dir_fd, const char *text, size_t len, struct wh_error *err);
/**
 * Read, decode and plan without changing anything: the whole of `wherry plan`. *@ret_plan is NULL
 * when the document is too broken to plan.
 * Returns 0 when there is no error in @problems, else -EINVAL.
 */
int container_plan_load(const struct runtime *rt, const struct create_options *opts,
			struct arena *arena, struct problems *problems,
			struct loaded_config *ret_config, struct container_plan **ret_plan,
			struct wh_error *err);
