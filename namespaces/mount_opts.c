/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of mount options. */
#include "namespaces/mount_opts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "base/sys.h"

struct mount_option;

/** What a kind of option does to the sum, and whether the sum shows it. */
struct option_kind {
	void (*add)(struct mount_flags *flags, const struct mount_option *option);
	bool (*shown)(const struct mount_flags *flags, const struct mount_option *option);
};

struct mount_option {
	const struct option_kind *kind;
	uint64_t value;      /* MOUNT_ATTR_*, MS_* or MOUNT_EXT_*: the kind's */
	const char *sb_flag; /* super-block flag that it sets or clears as well */
};

static bool has_sb_flag(const struct mount_flags *flags, const char *name)
{
	for (uint32_t i = 0; i < flags->n_sb_flags; i++) {
		if (streq(flags->sb_flags[i], name))
			return true;
	}
	return false;
}

/* The array has room for one flag an option; the names are copied into the arena when all options
 * are known. */
static void set_sb_flag(struct mount_flags *flags, const char *name)
{
	if (name && !has_sb_flag(flags, name))
		flags->sb_flags[flags->n_sb_flags++] = name;
}

static void clear_sb_flag(struct mount_flags *flags, const char *name)
{
	uint32_t kept = 0;

	if (!name)
		return;
	for (uint32_t i = 0; i < flags->n_sb_flags; i++) {
		if (!streq(flags->sb_flags[i], name))
			flags->sb_flags[kept++] = flags->sb_flags[i];
	}
	flags->n_sb_flags = kept;
}

static void set_bits(uint64_t *set, uint64_t *clr, uint64_t value)
{
	*set |= value;
	*clr &= ~value;
}

static void clear_bits(uint64_t *set, uint64_t *clr, uint64_t value)
{
	*set &= ~value;
	*clr |= value;
}

/* The access times are one field of several values, which mount_setattr(2) wants cleared whole
 * before a value is set. */
static void set_atime_value(uint64_t *set, uint64_t *clr, uint64_t value)
{
	*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | value;
	*clr |= MOUNT_ATTR__ATIME;
}

/* Back to the default, relatime, unless another value was chosen meanwhile. */
static void unset_atime_value(uint64_t *set, uint64_t *clr, uint64_t value)
{
	if ((*set & MOUNT_ATTR__ATIME) == value)
		*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
	*clr |= MOUNT_ATTR__ATIME;
}

static bool atime_is(uint64_t set, uint64_t clr, uint64_t value)
{
	return (clr & MOUNT_ATTR__ATIME) && (set & MOUNT_ATTR__ATIME) == value;
}

static void add_attr_on(struct mount_flags *flags, const struct mount_option *option)
{
	set_bits(&flags->attr_set, &flags->attr_clr, option->value);
	set_sb_flag(flags, option->sb_flag);
}

static bool shown_attr_on(const struct mount_flags *flags, const struct mount_option *option)
{
	return (flags->attr_set & option->value) != 0;
}

static void add_attr_off(struct mount_flags *flags, const struct mount_option *option)
{
	clear_bits(&flags->attr_set, &flags->attr_clr, option->value);
	clear_sb_flag(flags, option->sb_flag);
}

static bool shown_attr_off(const struct mount_flags *flags, const struct mount_option *option)
{
	return (flags->attr_clr & option->value) != 0;
}

static void add_rec_on(struct mount_flags *flags, const struct mount_option *option)
{
	set_bits(&flags->rec_attr_set, &flags->rec_attr_clr, option->value);
}

static bool shown_rec_on(const struct mount_flags *flags, const struct mount_option *option)
{
	return (flags->rec_attr_set & option->value) != 0;
}

static void add_rec_off(struct mount_flags *flags, const struct mount_option *option)
{
	clear_bits(&flags->rec_attr_set, &flags->rec_attr_clr, option->value);
}

static bool shown_rec_off(const struct mount_flags *flags, const struct mount_option *option)
{
	return (flags->rec_attr_clr & option->value) != 0;
}

static void add_atime_on(struct mount_flags *flags, const struct mount_option *option)
{
	set_atime_value(&flags->attr_set, &flags->attr_clr, option->value);
}

static bool shown_atime_on(const struct mount_flags *flags, const struct mount_option *option)
{
	return atime_is(flags->attr_set, flags->attr_clr, option->value);
}

