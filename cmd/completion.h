/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts for the shells' completion, made from the tables of verbs and options. */
#pragma once

#include <stdio.h>

#include "cmd/options.h"

struct verb;

void completion_bash(FILE *out);
void completion_zsh(FILE *out);
void completion_fish(FILE *out);
/** Every option as "VERB --name -x ARGUMENT", "-" for what there is not and for the verb of a
 * global option: for the check of the man pages. */
void completion_list(FILE *out);

/** One option of what a command line may have: @verb is whose it is, "" where it is a global one. */
typedef void (*completion_option_fn)(FILE *out, const char *verb, const struct option *option);
/** Have @print write to @out of every option: the global ones, then those of each verb that is not hidden. */
void completion_each_option(FILE *out, completion_option_fn print);
/** The words that @option takes (option_choice), blanks between them. */
void completion_print_choices(FILE *out, const struct option *option);
/** The names of all signals, blanks between them. */
void completion_print_signals(FILE *out);

/** What is completed at the @index-th argument of @verb (from 0); beyond the last of them, what the
 * last says if it repeats. */
enum completion completion_at(const struct verb *verb, size_t index);
