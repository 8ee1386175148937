/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/verb.h"

#include <string.h>

#include "cmd/suggest.h"

const struct verb *const verbs[] = {
    &verb_checkpoint, &verb_completion, &verb_create, &verb_delete, &verb_events,
    &verb_exec,       &verb_features,   &verb_help,   &verb_kill,   &verb_list,
    &verb_migrate,    &verb_mounts,     &verb_pause,  &verb_plan,   &verb_ps,
    &verb_reclaim,    &verb_restore,    &verb_resume, &verb_run,    &verb_spec,
    &verb_start,      &verb_state,      &verb_stats,  &verb_trace,  &verb_update,
};
const size_t n_verbs = ARRAY_LEN(verbs);

const struct argument verb_id_argument[1] = {
    ARGUMENT("ID", COMPLETE_CONTAINER),
};

const struct verb *verb_find(const char *name, struct wh_error *err)
{
	struct suggestion meant = suggestion_start(name, strlen(name));

	for (size_t i = 0; i < n_verbs; i++) {
		if (streq(verbs[i]->name, name))
			return verbs[i];
		if (!verbs[i]->hidden)
			suggestion_consider(&meant, verbs[i]->name);
	}
	if (meant.word)
		wh_fail_kind(err, WH_ERROR_USAGE, 0, "unknown verb '%s'; did you mean '%s'?", name,
			     meant.word);
	else
		wh_fail_kind(err, WH_ERROR_USAGE, 0,
			     "unknown verb '%s'; 'wherry --help' lists them", name);
	return NULL;
}
