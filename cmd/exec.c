/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

/** runc's exit status of an exec that did not come to run its program. */
#define EXEC_FAILURE 255

struct exec_args {
	struct exec_options opts;
	struct string_list env;
	struct string_list caps;
	struct string_list gids;
};

static const struct option exec_options[] = {
    OPTION("process", 'p', option_string, struct exec_args, opts.process_file, "FILE",
	   "take all of the process from this JSON document", .complete = COMPLETE_FILE),
    OPTION("detach", 'd', option_flag, struct exec_args, opts.detach, NULL,
	   "return as soon as the program runs"),
    OPTION("tty", 't', option_flag, struct exec_args, opts.tty, NULL,
	   "give the program a terminal"),
    OPTION("cwd", '\0', option_string, struct exec_args, opts.cwd, "DIR",
	   "working directory in the container"),
    OPTION("env", 'e', option_list, struct exec_args, env, "NAME=VALUE",
	   "add to the environment; may be repeated"),
    OPTION("user", 'u', option_string, struct exec_args, opts.user, "UID[:GID]",
	   "numeric ids in the container"),
    OPTION("additional-gids", 'g', option_list, struct exec_args, gids, "GID",
	   "one more group; may be repeated"),
    OPTION("cap", 'c', option_list, struct exec_args, caps, "CAP",
	   "add a capability to the bounding, effective and permitted sets; may be repeated"),
    OPTION("no-new-privs", '\0', option_flag, struct exec_args, opts.no_new_privs, NULL,
	   "no privileges from setuid programs"),
    OPTION("process-label", '\0', option_string, struct exec_args, opts.process_label, "LABEL",
	   "SELinux label of the process"),
    OPTION("apparmor", '\0', option_string, struct exec_args, opts.apparmor, "PROFILE",
	   "AppArmor profile of the process"),
    OPTION("cgroup", '\0', option_string, struct exec_args, opts.cgroup, "PATH",
	   "run in this cgroup below the container's"),
    OPTION("ignore-paused", '\0', option_flag, struct exec_args, opts.ignore_paused, NULL,
	   "also in a paused container: waits until it is resumed"),
    OPTION("console-socket", '\0', option_string, struct exec_args, opts.console_socket, "PATH",
	   "socket that receives the terminal's master fd", .complete = COMPLETE_FILE),
    OPTION("pid-file", '\0', option_string, struct exec_args, opts.pid_file, "FILE",
	   "write the pid of the process to FILE", .complete = COMPLETE_FILE),
    OPTION("pidfd-socket", '\0', option_string, struct exec_args, opts.pidfd_socket, "PATH",
	   "socket that receives a pidfd of the process", .complete = COMPLETE_FILE),
    OPTION("preserve-fds", '\0', option_count, struct exec_args, opts.preserve_fds, "N",
	   "pass on N more fds, from fd 3 (or what LISTEN_FDS passes) on"),
};

static const struct argument exec_arguments[] = {
    ARGUMENT("ID", COMPLETE_CONTAINER),
    OPTIONAL_ARGUMENT("CMD", COMPLETE_COMMAND),
    REPEATED_ARGUMENT("ARG", COMPLETE_FILE),
};

static bool command_follows(const void *args)
{
	return true;
}

static unsigned int preserved_fds(const void *args)
{
	return ((const struct exec_args *)args)->opts.preserve_fds;
}

/* What is not exactly a number in range is refused, never read as 0 (CVE-2026-30892); 4294967295
 * means "leave it" to the kernel. */
static int parse_gids(const struct string_list *list, struct exec_options *opts,
		      struct arena *arena, struct wh_error *err)
{
	uint32_t *gids = arena_array(arena, uint32_t, list->count + 1);

	if (!gids)
		return wh_oom(err);
	for (size_t i = 0; i < list->count; i++) {
		uint64_t gid;

		if (str_parse_u64(list->items[i], UINT32_MAX - 1, &gid) < 0)
			return wh_fail_kind(
			    err, WH_ERROR_USAGE, 0,
			    "--additional-gids '%s': expected a number from 0 to %u",
			    list->items[i], UINT32_MAX - 1);
		gids[i] = (uint32_t)gid;
	}
	opts->additional_gids = gids;
	opts->n_additional_gids = list->count;
	return 0;
}

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct exec_args *args = data;

	if (cli->n_args < 2 && !args->opts.process_file)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "missing argument: CMD, or --process FILE");
	if (cli->n_args > 1 && args->opts.process_file)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "unexpected argument '%s': --process has the program",
				    cli->args[1]);
	return 0;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct exec_args *args = data;
	struct exec_options opts = args->opts;
	int status = 0;
	int rc;

	opts.id = cli->args[0];
	opts.args = (const char *const *)cli->args + 1;
	opts.n_args = cli->n_args - 1;
	opts.env = args->env.items;
	opts.n_env = args->env.count;
	opts.caps = args->caps.items;
	opts.n_caps = args->caps.count;
	rc = parse_gids(&args->gids, &opts, cli->arena, err);
	if (rc == 0)
		rc = container_exec(&cli->runtime, &opts, &status, err);
	return rc < 0 ? rc : status;
}

const struct verb verb_exec = {
    .name = "exec",
    .summary = "run one more program in a container",
    .details =
	"Without --detach the exit status is the program's, 128 + N when signal N ended it,\n"
	"and 255 when it could not be run. Options come before ID; what follows ID is the command.",
    VERB_OPTIONS(exec_options),
    VERB_ARGUMENTS(exec_arguments),
    .args_size = sizeof(struct exec_args),
    .failure_status = EXEC_FAILURE,
    .traced = true,
    .command_follows = command_follows,
    .check = check,
    .preserved_fds = preserved_fds,
    .run = run,
};
