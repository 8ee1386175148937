/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/migrate_progress.h"
#include "cmd/verb.h"
#include "libcontainer/migrate/migrate.h"
#include "libcontainer/migrate/transport.h"

/** Exit status of a migration that is in doubt: neither done nor undone. */
#define MIGRATE_IN_DOUBT_STATUS 3

/** The downtime that pre-copy aims at unless it is said, in milliseconds. */
#define DEFAULT_DOWNTIME_MS 300

/** Above a day the goal is none. */
#define MAX_DOWNTIME_MS 86400000

enum migrate_format { MIGRATE_TEXT, MIGRATE_JSON };
enum rootfs_way { ROOTFS_SHARED, ROOTFS_COPY };

struct migrate_args {
	const char *rsh;
	const char *remote;
	const char *criu;
	const char *remote_criu;
	struct choice rootfs;
	struct choice format;
	const char *downtime;
	bool pre_copy;
	bool cold;
	bool lazy;
	bool early;
	bool whole;
	bool tcp_close;
	bool ext_unix_sk;
	bool dry_run;
	bool receive;
	bool status;
	bool resume;
	bool take_back;
};

static const char *const formats[] = {[MIGRATE_TEXT] = "text", [MIGRATE_JSON] = "json", NULL};
static const char *const rootfs_ways[] = {[ROOTFS_SHARED] = "shared", [ROOTFS_COPY] = "copy", NULL};

static const struct option migrate_options[] = {
    OPTION("rsh", 'e', option_string, struct migrate_args, rsh, "COMMAND",
	   "use COMMAND instead of ssh; it gets the host and a command line, as rsync's -e does",
	   .complete = COMPLETE_COMMAND),
    OPTION("remote-wherry", '\0', option_string, struct migrate_args, remote, "COMMAND",
	   "what runs wherry at the destination, options included (default: wherry)"),
    OPTION("criu", '\0', option_string, struct migrate_args, criu, "PATH",
	   "the program CRIU (default: where it is usually installed)", .complete = COMPLETE_FILE),
    OPTION("remote-criu", '\0', option_string, struct migrate_args, remote_criu, "PATH",
	   "CRIU at the destination"),
    OPTION("pre-copy", '\0', option_flag, struct migrate_args, pre_copy, NULL,
	   "send memory while the container runs (the default where the kernel can tell what "
	   "changes)"),
    OPTION("cold", '\0', option_flag, struct migrate_args, cold, NULL,
	   "freeze the container, then send everything"),
    OPTION(
	"lazy", '\0', option_flag, struct migrate_args, lazy, NULL,
	"post-copy: let it run there at once, and fetch its memory when it is touched; until all "
	"of it is there, losing the destination loses what the container did there"),
    OPTION("early", '\0', option_flag, struct migrate_args, early, NULL,
	   "let it run there before all of its memory is read from the images there, where that "
	   "is much (the default with --pre-copy)"),
    OPTION("whole", '\0', option_flag, struct migrate_args, whole, NULL,
	   "let it run there only when all of its memory is read (the default with --cold)"),
    OPTION("downtime", '\0', option_string, struct migrate_args, downtime, "MS",
	   "how long it may stand still, in milliseconds: a goal of pre-copy (default: 300)"),
    OPTION("rootfs", '\0', option_choice, struct migrate_args, rootfs, "WAY",
	   "shared (the default: the same at both ends) or copy (by rsync)",
	   .choices = rootfs_ways),
    OPTION("tcp-close", '\0', option_flag, struct migrate_args, tcp_close, NULL,
	   "drop established TCP connections instead of taking them along"),
    OPTION("ext-unix-sk", '\0', option_flag, struct migrate_args, ext_unix_sk, NULL,
	   "allow connections to unix sockets outside of the container"),
    OPTION("dry-run", '\0', option_flag, struct migrate_args, dry_run, NULL,
	   "check everything on both sides, and move nothing"),
    OPTION("format", 'f', option_choice, struct migrate_args, format, "FORMAT",
	   "text (the default) or json, one object a line", .choices = formats),
    OPTION("status", '\0', option_flag, struct migrate_args, status, NULL,
	   "list the migrations that are under way or were interrupted"),
    OPTION("resume", '\0', option_flag, struct migrate_args, resume, NULL,
	   "finish an interrupted migration: ask the destination, and act on it"),
    OPTION("take-back", '\0', option_flag, struct migrate_args, take_back, NULL,
	   "with --resume: let it go on here without asking; only when the destination is gone"),
    OPTION("receive", '\0', option_flag, struct migrate_args, receive, NULL,
	   "be the destination, over standard input and output"),
};

static const struct argument migrate_arguments[] = {
    OPTIONAL_ARGUMENT("ID", COMPLETE_CONTAINER),
    OPTIONAL_ARGUMENT("DEST", COMPLETE_NOTHING),
};

static int parse_downtime(const struct migrate_args *args, uint64_t *ret_ms, struct wh_error *err)
{
	*ret_ms = DEFAULT_DOWNTIME_MS;
	if (args->downtime && str_parse_u64(args->downtime, MAX_DOWNTIME_MS, ret_ms) < 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--downtime '%s': expected milliseconds, a number from 0 to %d",
				    args->downtime, MAX_DOWNTIME_MS);
	return 0;
}

