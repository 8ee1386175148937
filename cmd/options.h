/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of options a verb. Parsing, --help, the usage line of an error, shell completion and
 * the check of the man pages all read the same rows.
 *
 * Forms: --name value, --name=value, -name and -name=value (as runc's Go parser takes them), -x
 * value, -xvalue, -x=value, clusters of flags (-df), and "--" as the end of the options. A flag
 * takes =true or =false.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"

/** What a shell offers where a value is to be typed. */
enum completion {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_DIRECTORY,
	COMPLETE_CONTAINER,
	COMPLETE_SIGNAL,
	COMPLETE_COMMAND
};

struct option;

/** How an option's value is stored; the kinds are the constants below. */
struct option_type {
	bool takes_value;
	/* @text: the value, or NULL for a flag without one. Returns 0 or -EINVAL with an error that
	 * does not name the option. */
	int (*store)(const struct option *option, const char *text, void *dest, struct arena *arena,
		     struct wh_error *err);
};

/** Destination types, one a kind. */
struct string_list {
	const char **items; /* in the arena */
	size_t count;
};

struct choice {
	bool given;
	int value; /* index into the option's choices; 0 until given */
};

extern const struct option_type option_flag;   /* bool */
extern const struct option_type option_string; /* const char *, lent from argv */
extern const struct option_type option_count;  /* unsigned int */
/* A pointer into the arena; NULL until given. */
extern const struct option_type option_i64;      /* const int64_t * */
extern const struct option_type option_u64;      /* const uint64_t * */
extern const struct option_type option_size;     /* const int64_t *, bytes; -1 is unlimited */
extern const struct option_type option_duration; /* const int64_t *, milliseconds, > 0 */
extern const struct option_type option_list;   /* struct string_list; may be given more than once */
extern const struct option_type option_choice; /* struct choice */

struct option {
	const char *name; /* long name, without dashes */
	char letter;      /* short name, '\0' = none */
	const struct option_type *type;
	size_t offset;              /* of the destination in the verb's structure of arguments */
	const char *argument;       /* the value's name in help: "FILE" */
	const char *help;           /* one sentence, lower-case, no full stop */
	const char *const *choices; /* option_choice: the words, NULL-terminated */
	enum completion complete;
};

/** A row. @member_ of @structure_ receives the value; what follows the help are further members:
 * `.choices = words`. */
#define OPTION(name_, letter_, type_, structure_, member_, argument_, help_, ...)                  \
	{                                                                                          \
		.name = (name_), .letter = (letter_), .type = &(type_),                            \
		.offset = offsetof(structure_, member_), .argument = (argument_), .help = (help_), \
		__VA_ARGS__                                                                        \
	}

/** Rows and the structure that they fill. A parser takes several: the verb's own and those shared
 * by many. */
struct option_set {
	const struct option *options;
	size_t count;
	void *dest;
};

#define OPTION_SET(array, destination)                                                             \
	{                                                                                          \
		.options = (array), .count = sizeof(array) / sizeof((array)[0]),                   \
		.dest = (destination)                                                              \
	}

struct option_parser {
	const struct option_set *sets;
	size_t n_sets;
	/* NULL: options and arguments may mix. Else asked at the first argument: whether all that
	 * follows it are arguments (a command). */
	bool (*arguments_follow)(const void *context);
	const void *context;
	/* NULL, or options that belong elsewhere, and what to say of one: "it goes before the verb"
	 */
	const struct option_set *elsewhere;
	const char *elsewhere_hint;
	struct arena *arena;
};

/**
 * Take the options out of @argv (@argc words, without the verb's name). The arguments that remain
 * are moved to its front.
 *
 * Returns their number, or -EINVAL with kind USAGE: "unknown option '--x'", "flag needs an
 * argument: --x" (a text that Podman looks for), "invalid value 'y' for --x: ...".
 */
int options_parse(const struct option_parser *parser, int argc, char **argv, struct wh_error *err);

/** The row called @name in @sets, or NULL. */
const struct option *options_find(const struct option_set *sets, size_t n_sets, const char *name,
				  size_t len);
/** Print the rows of all sets as one table for --help. */
void options_print(FILE *out, const struct option_set *sets, size_t n_sets);
