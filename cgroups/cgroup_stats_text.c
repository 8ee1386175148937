/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/cgroup_stats_text.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_list.h"
#include "base/str.h"

/** A stretch of a text. */
struct span {
	const char *at;
	size_t len;
};

/** Cut the next line off @text; false at its end. */
static bool next_line(const char **text, struct span *ret_line)
{
	if (!**text)
		return false;
	*ret_line = (struct span){*text, strcspn(*text, "\n")};
	*text += ret_line->len + ((*text)[ret_line->len] == '\n');
	return true;
}

/** Cut the next word off @line; false at its end. */
static bool next_word(struct span *line, struct span *ret_word)
{
	size_t blanks = 0, len = 0;

	while (blanks < line->len && line->at[blanks] == ' ')
		blanks++;
	while (blanks + len < line->len && line->at[blanks + len] != ' ')
		len++;
	*ret_word = (struct span){line->at + blanks, len};
	line->at += blanks + len;
	line->len -= blanks + len;
	return len > 0;
}

static bool span_is(const struct span *span, const char *text)
{
	return strlen(text) == span->len && memcmp(span->at, text, span->len) == 0;
}

/** All of @span as a number; "max" is UINT64_MAX. */
static bool span_number(const struct span *span, uint64_t *ret)
{
	char digits[24];

	if (span->len >= sizeof(digits))
		return false;
	memcpy(digits, span->at, span->len);
	digits[span->len] = '\0';
	if (streq(digits, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	return str_parse_u64(digits, UINT64_MAX, ret) == 0;
}

/** "12.34" as 1234: the kernel writes two digits behind the point. */
static bool span_hundredths(const struct span *span, uint64_t *ret)
{
	const char *point = memchr(span->at, '.', span->len);
	struct span whole = {span->at, point ? (size_t)(point - span->at) : span->len};
	uint64_t value;

	if (!span_number(&whole, &value) || value > UINT64_MAX / 100)
		return false;
	value *= 100;
	if (point && point + 2 < span->at + span->len && isdigit((unsigned char)point[1]) &&
	    isdigit((unsigned char)point[2]))
		value += (uint64_t)((point[1] - '0') * 10 + (point[2] - '0'));
	*ret = value;
	return true;
}

/** Split "key=value". */
static bool split_pair(const struct span *word, struct span *ret_key, struct span *ret_value)
{
	const char *equals = memchr(word->at, '=', word->len);

	if (!equals)
		return false;
	*ret_key = (struct span){word->at, (size_t)(equals - word->at)};
	*ret_value = (struct span){equals + 1, word->len - ret_key->len - 1};
	return true;
}

static size_t count_words(const char *text)
{
	size_t words = 0;
	bool inside = false;

	for (; *text; text++) {
		bool blank = *text == ' ' || *text == '\n';

		words += !blank && !inside;
		inside = !blank;
	}
	return words;
}

/* pressure */

static const struct {
	const char *key;
	size_t offset;
	bool (*parse)(const struct span *value, uint64_t *ret);
} pressure_keys[] = {
    {"avg10",  offsetof(struct oci_pressure_line, avg10),  span_hundredths},
    {"avg60",  offsetof(struct oci_pressure_line, avg60),  span_hundredths},
    {"avg300", offsetof(struct oci_pressure_line, avg300), span_hundredths},
    {"total",  offsetof(struct oci_pressure_line, total),  span_number    },
};

static void parse_pressure_line(struct span line, struct oci_pressure_line *ret)
{
	struct span word, key, value;

	while (next_word(&line, &word)) {
		if (!split_pair(&word, &key, &value))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(pressure_keys); i++)
			if (span_is(&key, pressure_keys[i].key))
				pressure_keys[i].parse(
				    &value, (uint64_t *)((char *)ret + pressure_keys[i].offset));
	}
}

int stats_text_pressure(const char *text, struct arena *arena, void *dest)
{
	struct oci_pressure *pressure = arena_new(arena, struct oci_pressure);
	struct span line, word;

	if (!pressure)
		return -ENOMEM;
	while (next_line(&text, &line)) {
		if (!next_word(&line, &word))
			continue;
		if (span_is(&word, "some"))
			parse_pressure_line(line, &pressure->some);
		else if (span_is(&word, "full"))
			parse_pressure_line(line, &pressure->full);
	}
	*(struct oci_pressure **)dest = pressure;
	return 0;
}

/* memory.stat */

int stats_text_raw(const char *text, struct arena *arena, void *dest)
{
	struct oci_memory_stats *memory = dest;
	struct span line, name, number;

	memory->raw = arena_array(arena, struct oci_named_count, count_words(text) / 2 + 1);
	if (!memory->raw)
		return -ENOMEM;
	while (next_line(&text, &line)) {
		struct oci_named_count *count = &memory->raw[memory->n_raw];

		if (!next_word(&line, &name) || !next_word(&line, &number) ||
		    !span_number(&number, &count->value))
			continue;
		count->name = arena_strndup(arena, name.at, name.len);
		if (!count->name)
			return -ENOMEM;
		memory->n_raw++;
	}
	return 0;
}

/* io.stat */

/** Version 1's names for what io.stat counts, as runc maps them. */
static const struct {
	const char *key;
	size_t list; /* in struct oci_io_stats; its length follows */
	const char *op;
} io_keys[] = {
    {"rbytes", offsetof(struct oci_io_stats, bytes),      "Read" },
    {"wbytes", offsetof(struct oci_io_stats, bytes),      "Write"},
    {"rios",   offsetof(struct oci_io_stats, operations), "Read" },
    {"wios",   offsetof(struct oci_io_stats, operations), "Write"},
};

/** A list and its length, as struct oci_io_stats has them. */
struct io_list {
	struct oci_io_entry *entries;
	size_t count;
};

static_assert(offsetof(struct oci_io_stats, n_bytes) ==
		  offsetof(struct oci_io_stats, bytes) + offsetof(struct io_list, count),
	      "a list and its length are one pair");

static void add_io(struct oci_io_stats *io, const struct oci_io_entry *device,
		   const struct span *word)
{
	struct oci_io_entry entry = *device;
	struct span key, value;

	if (!split_pair(word, &key, &value) || !span_number(&value, &entry.value))
		return;
	for (size_t i = 0; i < ARRAY_LEN(io_keys); i++) {
		struct io_list *list = (struct io_list *)((char *)io + io_keys[i].list);

		if (!span_is(&key, io_keys[i].key))
			continue;
		entry.op = io_keys[i].op;
		list->entries[list->count++] = entry;
	}
}

/** "8:0" */
static bool parse_device(const struct span *word, struct oci_io_entry *ret)
{
	const char *colon = memchr(word->at, ':', word->len);
	struct span major, minor;

	if (!colon)
		return false;
	major = (struct span){word->at, (size_t)(colon - word->at)};
	minor = (struct span){colon + 1, word->len - major.len - 1};
	return span_number(&major, &ret->major) && span_number(&minor, &ret->minor);
}

int stats_text_io(const char *text, struct arena *arena, void *dest)
{
	struct oci_io_stats *io = dest;
	size_t room = count_words(text) + 1;
	struct span line, word;

	io->bytes = arena_array(arena, struct oci_io_entry, room);
	io->operations = arena_array(arena, struct oci_io_entry, room);
	if (!io->bytes || !io->operations)
		return -ENOMEM;
	while (next_line(&text, &line)) {
		struct oci_io_entry device = {.major = 0};

		if (!next_word(&line, &word) || !parse_device(&word, &device))
			continue;
		while (next_word(&line, &word))
			add_io(io, &device, &word);
	}
	/* Go leaves an empty list out */
	if (!io->n_bytes)
		io->bytes = NULL;
	if (!io->n_operations)
		io->operations = NULL;
	return 0;
}

/* rdma.current, rdma.max */

static int parse_rdma(const char *text, struct arena *arena, struct oci_rdma_entry **ret_list,
		      size_t *ret_count)
{
	struct oci_rdma_entry *list =
	    arena_array(arena, struct oci_rdma_entry, count_words(text) + 1);
	struct span line, word, key, value;
	size_t count = 0;

	if (!list)
		return -ENOMEM;
	while (next_line(&text, &line)) {
		struct oci_rdma_entry *entry = &list[count];

		if (!next_word(&line, &word))
			continue;
		entry->device = arena_strndup(arena, word.at, word.len);
		if (!entry->device)
			return -ENOMEM;
		while (next_word(&line, &word)) {
			if (!split_pair(&word, &key, &value))
				continue;
			if (span_is(&key, "hca_handle"))
				span_number(&value, &entry->hca_handles);
			else if (span_is(&key, "hca_object"))
				span_number(&value, &entry->hca_objects);
		}
		count++;
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}

/** The member of the stats, made when the first of its two files is read. */
static struct oci_rdma_stats *rdma_stats(struct arena *arena, void *dest)
{
	struct oci_rdma_stats **rdma = dest;

	if (!*rdma)
		*rdma = arena_new(arena, struct oci_rdma_stats);
	return *rdma;
}

int stats_text_rdma_current(const char *text, struct arena *arena, void *dest)
{
	struct oci_rdma_stats *rdma = rdma_stats(arena, dest);

	return rdma ? parse_rdma(text, arena, &rdma->current, &rdma->n_current) : -ENOMEM;
}

int stats_text_rdma_limit(const char *text, struct arena *arena, void *dest)
{
	struct oci_rdma_stats *rdma = rdma_stats(arena, dest);

	return rdma ? parse_rdma(text, arena, &rdma->limit, &rdma->n_limit) : -ENOMEM;
}

/* cpuset */

/** As many processors as the kernel can be built for, and more. */
#define NUMBERS_MAX   16384
#define BITS_PER_LONG (8 * sizeof(unsigned long))

static int parse_numbers(const char *text, struct arena *arena, uint16_t **ret_list,
			 size_t *ret_count)
{
	unsigned long mask[NUMBERS_MAX / BITS_PER_LONG] = {0};
	int end = number_list_parse(text, mask, NUMBERS_MAX);
	uint16_t *list;
	size_t count = 0;

	if (end <= 0)
		return 0;
	list = arena_array(arena, uint16_t, (size_t)end);
	if (!list)
		return -ENOMEM;
	for (int i = 0; i < end; i++)
		if (mask[(size_t)i / BITS_PER_LONG] & (1UL << ((size_t)i % BITS_PER_LONG)))
			list[count++] = (uint16_t)i;
	*ret_list = list;
	*ret_count = count;
	return 0;
}

int stats_text_cpus(const char *text, struct arena *arena, void *dest)
{
	struct oci_cpuset_stats *cpuset = dest;

	return parse_numbers(text, arena, &cpuset->cpus, &cpuset->n_cpus);
}

int stats_text_mems(const char *text, struct arena *arena, void *dest)
{
	struct oci_cpuset_stats *cpuset = dest;

	return parse_numbers(text, arena, &cpuset->mems, &cpuset->n_mems);
}
