/* SPDX-License-Identifier: Apache-2.0 */
/* The options before the verb, and the ones that every verb has. */
#pragma once

#include "cmd/options.h"

struct global_args {
	const char *root;
	const char *log;
	struct choice log_format;
	struct choice log_level;
	struct choice cgroup_manager;
	struct choice rootless;
	bool debug;
	bool systemd_cgroup;
	bool version;
	bool help;
};

extern const struct option global_options[];
extern const size_t n_global_options;

/** What the verbs share, filled beside each verb's own options. */
struct shared_args {
	bool help;
	const char *trace;
};

extern const struct option help_option[1];
extern const struct option trace_option[1];

struct verb;

#define VERB_SETS_MAX 3

/** The option sets of @verb into @sets (VERB_SETS_MAX), the verb's own first. @args and @shared
 * receive the values. Returns their number. */
size_t verb_option_sets(const struct verb *verb, void *args, struct shared_args *shared,
			struct option_set *sets);