static void add_atime_off(struct mount_flags *flags, const struct mount_option *option)
{
	unset_atime_value(&flags->attr_set, &flags->attr_clr, option->value);
}

static void add_rec_atime_on(struct mount_flags *flags, const struct mount_option *option)
{
	set_atime_value(&flags->rec_attr_set, &flags->rec_attr_clr, option->value);
}

static bool shown_rec_atime_on(const struct mount_flags *flags, const struct mount_option *option)
{
	return atime_is(flags->rec_attr_set, flags->rec_attr_clr, option->value);
}

static void add_rec_atime_off(struct mount_flags *flags, const struct mount_option *option)
{
	unset_atime_value(&flags->rec_attr_set, &flags->rec_attr_clr, option->value);
}

static void add_sb_on(struct mount_flags *flags, const struct mount_option *option)
{
	set_sb_flag(flags, option->sb_flag);
}

static bool shown_sb_on(const struct mount_flags *flags, const struct mount_option *option)
{
	return has_sb_flag(flags, option->sb_flag);
}

static void add_sb_off(struct mount_flags *flags, const struct mount_option *option)
{
	clear_sb_flag(flags, option->sb_flag);
}

static void add_propagation(struct mount_flags *flags, const struct mount_option *option)
{
	flags->propagation = option->value & ~(uint64_t)MS_REC;
	flags->propagation_recursive = (option->value & MS_REC) != 0;
}

static bool shown_propagation(const struct mount_flags *flags, const struct mount_option *option)
{
	uint64_t value = flags->propagation | (flags->propagation_recursive ? MS_REC : 0);

	return flags->propagation != 0 && value == option->value;
}

static void add_ext(struct mount_flags *flags, const struct mount_option *option)
{
	flags->ext |= (uint32_t)option->value;
}

/* rbind holds two bits and bind one of them. */
static bool shown_ext(const struct mount_flags *flags, const struct mount_option *option)
{
	uint64_t kin =
	    option->value & MOUNT_EXT_BIND ? MOUNT_EXT_BIND | MOUNT_EXT_RECURSIVE : option->value;

	return (flags->ext & kin) == option->value;
}

static void add_nothing(struct mount_flags *flags, const struct mount_option *option)
{
}

static bool shown_never(const struct mount_flags *flags, const struct mount_option *option)
{
	return false;
}

static const struct option_kind attr_on = {add_attr_on, shown_attr_on};
static const struct option_kind attr_off = {add_attr_off, shown_attr_off};
static const struct option_kind rec_on = {add_rec_on, shown_rec_on};
static const struct option_kind rec_off = {add_rec_off, shown_rec_off};
static const struct option_kind atime_on = {add_atime_on, shown_atime_on};
static const struct option_kind atime_off = {add_atime_off, shown_never};
static const struct option_kind rec_atime_on = {add_rec_atime_on, shown_rec_atime_on};
static const struct option_kind rec_atime_off = {add_rec_atime_off, shown_never};
static const struct option_kind sb_on = {add_sb_on, shown_sb_on};
static const struct option_kind sb_off = {add_sb_off, shown_never};
static const struct option_kind propagation = {add_propagation, shown_propagation};
static const struct option_kind ext = {add_ext, shown_ext};
/* `defaults` is what holds without options; relatime is the kernel's default already, so that its
 * absence changes nothing. */
static const struct option_kind nothing = {add_nothing, shown_never};

/* One row an option, in alphabetical order, as the specification's table has them: name, kind,
 * value, super-block flag. */
