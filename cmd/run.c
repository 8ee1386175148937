/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/create_options.h"
#include "cmd/verb.h"
#include "oci-spec/default_spec.h"

/** Longest host name (uname(2)). */
#define HOSTNAME_LENGTH 64

struct run_args {
	struct create_options opts;
	const char *rootfs;
};

static const struct option run_options[] = {
    CREATE_OPTIONS(struct run_args, opts.),
    OPTION("detach", 'd', option_flag, struct run_args, opts.detach, NULL,
	   "return as soon as the program runs"),
    OPTION("keep", '\0', option_flag, struct run_args, opts.keep, NULL,
	   "leave the stopped container for 'state' and 'delete'"),
    OPTION("rootfs", '\0', option_string, struct run_args, rootfs, "DIR",
	   "no bundle: run CMD with the default configuration in this root",
	   .complete = COMPLETE_DIRECTORY),
};

static const struct argument run_arguments[] = {
    ARGUMENT("ID", COMPLETE_NOTHING),
    OPTIONAL_ARGUMENT("CMD", COMPLETE_COMMAND),
    REPEATED_ARGUMENT("ARG", COMPLETE_FILE),
};

static bool command_follows(const void *args)
{
	return ((const struct run_args *)args)->rootfs != NULL;
}

static unsigned int preserved_fds(const void *args)
{
	return ((const struct run_args *)args)->opts.preserve_fds;
}

/** A terminal when there is one at both ends, or someone who takes its master. */
static bool wants_terminal(const struct create_options *opts)
{
	if (opts->console_socket)
		return true;
	return !opts->detach && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/** The default spec for @rootfs; without a command it keeps its shell. */
static int make_spec(struct cli *cli, const char *rootfs, const struct create_options *opts,
		     struct oci_spec **ret_spec, struct wh_error *err)
{
	struct oci_process *process;
	struct oci_root *root;
	struct oci_spec *spec;
	int rc;

	rc = oci_default_spec(cli->arena, geteuid() != 0, geteuid(), getegid(), &spec, err);
	if (rc < 0)
		return rc;
	process = arena_memdup(cli->arena, spec->process, sizeof(*process));
	root = arena_memdup(cli->arena, spec->root, sizeof(*root));
	spec->hostname = arena_strndup(cli->arena, opts->id, strnlen(opts->id, HOSTNAME_LENGTH));
	if (!process || !root || !spec->hostname)
		return wh_oom(err);
	root->path = rootfs;
	process->terminal = wants_terminal(opts);
	if (cli->n_args > 1) {
		process->args = (const char **)(cli->args + 1);
		process->n_args = cli->n_args - 1;
	}
	spec->root = root;
	spec->process = process;
	*ret_spec = spec;
	return 0;
}

/** --rootfs is relative to the caller's directory, and says itself what is wrong with it. */
static int resolve_rootfs(const char *path, struct arena *arena, const char **ret_path,
			  struct wh_error *err)
{
	char buf[PATH_MAX];

	if (!realpath(path, buf))
		return wh_fail(err, errno, "--rootfs '%s'", path);
	*ret_path = arena_strdup(arena, buf);
	return *ret_path ? 0 : wh_oom(err);
}

static int use_rootfs(struct cli *cli, const char *path, struct create_options *opts,
		      struct wh_error *err)
{
	struct oci_spec *spec = NULL;
	const char *rootfs = NULL;
	int rc;

	rc = resolve_rootfs(path, cli->arena, &rootfs, err);
	if (rc == 0)
		rc = make_spec(cli, rootfs, opts, &spec, err);
	if (rc < 0)
		return rc;
	opts->spec = spec;
	return 0;
}

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct run_args *args = data;

	if (args->rootfs && (args->opts.bundle || args->opts.config))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--rootfs goes without --bundle and --config");
	if (!args->rootfs && cli->n_args > 1)
		return wh_fail_kind(
		    err, WH_ERROR_USAGE, 0,
		    "unexpected argument '%s': a command needs --rootfs DIR before ID",
		    cli->args[1]);
	return 0;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct run_args *args = data;
	struct create_options opts = args->opts;
	int status = 0;
	int rc = 0;

	opts.id = cli->args[0];
	if (args->rootfs)
		rc = use_rootfs(cli, args->rootfs, &opts, err);
	if (rc == 0)
		rc = container_run(&cli->runtime, &opts, &status, err);
	return rc < 0 ? rc : status;
}

const struct verb verb_run = {
    .name = "run",
    .summary = "create, start and wait for a container",
    .details =
	"Without --detach the exit status is the program's, 128 + N when signal N ended it,\n"
	"and the container is deleted afterwards.\n"
	"With --rootfs no bundle is needed: wherry run --rootfs DIR ID [--] CMD [ARG]...",
    VERB_OPTIONS(run_options),
    VERB_ARGUMENTS(run_arguments),
    .args_size = sizeof(struct run_args),
    .traced = true,
    .command_follows = command_follows,
    .check = check,
    .preserved_fds = preserved_fds,
    .run = run,
};
