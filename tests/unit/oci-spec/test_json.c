/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include "oci-spec/json.h"

static void parse(struct document *d, const char *text, size_t len, unsigned int depth,
		  struct json_document *doc)
{
	document_init(d);
	d->result = json_parse("j", text, len, depth, &d->arena, &d->problems, doc);
}

static void test_tree(void **state)
{
	static const char text[] = "{\"a\": [1, -2.5e3, true, false, null, \"s\\u00e9\\n\"],\n "
				   "\"b\": {}, \"\": \"x\\u0000y\"}";
	struct json_document doc;
	struct document d;
	const struct json_value *v;

	parse(&d, text, strlen(text), 8, &doc);
	assert_int_equal(d.result, 0);
	assert_int_equal(doc.root->kind, JSON_OBJECT);
	assert_int_equal(doc.root->count, 3);
	v = json_member(doc.root, "a");
	assert_int_equal(v->kind, JSON_ARRAY);
	assert_int_equal(v->count, 6);
	assert_int_equal(v->key_offset, 1);
	assert_int_equal(v->offset, 6);
	v = v->first;
	assert_int_equal(v->kind, JSON_NUMBER);
	assert_string_equal(v->text, "1");
	assert_int_equal(v->offset, 7);
	v = v->next;
	assert_string_equal(v->text, "-2.5e3");
	assert_int_equal(v->offset, 10);
	v = v->next;
	assert_int_equal(v->kind, JSON_BOOL);
	assert_true(v->boolean);
	v = v->next;
	assert_int_equal(v->kind, JSON_BOOL);
	assert_false(v->boolean);
	v = v->next;
	assert_int_equal(v->kind, JSON_NULL);
	v = v->next;
	assert_int_equal(v->kind, JSON_STRING);
	assert_string_equal(v->text, "s\xc3\xa9\n");
	assert_null(v->next);
	v = json_member(doc.root, "b");
	assert_int_equal(v->kind, JSON_OBJECT);
	assert_int_equal(v->count, 0);
	assert_null(v->first);
	v = json_member(doc.root, "");
	assert_int_equal(v->text_len, 3);
	assert_memory_equal(v->text, "x\0y", 4);
	assert_null(json_member(doc.root, "c"));
	assert_null(json_member(v, "c"));
	assert_null(json_member(NULL, "c"));
	document_done(&d);
}

/* Every value's offset is that of its first byte, whatever stands between the tokens. */
static void test_positions(void **state)
{
	static const char text[] =
	    "\n\t{ \"a\" :\r\n [ [ ] , { } , \"s\" , 1 ] , \"b\":\"x\\ty\",\"c\":2}\n";
	struct json_document doc;
	struct document d;
	const struct json_value *v;
	unsigned int line, column;

	parse(&d, text, strlen(text), 8, &doc);
	assert_int_equal(d.result, 0);
	assert_int_equal(text[doc.root->offset], '{');
	v = doc.root->first;
	assert_int_equal(text[v->key_offset], '"');
	assert_int_equal(text[v->offset], '[');
	json_position(&doc, v->offset, &line, &column);
	assert_int_equal(line, 3);
	assert_int_equal(column, 2);
	v = v->first;
	for (const char *want = "[{\"1"; *want; want++, v = v->next)
		assert_int_equal(text[v->offset], *want);
	v = json_member(doc.root, "c");
	assert_int_equal(text[v->offset], '2');
	json_position(&doc, 0, &line, &column);
	assert_int_equal(line, 1);
	assert_int_equal(column, 1);
	json_position(&doc, 100000, &line, &column);
	assert_int_equal(line, 4);
	document_done(&d);
}

