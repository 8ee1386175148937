/* SPDX-License-Identifier: Apache-2.0 */
/* The corpora of tests/data: what engines write and what is good decodes and comes back the same;
 * what is bad is told in full. */
#include "document.h"

#include <dirent.h>

#include "oci-spec/config_types.h"
#include "oci-spec/json.h"

#define MAX_DEPTH 64

static bool ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && streq(name + n - m, suffix);
}

/* Call @check with each file of tests/data/@folder whose name ends in @suffix; returns how many
 * there were. */
static int each_file(const char *folder, const char *suffix,
		     void (*check)(const char *path, const char *name))
{
	char path[1024], file[2048];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	document_path(path, sizeof(path), folder);
	dir = opendir(path);
	if (!dir)
		fail_msg("cannot open %s", path);
	while ((entry = readdir(dir))) {
		if (!ends_with(entry->d_name, suffix))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		check(file, entry->d_name);
		count++;
	}
	closedir(dir);
	return count;
}

/* Comparing JSON trees by the tables: unknown properties aside, and what means the same as being
 * absent. */

static void expect_same(const char *file, const struct field *field, const struct json_value *in,
			const struct json_value *out);

static bool same_scalar(const struct json_value *a, const struct json_value *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == JSON_BOOL)
		return a->boolean == b->boolean;
	return a->text_len == b->text_len && memcmp(a->text, b->text, a->text_len) == 0;
}

static bool has_string(const struct json_value *array, const struct json_value *string)
{
	for (const struct json_value *e = array->first; e; e = e->next)
		if (same_scalar(e, string))
			return true;
	return false;
}

/* Sets: order and repetition carry no meaning. */
static bool same_set(const struct json_value *a, const struct json_value *b)
{
	for (const struct json_value *e = a->first; e; e = e->next)
		if (!has_string(b, e))
			return false;
	for (const struct json_value *e = b->first; e; e = e->next)
		if (!has_string(a, e))
			return false;
	return true;
}

/* Whether leaving the property out means the same as @value. */
static bool means_absent(const struct field *field, const struct json_value *value)
{
	if (!value || value->kind == JSON_NULL)
		return true;
	if (field->flags & FIELD_REQUIRED)
		return false;
	switch (value->kind) {
	case JSON_BOOL:
		return !value->boolean && !(field->flags & FIELD_POINTER);
	case JSON_NUMBER:
		return streq(value->text, "-1") ||
		       (streq(value->text, "0") && !(field->flags & FIELD_POINTER));
	case JSON_STRING:
		return !value->text_len || streq(value->text, "a");
	default:
		return false;
	}
}

static void expect_same_object(const char *file, const struct object_type *type,
			       const struct json_value *in, const struct json_value *out)
{
	for (size_t i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i];
		const struct json_value *a = json_member(in, field->name);
		const struct json_value *b = json_member(out, field->name);

		if (b)
			expect_same(file, field, a, b);
		else if (!means_absent(field, a))
			fail_msg("%s: '%s' was lost", file, field->name);
	}
}

static void expect_same_list(const char *file, const struct field *element,
			     const struct json_value *in, const struct json_value *out)
{
	const struct json_value *b = out->first;

	assert_int_equal(in->count, out->count);
	for (const struct json_value *a = in->first; a; a = a->next, b = b->next)
		expect_same(file, element, a, b);
}

static void expect_same_map(const char *file, const struct map_type *type,
			    const struct json_value *in, const struct json_value *out)
{
	assert_int_equal(in->count, out->count);
	for (const struct json_value *a = in->first; a; a = a->next) {
		const struct json_value *b = json_member(out, a->key);

		assert_non_null(b);
		expect_same(file, &type->value, a, b);
	}
}

static void expect_same(const char *file, const struct field *field, const struct json_value *in,
			const struct json_value *out)
{
	/* An absent `linux` is decoded as an empty one. */
	if ((!in || in->kind == JSON_NULL) && out->kind == JSON_OBJECT && !out->count)
		return;
	if (!in)
		fail_msg("%s: '%s' was invented", file, field->name ? field->name : "an element");
	if (field->type == &field_object)
		expect_same_object(file, field->param, in, out);
	else if (field->type == &field_list)
		expect_same_list(file, field->param, in, out);
	else if (field->type == &field_map)
		expect_same_map(file, field->param, in, out);
	else if (field->type == &field_flags || field->type == &field_capability_set)
		assert_true(same_set(in, out));
	else if (!same_scalar(in, out))
		fail_msg("%s: '%s' was changed", file, field->name ? field->name : "an element");
}

