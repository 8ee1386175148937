/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any words as a command line of each verb: never a crash, a failure has a text, and the arguments that are
 * left are words that were given. The first byte chooses the verb; words are parted by newlines.
 */
#include "base/arena.h"
#include "cmd/global_options.h"
#include "cmd/verb.h"
#include "fuzz.h"

#define WORDS_MAX 64

static bool no_command(const void *args)
{
	return false;
}

static bool was_given(const char *word, char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (words[i] == word)
			return true;
	return false;
}

static void parse(const struct verb *verb, char **argv, int argc, struct arena *arena)
{
	_Alignas(max_align_t) char args[VERB_ARGS_MAX] = {0};
	char *given[WORDS_MAX];
	struct shared_args shared = {.help = false};
	struct option_set global = {global_options, n_global_options, NULL};
	struct option_set sets[VERB_SETS_MAX];
	struct wh_error err = WH_ERROR_INIT;
	const struct option_parser parser = {
	    .sets = sets,
	    .n_sets = verb_option_sets(verb, args, &shared, sets),
	    .arguments_follow = verb->command_follows ? verb->command_follows : no_command,
	    .context = args,
	    .elsewhere = &global,
	    .elsewhere_hint = "it goes before the verb",
	    .arena = arena,
	};
	int left;

	memcpy(given, argv, (size_t)argc * sizeof(*argv));
	left = options_parse(&parser, argc, argv, &err);
	fuzz_check((left < 0) == wh_error_set(&err), "the result and the error differ");
	fuzz_check(left <= argc, "more words than were given");
	for (int i = 0; i < left; i++)
		fuzz_check(was_given(argv[i], given, argc), "a word that was not given");
	if (left >= 0 && verb->check && !shared.help && (size_t)left >= verb->n_arguments) {
		const struct cli cli = {
		    .verb = verb, .args = argv, .n_args = (size_t)left, .arena = arena};
		int rc = verb->check(&cli, args, &err);

		fuzz_check((rc < 0) == wh_error_set(&err), "the check and its error differ");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	const struct verb *verb = verbs[fuzz_choose(&bytes, n_verbs)];
	char text[2048], *rest = text;
	char *argv[WORDS_MAX];
	struct arena arena;
	int argc = 0;

	fuzz_rest(&bytes, text, sizeof(text));
	while (argc < WORDS_MAX && rest)
		argv[argc++] = strsep(&rest, "\n");
	if (arena_init(&arena, NULL) < 0)
		return 0;
	parse(verb, argv, argc, &arena);
	arena_done(&arena);
	return 0;
}