#define MOUNT_OPTIONS(X)                                                                           \
	X("async", &sb_off, 0, "sync")                                                             \
	X("atime", &atime_off, MOUNT_ATTR_NOATIME, NULL)                                           \
	X("bind", &ext, MOUNT_EXT_BIND, NULL)                                                      \
	X("defaults", &nothing, 0, NULL)                                                           \
	X("dev", &attr_off, MOUNT_ATTR_NODEV, NULL)                                                \
	X("diratime", &attr_off, MOUNT_ATTR_NODIRATIME, NULL)                                      \
	X("dirsync", &sb_on, 0, "dirsync")                                                         \
	X("exec", &attr_off, MOUNT_ATTR_NOEXEC, NULL)                                              \
	X("idmap", &ext, MOUNT_EXT_IDMAP, NULL)                                                    \
	X("iversion", &sb_on, 0, "iversion")                                                       \
	X("lazytime", &sb_on, 0, "lazytime")                                                       \
	X("loud", &sb_off, 0, "silent")                                                            \
	X("mand", &sb_on, 0, "mand")                                                               \
	X("noatime", &atime_on, MOUNT_ATTR_NOATIME, NULL)                                          \
	X("nodev", &attr_on, MOUNT_ATTR_NODEV, NULL)                                               \
	X("nodiratime", &attr_on, MOUNT_ATTR_NODIRATIME, NULL)                                     \
	X("noexec", &attr_on, MOUNT_ATTR_NOEXEC, NULL)                                             \
	X("noiversion", &sb_off, 0, "iversion")                                                    \
	X("nolazytime", &sb_off, 0, "lazytime")                                                    \
	X("nomand", &sb_off, 0, "mand")                                                            \
	X("norelatime", &nothing, 0, NULL)                                                         \
	X("nostrictatime", &atime_off, MOUNT_ATTR_STRICTATIME, NULL)                               \
	X("nosuid", &attr_on, MOUNT_ATTR_NOSUID, NULL)                                             \
	X("nosymfollow", &attr_on, MOUNT_ATTR_NOSYMFOLLOW, NULL)                                   \
	X("private", &propagation, MS_PRIVATE, NULL)                                               \
	X("ratime", &rec_atime_off, MOUNT_ATTR_NOATIME, NULL)                                      \
	X("rbind", &ext, MOUNT_EXT_BIND | MOUNT_EXT_RECURSIVE, NULL)                               \
	X("rdev", &rec_off, MOUNT_ATTR_NODEV, NULL)                                                \
	X("rdiratime", &rec_off, MOUNT_ATTR_NODIRATIME, NULL)                                      \
	X("relatime", &atime_on, MOUNT_ATTR_RELATIME, NULL)                                        \
	X("remount", &ext, MOUNT_EXT_REMOUNT, NULL)                                                \
	X("rexec", &rec_off, MOUNT_ATTR_NOEXEC, NULL)                                              \
	X("ridmap", &ext, MOUNT_EXT_RIDMAP, NULL)                                                  \
	X("rnoatime", &rec_atime_on, MOUNT_ATTR_NOATIME, NULL)                                     \
	X("rnodev", &rec_on, MOUNT_ATTR_NODEV, NULL)                                               \
	X("rnodiratime", &rec_on, MOUNT_ATTR_NODIRATIME, NULL)                                     \
	X("rnoexec", &rec_on, MOUNT_ATTR_NOEXEC, NULL)                                             \
	X("rnorelatime", &nothing, 0, NULL)                                                        \
	X("rnostrictatime", &rec_atime_off, MOUNT_ATTR_STRICTATIME, NULL)                          \
	X("rnosuid", &rec_on, MOUNT_ATTR_NOSUID, NULL)                                             \
	X("rnosymfollow", &rec_on, MOUNT_ATTR_NOSYMFOLLOW, NULL)                                   \
	X("ro", &attr_on, MOUNT_ATTR_RDONLY, "ro")                                                 \
	X("rprivate", &propagation, MS_PRIVATE | MS_REC, NULL)                                     \
	X("rrelatime", &rec_atime_on, MOUNT_ATTR_RELATIME, NULL)                                   \
	X("rro", &rec_on, MOUNT_ATTR_RDONLY, NULL)                                                 \
	X("rrw", &rec_off, MOUNT_ATTR_RDONLY, NULL)                                                \
	X("rshared", &propagation, MS_SHARED | MS_REC, NULL)                                       \
	X("rslave", &propagation, MS_SLAVE | MS_REC, NULL)                                         \
	X("rstrictatime", &rec_atime_on, MOUNT_ATTR_STRICTATIME, NULL)                             \
	X("rsuid", &rec_off, MOUNT_ATTR_NOSUID, NULL)                                              \
	X("rsymfollow", &rec_off, MOUNT_ATTR_NOSYMFOLLOW, NULL)                                    \
	X("runbindable", &propagation, MS_UNBINDABLE | MS_REC, NULL)                               \
	X("rw", &attr_off, MOUNT_ATTR_RDONLY, "ro")                                                \
	X("shared", &propagation, MS_SHARED, NULL)                                                 \
	X("silent", &sb_on, 0, "silent")                                                           \
	X("slave", &propagation, MS_SLAVE, NULL)                                                   \
	X("strictatime", &atime_on, MOUNT_ATTR_STRICTATIME, NULL)                                  \
	X("suid", &attr_off, MOUNT_ATTR_NOSUID, NULL)                                              \
	X("symfollow", &attr_off, MOUNT_ATTR_NOSYMFOLLOW, NULL)                                    \
	X("sync", &sb_on, 0, "sync")                                                               \
	X("tmpcopyup", &ext, MOUNT_EXT_TMPCOPYUP, NULL)                                            \
	X("unbindable", &propagation, MS_UNBINDABLE, NULL)

