/* SPDX-License-Identifier: Apache-2.0 */
/* What besides mounts belongs to others and is only named in an image: streams and namespaces. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/mountinfo.h"
#include "oci-spec/types.h"

/** How an image calls the namespaces that a container joined. */
#define CHECKPOINT_NETWORK_KEY "extRootNetNS"
#define CHECKPOINT_PID_KEY     "extRootPidNS"

/**
 * Fill in image->stdio: where the standard streams of @pid lead. A pipe is "pipe:[INODE]"; a file
 * outside of the container's @mounts "file[MOUNT:INODE]", both as CRIU calls what it may inherit; all
 * else as the kernel shows it. And image->callers_terminal: whether one is a terminal outside of them.
 * Returns 0 or -errno.
 */
int checkpoint_streams_find(pid_t pid, const struct mountinfo *mounts, size_t n_mounts,
			    struct arena *arena, struct checkpoint_image *image,
			    struct wh_error *err);
/** Whether the stream is one that a restored container gets from its caller. */
bool checkpoint_stream_is_inherited(const char *stream);
/**
 * Append CRIU's names of the network and pid namespaces that were joined by path to @list, which has
 * room for two more. Returns 0 or -errno.
 */
int checkpoint_namespaces_name(const struct oci_spec *spec, pid_t pid, struct arena *arena,
			       const char **list, size_t *count, struct wh_error *err);
