/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/global_options.h"

#include "base/log.h"
#include "cmd/verb.h"

static const char *const log_formats[] = {
    [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL};
static const char *const log_levels[] = {[LOG_LEVEL_ERROR] = "error",
					 [LOG_LEVEL_WARNING] = "warning",
					 [LOG_LEVEL_INFO] = "info",
					 [LOG_LEVEL_DEBUG] = "debug",
					 NULL};
static const char *const cgroup_managers[] = {[CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
					      [CGROUP_MANAGER_SYSTEMD] = "systemd",
					      [CGROUP_MANAGER_DISABLED] = "disabled",
					      NULL};
static const char *const rootless_modes[] = {"true", "false", "auto", NULL};

const struct option global_options[] = {
    OPTION(
	"root", '\0', option_string, struct global_args, root, "DIR",
	"directory of the containers' state (default: /run/wherry, or wherry in $XDG_RUNTIME_DIR)",
	.complete = COMPLETE_DIRECTORY),
    OPTION("log", '\0', option_string, struct global_args, log, "FILE",
	   "append the log to FILE (default: standard error)", .complete = COMPLETE_FILE),
    OPTION("log-format", '\0', option_choice, struct global_args, log_format, "FORMAT",
	   "text (the default) or json", .choices = log_formats),
    OPTION("log-level", '\0', option_choice, struct global_args, log_level, "LEVEL",
	   "error, warning, info or debug", .choices = log_levels),
    OPTION("debug", '\0', option_flag, struct global_args, debug, NULL,
	   "the same as --log-level debug"),
    OPTION("systemd-cgroup", '\0', option_flag, struct global_args, systemd_cgroup, NULL,
	   "the same as --cgroup-manager systemd"),
    OPTION("cgroup-manager", '\0', option_choice, struct global_args, cgroup_manager, "MANAGER",
	   "cgroupfs, systemd or disabled", .choices = cgroup_managers),
    OPTION("rootless", '\0', option_choice, struct global_args, rootless, "MODE",
	   "true, false or auto; accepted and not needed", .choices = rootless_modes),
    OPTION("help", 'h', option_flag, struct global_args, help, NULL, "show this help"),
    OPTION("version", 'v', option_flag, struct global_args, version, NULL, "show the version"),
};
const size_t n_global_options = ARRAY_LEN(global_options);

const struct option help_option[1] = {
    OPTION("help", 'h', option_flag, struct shared_args, help, NULL, "show this help"),
};

const struct option trace_option[1] = {
    OPTION("trace", '\0', option_string, struct shared_args, trace, "FILE",
	   "write the timeline of all steps to FILE, for 'wherry trace' or a browser",
	   .complete = COMPLETE_FILE),
};

size_t verb_option_sets(const struct verb *verb, void *args, struct shared_args *shared,
			struct option_set *sets)
{
	const struct option_set own = {verb->options, verb->n_options, args};
	const struct option_set trace = OPTION_SET(trace_option, shared);
	const struct option_set help = OPTION_SET(help_option, shared);
	size_t count = 0;

	if (verb->n_options)
		sets[count++] = own;
	if (verb->traced)
		sets[count++] = trace;
	sets[count++] = help;
	return count;
}
