/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: one row a property. The same rows decode a JSON tree into a struct, write the
 * struct as JSON, and list what is known. A row carries the name, the destination and the handlers,
 * so that a new property is one row and one member.
 *
 *	static const struct field hook_fields[] = {
 *		FIELD(oci_hook, "path", path, field_string, &absolute_path, FIELD_REQUIRED),
 *		FIELD_LIST(oci_hook, "args", args, &field_string_element, 0),
 *		FIELD(oci_hook, "timeout", timeout, field_i64, &positive, FIELD_POINTER),
 *	};
 *	static const struct object_type hook_type = OBJECT_TYPE(oci_hook, hook_fields, .check =
 * validate_hook);
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/name_table.h"
#include "oci-spec/json_place.h"
#include "oci-spec/json_writer.h"

struct field_context;
struct field;

/** How values of one kind are read and written. */
struct field_type {
	const char *expected; /* "an unsigned integer": for "expected ..., found a string" */
	size_t size; /* of the value in memory; 0: of the struct that the field's object_type
			describes */
	/** Decode @value into the member at @dest. Returns 0, or -EINVAL after adding a problem. */
	int (*decode)(struct field_context *ctx, const struct field *field,
		      const struct json_value *value, void *dest);
	/** Whether the member at @src is there to be written. NULL: always. */
	bool (*present)(const struct field *field, const void *src);
	/** Write the member at @src. */
	void (*encode)(struct json_writer *writer, const struct field *field, const void *src);
};

struct field {
	const char *name; /* the property; NULL for an element of an array or map */
	const struct field_type *type;
	size_t offset;       /* of the member in its struct */
	size_t count_offset; /* lists and maps: of the member that holds the length; flags: of the
				has_ member */
	const void *param;   /* what the type needs, named at its declaration */
	unsigned int flags;  /* FIELD_* */
};

#define FIELD_REQUIRED (1U << 0) /* an error when absent; always written */
#define FIELD_ALWAYS   (1U << 1) /* written even when false, zero or empty */
#define FIELD_POINTER  (1U << 2) /* the member points at the value; NULL = absent */

/** What a JSON object becomes. */
struct object_type {
	const struct field *fields;
	size_t n_fields; /* at most 64 */
	size_t size;     /* of the struct */
	/** Rules between properties, after all of them were decoded without a problem. Adds
	 * problems. NULL: none. */
	void (*check)(struct field_context *ctx, const struct json_value *object,
		      const void *decoded);
	/**
	 * Call check() also when something below was wrong, so that its findings are not hidden; it
	 * then has to ask the document (json_member()) whether something is absent.
	 */
	bool check_always;
};

#define FIELD(struct_, name_, member_, type_, param_, flags_)                                      \
	{                                                                                          \
		.name = (name_), .type = &(type_), .offset = offsetof(struct struct_, member_),    \
		.param = (param_), .flags = (flags_)                                               \
	}
