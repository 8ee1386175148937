/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/seccomp/multiplexed.h"

#include <seccomp.h>
#include <string.h>

#include "base/str.h"

/** A call that stands for others, whose numbers are from @first down to @last. */
static const struct multiplexer {
	const char *name;
	int first;
	int last;
} multiplexers[] = {
    {"socketcall", SECCOMP_MULTIPLEXED_FIRST, -199                    },
    {"ipc",        -200,		      SECCOMP_MULTIPLEXED_LAST},
};

/**
 * Which of @multiplexer's calls @name is, or 0. Its numbers are the same on all architectures that
 * have it.
 */
static unsigned int which_call(const struct multiplexer *multiplexer, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86, name);

	if (number > multiplexer->first || number < multiplexer->last)
		return 0;
	return (unsigned int)(multiplexer->first - number);
}

/** Whether rules with conditions are about one of its calls or about itself, and none without. */
static bool is_judged(const struct multiplexer *multiplexer, int number,
		      const struct seccomp_rules *rules)
{
	bool judged = false;

	for (size_t i = 0; i < rules->n; i += seccomp_rules_count(rules, i)) {
		const struct seccomp_rule *rule = &rules->rows[i];

		if (rule->number == number && rule->n_args == 0)
			return false;
		judged |= rule->n_args > 0 &&
			  (rule->number == number || which_call(multiplexer, rule->name) > 0);
	}
	return judged;
}

/** The conditions of @rule behind the one that its call is made. NULL: no memory. */
static const struct oci_seccomp_arg *conditions(const struct seccomp_rule *rule, unsigned int call,
						struct arena *arena, size_t *ret_n)
{
	struct oci_seccomp_arg *args = arena_array(arena, struct oci_seccomp_arg, rule->n_args + 1);
	size_t n = 1;

	if (!args)
		return NULL;
	args[0] = (struct oci_seccomp_arg){.index = 0, .value = call, .op = OCI_SECCOMP_EQ};
	for (size_t i = 0; i < rule->n_args; i++) {
		if (rule->args[i].index != 0)
			args[n++] = rule->args[i];
	}
	*ret_n = n;
	return args;
}

static int add_call(const struct multiplexer *multiplexer, int number,
		    const struct seccomp_rule *of, struct seccomp_rules *rules, struct arena *arena,
		    struct wh_error *err)
{
	struct seccomp_rule rule = *of;

	rule.name = multiplexer->name;
	rule.number = number;
	rule.args = conditions(of, which_call(multiplexer, of->name), arena, &rule.n_args);
	if (!rule.args)
		return wh_oom(err);
	rules->rows[rules->n++] = rule;
	return 0;
}

/** Add to @rules what the first @n of them say. */
static int add_calls(const struct multiplexer *multiplexer, int number, struct seccomp_rules *rules,
		     size_t n, struct arena *arena, struct wh_error *err)
{
	const struct seccomp_rules source = {.rows = rules->rows, .n = n};
	size_t count;
	int rc = 0;

	for (size_t i = 0; i < n; i += count) {
		size_t rows = source.rows[i].n_args == 0 ? 1 : seccomp_rules_count(&source, i);

		count = seccomp_rules_count(&source, i);
		if (which_call(multiplexer, source.rows[i].name) == 0)
			continue;
		for (size_t j = 0; j < rows && rc == 0; j++)
			rc = add_call(multiplexer, number, &source.rows[i + j], rules, arena, err);
	}
	return rc;
}

/** The same rows, with room for as many again. */
static int make_room(struct seccomp_rules *rules, struct arena *arena, struct wh_error *err)
{
	struct seccomp_rule *rows = arena_array(arena, struct seccomp_rule, 2 * rules->n);

	if (!rows)
		return wh_oom(err);
	memcpy(rows, rules->rows, rules->n * sizeof(*rows));
	rules->rows = rows;
	return 0;
}

int seccomp_multiplexed_add(struct seccomp_rules *rules, struct arena *arena, struct wh_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(multiplexers); i++) {
		int number = seccomp_syscall_resolve_name(multiplexers[i].name);
		int rc;

		if (!is_judged(&multiplexers[i], number, rules))
			continue;
		rc = make_room(rules, arena, err);
		if (rc == 0)
			rc = add_calls(&multiplexers[i], number, rules, rules->n, arena, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
