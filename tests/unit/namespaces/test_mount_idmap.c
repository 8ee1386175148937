/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the files of an idmapped mount are, looked at from inside the container. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "rootfs_fixture.h"

static struct oci_id_mapping first[] = {
    {.container_id = 0, .host_id = 5000, .size = 10}
};
static struct oci_id_mapping second[] = {
    {.container_id = 0, .host_id = 6000, .size = 10}
};
static struct oci_id_mapping groups[] = {
    {.container_id = 0, .host_id = 7000, .size = 10}
};

static void map(struct oci_mount *mount, struct oci_id_mapping *uids)
{
	mount->uid_mappings = uids;
	mount->n_uid_mappings = 1;
	mount->gid_mappings = groups;
	mount->n_gid_mappings = 1;
}

static bool is_of(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_uid == uid && st.st_gid == gid;
}

static const char *check_owners(void)
{
	check_that(is_of("/first/inner", 5000, 7000));
	check_that(is_of("/file", 5000, 7000));
	check_that(is_of("/second/inner", 6000, 7000));
	check_that(is_of("/plain/inner", 0, 0));
	/* what is made there by an id that the mapping has no place for is nobody's */
	check_that(open("/plain/made", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
	check_that(open("/first/other", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0);
	check_that(errno == EOVERFLOW);
	return NULL;
}

static void test_owners(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mounts[] = {
	    MOUNT("/first", NULL, "tree", "bind"),
	    MOUNT("/second", NULL, "tree", "bind", "idmap"),
	    MOUNT("/plain", NULL, "tree", "bind"),
	    MOUNT("/file", NULL, "tree/inner", "bind", "idmap", "ro"),
	};

	map(&mounts[0], first);
	map(&mounts[1], second);
	map(&mounts[3], first);
	fixture_dir(fixture, "tree", 0777);
	fixture_file(fixture, "tree/inner", "inner");
	fixture->spec.mounts = mounts;
	fixture->spec.n_mounts = ARRAY_LEN(mounts);
	fixture_assert_ok(fixture, 0, check_owners);
}

static void test_ordinary_user(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/first", NULL, "tree", "bind", "idmap");

	map(&mount, first);
	fixture_dir(fixture, "tree", 0755);
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_fails(fixture, FIXTURE_OPEN_INSIDE | FIXTURE_USER_NAMESPACE,
			     "mounts[0]: an idmapped mount needs CAP_SYS_ADMIN on the host");
}

static void test_unfit_file_system(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/first", NULL, "/proc/sys", "bind", "idmap");

	map(&mount, first);
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_fails(
	    fixture, 0,
	    "mounts[0] '/first': this kernel cannot idmap the file system (proc) of '/proc/sys'");
}

static void test_without_mappings(void **state)
{
	struct fixture *fixture = *state;
	struct oci_mount mount = MOUNT("/first", NULL, "tree", "bind", "idmap");

	fixture_dir(fixture, "tree", 0755);
	fixture->spec.mounts = &mount;
	fixture->spec.n_mounts = 1;
	fixture_assert_fails(fixture, 0, "mounts[0]: an idmapped mount needs mappings");
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_owners),
	    TEST(test_ordinary_user),
	    TEST(test_unfit_file_system),
	    TEST(test_without_mappings),
	};

	if (!fixture_is_root())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
