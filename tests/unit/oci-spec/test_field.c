/* SPDX-License-Identifier: Apache-2.0 */
/* The generic types on a table of their own, with what the configuration's tables do not come by.
 */
#include "document.h"

#include "oci-spec/field.h"

struct pair {
	const char *key;
	int64_t value;
};

struct sample {
	bool flag;
	const bool *maybe_flag;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	int64_t i64;
	const int64_t *maybe_i64;
	const char *text;
	int64_t kind;
	char letter;
	uint64_t bits;
	bool has_bits;
	uint32_t *list;
	size_t n_list;
	struct pair *pairs;
	size_t n_pairs;
	int checks;
};

static const struct name_value kind_rows[] = {
    {"one",  1},
    {"two",  2},
    {"four", 4}
};
static const struct name_table kinds = NAME_TABLE(kind_rows);
static const struct enum_type kind_enum = {&kinds, "kind"};
static const struct name_value many_rows[] = {
    {"alpha",   1 },
    {"bravo",   2 },
    {"charlie", 3 },
    {"delta",   4 },
    {"echo",    5 },
    {"foxtrot", 6 },
    {"golf",    7 },
    {"hotel",   8 },
    {"india",   9 },
    {"juliet",  10},
    {"kilo",    11},
};
static const struct name_table many = NAME_TABLE(many_rows);
static const struct enum_type many_enum = {&many, "letter"};

static void count_check(struct field_context *ctx, const struct json_value *object,
			const void *decoded)
{
	((struct sample *)(uintptr_t)decoded)->checks++;
	if (field_in_document(object, "text") && !field_in_document(object, "flag"))
		field_problem_member(ctx, object, "flag", "is missing beside text");
	if (json_member(object, "warn"))
		field_warn_member(ctx, object, "warn", "is odd");
}

static const struct field u32_element = {.type = &field_u32};
static const struct map_type pair_map = {
    .key = FIELD(pair, NULL, key, field_string, NULL, 0),
    .value = FIELD(pair, NULL, value, field_i64, NULL, 0),
    .size = sizeof(struct pair),
};
static const struct int_range small = {-2, 3};
static const struct field sample_fields[] = {
    FIELD(sample, "flag", flag, field_bool, NULL, 0),
    FIELD(sample, "maybeFlag", maybe_flag, field_bool, NULL, FIELD_POINTER),
    FIELD(sample, "u16", u16, field_u16, NULL, 0),
    FIELD(sample, "u32", u32, field_u32, NULL, FIELD_ALWAYS),
    FIELD(sample, "u64", u64, field_u64, NULL, 0),
    FIELD(sample, "i64", i64, field_i64, NULL, 0),
    FIELD(sample, "maybeI64", maybe_i64, field_i64, &small, FIELD_POINTER),
    FIELD(sample, "text", text, field_string, NULL, 0),
    FIELD(sample, "kind", kind, field_enum, &kind_enum, 0),
    FIELD(sample, "letter", letter, field_char, "axy", 0),
    FIELD_FLAGS(sample, "bits", bits, &kind_enum, 0),
    FIELD_LIST(sample, "list", list, &u32_element, 0),
    FIELD_MAP(sample, "pairs", pairs, &pair_map, 0),
};
static const struct object_type sample_type =
    OBJECT_TYPE(sample, sample_fields, .check = count_check);

static int decode(struct document *d, const char *text, struct sample *sample)
{
	const struct field_document document = {
	    .name = "s",
	    .text = text,
	    .len = strlen(text),
	    .max_size = 1000,
	    .max_depth = 4,
	};

	document_init(d);
	*sample = (struct sample){0};
	return field_decode_document(&document, &sample_type, &d->arena, &d->problems, sample,
				     &d->err);
}

static void test_values(void **state)
{
	static const char text[] = "{\"pairs\":{\"b\":-1,\"a\":2},\"list\":[1,4294967295],\"bits\":"
				   "[\"four\",\"one\"],\"letter\":\"y\",\"kind\":\"two\","
				   "\"text\":\"t\",\"maybeI64\":-2,\"i64\":-9223372036854775808,"
				   "\"u64\":18446744073709551615,\"u32\":0,\"u16\":65535,"
				   "\"maybeFlag\":false,\"flag\":true,\"unknown\":{\"flag\":3}}";
	static const char want[] =
	    "{\"flag\":true,\"maybeFlag\":false,\"u16\":65535,\"u32\":0,\"u64\":"
	    "18446744073709551615,"
	    "\"i64\":-9223372036854775808,\"maybeI64\":-2,\"text\":\"t\",\"kind\":\"two\","
	    "\"letter\":\"y\","
	    "\"bits\":[\"one\",\"four\"],\"list\":[1,4294967295],\"pairs\":{\"b\":-1,\"a\":2}}";
	struct sample sample;
	struct document d;
	const char *json;
	size_t len;

	assert_int_equal(decode(&d, text, &sample), 0);
	assert_int_equal(sample.checks, 1);
	assert_int_equal(sample.bits, 5);
	assert_int_equal(sample.n_pairs, 2);
	assert_string_equal(sample.pairs[0].key, "b");
	assert_int_equal(
	    field_encode_document(&sample_type, &sample, NULL, &d.arena, &json, &len, &d.err), 0);
	assert_string_equal(json, want);
	document_done(&d);
}