/* Decode, encode, decode, encode: nothing lost on the way, and the second text is the first. */
static void check_round_trip(const char *path, const char *name)
{
	struct document first, second;
	struct json_document in, out;
	const char *once, *twice;
	size_t len, once_len, twice_len;
	char *text = document_read(path, &len);
	char *problems;

	document_decode(&first, name, text, len);
	problems = document_problems(&first.problems);
	if (first.result < 0)
		fail_msg("%s", problems);
	assert_true(first.problems.n_warnings == 0 || streq(name, "unknown_capability.json"));
	assert_non_null(first.spec->linux_);
	assert_int_equal(oci_config_encode(first.spec, &first.arena, &once, &once_len, &first.err),
			 0);
	document_decode(&second, name, once, once_len);
	assert_int_equal(second.result, 0);
	assert_int_equal(
	    oci_config_encode(second.spec, &second.arena, &twice, &twice_len, &second.err), 0);
	assert_string_equal(once, twice);
	assert_int_equal(once_len, twice_len);
	assert_int_equal(json_parse(name, text, len, MAX_DEPTH, &first.arena, &first.problems, &in),
			 0);
	assert_int_equal(
	    json_parse(name, once, once_len, MAX_DEPTH, &first.arena, &first.problems, &out), 0);
	expect_same_object(name, &oci_spec_type, in.root, out.root);
	document_done(&second);
	document_done(&first);
	free(problems);
	free(text);
}

static void test_engines(void **state)
{
	assert_true(each_file("engines", ".config.json", check_round_trip) >= 18);
}

static void test_good(void **state)
{
	assert_true(each_file("good", ".json", check_round_trip) >= 20);
}

static void check_bad(const char *path, const char *name)
{
	struct document d;
	size_t len;
	char *text = document_read(path, &len);
	char expected_path[2048];
	char *expected, *found;

	snprintf(expected_path, sizeof(expected_path), "%.*s.expected",
		 (int)(strlen(path) - strlen(".json")), path);
	expected = document_read(expected_path, NULL);
	document_decode(&d, name, text, len);
	assert_int_equal(d.result, -EINVAL);
	found = document_problems(&d.problems);
	assert_string_equal(found, expected);
	assert_int_equal(d.err.kind, WH_ERROR_CONFIG);
	assert_null(d.spec);
	document_done(&d);
	free(found);
	free(expected);
	free(text);
}

static void test_bad(void **state)
{
	assert_true(each_file("bad", ".json", check_bad) >= 60);
}

static void check_process(const char *path, const char *name)
{
	const struct oci_process *process;
	struct document d;
	size_t len;
	char *text = document_read(path, &len);

	document_init(&d);
	assert_int_equal(
	    oci_process_decode(name, text, len, &d.arena, &d.problems, &process, &d.err), 0);
	assert_null(d.problems.first);
	assert_true(process->n_args > 0);
	assert_int_equal(process->cwd[0], '/');
	document_done(&d);
	free(text);
}

static void test_process(void **state)
{
	assert_true(each_file("engines", ".process.json", check_process) >= 3);
}

static void test_process_bad(void **state)
{
	static const char text[] = "{\"cwd\":\"x\",\"env\":[1]}";
	const struct oci_process *process = NULL;
	struct document d;

	document_init(&d);
	assert_int_equal(oci_process_decode("p.json", text, strlen(text), &d.arena, &d.problems,
					    &process, &d.err),
			 -EINVAL);
	assert_null(process);
	assert_string_equal(d.err.message, "p.json:1:1: args: missing required property\n"
					   "p.json:1:8: cwd: must be an absolute path, found 'x'\n"
					   "p.json:1:19: env[0]: expected a string, found 1");
	document_done(&d);
}

/* An update may change swap alone; a configuration may not. */
static void test_resources(void **state)
{
	static const char text[] =
	    "{\"memory\":{\"swap\":1048576},\"cpu\":{\"shares\":512},\"pids\":{\"limit\":7}}";
	const struct oci_resources *resources;
	struct document d;

	document_init(&d);
	assert_int_equal(oci_resources_decode("r", text, strlen(text), &d.arena, &d.problems,
					      &resources, &d.err),
			 0);
	assert_int_equal(*resources->memory->swap, 1048576);
	assert_null(resources->memory->limit);
	assert_int_equal(*resources->cpu->shares, 512);
	assert_int_equal(*resources->pids->limit, 7);
	document_done(&d);
}

