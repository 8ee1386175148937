/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/create_options.h"
#include "cmd/criu_options.h"
#include "cmd/verb.h"
#include "libcontainer/checkpoint/archive.h"

struct restore_args {
	struct create_options create;
	struct criu_args criu;
	const char *import_file;
};

static const struct option restore_options[] = {
    CREATE_OPTIONS(struct restore_args, create.),
    OPTION("detach", 'd', option_flag, struct restore_args, create.detach, NULL,
	   "return as soon as the container runs"),
    OPTION("keep", '\0', option_flag, struct restore_args, create.keep, NULL,
	   "leave the stopped container for 'state' and 'delete'"),
    CRIU_OPTIONS(struct restore_args, criu.),
    OPTION("import", 'i', option_string, struct restore_args, import_file, "FILE",
	   "restore from an archive of checkpoint --export; --bundle is made of it",
	   .complete = COMPLETE_FILE),
};

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct restore_args *args = data;

	if (args->import_file && (args->criu.choices.image_path || args->create.config))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--import goes without --image-path and --config");
	return criu_args_check(&args->criu, err);
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct restore_args *args = data;
	struct restore_options opts = {
	    .create = args->create,
	    .criu = criu_args_choices(&args->criu),
	    .interruptible = true,
	};
	const struct archive_options archive = {.file = args->import_file,
						.progress = criu_progress()};
	int status = 0;
	int rc;

	opts.create.id = cli->args[0];
	rc = args->import_file ? checkpoint_import(&cli->runtime, &opts, &archive, &status, err)
			       : container_restore(&cli->runtime, &opts, &status, err);
	return rc < 0 ? rc : status;
}

const struct verb verb_restore = {
    .name = "restore",
    .summary = "bring a container back from an image",
    .details = "The bundle is that of the saved container; ID may be another one.\n"
	       "CRIU 4 does the work; its log is restore.log.",
    VERB_OPTIONS(restore_options),
    VERB_ARGUMENTS(verb_id_argument),
    .args_size = sizeof(struct restore_args),
    .traced = true,
    .check = check,
    .run = run,
};
