/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a container (runtime.md#state) with what engines expect besides (rootfs, created,
 * owner). */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"
#include "oci-spec/types.h"

/** The highest runtime-spec version that wherry implements. */
#define OCI_VERSION "1.3.0"

enum oci_status {
	OCI_STATUS_CREATING,
	OCI_STATUS_CREATED,
	OCI_STATUS_RUNNING,
	OCI_STATUS_STOPPED,
	OCI_STATUS_PAUSED,  /* runc's addition */
	OCI_STATUS_UNKNOWN, /* wherry's: the record cannot be read */
};

struct oci_state {
	const char *oci_version; /* the config's ociVersion */
	const char *id;
	int64_t status; /* enum oci_status */
	int64_t pid;    /* written as 0 when stopped (as runc does) */
	const char *bundle;
	const char *rootfs;  /* NULL: left out */
	const char *created; /* RFC 3339 with nanoseconds; NULL: left out (hooks) */
	const char *owner;   /* NULL: left out */
	struct oci_string_map *annotations;
	size_t n_annotations;
};

/** The status's name in the document. */
const char *oci_status_name(enum oci_status status);
/**
 * Write @state as JSON into the arena: indented for a person (`wherry state`), or on one line
 * (hooks). Returns 0 with *@ret_json and *@ret_len, or -ENOMEM.
 */
int oci_state_encode(const struct oci_state *state, bool pretty, struct arena *arena,
		     const char **ret_json, size_t *ret_len, struct wh_error *err);
