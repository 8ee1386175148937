/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/global_options.h"

#include "base/log.h"
#include "cmd/verb.h"

static const char *const log_formats[] = { [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL };
static const char *const log_levels[] = { [LOG_LEVEL_ERROR] = "error",
					  [LOG_LEVEL_WARNING] = "warning",
					  [LOG_LEVEL_INFO] = "info",
					  [LOG_LEVEL_DEBUG] = "debug",
					  NULL };
static const char *const cgroup_managers[] = { [CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
					       [CGROUP_MANAGER_SYSTEMD] = "systemd",
					       [CGROUP_MANAGER_DISABLED] = "disabled",
					       NULL };
static const char *const rootless_modes[] = { "true", "false", "auto", NULL };

#define IN_GLOBAL(member) offsetof(struct global_args, member)

const struct option global_options[] = {
	{ "root", '\0', &option_string, IN_GLOBAL(root), "DIR",
	  "directory of the containers' state (default: /run/wherry, or wherry in $XDG_RUNTIME_DIR)",
	  .complete = COMPLETE_DIRECTORY },
	{ "log", '\0', &option_string, IN_GLOBAL(log), "FILE", "append the log to FILE (default: standard error)",
	  .complete = COMPLETE_FILE },
	{ "log-format", '\0', &option_choice, IN_GLOBAL(log_format), "FORMAT", "text (the default) or json",
	  .choices = log_formats },
	{ "log-level", '\0', &option_choice, IN_GLOBAL(log_level), "LEVEL", "error, warning, info or debug",
	  .choices = log_levels },
	{ "debug", '\0', &option_flag, IN_GLOBAL(debug), NULL, "the same as --log-level debug" },
	{ "systemd-cgroup", '\0', &option_flag, IN_GLOBAL(systemd_cgroup), NULL, "the same as --cgroup-manager systemd" },
	{ "cgroup-manager", '\0', &option_choice, IN_GLOBAL(cgroup_manager), "MANAGER", "cgroupfs, systemd or disabled",
	  .choices = cgroup_managers },
	{ "rootless", '\0', &option_choice, IN_GLOBAL(rootless), "MODE", "true, false or auto; accepted and not needed",
	  .choices = rootless_modes },
	{ "help", 'h', &option_flag, IN_GLOBAL(help), NULL, "show this help" },
	{ "version", 'v', &option_flag, IN_GLOBAL(version), NULL, "show the version" },
};
const size_t n_global_options = ARRAY_LEN(global_options);

const struct option help_option[1] = {
	{ "help", 'h', &option_flag, offsetof(struct shared_args, help), NULL, "show this help" },
};

const struct option trace_option[1] = {
	{ "trace", '\0', &option_string, offsetof(struct shared_args, trace), "FILE",
	  "write the timeline of all steps to FILE, for 'wherry trace' or a browser", .complete = COMPLETE_FILE },
};

size_t verb_option_sets(const struct verb *verb, void *args, struct shared_args *shared, struct option_set *sets)
{
	size_t count = 0;

	if (verb->n_options)
		sets[count++] = (struct option_set){ verb->options, verb->n_options, args };
	if (verb->traced)
		sets[count++] = (struct option_set)OPTION_SET(trace_option, shared);
	sets[count++] = (struct option_set)OPTION_SET(help_option, shared);
	return count;
}
