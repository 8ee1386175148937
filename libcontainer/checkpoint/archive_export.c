/* SPDX-License-Identifier: Apache-2.0 */
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
#include "base/interrupt.h"
#include "base/str.h"
#include "base/timestamp.h"
#include "cgroups/systemd_manager.h"
#include "libcontainer/access.h"
#include "libcontainer/checkpoint/archive_tar.h"
#include "oci-spec/config.h"
#include "oci-spec/json_writer.h"

#define FILE_IS_ROOT ("--file=" ARCHIVE_ROOT)
/** In the stage, until it is complete. */
#define ARCHIVE_ITSELF "archive"
#define FILE_IS_ITSELF ("--file=" ARCHIVE_ITSELF)
/** What a root gets from Podman, whatever its image says. */
#define PODMAN_ROOT_MODE 0555

struct export
{
	const struct runtime *rt;
	const struct checkpoint_options *opts;
	const struct archive_options *archive;
	struct interrupt interrupt;
	char file[PATH_MAX];  /* absolute */
	const char *name;     /* the last of @file */
	int parent_fd;        /* the directory that it is to be in */
	bool placed;          /* it is there */
	char stage[PATH_MAX]; /* a directory beside it, until it is complete */
	int stage_fd;
	struct arena arena;
};

/** Podman takes an image by its id as well as by a name, and wants both. */
static int write_config_dump(struct export *export, const struct access *access,
			     struct wh_error *err)
{
	const char *image = export->archive->podman_image;
	char checkpointed[TIMESTAMP_SIZE];
	const struct {
		const char *key;
		const char *value;
	} members[] = {
	    {"id",               access->record.id     },
	    {"name",             access->record.id     },
	    {"rootfsImageID",    image                 },
	    {"rootfsImageName",  image ? image : ""    },
	    {"runtime",          "wherry"              },
	    {"createdTime",      access->record.created},
	    {"checkpointedTime", checkpointed          },
	};
	struct json_writer writer;
	const char *json;
	size_t len;
	int rc;

	timestamp_now(checkpointed);
	json_writer_init(&writer, "  ");
	json_write_object_begin(&writer);
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (!members[i].value)
			continue;
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

/** Returns 0 or -errno. */
static int run_tar(const struct export *export, const char *const *args, const char *what,
		   struct wh_error *err)
{
	const struct archive_tar tar = {.dir_fd = export->stage_fd,
					.args = args,
					.what = what,
					.place = export->file,
					.option = "--export"};

	return archive_tar_run(&tar, NULL, err);
}

static int pack_root(struct export *export, const struct access *access, struct wh_error *err)
{
	const char *const args[] = {"--create",
				    FILE_IS_ROOT,
				    ARCHIVE_TAR_FILES,
				    "--one-file-system",
				    "--directory",
				    access->record.rootfs,
				    ".",
				    NULL};

	if (export->archive->no_root)
		return 0;
	archive_tell(export->archive, "packing the root file system");
	return run_tar(export, args, "pack the root file system", err);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && streq(text + len - end_len, end);
}

static const struct compressor {
	const char *suffix;
	const char *option; /* of tar */
	const char *program;
} compressors[] = {
    {".zst",  "--zstd", "zstd"},
    {".tzst", "--zstd", "zstd"},
    {".gz",   "--gzip", "gzip"},
    {".tgz",  "--gzip", "gzip"},
};

/** By the file's name; NULL: none. */
static const struct compressor *compressor_of(const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(compressors); i++) {
		if (ends_with(file, compressors[i].suffix))
			return &compressors[i];
	}
	return NULL;
}

/** What is missing is found out before the container stands still. */
static int check_compressor(const struct export *export, struct wh_error *err)
{
	static const char *const places[] = {"/usr/bin", "/bin", "/usr/local/bin"};
	const struct compressor *compressor = compressor_of(export->file);
	char path[64];

	if (!compressor)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i], compressor->program);
		if (command_can_run(path))
			return 0;
	}
	return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
			    "--export '%s': %s is not installed, which a name with %s asks for",
			    export->file, compressor->program, compressor->suffix);
}

