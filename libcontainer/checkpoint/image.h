/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of an image. wherry.json is written last and tells a complete image from what a failed
 * checkpoint left: what was saved, by what, where the external mounts belong, and size and checksum of
 * each file, so that a damaged image is found before anything is made of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "cgroups/cgroup_tree.h"

#define IMAGE_MANIFEST_FILE    "wherry.json"
#define IMAGE_DESCRIPTORS_FILE "descriptors.json"
#define IMAGE_FORMAT           1

/** A mount whose content is the host's: a bind, a device, the cgroup. */
struct image_mount {
	const char *key; /* what CRIU calls it; made by us, never from a path (CVE-2026-115520) */
	const char *destination; /* of its mount (or device) in config.json; "" for the cgroup */
	const char *path;        /* below the mount's source; "" is the source itself */
};

struct image_file {
	const char *name;
	uint64_t size;
	uint32_t checksum;
	bool checked; /* has a checksum */
};

struct checkpoint_image {
	uint32_t format;
	const char *id; /* of the container that was saved */
	const char *created;
	const char *machine; /* "x86_64" */
	const char *kernel;
	uint32_t criu_version;
	uint32_t page_size;
	bool pre_dump;        /* memory only: it cannot be restored */
	bool lazy_pages;      /* memory stayed with the page server of the checkpoint */
	bool pages_elsewhere; /* memory was sent to a page server */
	bool terminal;
	bool callers_terminal; /* a standard stream was a terminal, and not the container's own */
	struct cgroup_node *cgroups; /* the container's own and those below; pids as inside */
	size_t n_cgroups;
	struct image_mount *mounts;
	size_t n_mounts;
	const char **stdio; /* where fds 0, 1, 2 led: "pipe:[123]", "file[1a:2b]", a path */
	size_t n_stdio;
	struct image_file *files;
	size_t n_files;
};

/** How the memory in an image is checked. */
enum image_check { IMAGE_CHECK_ALL, IMAGE_CHECK_FAST };

/**
 * Complete the image in @dir_fd: fill in image->files and write the manifest. With IMAGE_CHECK_FAST
 * memory gets no checksum. Returns 0 or -errno.
 */
int checkpoint_image_write(int dir_fd, struct checkpoint_image *image, enum image_check check,
			   struct arena *arena, struct wh_error *err);
/**
 * Return when the directory's files, their names and its own are on the disk, so that no loss of power takes them; what others write
 * to the same file system is not waited for. @path is how errors name it. Returns 0 or -errno.
 */
int checkpoint_image_sync(int dir_fd, const char *path, struct wh_error *err);
/**
 * Read the manifest, and check every file against it: there, a file of its own, whole. @path names
 * the directory in errors. Returns 0 or -errno.
 */
int checkpoint_image_read(int dir_fd, const char *path, enum image_check check, struct arena *arena,
			  struct checkpoint_image *ret_image, struct wh_error *err);
/** Make what is in @dir_fd incomplete, before it is overwritten. Returns 0 or -errno. */
int checkpoint_image_invalidate(int dir_fd, struct wh_error *err);
/**
 * Change the image's mounts so that CRIU can restore them. The root mount becomes writable: CRIU makes a
 * directory in it; who restores makes it read-only as the configuration says. And mounts that are slaves of one
 * peer group of the host get a group each: CRIU would take the one for the other, whatever directories they
 * show; each finds its group by its own source. Returns 0 or -errno.
 */
int checkpoint_image_adapt_mounts(int dir_fd, struct arena *arena, struct wh_error *err);
/** The same of one file of CRIU's. The result is in the arena. Returns 0, -EBADMSG or -ENOMEM. */
int image_mounts_adapt(const uint8_t *data, size_t len, struct arena *arena, uint8_t **ret_data,
		       size_t *ret_len);
/**
 * Change the files of image->stdio that the caller of a restore gives so that CRIU takes any: they need not have
 * size and mode of those that the saved container had, and what is written to begins where the caller says.
 * Returns 0 or -errno.
 */
int checkpoint_image_adapt_streams(int dir_fd, const struct checkpoint_image *image,
				   struct arena *arena, struct wh_error *err);
/** The same of one file of CRIU's. The result is in the arena. Returns 0, -EBADMSG or -ENOMEM. */
int image_streams_adapt(const uint8_t *data, size_t len, struct arena *arena, uint8_t **ret_data,
			size_t *ret_len);