#define OPTION_ROW(name, kind, value, sb_flag) {kind, value, sb_flag},
#define NAME_ROW(name, kind, value, sb_flag)   {name, 0},
static const struct mount_option options_table[] = {MOUNT_OPTIONS(OPTION_ROW)};
static const struct name_value option_names[] = {MOUNT_OPTIONS(NAME_ROW)};
static_assert(ARRAY_LEN(options_table) == ARRAY_LEN(option_names),
	      "both are made of the same rows");

const struct name_table mount_option_names = NAME_TABLE(option_names);

/* Inline maps ("idmap=uids=...;gids=...") are a peer's extension: the request is known, so that it
 * is not taken for data. */
static uint32_t inline_idmap(const char *option)
{
	if (str_after(option, "idmap="))
		return MOUNT_EXT_IDMAP;
	return str_after(option, "ridmap=") ? MOUNT_EXT_RIDMAP : 0;
}

static int add_param(struct mount_flags *flags, const char *option, struct arena *arena,
		     struct wh_error *err)
{
	const char *equals = strchr(option, '=');
	const char **pair = &flags->params[2 * flags->n_params];

	pair[0] = equals ? arena_strndup(arena, option, (size_t)(equals - option))
			 : arena_strdup(arena, option);
	pair[1] = equals ? arena_strdup(arena, equals + 1) : NULL;
	if (!pair[0] || (equals && !pair[1]))
		return wh_oom(err);
	flags->n_params++;
	return 0;
}

static int add_option(struct mount_flags *flags, const char *option, struct arena *arena,
		      struct wh_error *err)
{
	const struct name_value *name = name_table_find(&mount_option_names, option);
	const struct mount_option *row;

	if (name) {
		row = &options_table[name - option_names];
		row->kind->add(flags, row);
		return 0;
	}
	if (inline_idmap(option)) {
		flags->ext |= inline_idmap(option);
		return 0;
	}
	return option[0] ? add_param(flags, option, arena, err) : 0;
}

int mount_opts_parse(const char *const *options, size_t count, struct arena *arena,
		     struct mount_flags *ret_flags, struct wh_error *err)
{
	struct mount_flags flags = {.attr_set = 0};
	int rc;

	flags.sb_flags = arena_array(arena, const char *, count + 1);
	flags.params = arena_array(arena, const char *, 2 * count + 1);
	if (!flags.sb_flags || !flags.params)
		return wh_oom(err);
	for (size_t i = 0; i < count; i++) {
		rc = add_option(&flags, options[i], arena, err);
		if (rc < 0)
			return rc;
	}
	/* init, another program, reads them: nothing may point to this one's constants */
	for (uint32_t i = 0; i < flags.n_sb_flags; i++) {
		flags.sb_flags[i] = arena_strdup(arena, flags.sb_flags[i]);
		if (!flags.sb_flags[i])
			return wh_oom(err);
	}
	*ret_flags = flags;
	return 0;
}

static const char *append_word(struct arena *arena, const char *text, const char *word,
			       const char *value)
{
	if (!text)
		return NULL;
	return arena_printf(arena, "%s%s%s%s%s", text, text[0] ? "," : "", word, value ? "=" : "",
			    value ? value : "");
}

const char *mount_flags_describe(const struct mount_flags *flags, struct arena *arena)
{
	const char *text = "";

	for (size_t i = 0; i < ARRAY_LEN(options_table); i++) {
		if (options_table[i].kind->shown(flags, &options_table[i]))
			text = append_word(arena, text, option_names[i].name, NULL);
	}
	for (uint32_t i = 0; i < flags->n_params; i++)
		text = append_word(arena, text, flags->params[2 * i], flags->params[2 * i + 1]);
	return text;
}
