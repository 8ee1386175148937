/* SPDX-License-Identifier: Apache-2.0 */
/*
 * argv to a verb and its exit status. The command line is read whole before anything is opened, so
 * that fds to be passed on keep their numbers; the log comes next, so that everything that can go
 * wrong is in it; the one error is printed here.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/twin.h"
#include "cmd/global_options.h"
#include "cmd/help.h"
#include "cmd/inherited_fds.h"
#include "cmd/trace_file.h"
#include "cmd/verb.h"
#include "cmd/version.h"

#ifndef WHERRY_IS_STATIC
#define WHERRY_IS_STATIC false
#endif

/** What the command line says. */
struct command_line {
	struct global_args global;
	struct shared_args shared;
	struct cli cli;
	struct arena arena;
	bool understood; /* the command line is right: failures are the verb's from here on */
	char root[PATH_MAX];
	alignas(max_align_t) char args[VERB_ARGS_MAX]; /* the verb's own structure */
};

static bool always(const void *context)
{
	return true;
}

static int parse_global(struct command_line *line, int argc, char **argv, struct wh_error *err)
{
	struct option_set set = {global_options, n_global_options, &line->global};
	struct option_parser parser = {
	    .sets = &set, .n_sets = 1, .arguments_follow = always, .arena = &line->arena};

	return options_parse(&parser, argc, argv, err);
}

static int check_arguments(const struct command_line *line, struct wh_error *err)
{
	const struct cli *cli = &line->cli;
	const struct verb *verb = cli->verb;
	size_t n = verb->n_arguments;

	for (size_t i = cli->n_args; i < n; i++) {
		if (!verb->arguments[i].optional)
			return wh_fail_kind(err, WH_ERROR_USAGE, 0, "missing argument: %s",
					    verb->arguments[i].name);
	}
	if (cli->n_args > n && !(n && verb->arguments[n - 1].repeated))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0, "unexpected argument '%s'",
				    cli->args[n]);
	return verb->check ? verb->check(cli, line->args, err) : 0;
}

/** @argv: the words after the verb's name. */
static int parse_verb(struct command_line *line, int argc, char **argv, struct wh_error *err)
{
	struct option_set global = {global_options, n_global_options, NULL};
	struct option_set sets[VERB_SETS_MAX];
	struct option_parser parser = {
	    .sets = sets,
	    .n_sets = verb_option_sets(line->cli.verb, line->args, &line->shared, sets),
	    .arguments_follow = line->cli.verb->command_follows,
	    .context = line->args,
	    .elsewhere = &global,
	    .elsewhere_hint = "it goes before the verb",
	    .arena = &line->arena,
	};
	int n_args;

	assert(line->cli.verb->args_size <= VERB_ARGS_MAX);
	n_args = options_parse(&parser, argc, argv, err);
	if (n_args < 0)
		return n_args;
	line->cli.args = argv;
	line->cli.n_args = (size_t)n_args;
	return line->shared.help ? 0 : check_arguments(line, err);
}

static int parse(struct command_line *line, int argc, char **argv, struct wh_error *err)
{
	int n_args = parse_global(line, argc, argv, err);

	if (n_args < 0)
		return n_args;
	if (n_args == 0 || line->global.help || line->global.version)
		return 0;
	line->cli.verb = verb_find(argv[0], err);
	if (!line->cli.verb)
		return -EINVAL;
	return parse_verb(line, n_args - 1, argv + 1, err);
}

static int settle_fds(const struct command_line *line, struct wh_error *err)
{
	const struct verb *verb = line->cli.verb;

	if (verb && verb->preserved_fds)
		return inherited_fds_keep(verb->preserved_fds(line->args), err);
	return inherited_fds_close(err);
}

/** An engine reads a JSON log as one document (Podman): there, only an error is worth a line unless
 * more was asked for. */
static enum log_level log_level(const struct global_args *global)
{
	if (global->log_level.given)
		return (enum log_level)global->log_level.value;
	if (global->debug)
		return LOG_LEVEL_DEBUG;
	if (global->log && global->log_format.value == LOG_FORMAT_JSON)
		return LOG_LEVEL_ERROR;
	return LOG_LEVEL_WARNING;
}

static int open_log(const struct global_args *global, struct wh_error *err)
{
	const char *path = str_empty(global->log) ? NULL : global->log;

	return log_open(path, (enum log_format)global->log_format.value, log_level(global), err);
}

