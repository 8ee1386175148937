/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/str.h"
#include "cgroups/systemd_manager.h"
#include "libcontainer/checkpoint/archive_tar.h"
#include "libcontainer/config_load.h"
#include "oci-spec/config.h"

#define ARCHIVE_ROOTFS "rootfs"
/** The same as words of a command line. */
#define FILE_IS_ROOT ("--file=" ARCHIVE_ROOT)
#define INTO_ROOTFS  ("--directory=" ARCHIVE_ROOTFS)

struct import {
	const struct restore_options *opts;
	const struct archive_options *archive;
	struct interrupt interrupt;
	char file[PATH_MAX];
	char file_option[PATH_MAX + 16]; /* the same for tar */
	char bundle[PATH_MAX];
	int bundle_fd;
	uint64_t size; /* unpacked */
	struct arena arena;
};

/** Returns 0 or -errno. */
static int run_tar(const struct import *import, int dir_fd, const char *const *args,
		   const char *what, uint64_t *ret_totals, struct wh_error *err)
{
	const struct archive_tar tar = {.dir_fd = dir_fd,
					.args = args,
					.what = what,
					.place = import->bundle,
					.option = "--bundle"};

	return archive_tar_run(&tar, ret_totals, err);
}

/**
 * Read it from beginning to end before anything is made: it is whole, and this is how much there is in it, however
 * small it was compressed.
 */
