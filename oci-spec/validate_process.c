/* SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>

#include "oci-spec/types.h"
#include "oci-spec/validate.h"

void validate_process(struct field_context *ctx, const struct json_value *object,
		      const void *decoded)
{
	const struct oci_process *process = decoded;

	if (!field_in_document(object, "args"))
		field_problem_member(ctx, object, "args", "missing required property");
	else if (process->args && !process->n_args)
		field_problem_member(ctx, object, "args", "must name at least the program");
	else if (process->args && process->args[0] && !process->args[0][0])
		field_problem_member(ctx, object, "args", "the program's name is empty");
	/* config.md#posix-process: duplicated types MUST be an error */
	validate_unique(ctx, object, "rlimits", "type");
}

void validate_rlimit(struct field_context *ctx, const struct json_value *object,
		     const void *decoded)
{
	const struct oci_rlimit *rlimit = decoded;

	/* setrlimit(2): EINVAL */
	if (rlimit->soft > rlimit->hard)
		field_problem_member(ctx, object, "soft", "must not be higher than hard");
}

static uint64_t mask_of(const struct oci_capability_set *set)
{
	return set ? set->mask : 0;
}

/*
 * What the kernel cannot grant is a warning, not an error (config.md#linux-process). `runc spec` up
 * to 1.1 wrote such ambient sets.
 */
void validate_capabilities(struct field_context *ctx, const struct json_value *object,
			   const void *decoded)
{
	const struct oci_capabilities *caps = decoded;
	uint64_t permitted = mask_of(caps->permitted);

	if (mask_of(caps->effective) & ~permitted)
		field_warn_member(
		    ctx, object, "effective",
		    "holds capabilities that are not in permitted; they cannot be granted");
	if (mask_of(caps->ambient) & ~(permitted & mask_of(caps->inheritable)))
		field_warn_member(ctx, object, "ambient",
				  "holds capabilities that are not in both permitted and "
				  "inheritable; they cannot be granted");
}

static bool is_set(const uint64_t *value)
{
	return value && *value;
}

static void validate_deadline(struct field_context *ctx, const struct json_value *object,
			      const struct oci_scheduler *s)
{
	/* sched(7): runtime <= deadline <= period; a period of 0 is the deadline */
	if (!is_set(s->runtime))
		field_problem_member(ctx, object, "runtime",
				     "must be given and not 0 with SCHED_DEADLINE");
	if (!is_set(s->deadline))
		field_problem_member(ctx, object, "deadline",
				     "must be given and not 0 with SCHED_DEADLINE");
	if (!is_set(s->runtime) || !is_set(s->deadline))
		return;
	if (*s->runtime > *s->deadline)
		field_problem_member(ctx, object, "runtime", "must not be larger than deadline");
	if (is_set(s->period) && *s->deadline > *s->period)
		field_problem_member(ctx, object, "deadline", "must not be larger than period");
}

void validate_scheduler(struct field_context *ctx, const struct json_value *object,
			const void *decoded)
{
	static const char *const deadline_only[] = {"runtime", "deadline", "period"};
	const struct oci_scheduler *s = decoded;
	const uint64_t *values[] = {s->runtime, s->deadline, s->period};
	bool realtime = s->policy == SCHED_FIFO || s->policy == SCHED_RR;
	bool normal = s->policy == SCHED_OTHER || s->policy == SCHED_BATCH;

	/* 0 is what engines write for "not set". */
	if (s->nice && *s->nice && !normal)
		field_problem_member(ctx, object, "nice",
				     "has a meaning with SCHED_OTHER and SCHED_BATCH only");
	if (s->priority && *s->priority && !realtime)
		field_problem_member(ctx, object, "priority",
				     "has a meaning with SCHED_FIFO and SCHED_RR only");
	/* sched(7): 1 to 99 */
	if (realtime && (!s->priority || *s->priority < 1 || *s->priority > 99))
		field_problem_member(ctx, object, "priority",
				     "must be between 1 and 99 with SCHED_FIFO and SCHED_RR");
	if (s->policy == SCHED_DEADLINE) {
		validate_deadline(ctx, object, s);
		return;
	}
	for (size_t i = 0; i < 3; i++)
		if (is_set(values[i]))
			field_problem_member(ctx, object, deadline_only[i],
					     "has a meaning with SCHED_DEADLINE only");
}