static int settle_runtime(struct command_line *line, struct wh_error *err)
{
	struct runtime *rt = &line->cli.runtime;
	const struct global_args *global = &line->global;
	int rc;

	rt->cgroup_manager_set = global->cgroup_manager.given || global->systemd_cgroup;
	rt->cgroup_manager = global->cgroup_manager.given
				 ? (enum cgroup_manager)global->cgroup_manager.value
			     : global->systemd_cgroup ? CGROUP_MANAGER_SYSTEMD
						      : CGROUP_MANAGER_CGROUPFS;
	if (global->root && str_empty(global->root))
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--root: the directory's name is empty");
	rt->root = global->root;
	rt->default_root = !global->root;
	if (global->root)
		return 0;
	rt->root = line->root;
	rc = runtime_default_root(line->root, sizeof(line->root), err);
	if (rc < 0 && line->cli.verb->stateless) {
		*err = WH_ERROR_INIT;
		rt->root = "/run/wherry";
		rc = 0;
	}
	return rc;
}

static int run_traced(struct command_line *line, struct wh_error *err)
{
	const struct verb *verb = line->cli.verb;
	struct trace_file trace;
	int status;
	int rc;

	if (!line->shared.trace)
		return verb->run(&line->cli, line->args, err);
	rc = trace_file_open(&trace, line->shared.trace, verb->name, err);
	if (rc < 0)
		return rc;
	status = verb->run(&line->cli, line->args, err);
	/* of a failed verb the reason of its failure is the error, whatever becomes of the trace */
	rc = trace_file_finish(&trace, status < 0 ? NULL : err);
	return status < 0 || rc == 0 ? status : rc;
}

/**
 * Asked-for output that did not arrive is a failure (a full disk), but whoever closed the pipe has
 * seen enough: that one is silent, with the status of a death by SIGPIPE.
 */
static int flush_output(int status, struct wh_error *err)
{
	bool failed = ferror(stdout);
	int code = errno;

	if (fflush(stdout) != 0) {
		failed = true;
		code = errno;
	}
	if (!failed || status < 0)
		return status;
	return code == EPIPE ? 128 + SIGPIPE : wh_fail(err, code, "write to standard output");
}

static int dispatch(struct command_line *line, struct wh_error *err)
{
	int rc;

	if (line->global.version) {
		version_print(stdout);
		return 0;
	}
	if (line->global.help || !line->cli.verb) {
		help_print(stdout);
		return 0;
	}
	if (line->shared.help) {
		help_print_verb(stdout, line->cli.verb);
		return 0;
	}
	rc = settle_runtime(line, err);
	if (rc < 0)
		return rc;
	log_debug("wherry %s, state in '%s'", line->cli.verb->name, line->cli.runtime.root);
	return run_traced(line, err);
}

static int run_line(struct command_line *line, int argc, char **argv, struct wh_error *err)
{
	struct wh_error log_err = WH_ERROR_INIT;
	int parsed;
	int rc;

	rc = fd_open_std(err);
	if (rc == 0)
		rc = arena_init(&line->arena, err);
	if (rc < 0)
		return rc;
	line->cli.arena = &line->arena;
	parsed = parse(line, argc, argv, err);
	line->understood = parsed == 0;
	if (parsed == 0)
		parsed = settle_fds(line, err);
	/* a wrong command line is logged where it asks for it, too */
	rc = open_log(&line->global, &log_err);
	if (parsed < 0)
		return parsed;
	if (rc < 0) {
		*err = log_err;
		return rc;
	}
	return flush_output(dispatch(line, err), err);
}

static int report(const struct command_line *line, const struct wh_error *err)
{
	const struct verb *verb = line->cli.verb;

	log_error(err);
	if (line->understood)
		return verb && verb->failure_status ? verb->failure_status : EXIT_FAILURE;
	if (err->kind == WH_ERROR_USAGE && line->global.log_format.value == LOG_FORMAT_TEXT) {
		fputs("usage: ", stderr);
		help_print_usage(stderr, verb);
		fputc('\n', stderr);
	}
	return EXIT_FAILURE;
}

/**
 * What the caller ignores or not must not change what we do: a write that fails is an error and no
 * death (a closed pipe, a limit on file sizes), and children can be waited for. init gives the
 * container the defaults.
 */
static void settle_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

int main(int argc, char **argv)
{
	struct command_line line = {.cli = {.verb = NULL}, .arena = {.fd = -EBADF}};
	struct wh_error err = WH_ERROR_INIT;
	int status;

	twin_init(WHERRY_IS_STATIC, argc, argv);
	settle_signals();
	status = run_line(&line, argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv, &err);

	return status < 0 ? report(&line, &err) : status;
}