/** What is placed is on the disk, and takes nobody's place. */
static int place(struct export *export, struct wh_error *err)
{
	auto_fd fd = openat(export->stage_fd, ARCHIVE_ITSELF, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc;

	/* all of the container's memory is in it */
	if (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0)
		return wh_fail(err, errno, "write '%s' to the disk", export->file);
	rc = linkat(export->stage_fd, ARCHIVE_ITSELF, export->parent_fd, export->name, 0);
	/* file systems without hard links */
	if (rc < 0 && errno != EEXIST &&
	    fstatat(export->parent_fd, export->name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT)
		rc = renameat(export->stage_fd, ARCHIVE_ITSELF, export->parent_fd, export->name);
	if (rc < 0)
		return wh_fail(err, errno, "--export '%s'", export->file);
	export->placed = true;
	if (fsync(export->parent_fd) < 0)
		return wh_fail(err, errno, "write '%s' to the disk", export->file);
	return 0;
}

static int pack_all(struct export *export, struct wh_error *err)
{
	const struct compressor *compressor = compressor_of(export->file);
	const char *args[ARCHIVE_TAR_MAX_ARGS] = {
	    "--create",        compressor ? compressor->option : "--no-auto-compress",
	    "--format=posix",  "--sparse",
	    "--numeric-owner", FILE_IS_ITSELF,
	    ARCHIVE_IMAGE};
	size_t n = 7;
	int rc;

	for (size_t i = 0; archive_files[i]; i++) {
		struct stat st;

		if (fstatat(export->stage_fd, archive_files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			args[n++] = archive_files[i];
	}
	archive_tell(export->archive, "writing the archive");
	rc = run_tar(export, args, "write the archive", err);
	return rc < 0 ? rc : place(export, err);
}

/**
 * The container stands still: its files are those that its memory knows. Where it goes on, the rest can wait until it
 * does, and until CRIU has written its statistics.
 */
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
	return rc < 0 || export->opts->leave_running ? rc : pack_all(export, err);
}

static int check_root(const struct export *export, const struct access *access,
		      struct wh_error *err)
{
	struct stat st;

	if (!export->archive->podman_image)
		return 0;
	if (stat(access->record.rootfs, &st) < 0)
		return wh_fail(err, errno, "look at the root '%s'", access->record.rootfs);
	if ((st.st_mode & 07777) == PODMAN_ROOT_MODE)
		return 0;
	return wh_fail_kind(
	    err, WH_ERROR_UNSUPPORTED, 0,
	    "--podman-image: Podman gives every root the mode 0%o, and CRIU wants the "
	    "one it had: 'chmod %o %s' first",
	    PODMAN_ROOT_MODE, PODMAN_ROOT_MODE, access->record.rootfs);
}

/** To load systemd may start the program anew, so it is done before anything is made: see twin_require(). */
static int look_at_container(const struct export *export, struct wh_error *err)
{
	struct access access;
	int rc = access_open(&access, export->rt, export->opts->id, STATE_UNLOCKED, err);

	if (rc == 0 && access.record.unit)
		rc = systemd_load(err);
	if (rc == 0)
		rc = check_root(export, &access, err);
	access_done(&access);
	return rc;
}

static int find_place(struct export *export, struct wh_error *err)
{
	char parent[PATH_MAX];
	struct stat st;
	char *slash;
	int rc =
	    archive_path_absolute(export->archive->file, export->file, sizeof(export->file), err);

	if (rc < 0)
		return rc;
	snprintf(parent, sizeof(parent), "%s", export->file);
	slash = strrchr(parent, '/');
	export->name = export->file + (slash - parent) + 1;
	slash[slash == parent] = '\0';
	export->parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (export->parent_fd < 0)
		return wh_fail(err, errno, "--export '%s': open its directory", export->file);
	if (!*export->name ||
	    fstatat(export->parent_fd, export->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return wh_fail(err, *export->name ? EEXIST : EISDIR, "--export '%s'", export->file);
	return 0;
}

static int open_stage(struct export *export, struct wh_error *err)
{
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

/** CRIU, or what comes after it, has failed. */
static bool goes_on(const struct export *export)
{
	enum oci_status status = OCI_STATUS_STOPPED;
	struct access access;

	if (access_open(&access, export->rt, export->opts->id, STATE_UNLOCKED, NULL) == 0)
		status = access_refine_status(&access);
	access_done(&access);
	return status == OCI_STATUS_RUNNING || status == OCI_STATUS_PAUSED;
}

static int save(struct export *export, struct wh_error *err)
{
	struct checkpoint_options opts = *export->opts;
	auto_fd image = openat(export->stage_fd, ARCHIVE_IMAGE,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char image_path[PATH_MAX + 16];
	int rc;

	if (image < 0)
		return wh_fail(err, errno, "open '%s/" ARCHIVE_IMAGE "'", export->stage);
	snprintf(image_path, sizeof(image_path), "%s/" ARCHIVE_IMAGE, export->stage);
	opts.criu.image_dir_fd = image;
	opts.criu.image_path = image_path;
	if (!opts.criu.work_path)
		opts.criu.work_path = export->stage;
	opts.complete = on_complete;
	opts.ctx = export;
	archive_tell(export->archive, "saving the processes");
	rc = container_checkpoint(export->rt, &opts, err);
	if (rc == 0 && export->opts->leave_running)
		rc = pack_all(export, err);
	/* nobody may restore what is still there; of what is not, this is all */
	if (rc < 0 && export->placed && goes_on(export))
		unlinkat(export->parent_fd, export->name, 0);
	return rc;
}

int checkpoint_export(const struct runtime *rt, const struct checkpoint_options *opts,
		      const struct archive_options *archive, struct wh_error *err)
{
	static struct export export;
	int rc;

	export = (struct export){.rt = rt,
				 .opts = opts,
				 .archive = archive,
				 .interrupt = INTERRUPT_NONE,
				 .parent_fd = -EBADF,
				 .stage_fd = -EBADF,
				 .arena = {.fd = -EBADF}};
	rc = arena_init(&export.arena, err);
	if (rc == 0)
		rc = look_at_container(&export, err);
	if (rc == 0)
		rc = find_place(&export, err);
	if (rc == 0)
		rc = check_compressor(&export, err);
	if (rc == 0 && opts->interruptible)
		rc = interrupt_begin(&export.interrupt, err);
	if (rc == 0)
		rc = open_stage(&export, err);
	if (rc == 0)
		rc = save(&export, err);
	archive_remove_tree(export.stage, export.stage_fd);
	fd_close(export.stage_fd);
	fd_close(export.parent_fd);
	arena_done(&export.arena);
	interrupt_end(&export.interrupt);
	return rc;
}
