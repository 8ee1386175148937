/* SPDX-License-Identifier: Apache-2.0 */
/* A container plan for a person, and for a program. */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"
#include "libcontainer/container_plan.h"
#include "oci-spec/problems.h"

struct plan_report {
	const char *bundle;                /* absolute */
	const struct container_plan *plan; /* NULL: the document is too broken for one */
	const struct problems *problems;
	const struct seccomp_program *seccomp; /* compiled; NULL: none */
};

/** How a namespace of one type comes about. */
struct plan_namespace {
	const char *type; /* "pid" */
	const char *mode; /* "new", "joined", "inherited" */
	const char *path; /* of a joined one */
};

/** What @plan does about the namespace of row @index of oci_namespace_types. */
struct plan_namespace plan_namespace_at(const struct ns_plan *plan, size_t index);
/** "fs", "bind", "cgroup", "remount". */
const char *plan_mount_kind(enum mount_kind kind);
/** "rslave", "private", ... for MS_* flags. */
const char *plan_propagation(uint64_t propagation, bool recursive);

/** One of the six kinds of hooks: its name in the document and its list. */
struct plan_hooks {
	const char *kind;
	const struct oci_hook *hooks;
	size_t count;
};

#define PLAN_HOOK_KINDS 6

/** The lists of @hooks in the order in which they run. */
void plan_hook_lists(const struct oci_hooks *hooks, struct plan_hooks ret_lists[PLAN_HOOK_KINDS]);

/** One of the five capability sets. */
struct plan_capability_set {
	const char *name;
	uint64_t mask;
};

#define PLAN_CAPABILITY_SETS 5

void plan_capability_sets(const struct process_plan *process,
			  struct plan_capability_set ret_sets[PLAN_CAPABILITY_SETS]);

/** Write the report as text in sections. Returns 0 or -ENOMEM. */
int plan_report_text(FILE *out, const struct plan_report *report, struct arena *arena,
		     struct wh_error *err);
/** Write the report as one indented JSON document. Returns 0 or -ENOMEM. */
int plan_report_json(FILE *out, const struct plan_report *report, struct arena *arena,
		     struct wh_error *err);
