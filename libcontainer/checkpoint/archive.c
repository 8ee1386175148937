/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/command.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "cgroups/systemd_manager.h"
#include "libcontainer/access.h"
#include "libcontainer/checkpoint/image.h"
#include "libcontainer/config_load.h"
#include "oci-spec/config.h"
#include "oci-spec/json_writer.h"

#define ARCHIVE_CONFIG "config.dump"
#define ARCHIVE_SPEC   "spec.dump"
#define ARCHIVE_IMAGE  "checkpoint"
#define ARCHIVE_ROOT   "rootfs-diff.tar"
#define ARCHIVE_ROOTFS "rootfs"
/** The same as words of a command line. */
#define FILE_IS_ROOT ("--file=" ARCHIVE_ROOT)
#define INTO_ROOTFS  ("--directory=" ARCHIVE_ROOTFS)

/** The files of an archive besides the image, if they are there. */
static const char *const archive_files[] = {ARCHIVE_CONFIG, ARCHIVE_SPEC, ARCHIVE_ROOT, "dump.log"};

/** Names inside of the root that could be anything, owners by number, what files have besides. */
#define TAR_FILES "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"

static const char *const tar_programs[] = {"/usr/bin/tar", "/bin/tar"};
static const char *const tar_env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};

#define TAR_MAX_ARGS 24

/** Run tar in @dir_fd. Returns 0 or -errno. */
static int run_tar(int dir_fd, const char *const *args, const char *what, struct wh_error *err)
{
	static struct command_result result;
	const char *argv[TAR_MAX_ARGS] = {"tar"};
	struct command command = {.path = tar_programs[0],
				  .argv = argv,
				  .envp = tar_env,
				  .cwd_fd = dir_fd,
				  .timeout_ms = COMMAND_NO_TIMEOUT};
	int rc;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	rc = command_run(&command, &result, err);
	if (rc == 0 && result.exec_errno == ENOENT) {
		command.path = tar_programs[1];
		rc = command_run(&command, &result, err);
	}
	if (rc < 0)
		return rc;
	if (result.exec_errno)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, result.exec_errno,
				    "%s: execute '%s'", what, command.path);
	if (result.status != 0)
		return wh_fail(err, 0, "%s: tar: %s", what, result.output);
	return 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && streq(text + len - end_len, end);
}

static void tell(const struct archive_options *archive, const char *text)
{
	if (archive->progress)
		archive->progress(archive->ctx, text);
}

/** An absolute path for a program that runs elsewhere. */
static int make_absolute(const char *path, char *buf, size_t size, struct wh_error *err)
{
	char here[PATH_MAX];
	int n;

	if (path[0] == '/') {
		n = snprintf(buf, size, "%s", path);
	} else {
		if (!getcwd(here, sizeof(here)))
			return wh_fail(err, errno, "find the current directory");
		n = snprintf(buf, size, "%s/%s", here, path);
	}
	return (size_t)n < size ? 0 : wh_fail(err, ENAMETOOLONG, "'%s'", path);
}

/* Export */

struct export
{
	const struct runtime *rt;
	const struct checkpoint_options *opts;
	const struct archive_options *archive;
	char file[PATH_MAX];  /* absolute */
	char stage[PATH_MAX]; /* a directory beside it, until it is complete */
	int stage_fd;
	struct arena arena;
};

static int write_config_dump(struct export *export, const struct access *access,
			     struct wh_error *err)
{
	const struct {
		const char *key;
		const char *value;
	} members[] = {
	    {"id",              access->record.id     },
	    {"name",            access->record.id     },
	    {"rootfsImageName", ""                    },
	    {"runtime",         "wherry"              },
	    {"createdTime",     access->record.created},
	};
	struct json_writer writer;
	const char *json;
	size_t len;
	int rc;

	json_writer_init(&writer, "  ");
	json_write_object_begin(&writer);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_write_key(&writer, members[i].key);
		json_write_string(&writer, members[i].value);
	}
	json_write_object_end(&writer);
	rc = json_writer_finish(&writer, &export->arena, &json, &len, err);
	return rc < 0 ? rc : file_create(export->stage_fd, ARCHIVE_CONFIG, json, len, 0600, err);
}