static void test_scalars_at_the_top(void **state)
{
	static const struct {
		const char *text;
		enum json_kind kind;
	} cases[] = {
	    {"12",      JSON_NUMBER},
            {" \"x\" ", JSON_STRING},
            {"null",    JSON_NULL  },
	    {"true",    JSON_BOOL  },
            {"[]",      JSON_ARRAY },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_document doc;
		struct document d;

		parse(&d, cases[i].text, strlen(cases[i].text), 1, &doc);
		assert_int_equal(d.result, 0);
		assert_int_equal(doc.root->kind, cases[i].kind);
		document_done(&d);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
	    {"",				  "j: is empty"						      },
	    {" \r\n\t",			   "j: is empty"						      },
	    {"{",				 "j:1:2: not valid JSON: the document ends in the middle"           },
	    {"[1",				"j:1:3: not valid JSON: the document ends in the middle"           },
	    {"tru",			       "j:1:1: not valid JSON: invalid string in json text"               },
	    {"[1,,2]",			    "j:1:4: not valid JSON: unallowed token at this point in JSON text"},
	    {"[1] 2",			     "j:1:5: not valid JSON: trailing garbage"                          },
	    {"[01]",			      "j:1:3: not valid JSON: after array element, I expect ',' or ']'"  },
	    {"[1.]",			      "j:1:2: not valid JSON: malformed number, a digit is required after the "
		     "decimal point"							     },
	    {"[+1]",			      "j:1:2: not valid JSON: invalid char in json text"                 },
	    {"[nul]",			     "j:1:2: not valid JSON: invalid string in json text"               },
	    {"{\"a\":\n\"\\q\"}",                 "j:2:1: not valid JSON: inside a string, '\\' occurs before a "
				  "character which it may not"                      },
	    {"[\"\\ud800\"]",                     "j:1:2: a \\u escape is half of a surrogate pair"                  },
	    {"[\"\xff\"]",                        "j:1:3: not valid UTF-8"                                           },
	    {"[[[[]]]]",			  "j:1:4: [0][0]: nested deeper than 3 levels"                       },
	    {"{\"a\":1,\"b\":2,\"a\":3}",         "j:1:14: duplicate property 'a'"                                   },
	    {"[{\"x\":{\"a\":1,\"\\u0061\":2}}]", "j:1:14: [0].x: duplicate property 'a'"                            },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_document doc;
		struct document d;

		parse(&d, cases[i].text, strlen(cases[i].text), 3, &doc);
		assert_int_equal(d.problems.n_errors, 1);
		assert_string_equal(d.problems.first->text, cases[i].want);
		document_done(&d);
	}
}

/* Brackets without end, of which none may cost a stack frame. */
static void test_deep(void **state)
{
	size_t len = 1000000;
	char *text = malloc(len);
	struct json_document doc;
	struct document d;

	assert_non_null(text);
	memset(text, '[', len);
	parse(&d, text, len, 64, &doc);
	assert_int_equal(d.result, -EINVAL);
	assert_non_null(strstr(d.problems.first->text, "nested deeper than 64 levels"));
	document_done(&d);
	/* As many as are allowed, closed again. */
	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	parse(&d, text, 128, 64, &doc);
	assert_int_equal(d.result, 0);
	document_done(&d);
	free(text);
}

static void test_too_many_values(void **state)
{
	size_t count = JSON_MAX_VALUES;
	char *text = malloc(count * 2 + 3);
	char *at = text;
	struct json_document doc;
	struct document d;

	assert_non_null(text);
	*at++ = '[';
	for (size_t i = 0; i < count; i++) {
		*at++ = '1';
		*at++ = ',';
	}
	at[-1] = ']';
	parse(&d, text, (size_t)(at - text), 64, &doc);
	assert_int_equal(d.result, -EINVAL);
	assert_non_null(strstr(d.problems.first->text, "more than a million values"));
	document_done(&d);
	free(text);
}

/* Two thousand members, each twice; and the first copy of each is no problem. */
static void test_many_duplicates(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct json_document doc;
	struct document d;

	fputc('{', out);
	for (int i = 0; i < 4000; i++)
		fprintf(out, "%s\"key%d\":%d", i ? "," : "", i % 2000, i);
	fputc('}', out);
	fclose(out);
	parse(&d, text, len, 64, &doc);
	assert_int_equal(d.problems.n_errors, 2000);
	document_done(&d);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tree),
	    cmocka_unit_test(test_positions),
	    cmocka_unit_test(test_scalars_at_the_top),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_deep),
	    cmocka_unit_test(test_too_many_values),
	    cmocka_unit_test(test_many_duplicates),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
