/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb is: one file, one constant of this type, one row in cmd/verbs.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "cmd/options.h"
#include "libcontainer/container.h"

/** A word after the options. */
struct argument {
	const char *name; /* "ID" */
	enum completion complete;
	bool optional;
	bool repeated; /* any number of them; the last row only */
};

/** Rows: needed, may be left out, any number of them. */
#define ARGUMENT(name_, complete_)                                                                 \
	{                                                                                          \
		.name = (name_), .complete = (complete_)                                           \
	}
#define OPTIONAL_ARGUMENT(name_, complete_)                                                        \
	{                                                                                          \
		.name = (name_), .complete = (complete_), .optional = true                         \
	}
#define REPEATED_ARGUMENT(name_, complete_)                                                        \
	{                                                                                          \
		.name = (name_), .complete = (complete_), .optional = true, .repeated = true       \
	}

/** One invocation, as main() hands it to the verb. */
struct cli {
	const struct verb *verb;
	struct runtime runtime;
	char **args; /* the words after the options, their number checked against the verb's
			arguments */
	size_t n_args;
	struct arena *arena; /* private, for what is needed until the end */
};

struct verb {
	const char *name;
	const char *summary;          /* one line, lower-case, no full stop */
	const char *details;          /* for --help; NULL: the summary says it all */
	const struct option *options; /* NULL: none of its own */
	size_t n_options;
	const struct argument *arguments;
	size_t n_arguments;
	size_t args_size;   /* of the structure that the options fill; at most VERB_ARGS_MAX, zeroed
			       before */
	int failure_status; /* exit status of a failed run, 0 = 1. A wrong command line is always 1,
			       as with runc */
	bool hidden;        /* not in the help */
	bool traced;        /* takes --trace */
	bool stateless;     /* works without a state root */
	/* NULL: options may follow arguments. Else whether what follows the first argument is a
	 * command of its own. */
	bool (*command_follows)(const void *args);
	/* NULL: nothing more. Else what the tables cannot say about the command line; @err has kind
	 * USAGE. Returns 0 or -EINVAL. */
	int (*check)(const struct cli *cli, const void *args, struct wh_error *err);
	/* NULL: no fds are passed on. Else how many from fd 3 on (--preserve-fds). */
	unsigned int (*preserved_fds)(const void *args);
	/* Returns the exit status, or -errno with @err. Prints nothing but what was asked for. */
	int (*run)(struct cli *cli, const void *args, struct wh_error *err);
};

#define VERB_ARGS_MAX         512
#define VERB_OPTIONS(array)   .options = (array), .n_options = ARRAY_LEN(array)
#define VERB_ARGUMENTS(array) .arguments = (array), .n_arguments = ARRAY_LEN(array)

/** The arguments of the many verbs that take one container. */
extern const struct argument verb_id_argument[1];

extern const struct verb verb_checkpoint;
extern const struct verb verb_completion;
extern const struct verb verb_create;
extern const struct verb verb_delete;
extern const struct verb verb_events;
extern const struct verb verb_exec;
extern const struct verb verb_features;
extern const struct verb verb_help;
extern const struct verb verb_kill;
extern const struct verb verb_list;
extern const struct verb verb_migrate;
extern const struct verb verb_mounts;
extern const struct verb verb_pause;
extern const struct verb verb_plan;
extern const struct verb verb_ps;
extern const struct verb verb_reclaim;
extern const struct verb verb_restore;
extern const struct verb verb_resume;
extern const struct verb verb_run;
extern const struct verb verb_spec;
extern const struct verb verb_start;
extern const struct verb verb_state;
extern const struct verb verb_stats;
extern const struct verb verb_trace;
extern const struct verb verb_update;

/** All verbs, sorted by name. */
extern const struct verb *const verbs[];
extern const size_t n_verbs;

/** The verb called @name, or NULL with an error that names the nearest one. */
const struct verb *verb_find(const char *name, struct wh_error *err);