static int write_documents(struct export *export, struct access *access, struct wh_error *err)
{
	const char *json;
	size_t len;
	int rc = access_spec(access, err);

	if (rc == 0)
		rc = oci_config_encode(access->spec, &export->arena, &json, &len, err);
	if (rc == 0)
		rc = file_create(export->stage_fd, ARCHIVE_SPEC, json, len, 0600, err);
	return rc < 0 ? rc : write_config_dump(export, access, err);
}

static int pack_root(struct export *export, const struct access *access, struct wh_error *err)
{
	const char *const args[] = {
	    "--create",    FILE_IS_ROOT,          TAR_FILES, "--one-file-system",
	    "--directory", access->record.rootfs, ".",       NULL};

	if (export->archive->no_root)
		return 0;
	tell(export->archive, "packing the root file system");
	return run_tar(export->stage_fd, args, "pack the root file system", err);
}

/** The compressor by the file's name; "" for none. */
static const char *compression(const char *file)
{
	if (ends_with(file, ".zst") || ends_with(file, ".tzst"))
		return "--zstd";
	return ends_with(file, ".gz") || ends_with(file, ".tgz") ? "--gzip" : "--no-auto-compress";
}

static int pack_all(struct export *export, struct wh_error *err)
{
	char temporary[PATH_MAX + 8];
	char option[PATH_MAX + 16];
	const char *args[TAR_MAX_ARGS] = {"--create", compression(export->file), "--sparse",
					  "--numeric-owner", option};
	size_t n = 5;
	int rc;

	snprintf(temporary, sizeof(temporary), "%s/archive", export->stage);
	snprintf(option, sizeof(option), "--file=%s", temporary);
	args[n++] = ARCHIVE_IMAGE;
	for (size_t i = 0; i < ARRAY_LEN(archive_files); i++) {
		struct stat st;

		if (fstatat(export->stage_fd, archive_files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			args[n++] = archive_files[i];
	}
	tell(export->archive, "writing the archive");
	rc = run_tar(export->stage_fd, args, "write the archive", err);
	if (rc < 0)
		return rc;
	if (rename(temporary, export->file) < 0)
		return wh_fail(err, errno, "--export '%s'", export->file);
	return 0;
}

/** The container stands still: its files are those that its memory knows. */
static int on_complete(void *ctx, struct wh_error *err)
{
	struct export *export = ctx;
	struct access access;
	int rc = access_open(&access, export->rt, export->opts->id, STATE_UNLOCKED, err);

	if (rc == 0)
		rc = write_documents(export, &access, err);
	if (rc == 0)
		rc = pack_root(export, &access, err);
	access_done(&access);
	return rc < 0 ? rc : pack_all(export, err);
}

/** May start the program anew, so before anything is made: see twin_require(). */
static int load_systemd(const struct export *export, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, export->rt, export->opts->id, STATE_UNLOCKED, err);

	if (rc == 0 && access.record.unit)
		rc = systemd_load(err);
	access_done(&access);
	return rc;
}

static int open_stage(struct export *export, struct wh_error *err)
{
	struct stat st;
	int rc = make_absolute(export->archive->file, export->file, sizeof(export->file), err);

	if (rc < 0)
		return rc;
	if (lstat(export->file, &st) == 0)
		return wh_fail(err, EEXIST, "--export '%s'", export->file);
	if ((size_t)snprintf(export->stage, sizeof(export->stage), "%s.XXXXXX", export->file) >=
	    sizeof(export->stage))
		return wh_fail(err, ENAMETOOLONG, "--export");
	if (!mkdtemp(export->stage))
		return wh_fail(err, errno, "--export '%s': make a directory beside it",
			       export->file);
	export->stage_fd = open(export->stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->stage_fd < 0)
		return wh_fail(err, errno, "open '%s'", export->stage);
	if (mkdirat(export->stage_fd, ARCHIVE_IMAGE, 0700) < 0)
		return wh_fail(err, errno, "make '%s/" ARCHIVE_IMAGE "'", export->stage);
	return 0;
}

static void remove_tree(const char *path, int fd)
{
	if (fd < 0)
		return;
	path_remove_entries(fd, PATH_REMOVE_ALL);
	rmdir(path);
}

static int save(struct export *export, struct wh_error *err)
{
	struct checkpoint_options opts = *export->opts;
	auto_fd image = openat(export->stage_fd, ARCHIVE_IMAGE,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char image_path[PATH_MAX + 16];

	if (image < 0)
		return wh_fail(err, errno, "open '%s/" ARCHIVE_IMAGE "'", export->stage);
	snprintf(image_path, sizeof(image_path), "%s/" ARCHIVE_IMAGE, export->stage);
	opts.criu.image_dir_fd = image;
	opts.criu.image_path = image_path;
	if (!opts.criu.work_path)
		opts.criu.work_path = export->stage;
	opts.complete = on_complete;
	opts.ctx = export;
	tell(export->archive, "saving the processes");
	return container_checkpoint(export->rt, &opts, err);
}

int checkpoint_export(const struct runtime *rt, const struct checkpoint_options *opts,
		      const struct archive_options *archive, struct wh_error *err)
{
	static struct export export;
	int rc;

	export = (struct export){.rt = rt,
				 .opts = opts,
				 .archive = archive,
				 .stage_fd = -EBADF,
				 .arena = {.fd = -EBADF}};
	rc = arena_init(&export.arena, err);
	if (rc == 0)
		rc = load_systemd(&export, err);
	if (rc == 0)
		rc = open_stage(&export, err);
	if (rc == 0)
		rc = save(&export, err);
	remove_tree(export.stage, export.stage_fd);
	fd_close(export.stage_fd);
	arena_done(&export.arena);
	return rc;
}

/* Import */

struct import {
	const struct restore_options *opts;
	const struct archive_options *archive;
	char file[PATH_MAX];
	char bundle[PATH_MAX];
	int bundle_fd;
	struct arena arena;
};

static int open_bundle(struct import *import, struct wh_error *err)
{
	const char *bundle = import->opts->create.bundle;
	int rc;

	if (!bundle)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--import makes a bundle: name a new directory by --bundle");
	rc = make_absolute(import->archive->file, import->file, sizeof(import->file), err);
	if (rc == 0)
		rc = make_absolute(bundle, import->bundle, sizeof(import->bundle), err);
	if (rc < 0)
		return rc;
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

static int unpack_root(struct import *import, struct wh_error *err)
{
	const char *const args[] = {"--extract",    FILE_IS_ROOT, TAR_FILES, "--same-permissions",
				    "--same-owner", INTO_ROOTFS,  NULL};
	struct stat st;
	int rc;

	if (mkdirat(import->bundle_fd, ARCHIVE_ROOTFS, 0755) < 0)
		return wh_fail(err, errno, "make the root file system's directory");
	if (fstatat(import->bundle_fd, ARCHIVE_ROOT, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
				    "--import '%s': it has no " ARCHIVE_ROOT
				    ": restore from its image, with a bundle that has the files",
				    import->file);
	tell(import->archive, "unpacking the root file system");
	rc = run_tar(import->bundle_fd, args, "unpack the root file system", err);
	if (rc == 0)
		unlinkat(import->bundle_fd, ARCHIVE_ROOT, 0);
	return rc;
}

static int unpack(struct import *import, struct wh_error *err)
{
	char option[PATH_MAX + 16];
	const char *const args[] = {"--extract",       option, "--sparse", "--numeric-owner",
				    "--no-same-owner", NULL};
	int rc;

	snprintf(option, sizeof(option), "--file=%s", import->file);
	tell(import->archive, "reading the archive");
	rc = run_tar(import->bundle_fd, args, "read the archive", err);
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
	tell(import->archive, "restoring the processes");
	return container_restore(rt, &opts, ret_status, err);
}

int checkpoint_import(const struct runtime *rt, const struct restore_options *opts,
		      const struct archive_options *archive, int *ret_status, struct wh_error *err)
{
	static struct import import;
	int rc;

	import = (struct import){.opts = opts, .archive = archive, .bundle_fd = -EBADF, .arena = {
					 .fd = -EBADF
				 }};
	rc = arena_init(&import.arena, err);
	if (rc == 0 && rt->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		rc = systemd_load(err);
	if (rc == 0)
		rc = open_bundle(&import, err);
	if (rc == 0)
		rc = unpack(&import, err);
	if (rc == 0)
		rc = bring_back(&import, rt, ret_status, err);
	if (rc < 0)
		remove_tree(import.bundle, import.bundle_fd);
	fd_close(import.bundle_fd);
	arena_done(&import.arena);
	return rc;
}
