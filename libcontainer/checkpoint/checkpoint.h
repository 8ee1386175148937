/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a container's processes as files and bringing them back, by CRIU. An image is a directory: CRIU's
 * files, descriptors.json (where the standard streams led), and wherry.json, without which it is not
 * complete (image.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "libcontainer/checkpoint/criu_rpc.h"
#include "libcontainer/container.h"

/** Where an image goes unless it is said. */
#define CHECKPOINT_DEFAULT_IMAGE "checkpoint"

/**
 * What becomes of the cgroups that are in an image (--manage-cgroups-mode). The container's own is made from its
 * configuration in each of them.
 */
enum checkpoint_cgroups {
	CHECKPOINT_CGROUPS_SOFT,   /* those below it as they were, with their processes */
	CHECKPOINT_CGROUPS_FULL,   /* and its own settings as they were */
	CHECKPOINT_CGROUPS_STRICT, /* the same, and it must not exist before */
	CHECKPOINT_CGROUPS_IGNORE, /* every process is in the container's own */
};

/** What both directions have. Zero and NULL: not said. */
struct criu_choices {
	const char *criu; /* absolute path of the program; NULL: where it is usually installed */
	/* the directory of the image; NULL: "checkpoint" in the caller's. Also names it in errors */
	const char *image_path;
	int image_dir_fd;      /* > 0: the directory itself, lent; image_path then only names it */
	const char *work_path; /* for CRIU's logs and statistics; NULL: the image's directory */
	bool log_goes;         /* with the image, should it fail: the error does not name it */
	bool tcp_established;
	bool tcp_close;
	bool ext_unix_sk;
	bool shell_job;
	bool file_locks;
	bool link_remap;
	bool auto_dedup;
	bool empty_network; /* --empty-ns network: what is in it is not saved, and made by hooks */
	bool lazy_pages;
	bool skip_cpu_check;
	enum checkpoint_cgroups cgroups;
	enum criu_network_lock network_lock;
	const char *lsm_profile; /* TYPE:NAME */
	const char *lsm_mount_context;
};

struct checkpoint_options {
	const char *id;
	struct criu_choices criu;
	bool leave_running;
	bool
	    pre_dump; /* save memory only, go on running; the next image names this one as parent */
	bool tcp_skip_in_flight;
	/* an earlier image, relative to this image's directory as CRIU wants it ("../pre") */
	const char *parent_path;
	const char *page_server; /* "ADDRESS:PORT": memory goes there instead of into files */
	int page_server_fd;      /* > 0: the same over a connected socket, lent */
	int status_fd;           /* > 0: gets one NUL byte once the page server listens; lent */
	bool fast_check;         /* no checksums of memory: for images that are not kept */
	bool
	    durable; /* the image is on the disk before the container is let go: nothing else may have its state */
	/*
	 * A signal that would end the caller ends the checkpoint instead, and so does the caller's death: the container runs on,
	 * even where CRIU hangs (dump_guard.h). Without it whoever calls sees to that.
	 */
	bool interruptible;
	/*
	 * with criu.lazy_pages: complete() itself gives away the memory, which it reads from the processes that stand
	 * still; CRIU's page server has nothing to do, and is reached by nobody
	 */
	bool serves_memory;
	/*
	 * Called when the image is complete, its checksums included, while the container still stands
	 * still with its connections held. 0: it ends (or goes on, with leave_running). A failure lets it
	 * go on as if there had been no checkpoint; should the caller be killed meanwhile it goes on, too.
	 * NULL: nothing to do. Not called for pre_dump.
	 */
	int (*complete)(void *ctx, struct wh_error *err);
	/*
	 * Called just before the container is made to stand still; a failure is the checkpoint's. NULL: nothing to do.
	 * Not called for pre_dump.
	 */
	int (*freezing)(void *ctx, struct wh_error *err);
	/* What else is to be done while CRIU saves: see struct criu. NULL: nothing. */
	int (*attend)(void *ctx, int sock, struct wh_error *err);
	void *ctx;
};

/**
 * Save the running (or paused) container. Without leave_running and pre_dump it is deleted afterwards.
 * On failure it runs on as before, and the directory holds no image that would restore; CRIU's log
 * dump.log stays. Returns 0 or -errno.
 */
int container_checkpoint(const struct runtime *rt, const struct checkpoint_options *opts,
			 struct wh_error *err);

struct restore_options {
	bool
	    interruptible; /* a signal that would end the caller takes away what is half restored, even where CRIU hangs */
	/* id, bundle (or spec), console_socket, pid_file, detach, keep, no_pivot, no_subreaper ... */
	struct create_options create;
	struct criu_choices criu;
	bool fast_check; /* do not read memory for its checksums */
	/*
	 * Called when the image was checked, with its directory: it may be changed now, and CRIU has seen none of it. A failure is the
	 * restore's. NULL: nothing to do.
	 */
	int (*checked)(void *ctx, int image_fd, struct wh_error *err);
	/*
	 * Called when everything is restored and stands still. 0: let it run. A failure takes the restored
	 * container away again. NULL: nothing to do.
	 */
	int (*restored)(void *ctx, pid_t pid, struct wh_error *err);
	/*
	 * CRIU goes on when the caller is killed. What it does then is settled by whether restored() has
	 * returned: if not, it takes the container away; else it lets it run.
	 */
	bool outlives_us;
	/*
	 * With criu.lazy_pages a restore may wait for memory that never comes. When this fd (> 0) has something to read, or
	 * its end, while CRIU is at work, the restore is to fail: before restored() has agreed watched() is called, which
	 * ends what would give the memory, so that CRIU goes on as far as that; later all processes are killed.
	 */
	int watch_fd;
	void (*watched)(void *ctx);
	/*
	 * Called as soon as it runs. A failure takes it away again; from its consent on whatever fails is a warning, but for
	 * memory that does not come (watch_fd). NULL: nothing to do.
	 */
	int (*resumed)(void *ctx, pid_t pid, struct wh_error *err);
	void *ctx;
};

/**
 * Make container opts->create.id from an image, with the configuration of the bundle. It is a
 * container like any other: the id need not be the one that was saved, and one image may be restored
 * many times. On failure nothing is left of it. Not detached: wait for its end; *@ret_status is then
 * the exit status to pass on. Returns 0 or -errno.
 */
int container_restore(const struct runtime *rt, const struct restore_options *opts, int *ret_status,
		      struct wh_error *err);

/** What CRIU and the kernel can do, and CRIU's version, as struct criu_response has it. */
struct checkpoint_support {
	unsigned int criu_version;
	bool mem_track;  /* pre-dump: only changed memory is saved again */
	bool lazy_pages; /* memory can be fetched on access */
};

/** Ask CRIU (@criu: its path or NULL) what is supported here. Returns 0 or -errno. */
int checkpoint_support(const char *criu, struct checkpoint_support *ret_support,
		       struct wh_error *err);
