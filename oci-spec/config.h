/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the runtime-spec's documents: config.json, a process, resources. */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/problems.h"
#include "oci-spec/types.h"

/** The largest document read, in bytes; more is an error that says so. */
#define OCI_CONFIG_MAX_SIZE (16UL << 20)
/** The deepest nesting of brackets accepted. */
#define OCI_CONFIG_MAX_DEPTH 64

/**
 * Decode and validate a config.json held in memory.
 *
 * @name: how problems name the document, e.g. "config.json"
 * @text: @len bytes, not necessarily NUL-terminated; may be discarded afterwards
 * @arena: receives the spec; strings are copied. A private arena for the parser's own needs is made
 * and freed inside.
 * @problems: receives every problem that could be found, in document order, and warnings (unknown
 * capability)
 *
 * Unknown properties are ignored (config.md#extensibility). Returns 0 with *@ret_spec, or -EINVAL
 * with at least one error in @problems;
 * @err receives the first one.
 */
int oci_config_decode(const char *name, const char *text, size_t len, struct arena *arena,
		      struct problems *problems, const struct oci_spec **ret_spec,
		      struct wh_error *err);
/** The same for a bare process object (`exec --process FILE`). */
int oci_process_decode(const char *name, const char *text, size_t len, struct arena *arena,
		       struct problems *problems, const struct oci_process **ret_process,
		       struct wh_error *err);
/** The same for a bare linux.resources object (`update -r FILE`). */
int oci_resources_decode(const char *name, const char *text, size_t len, struct arena *arena,
			 struct problems *problems, const struct oci_resources **ret_resources,
			 struct wh_error *err);

/**
 * The same for mounts alone (`mounts add|remove ID FILE`): an array of them, or an object that has
 * it as its property `mounts`, as a config.json does. @removal: what they are to be made of may be
 * left out.
 */
int oci_mounts_decode(const char *name, const char *text, size_t len, bool removal,
		      struct arena *arena, struct problems *problems, struct oci_mount **ret_mounts,
		      size_t *ret_count, struct wh_error *err);

/** Write @spec as an indented document with a final newline. What is absent is left out. Returns 0
 * or -ENOMEM. */
int oci_config_encode(const struct oci_spec *spec, struct arena *arena, const char **ret_json,
		      size_t *ret_len, struct wh_error *err);