static void test_absent(void **state)
{
	struct sample sample;
	struct document d;
	const char *json;
	size_t len;

	assert_int_equal(
	    decode(&d, "{\"flag\":null,\"list\":null,\"maybeI64\":null,\"pairs\":null}", &sample),
	    0);
	assert_null(sample.list);
	assert_null(sample.pairs);
	assert_null(sample.maybe_i64);
	assert_int_equal(
	    field_encode_document(&sample_type, &sample, NULL, &d.arena, &json, &len, &d.err), 0);
	assert_string_equal(json, "{\"u32\":0}");
	document_done(&d);
}

/* An empty list is there; an absent one is not. */
static void test_empty(void **state)
{
	struct sample sample;
	struct document d;
	const char *json;
	size_t len;

	assert_int_equal(decode(&d, "{\"list\":[],\"pairs\":{},\"bits\":[]}", &sample), 0);
	assert_non_null(sample.list);
	assert_int_equal(sample.n_list, 0);
	assert_non_null(sample.pairs);
	assert_true(sample.has_bits);
	assert_int_equal(
	    field_encode_document(&sample_type, &sample, NULL, &d.arena, &json, &len, &d.err), 0);
	assert_string_equal(json, "{\"u32\":0,\"bits\":[],\"list\":[],\"pairs\":{}}");
	document_done(&d);
}

static void test_problems(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
	    {"{\"u16\":65536}",                        "s:1:8: u16: must be between 0 and 65535, found 65536\n"      },
	    {"{\"u32\":4294967296}",
	     "s:1:8: u32: must be between 0 and 4294967295, found 4294967296\n"                                      },
	    {"{\"u64\":18446744073709551616}",
	     "s:1:8: u64: must be between 0 and 18446744073709551615, found "
	     "18446744073709551616\n"										},
	    {"{\"i64\":9223372036854775808}",
	     "s:1:8: i64: must be between -9223372036854775808 and 9223372036854775807, found "
	     "9223372036854775808\n"										 },
	    {"{\"i64\":-9223372036854775809}",
	     "s:1:8: i64: must be between -9223372036854775808 and 9223372036854775807, found "
	     "-9223372036854775809\n"										},
	    {"{\"maybeI64\":4}",                       "s:1:13: maybeI64: must be between -2 and 3, found 4\n"       },
	    {"{\"u32\":-0}",                           "s:1:8: u32: expected an unsigned integer, found -0\n"        },
	    {"{\"i64\":1E2}",                          "s:1:8: i64: expected an integer, found 1E2\n"                },
	    {"{\"kind\":\"One\"}",
	     "s:1:9: kind: unknown kind 'One', expected one of one, two, four\n"                                     },
	    {"{\"letter\":\"ax\"}",                    "s:1:11: letter: unknown type 'ax', expected one of a, x, y\n"},
	    {"{\"letter\":\"\"}",                      "s:1:11: letter: unknown type '', expected one of a, x, y\n"  },
	    {"{\"text\":\"a\\u0000b\",\"flag\":true}",
	     "s:1:9: text: must not hold a NUL character\n"                                                          },
	    {"{\"pairs\":{\"a\\u0000\":1}}",           "s:1:11: pairs: must not hold a NUL character\n"              },
	    {"{\"list\":[1,\"2\",[3]],\"flag\":0}",
	     "s:1:12: list[1]: expected an unsigned integer, found a string\n"
	     "s:1:16: list[2]: expected an unsigned integer, found an array\ns:1:28: flag: "
	     "expected a boolean, found 0\n"									 },
	    {"{\"text\":\"x\"}",                       "s:1:1: flag: is missing beside text\n"                       },
	    {"{\"warn\":1}",                           "warning: s:1:9: warn: is odd\n"                              },
	    {"{\"bits\":[\"one\",\"three\"]}",
	     "s:1:16: bits[1]: unknown kind 'three', expected one of one, two, four\n"                               },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sample sample;
		struct document d;
		int r = decode(&d, cases[i].text, &sample);
		char *found = document_problems(&d.problems);

		assert_string_equal(found, cases[i].want);
		assert_int_equal(r, str_after(found, "warning") ? 0 : -EINVAL);
		document_done(&d);
		free(found);
	}
}