static int measure(struct import *import, struct wh_error *err)
{
	const char *const args[] = {"--list", "--totals", "--index-file=/dev/null",
				    import->file_option, NULL};
	auto_fd fd = open(import->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	archive_tell(import->archive, "reading the archive");
	if (fd < 0 || fstat(fd, &st) < 0)
		return wh_fail(err, errno, "read the archive '%s'", import->file);
	if (!S_ISREG(st.st_mode))
		return wh_fail(err, 0, "read the archive '%s': it is not a regular file",
			       import->file);
	rc = run_tar(import, -EBADF, args, "read the archive", &import->size, err);
	if (import->size < (uint64_t)st.st_size)
		import->size =
		    (uint64_t)st.st_size; /* of one that is not compressed tar skips the contents */
	return rc;
}

static int find_paths(struct import *import, struct wh_error *err)
{
	const char *bundle = import->opts->create.bundle;
	int rc;

	if (!bundle)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--import makes a bundle: name a new directory by --bundle");
	rc = archive_path_absolute(import->archive->file, import->file, sizeof(import->file), err);
	if (rc == 0)
		rc = archive_path_absolute(bundle, import->bundle, sizeof(import->bundle), err);
	snprintf(import->file_option, sizeof(import->file_option), "--file=%s", import->file);
	return rc;
}

static int open_bundle(struct import *import, struct wh_error *err)
{
	const char *bundle = import->opts->create.bundle;

	/* an empty one goes and comes again; anything else stays */
	rmdir(import->bundle);
	if (mkdir(import->bundle, 0700) < 0)
		return wh_fail(err, errno, "--bundle '%s'", bundle);
	import->bundle_fd = open(import->bundle, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return import->bundle_fd < 0 ? wh_fail(err, errno, "--bundle '%s'", bundle) : 0;
}

/** The root of the configuration becomes the bundle's own, wherever it was. */
static int write_config(struct import *import, struct wh_error *err)
{
	const struct oci_spec *found = NULL;
	struct problems problems;
	struct oci_spec spec;
	struct oci_root root;
	const char *json;
	char *text = NULL;
	size_t len = 0;
	int rc;

	problems_init(&problems, &import->arena);
	rc = file_read(import->bundle_fd, ARCHIVE_SPEC, OCI_CONFIG_MAX_SIZE, &import->arena, &text,
		       &len, err);
	if (rc == 0)
		rc = oci_config_decode(ARCHIVE_SPEC, text, len, &import->arena, &problems, &found,
				       err);
	if (rc < 0 || !found)
		return rc;
	spec = *found;
	root = *found->root;
	root.path = ARCHIVE_ROOTFS;
	spec.root = &root;
	rc = oci_config_encode(&spec, &import->arena, &json, &len, err);
	return rc < 0 ? rc : file_create(import->bundle_fd, "config.json", json, len, 0600, err);
}

static bool is_ours(const char *name)
{
	for (size_t i = 0; archive_files[i]; i++) {
		if (streq(name, archive_files[i]))
			return true;
	}
	return false;
}

/**
 * A link there would have files elsewhere read, and written: CRIU's log, say. tar itself writes nothing outside of its
 * directory.
 */
static int check_member(const struct import *import, int dir_fd, const char *name, bool is_known,
			struct wh_error *err)
{
	const bool is_dir = dir_fd == import->bundle_fd && streq(name, ARCHIVE_IMAGE);
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail(err, errno, "look at '%s' of the archive", name);
	if (is_dir && S_ISDIR(st.st_mode))
		return 0;
	if (!is_dir && is_known && S_ISREG(st.st_mode) && st.st_nlink == 1)
		return 0;
	return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
			    "--import '%s': its member '%s' is none of checkpoint --export",
			    import->file, name);
}

static int check_members(const struct import *import, int dir_fd, struct wh_error *err)
{
	auto_dir *dir = fd_list(dir_fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return wh_fail(err, errno, "look at what the archive had");
	while (rc == 0 && (entry = readdir(dir))) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		rc = check_member(import, dir_fd, entry->d_name,
				  dir_fd != import->bundle_fd || is_ours(entry->d_name), err);
	}
	return rc;
}

static int check_all_members(const struct import *import, struct wh_error *err)
{
	auto_fd image = -EBADF;
	int rc = check_members(import, import->bundle_fd, err);

	if (rc < 0)
		return rc;
	image = openat(import->bundle_fd, ARCHIVE_IMAGE,
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (image < 0)
		return wh_fail(err, errno, "--import '%s': open its '" ARCHIVE_IMAGE "'",
			       import->file);
	return check_members(import, image, err);
}

static int unpack_root(struct import *import, struct wh_error *err)
{
	const char *const args[] = {
	    "--extract", FILE_IS_ROOT, ARCHIVE_TAR_FILES, "--same-permissions", "--same-owner",
	    INTO_ROOTFS, NULL};
	struct stat st;
	int rc;

	if (mkdirat(import->bundle_fd, ARCHIVE_ROOTFS, 0755) < 0)
		return wh_fail(err, errno, "make the root file system's directory");
	if (fstatat(import->bundle_fd, ARCHIVE_ROOT, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "--import '%s': it has no " ARCHIVE_ROOT
				    ": restore from its image, with a bundle that has the files",
				    import->file);
	archive_tell(import->archive, "unpacking the root file system");
	rc = archive_check_space(import->bundle_fd, (uint64_t)st.st_blocks * 512,
				 "unpack the root file system", import->bundle, "--bundle", err);
	if (rc == 0)
		rc = run_tar(import, import->bundle_fd, args, "unpack the root file system", NULL,
			     err);
	if (rc == 0)
		unlinkat(import->bundle_fd, ARCHIVE_ROOT, 0);
	return rc;
}

static int unpack(struct import *import, struct wh_error *err)
{
	const char *const args[] = {"--extract",
				    import->file_option,
				    "--sparse",
				    "--numeric-owner",
				    "--no-same-owner",
				    "--keep-old-files",
				    "--no-same-permissions",
				    NULL};
	int rc = archive_check_space(import->bundle_fd, import->size, "read the archive",
				     import->bundle, "--bundle", err);

	if (rc == 0)
		rc = run_tar(import, import->bundle_fd, args, "read the archive", NULL, err);
	if (rc == 0)
		rc = check_all_members(import, err);
	if (rc == 0)
		rc = write_config(import, err);
	return rc < 0 ? rc : unpack_root(import, err);
}

static int bring_back(struct import *import, const struct runtime *rt, int *ret_status,
		      struct wh_error *err)
{
	struct restore_options opts = *import->opts;
	char image_path[PATH_MAX + 16];

	snprintf(image_path, sizeof(image_path), "%s/" ARCHIVE_IMAGE, import->bundle);
	opts.criu.image_path = image_path;
	opts.create.bundle = import->bundle;
	archive_tell(import->archive, "restoring the processes");
	return container_restore(rt, &opts, ret_status, err);
}

int checkpoint_import(const struct runtime *rt, const struct restore_options *opts,
		      const struct archive_options *archive, int *ret_status, struct wh_error *err)
{
	static struct import import;
	int rc;

	import = (struct import){.opts = opts,
				 .archive = archive,
				 .interrupt = INTERRUPT_NONE,
				 .bundle_fd = -EBADF,
				 .arena = {
					 .fd = -EBADF
				 }};
	rc = arena_init(&import.arena, err);
	if (rc == 0)
		rc = find_paths(&import, err);
	if (rc == 0 && rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		rc = systemd_load(err);
	if (rc == 0 && opts->interruptible)
		rc = interrupt_begin(&import.interrupt, err);
	if (rc == 0)
		rc = measure(&import, err);
	if (rc == 0)
		rc = open_bundle(&import, err);
	if (rc == 0)
		rc = unpack(&import, err);
	if (rc == 0)
		rc = bring_back(&import, rt, ret_status, err);
	if (rc < 0)
		archive_remove_tree(import.bundle, import.bundle_fd);
	fd_close(import.bundle_fd);
	arena_done(&import.arena);
	interrupt_end(&import.interrupt);
	return rc;
}
