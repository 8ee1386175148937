/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/plan_report.h"
#include "cmd/verb.h"
#include "libcontainer/config_load.h"
#include "libcontainer/seccomp/seccomp.h"

enum plan_format { PLAN_TEXT, PLAN_JSON };

struct plan_args {
	struct choice format;
	const char *id;
	const char *config;
	bool no_pivot;
};

static const char *const formats[] = {[PLAN_TEXT] = "text", [PLAN_JSON] = "json", NULL};

static const struct option plan_options[] = {
    OPTION("format", 'f', option_choice, struct plan_args, format, "FORMAT",
	   "text (the default) or json", .choices = formats),
    OPTION("id", '\0', option_string, struct plan_args, id, "ID",
	   "plan for this container id (default: the bundle's name)"),
    OPTION("config", '\0', option_string, struct plan_args, config, "FILE",
	   "read this file instead of the bundle's config.json", .complete = COMPLETE_FILE),
    OPTION("no-pivot", '\0', option_flag, struct plan_args, no_pivot, NULL,
	   "plan as for create --no-pivot"),
};

static const struct argument plan_arguments[] = {
    OPTIONAL_ARGUMENT("BUNDLE", COMPLETE_DIRECTORY),
};

/** The last component of the bundle's path stands for the id that only create will know. */
static const char *name_of(const char *bundle, struct arena *arena)
{
	char path[PATH_MAX];
	const char *name;

	/* a bundle that is not there is for the plan to complain about */
	if (!realpath(bundle, path))
		return "ID";
	name = strrchr(path, '/') + 1;
	return name[0] ? arena_strdup(arena, name) : "ID";
}

/** The filter's size is the one thing a plan does not hold yet: create compiles it while init
 * starts. */
static int compile_seccomp(const struct container_plan *plan, struct arena *arena,
			   struct plan_report *report, struct wh_error *err)
{
	struct seccomp_program *program;
	int rc;

	if (!plan || !plan->spec->linux_->seccomp)
		return 0;
	program = arena_new(arena, struct seccomp_program);
	if (!program)
		return wh_oom(err);
	rc = seccomp_compile(plan->spec->linux_->seccomp, arena, program, err);
	if (rc == 0)
		report->seccomp = program;
	return rc;
}

static int print(const struct plan_report *report, enum plan_format format, struct arena *arena,
		 struct wh_error *err)
{
	if (format == PLAN_JSON)
		return plan_report_json(stdout, report, arena, err);
	return plan_report_text(stdout, report, arena, err);
}

/** Problems are what was asked for and stand in the report; the error is their number. */
static int judge(const struct problems *problems, const char *bundle, struct wh_error *err)
{
	size_t n = problems->n_errors;

	if (n == 0)
		return 0;
	return wh_fail_kind(err, WH_ERROR_CONFIG, 0,
			    "bundle '%s': %zu problem%s, listed in the plan", bundle, n,
			    n == 1 ? "" : "s");
}

static int run(struct cli *cli, const void *data, struct wh_error *err)
{
	const struct plan_args *args = data;
	const char *bundle = cli->n_args ? cli->args[0] : ".";
	struct create_options opts = {
	    .bundle = bundle, .config = args->config, .no_pivot = args->no_pivot};
	struct loaded_config config = {.bundle = NULL};
	struct container_plan *plan = NULL;
	struct plan_report report;
	struct problems problems;
	int rc;

	opts.id = args->id ? args->id : name_of(bundle, cli->arena);
	if (!opts.id)
		return wh_oom(err);
	problems_init(&problems, cli->arena);
	rc = container_plan_load(&cli->runtime, &opts, cli->arena, &problems, &config, &plan, err);
	/* no document, or something that is nobody's mistake in it */
	if (rc < 0 && problems.n_errors == 0)
		return rc;
	report = (struct plan_report){.bundle = config.bundle, .plan = plan, .problems = &problems};
	rc = problems.n_errors ? 0 : compile_seccomp(plan, cli->arena, &report, err);
	if (rc == 0)
		rc = print(&report, (enum plan_format)args->format.value, cli->arena, err);
	return rc < 0 ? rc : judge(&problems, bundle, err);
}

const struct verb verb_plan = {
    .name = "plan",
    .summary = "print what create would do, and every problem; change nothing",
    .details = "BUNDLE defaults to the current directory. The exit status is 1 when create would "
	       "refuse it.",
    VERB_OPTIONS(plan_options),
    VERB_ARGUMENTS(plan_arguments),
    .args_size = sizeof(struct plan_args),
    .stateless = true,
    .run = run,
};