/* Unknown properties are ignored; one that is known in another case is worth a word. */
static void test_other_case(void **state)
{
	struct sample sample;
	struct document d;
	char *found;

	assert_int_equal(
	    decode(&d, "{\"Flag\":true,\"fla\":1,\"flags\":1,\"U32\":7,\"u32\":8}", &sample), 0);
	assert_false(sample.flag);
	assert_int_equal(sample.u32, 8);
	found = document_problems(&d.problems);
	assert_string_equal(
	    found, "warning: s:1:9: Flag: unknown, and so ignored; the property is spelt 'flag'\n"
		   "warning: s:1:38: U32: unknown, and so ignored; the property is spelt 'u32'\n");
	free(found);
	document_done(&d);
}

/* A check that needs all of the object is not asked about half of one. */
static void test_check_needs_all(void **state)
{
	struct sample sample;
	struct document d;

	assert_int_equal(decode(&d, "{\"text\":\"x\",\"u16\":-1}", &sample), -EINVAL);
	assert_int_equal(sample.checks, 0);
	assert_int_equal(d.problems.n_errors, 1);
	document_done(&d);
}

static void test_bounds(void **state)
{
	struct sample sample;
	struct document d;
	char text[1100];

	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(decode(&d, text, &sample), -EINVAL);
	assert_string_equal(d.err.message, "s: is larger than 1000 bytes");
	document_done(&d);
	assert_int_equal(decode(&d, "{\"x\":[[[[]]]]}", &sample), -EINVAL);
	assert_string_equal(d.err.message, "s:1:9: x[0][0]: nested deeper than 4 levels");
	document_done(&d);
}

/* A full arena is an error, not a crash. */
static void test_out_of_memory(void **state)
{
	static const char text[] = "{\"list\":[1,2,3,4,5,6,7,8],\"text\":\"long enough to need "
				   "some memory\",\"flag\":true}";
	size_t failures = 0;

	for (size_t room = 0; room < 256; room += 16) {
		const struct field_document document = {
		    .name = "s",
		    .text = text,
		    .len = strlen(text),
		    .max_size = 1000,
		    .max_depth = 4,
		};
		struct sample sample = {0};
		struct document d;
		struct arena tight;
		int r;

		document_init(&d);
		tight = d.arena;
		tight.size = tight.used + room;
		problems_init(&d.problems, &tight);
		r = field_decode_document(&document, &sample_type, &tight, &d.problems, &sample,
					  &d.err);
		assert_true(r == 0 || r == -ENOMEM);
		failures += r == -ENOMEM;
		document_done(&d);
	}
	assert_true(failures > 2 && failures < 16);
}

static void test_unknown_names(void **state)
{
	static const struct {
		const char *name;
		const char *want;
	} cases[] = {
	    {"\"alfa\"",						     "unknown letter 'alfa', did you mean 'alpha'"     },
	    {"\"Foxtrot\"",						  "unknown letter 'Foxtrot', did you mean 'foxtrot'"},
	    {"\"something else\"",					   "unknown letter 'something else'"                 },
	    {"\"\"",							 "unknown letter ''"                               },
	    {"\"this name is longer than any that could be meant, by far\"",
	     "unknown letter 'this name is longer than any that could be meant, by far'"                                       },
	};
	static const struct field field = {.type = &field_enum, .param = &many_enum};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_document doc;
		struct json_place place;
		struct document d;
		struct field_context ctx = {.doc = &doc};
		int64_t value = 0;

		document_init(&d);
		ctx.arena = &d.arena;
		ctx.problems = &d.problems;
		assert_int_equal(json_parse("n", cases[i].name, strlen(cases[i].name), 4, &d.arena,
					    &d.problems, &doc),
				 0);
		place = (struct json_place){.value = doc.root};
		assert_int_equal(field_decode_at(&ctx, &field, &place, &value), -EINVAL);
		if (!str_after(d.problems.first->text, "n:1:1: "))
			fail_msg("%s", d.problems.first->text);
		assert_string_equal(d.problems.first->text + strlen("n:1:1: "), cases[i].want);
		document_done(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),        cmocka_unit_test(test_absent),
	    cmocka_unit_test(test_empty),         cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_other_case),    cmocka_unit_test(test_check_needs_all),
	    cmocka_unit_test(test_bounds),        cmocka_unit_test(test_out_of_memory),
	    cmocka_unit_test(test_unknown_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