/** An array: the member is a pointer to @element_'s type, its length is the member n_@member_. */
#define FIELD_LIST(struct_, name_, member_, element_, flags_)                                      \
	{                                                                                          \
		.name = (name_), .type = &field_list, .offset = offsetof(struct struct_, member_), \
		.count_offset = offsetof(struct struct_, n_##member_), .param = (element_),        \
		.flags = (flags_)                                                                  \
	}
/** An object with arbitrary keys: the same, as an array of structs that hold key and value. */
#define FIELD_MAP(struct_, name_, member_, map_type_, flags_)                                      \
	{                                                                                          \
		.name = (name_), .type = &field_map, .offset = offsetof(struct struct_, member_),  \
		.count_offset = offsetof(struct struct_, n_##member_), .param = (map_type_),       \
		.flags = (flags_)                                                                  \
	}
/** An array of names, or-ed into a uint64_t; whether it was there is the member has_@member_.
 * @enum_: struct enum_type. */
#define FIELD_FLAGS(struct_, name_, member_, enum_, flags_)                                        \
	{                                                                                          \
		.name = (name_), .type = &field_flags,                                             \
		.offset = offsetof(struct struct_, member_),                                       \
		.count_offset = offsetof(struct struct_, has_##member_), .param = (enum_),         \
		.flags = (flags_)                                                                  \
	}
#define OBJECT_TYPE(struct_, fields_, ...)                                                         \
	{                                                                                          \
		.fields = (fields_), .n_fields = sizeof(fields_) / sizeof((fields_)[0]),           \
		.size = sizeof(struct struct_), __VA_ARGS__                                        \
	}

/* Parameters */

/** What a string must be beyond a string. */
struct string_rule {
	/** What is wrong with @value ("must be an absolute path"), or NULL. NULL: no rule. */
	const char *(*complaint)(const char *value);
	bool empty_is_absent; /* "" means the same as leaving the property out (as Go's omitempty
				 makes engines think) */
};

/** The numbers allowed, ends included. */
struct int_range {
	int64_t min;
	uint64_t max;
};

/** A set of names, and what one of them is called: "namespace type". */
struct enum_type {
	const struct name_table *names;
	const char *noun;
};

/** The elements of a map. */
struct map_type {
	struct field key; /* field_string or field_enum, into the element */
	struct field
	    value;   /* offset 0 with field_object: the properties go into the element itself */
	size_t size; /* of an element */
};

/* Types; each names its member's C type and its param. */

extern const struct field_type field_bool;   /* bool */
extern const struct field_type field_string; /* const char *; struct string_rule or NULL */
extern const struct field_type
    field_u16; /* uint16_t; struct int_range or NULL (as for all numbers) */
extern const struct field_type field_u32;  /* uint32_t */
extern const struct field_type field_u64;  /* uint64_t */
extern const struct field_type field_i64;  /* int64_t */
extern const struct field_type field_enum; /* int64_t; struct enum_type */
extern const struct field_type
    field_char; /* char, 0 = absent; the letters allowed as a string, the first is the default and
		   not written when it is lower-case 'a' (device rules) */
extern const struct field_type field_object; /* struct; struct object_type */
extern const struct field_type field_list;   /* T * and its length; struct field of one element */
extern const struct field_type field_map;    /* T * and its length; struct map_type */
extern const struct field_type field_flags;  /* uint64_t and a bool; struct enum_type */
extern const struct field field_string_element;

/* Decoding */

struct field_context {
	struct arena *arena; /* receives the structs */
	struct problems *problems;
	const struct json_document *doc;
	const struct json_place *place; /* of the value being decoded */
	bool partial; /* an update: what is absent stays as it is, so rules about absence do not
			 hold */
	bool out_of_memory;
};

/** Decode @value by @field into the struct at @base. Returns 0, or -EINVAL after adding a problem.
 */
int field_decode(struct field_context *ctx, const struct field *field,
		 const struct json_value *value, void *base);
/** Decode @value at @place into @dest, the member itself (an element, a pointer's target):
 * field_decode() without the row's offset. */
int field_decode_at(struct field_context *ctx, const struct field *field,
		    const struct json_place *place, void *dest);
/** Memory for a decoded value; sets out_of_memory when there is none. */
void *field_alloc(struct field_context *ctx, size_t count, size_t size);
/** The memory one value of @field takes. */
size_t field_size(const struct field *field);

/** Add an error about @value (NULL: the context's place), which is at the context's place. Always
 * returns -EINVAL. */
int field_problem(struct field_context *ctx, const struct json_value *value, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/** Add a warning about the value at the context's place. */
void field_warn(struct field_context *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/** Add an error about the member @name of the object at the context's place; its position is the
 * object's when it is absent. */
void field_problem_member(struct field_context *ctx, const struct json_value *object,
			  const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/** The same as a warning. */
void field_warn_member(struct field_context *ctx, const struct json_value *object, const char *name,
		       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/** Add the error "expected ..., found ...". Returns -EINVAL. */
int field_wrong_type(struct field_context *ctx, const char *expected,
		     const struct json_value *value);
/** Add the error that @value (a string) is no name of @type, with those it could be. Returns
 * -EINVAL. */
int field_unknown_name(struct field_context *ctx, const struct enum_type *type,
		       const struct json_value *value);
/** Whether the document has the member @name and it is not null. */
bool field_in_document(const struct json_value *object, const char *name);

/** How a whole document is read. */
struct field_document {
	const char *name; /* for problems */
	const char *text;
	size_t len;
	size_t max_size; /* bytes */
	unsigned int max_depth;
	bool partial; /* see struct field_context */
};

/**
 * Parse @document and decode it by @type into the zeroed struct at @dest; what it points at goes to
 * @arena. All problems are added, in the order of the document. Returns 0; -EINVAL with @err
 * holding all the errors; or -ENOMEM.
 */
int field_decode_document(const struct field_document *document, const struct object_type *type,
			  struct arena *arena, struct problems *problems, void *dest,
			  struct wh_error *err);

/** The same for a document that is an array: @list, a row made by FIELD_LIST, of the struct @base. */
int field_decode_list_document(const struct field_document *document, const struct field *list,
			       struct arena *arena, struct problems *problems, void *base,
			       struct wh_error *err);

/* Encoding */

/** Write the member of the struct at @base that @field describes, without its name. */
void field_encode(struct json_writer *writer, const struct field *field, const void *base);
/** Write the struct at @src as an object. */
void field_encode_object(struct json_writer *writer, const struct object_type *type,
			 const void *src);
/** Write the struct at @src as a whole document. @indent as for json_writer_init(). Returns 0 or
 * -ENOMEM. */
int field_encode_document(const struct object_type *type, const void *src, const char *indent,
			  struct arena *arena, const char **ret_json, size_t *ret_len,
			  struct wh_error *err);
