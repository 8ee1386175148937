/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "base/twin.h"
#include "cmd/criu_options.h"
#include "cmd/verb.h"
#include "libcontainer/checkpoint/archive.h"

struct checkpoint_args {
	struct criu_args criu;
	const char *parent_path;
	const char *page_server;
	unsigned int status_fd;
	bool leave_running;
	bool pre_dump;
	bool tcp_skip_in_flight;
	const char *export_file;
	bool no_root;
	const char *podman_image;
};

static const struct option checkpoint_options[] = {
    CRIU_OPTIONS(struct checkpoint_args, criu.),
    OPTION("leave-running", '\0', option_flag, struct checkpoint_args, leave_running, NULL,
	   "let the container run on"),
    OPTION("pre-dump", '\0', option_flag, struct checkpoint_args, pre_dump, NULL,
	   "save memory only, while it runs on, for a later checkpoint to start from"),
    OPTION("parent-path", '\0', option_string, struct checkpoint_args, parent_path, "DIR",
	   "an earlier image, relative to the image's directory: save what has changed since",
	   .complete = COMPLETE_DIRECTORY),
    OPTION("page-server", '\0', option_string, struct checkpoint_args, page_server, "ADDRESS:PORT",
	   "send memory there"),
    OPTION("status-fd", '\0', option_count, struct checkpoint_args, status_fd, "FD",
	   "write a NUL byte to FD when the page server is ready"),
    OPTION("tcp-skip-in-flight", '\0', option_flag, struct checkpoint_args, tcp_skip_in_flight,
	   NULL, "leave out TCP connections that are not established yet"),
    OPTION("export", 'e', option_string, struct checkpoint_args, export_file, "FILE",
	   "write one archive with image, configuration and root (.tar, .tar.gz, .tar.zst)",
	   .complete = COMPLETE_FILE),
    OPTION("ignore-rootfs", '\0', option_flag, struct checkpoint_args, no_root, NULL,
	   "with --export: leave out the root's files"),
    OPTION("podman-image", '\0', option_string, struct checkpoint_args, podman_image, "ID",
	   "with --export: for 'podman container restore --import', over this image"),
};

/** Before anything of ours is opened, which might get that number. */
static int check_status_fd(unsigned int fd, struct wh_error *err)
{
	int flags = fd <= INT_MAX ? fcntl((int)fd, F_GETFL) : -1;

	if (flags < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, EBADF, "--status-fd %u", fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--status-fd %u: not open for writing",
				    fd);
	return 0;
}

#define IMAGE_ID_LEN 64

/** The id as Podman shows it with --no-trunc, without the name of its hash. */
static const char *image_id(const char *text)
{
	const char *rest = text ? str_after(text, "sha256:") : NULL;

	return rest ? rest : text;
}

static int check_image(const struct checkpoint_args *args, struct wh_error *err)
{
	const char *id = image_id(args->podman_image);

	if (!id)
		return 0;
	if (!args->export_file || args->no_root)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--podman-image goes with --export, without --ignore-rootfs");
	if (strlen(id) != IMAGE_ID_LEN || strspn(id, "0123456789abcdef") != IMAGE_ID_LEN)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--podman-image '%s': the id of an image is needed, as 'podman "
				    "images --no-trunc' shows it",
				    args->podman_image);
	return 0;
}

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct checkpoint_args *args = data;
	int rc = args->status_fd ? check_status_fd(args->status_fd, err) : 0;

	if (rc == 0)
		rc = check_image(args, err);
	if (rc < 0)
		return rc;

	if (args->pre_dump && args->criu.choices.lazy_pages)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--pre-dump and --lazy-pages exclude each other");
	if (args->export_file &&
	    (args->criu.choices.image_path || args->pre_dump || args->page_server ||
	     args->parent_path || args->criu.choices.lazy_pages))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--export goes without --image-path, --pre-dump, "
				    "--parent-path, --page-server and --lazy-pages");
	return criu_args_check(&args->criu, err);
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct checkpoint_args *args = data;
	const struct checkpoint_options opts = {
	    .id = cli->args[0],
	    .criu = criu_args_choices(&args->criu),
	    .leave_running = args->leave_running,
	    .durable = !args->leave_running && !args->pre_dump && !args->export_file,
	    .interruptible = true,
	    .pre_dump = args->pre_dump,
	    .tcp_skip_in_flight = args->tcp_skip_in_flight,
	    .parent_path = args->parent_path,
	    .page_server = args->page_server,
	    .status_fd = (int)args->status_fd,
	};

	const struct archive_options archive = {
	    .file = args->export_file,
	    .no_root = args->no_root,
	    .podman_image = image_id(args->podman_image),
	    .progress = criu_progress(),
	};

	twin_pass_fd((int)args->status_fd);
	return args->export_file ? checkpoint_export(&cli->runtime, &opts, &archive, err)
				 : container_checkpoint(&cli->runtime, &opts, err);
}

const struct verb verb_checkpoint = {
    .name = "checkpoint",
    .summary = "save the processes of a container as files",
    .details =
	"The container is deleted afterwards, unless --leave-running or --pre-dump is given.\n"
	"CRIU 4 does the work; its log is dump.log.",
    VERB_OPTIONS(checkpoint_options),
    VERB_ARGUMENTS(verb_id_argument),
    .args_size = sizeof(struct checkpoint_args),
    .traced = true,
    .check = check,
    .run = run,
};