static int check_move(const struct cli *cli, const struct migrate_args *args, struct wh_error *err)
{
	struct migrate_destination destination;
	uint64_t ms;

	if (cli->n_args < 2)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "missing argument: %s",
				    cli->n_args ? "DEST" : "ID");
	if (args->cold + args->pre_copy + args->lazy > 1)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "%s and %s exclude each other",
				    args->cold ? "--cold" : "--pre-copy",
				    args->lazy ? "--lazy" : "--pre-copy");
	if (args->early + args->whole + args->lazy > 1)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "%s and %s exclude each other",
				    args->early ? "--early" : "--whole",
				    args->lazy ? "--lazy" : "--whole");
	if (args->downtime && (args->lazy || args->cold))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--downtime is a goal of --pre-copy, and %s has none",
				    args->lazy ? "--lazy" : "--cold");
	if (parse_downtime(args, &ms, err) < 0)
		return -EINVAL;
	return migrate_destination_parse(cli->args[1], cli->arena, &destination, err);
}

/** Words that belong to each of the four uses. */
static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct migrate_args *args = data;
	const size_t uses = (size_t)args->receive + args->status + args->resume;
	const size_t most = args->receive ? 0 : 1;

	if (uses > 1)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--receive, --status and --resume exclude each other");
	if (args->take_back && !args->resume)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "--take-back goes with --resume");
	if (uses == 0)
		return check_move(cli, args, err);
	if (args->resume && cli->n_args == 0)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "missing argument: ID");
	if (cli->n_args > most)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "unexpected argument '%s'",
				    cli->args[most]);
	return 0;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
}

/** So that what waits is interrupted, and undoes what it did; nothing is restarted by itself. Where nothing waits it is seen before the commit. */
static void catch_signals(void)
{
	static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		sigaction(caught[i], &action, NULL);
}

static enum migrate_mode mode_of(const struct migrate_args *args)
{
	if (args->cold)
		return MIGRATE_COLD;
	if (args->lazy)
		return MIGRATE_POST_COPY;
	return args->pre_copy ? MIGRATE_PRE_COPY : MIGRATE_AUTOMATIC;
}

static int move(struct cli *cli, const struct migrate_args *args, struct migrate_progress *progress,
		struct wh_error *err)
{
	struct migrate_options opts = {
	    .id = cli->args[0],
	    .destination = cli->args[1],
	    .rsh = args->rsh,
	    .remote = args->remote,
	    .criu = args->criu,
	    .remote_criu = args->remote_criu,
	    .mode = mode_of(args),
	    .copy_rootfs = args->rootfs.value == ROOTFS_COPY,
	    .dry_run = args->dry_run,
	    .early = args->early,
	    .whole = args->whole,
	    .tcp_close = args->tcp_close,
	    .ext_unix_sk = args->ext_unix_sk,
	    .interrupted = &interrupted,
	    .observe = migrate_progress_event,
	    .observe_ctx = progress,
	};
	struct migrate_report report;
	enum migrate_where where;
	int rc = parse_downtime(args, &opts.downtime_ms, err);

	if (rc < 0)
		return rc;
	progress->id = opts.id;
	progress->destination = opts.destination;
	catch_signals();
	rc = container_migrate(&cli->runtime, &opts, &report, &where, err);
	if (rc == 0) {
		if (!opts.dry_run)
			migrate_progress_report(progress, &report);
		return 0;
	}
	migrate_progress_where(progress, where);
	if (where != MIGRATE_IN_DOUBT)
		return rc;
	log_error(err);
	return MIGRATE_IN_DOUBT_STATUS;
}

static int show_status(struct cli *cli, const struct migrate_progress *progress,
		       struct wh_error *err)
{
	struct migrate_status *list;
	size_t count;
	int rc = container_migrate_status(&cli->runtime, cli->n_args ? cli->args[0] : NULL,
					  cli->arena, &list, &count, err);

	return rc < 0 ? rc : migrate_progress_status(progress, list, count, err);
}

/** What --resume found, by enum migrate_fate. */
static const char *const fates[] = {
    [MIGRATE_FATE_ABSENT] = "runs here",
    [MIGRATE_FATE_RUNNING] = "runs at the destination, and was removed here",
    [MIGRATE_FATE_ENDED] = "ran at the destination and has ended there, and was removed here",
};

static int resume(struct cli *cli, const struct migrate_args *args, struct wh_error *err)
{
	enum migrate_where where;
	enum migrate_fate fate;
	int rc = container_migrate_resume(&cli->runtime, cli->args[0], args->take_back, &fate,
					  &where, err);

	if (rc == 0) {
		printf("container '%s' %s\n", cli->args[0], fates[fate]);
		return 0;
	}
	if (where != MIGRATE_IN_DOUBT)
		return rc;
	log_error(err);
	return MIGRATE_IN_DOUBT_STATUS;
}

/** What the source was told is reported there, once. */
static int receive(struct cli *cli, const struct migrate_args *args, struct wh_error *err)
{
	bool told;
	int rc = container_migrate_receive(&cli->runtime, args->criu, STDIN_FILENO, STDOUT_FILENO,
					   &told, err);

	if (rc == 0 || !told)
		return rc;
	log_debug("%s", err->message);
	return EXIT_FAILURE;
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct migrate_args *args = data;
	struct migrate_progress progress = {
	    .out = stdout, .json = args->format.value == MIGRATE_JSON, .arena = cli->arena};

	if (args->receive)
		return receive(cli, args, err);
	if (args->status)
		return show_status(cli, &progress, err);
	if (args->resume)
		return resume(cli, args, err);
	return move(cli, args, &progress, err);
}

const struct verb verb_migrate = {
    .name = "migrate",
    .summary = "move a running container to another host",
    .details = "DEST is ssh://[USER@]HOST[:PORT], or local:[ROOT] for another state root on this\n"
	       "host. Whatever fails, exactly one of the two runs; exit status 3 means that the\n"
	       "destination cannot be asked which one, and that the container is held here.",
    VERB_OPTIONS(migrate_options),
    VERB_ARGUMENTS(migrate_arguments),
    .args_size = sizeof(struct migrate_args),
    .check = check,
    .traced = true,
    .run = run,
};