/* Both forms of `mounts add ID FILE`; to remove it takes the destination alone. */
static void test_mounts(void **state)
{
	static const struct {
		const char *text;
		bool removal;
		size_t count;
		const char *error; /* NULL: none */
	} cases[] = {
	    {"[{\"destination\":\"/a\",\"type\":\"tmpfs\"}]",                         false, 1, NULL                                               },
	    {" \n{\"x\":1,\"mounts\":[{\"destination\":\"/a\",\"type\":\"tmpfs\"}]}", false, 1,
	     NULL																  },
	    {"[]",								    false, 0, NULL					       },
	    {"[{\"destination\":\"/a\"},{\"destination\":\"/b\"}]",                   true,  2, NULL                                               },
	    {"[{\"destination\":\"/a\"}]",					    false, 0, "m:1:2: [0]: missing type"                         },
	    {"[{\"source\":\"/a\"}]",						 true,  0, "m:1:2: [0].destination: missing required property"},
	    {"{\"mounts\":[{\"destination\":7}]}",                                    true,  0,
	     "m:1:27: mounts[0].destination: expected a string, found 7"									   },
	    {"{}",								    true,  0, "m:1:1: mounts: missing required property"         },
	    {"7",								     true,  0, "m:1:1: expected an object, found 7"               },
	    {"",								      true,  0, "m:"					       },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct oci_mount *mounts = NULL;
		struct document d;
		size_t count = 0;
		int rc;

		document_init(&d);
		rc = oci_mounts_decode("m", cases[i].text, strlen(cases[i].text), cases[i].removal,
				       &d.arena, &d.problems, &mounts, &count, &d.err);
		assert_int_equal(rc, cases[i].error ? -EINVAL : 0);
		assert_int_equal(count, cases[i].count);
		if (cases[i].error && !str_after(d.err.message, cases[i].error))
			fail_msg("case %zu: %s", i, d.err.message);
		document_done(&d);
	}
}

static void test_values(void **state)
{
	struct document d;
	char path[1024];
	size_t len;
	const struct oci_spec *s;
	char *text;

	document_path(path, sizeof(path), "good/every_property.json");
	text = document_read(path, &len);
	document_decode(&d, "c", text, len);
	memset(text, 'x', len); /* the spec does not point into the text */
	free(text);
	assert_int_equal(d.result, 0);
	s = d.spec;
	assert_string_equal(s->oci_version, "1.3.0");
	assert_true(s->process->terminal);
	assert_int_equal(s->process->console_size->width, 80);
	assert_int_equal(s->process->user.uid, 1000);
	assert_int_equal(s->process->user.additional_gids[2], 4294967294u);
	assert_int_equal(*s->process->user.umask, 077);
	assert_string_equal(s->process->env[3], "QUOTE=\"\\\t\xc3\xa9\xf0\x9f\x9a\xa3");
	assert_true(s->process->rlimits[0].hard == UINT64_MAX);
	assert_int_equal(*s->process->oom_score_adj, -100);
	assert_int_equal(s->process->capabilities->bounding->mask,
			 1ULL << 40 | 1ULL << 5 | 1ULL << 0);
	assert_int_equal(s->n_mounts, 3);
	assert_string_equal(s->mounts[1].options[3], "size=65536k");
	assert_int_equal(s->mounts[2].uid_mappings[1].host_id, 1000);
	assert_null(s->mounts[0].options);
	assert_int_equal(*s->hooks->poststop->timeout, 5);
	assert_string_equal(s->annotations[0].key, "com.example.key1");
	assert_string_equal(s->linux_->sysctl[1].value, "256");
	assert_int_equal(s->linux_->resources->devices[0].type, 'a');
	assert_null(s->linux_->resources->devices[0].major);
	assert_int_equal(*s->linux_->resources->devices[1].minor, 229);
	assert_false(*s->linux_->resources->memory->disable_oom_killer);
	assert_true(s->linux_->resources->hugepage_limits[1].limit == UINT64_MAX);
	assert_string_equal(s->linux_->resources->rdma[1].device, "rxe3");
	assert_null(s->linux_->resources->rdma[1].hca_handles);
	assert_string_equal(s->linux_->net_devices[0].name, "container_eth0");
	assert_null(s->linux_->net_devices[1].name);
	assert_true(s->linux_->seccomp->syscalls[1].args[1].value == UINT64_MAX);
	assert_int_equal(s->linux_->seccomp->syscalls[2].action, OCI_SECCOMP_NOTIFY);
	assert_int_equal(s->linux_->time_offsets[1].secs, -86400);
	assert_int_equal(s->linux_->rootfs_propagation, OCI_PROPAGATION_SLAVE);
	document_done(&d);
}

static void test_too_large(void **state)
{
	size_t len = OCI_CONFIG_MAX_SIZE + 1;
	char *text = malloc(len);
	struct document d;

	assert_non_null(text);
	memset(text, ' ', len);
	document_decode(&d, "big.json", text, len);
	assert_int_equal(d.result, -EINVAL);
	assert_string_equal(d.err.message, "big.json: is larger than 16777216 bytes");
	document_done(&d);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_engines),     cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),         cmocka_unit_test(test_process),
	    cmocka_unit_test(test_process_bad), cmocka_unit_test(test_resources),
	    cmocka_unit_test(test_mounts),      cmocka_unit_test(test_values),
	    cmocka_unit_test(test_too_large),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
