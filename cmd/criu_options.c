/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/criu_options.h"

#include <stdio.h>
#include <unistd.h>

#include "base/str.h"

const char *const criu_cgroups_modes[] = {"soft", "full", "strict", "ignore", NULL};
const char *const criu_network_locks[] = {"iptables", "nftables", "skip", NULL};

static const enum checkpoint_cgroups modes[] = {CHECKPOINT_CGROUPS_SOFT, CHECKPOINT_CGROUPS_FULL,
						CHECKPOINT_CGROUPS_STRICT,
						CHECKPOINT_CGROUPS_IGNORE};
static const enum criu_network_lock locks[] = {CRIU_NETWORK_LOCK_IPTABLES,
					       CRIU_NETWORK_LOCK_NFTABLES, CRIU_NETWORK_LOCK_SKIP};

int criu_args_check(const struct criu_args *args, struct wh_error *err)
{
	for (size_t i = 0; i < args->empty_ns.count; i++) {
		if (!streq(args->empty_ns.items[i], "network"))
			return wh_fail_kind(err, WH_ERROR_USAGE, 0,
					    "--empty-ns '%s': only network can be left out",
					    args->empty_ns.items[i]);
	}
	if (args->choices.tcp_established && args->choices.tcp_close)
		return wh_fail_kind(err, WH_ERROR_USAGE, 0,
				    "--tcp-established and --tcp-close exclude each other");
	return 0;
}

struct criu_choices criu_args_choices(const struct criu_args *args)
{
	struct criu_choices choices = args->choices;

	choices.empty_network = args->empty_ns.count > 0;
	if (args->cgroups_mode.given)
		choices.cgroups = modes[args->cgroups_mode.value];
	if (args->network_lock.given)
		choices.network_lock = locks[args->network_lock.value];
	return choices;
}

static void print_progress(void *ctx, const char *text)
{
	fprintf(stderr, "wherry: %s\n", text);
}

archive_progress_fn criu_progress(void)
{
	return isatty(STDERR_FILENO) ? print_progress : NULL;
}
