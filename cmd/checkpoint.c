/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/criu_options.h"
#include "cmd/verb.h"

struct checkpoint_args {
	struct criu_args criu;
	const char *parent_path;
	const char *page_server;
	unsigned int status_fd;
	bool leave_running;
	bool pre_dump;
	bool tcp_skip_in_flight;
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
};

static int check(const struct cli *cli, const void *data, struct wh_error *err)
{
	const struct checkpoint_args *args = data;

	if (args->pre_dump && args->criu.choices.lazy_pages)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--pre-dump and --lazy-pages exclude each other");
	return criu_args_check(&args->criu, err);
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct checkpoint_args *args = data;
	const struct checkpoint_options opts = {
	    .id = cli->args[0],
	    .criu = criu_args_choices(&args->criu),
	    .leave_running = args->leave_running,
	    .pre_dump = args->pre_dump,
	    .tcp_skip_in_flight = args->tcp_skip_in_flight,
	    .parent_path = args->parent_path,
	    .page_server = args->page_server,
	    .status_fd = (int)args->status_fd,
	};

	return container_checkpoint(&cli->runtime, &opts, err);
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
