/* SPDX-License-Identifier: Apache-2.0 */
/* What is missing at the destination, looked for in a directory. */
#include <sched.h>

#include "base/str.h"
#include "cgroups/cgroup.h"
#include "libcontainer/migrate/obstacles.h"
#include "libcontainer/migrate/sample.h"
#include "tests/unit/base/scratch.h"

static struct arena arena = {.fd = -EBADF};

static int setup(void **state)
{
	return arena_init(&arena, NULL) < 0 ? -1 : scratch_setup(state);
}

static int teardown(void **state)
{
	arena_done(&arena);
	return scratch_teardown(state);
}

/** A bundle with a root file system at @name below the scratch directory, and the offer of it by another host. */
static struct migrate_offer make(const struct scratch *scratch, const char *name, struct stat *root)
{
	struct migrate_offer offer = {.id = "web", .witness = "", .boot_id = "another"};

	scratch_mkdir(scratch, name);
	scratch_mkdir(scratch, arena_printf(&arena, "%s/rootfs", name));
	offer.bundle = arena_printf(&arena, "%s/%s", scratch->path, name);
	offer.rootfs = arena_printf(&arena, "%s/rootfs", offer.bundle);
	scratch_write(scratch, arena_printf(&arena, "%s/rootfs/.w", name), "");
	assert_return_code(stat(offer.rootfs, root), errno);
	return offer;
}

/** Exactly one obstacle with @want in it, or none when it is NULL. */
static void check(const struct scratch *scratch, const struct migrate_offer *offer,
		  const struct oci_spec *spec, const char *want)
{
	struct migrate_obstacles obstacles = {.arena = &arena};

	migrate_find_here(offer, spec, scratch->fd, scratch->fd, &obstacles);
	if (!want && obstacles.count > 0)
		fail_msg("%s", obstacles.list[0]);
	if (want && obstacles.count != 1)
		fail_msg("'%s': %zu obstacles", want, obstacles.count);
	if (want && !strstr(obstacles.list[0], want))
		fail_msg("'%s': %s", want, obstacles.list[0]);
}

static struct oci_linux nothing;
static const struct oci_spec empty = {.linux_ = &nothing};

static void test_the_id(void **state)
{
	struct stat root;
	struct migrate_offer offer = make(*state, "id", &root);

	offer.witness = ".w";
	check(*state, &offer, &empty, NULL);
	offer.id = "id"; /* the scratch directory is the state root as well */
	check(*state, &offer, &empty, "a container 'id' is there already");
}

static void test_bundle_and_root(void **state)
{
	struct stat root;
	struct migrate_offer offer = make(*state, "bundle", &root);
	const struct migrate_offer whole = offer;

	offer.witness = ".w";
	offer.bundle = "/nowhere";
	check(*state, &offer, &empty, "the bundle '/nowhere'");
	offer.bundle = whole.bundle;
	offer.rootfs = "/nowhere";
	check(*state, &offer, &empty, "the root file system '/nowhere'");
}

#define NOT_ITS_OWN "there is not the source's own, shared between the two"

static void test_whose_root(void **state)
{
	struct stat root;
	struct migrate_offer offer = make(*state, "root", &root);
	struct migrate_sample sample = {0};
	char boot_id[BOOT_ID_SIZE];
	int fd = open(offer.rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_return_code(fd, errno);
	offer.witness = ".w";
	check(*state, &offer, &empty, NULL);
	offer.witness = ".x";
	check(*state, &offer, &empty, NOT_ITS_OWN);

	/* nobody can write to it: an inode of the same number is found at the top of any file system */
	offer.witness = "";
	offer.rootfs_inode = root.st_ino;
	offer.rootfs_device = root.st_dev;
	check(*state, &offer, &empty, NOT_ITS_OWN);
	assert_int_equal(migrate_sample_add(&sample, fd, "/.w", &arena, NULL), 0);
	offer.rootfs_sample = sample.files;
	offer.n_rootfs_sample = sample.n_files;
	check(*state, &offer, &empty, NULL);
	scratch_write(*state, "root/rootfs/.w", "another");
	check(*state, &offer, &empty, NOT_ITS_OWN ": '/.w' there is another, or missing");

	/* but on one host the numbers tell */
	assert_int_equal(process_boot_id(boot_id, NULL), 0);
	offer.boot_id = boot_id;
	check(*state, &offer, &empty, NULL);
	offer.rootfs_device++;
	check(*state, &offer, &empty, NOT_ITS_OWN);
	close(fd);
}

static void test_sources_of_mounts(void **state)
{
	static const char *bind[] = {"ro", "bind"};
	static const char *rbind[] = {"rbind"};
	static const struct {
		const char *source;
		const char **options;
		size_t n_options;
		const char *want;
	} cases[] = {
	    {"/",        bind,  2, NULL						      },
	    {"rootfs",   bind,  2, NULL						      }, /* of the bundle */
	    {"/nowhere", bind,  2, "the source '/nowhere' of the mount at '/data' is missing"},
	    {"/nowhere", rbind, 1, "the source '/nowhere' of the mount at '/data' is missing"},
	    {"nowhere",  bind,  2, "the source 'nowhere' of the mount at '/data' is missing" },
	    {"/nowhere", bind,  1, NULL						      }, /* no bind */
	    {NULL,       bind,  2, NULL						      },
	};
	struct oci_mount mount = {.destination = "/data"};
	struct oci_spec spec = {.linux_ = &nothing, .mounts = &mount, .n_mounts = 1};
	struct stat root;
	struct migrate_offer offer = make(*state, "mounts", &root);

	offer.witness = ".w";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		mount.source = cases[i].source;
		mount.options = cases[i].options;
		mount.n_options = cases[i].n_options;
		check(*state, &offer, &spec, cases[i].want);
	}
}

static void test_namespaces(void **state)
{
	struct oci_namespace namespaces[] = {
	    {.type = CLONE_NEWPID        },
            { .type = CLONE_NEWNET, .path = "/proc/self/ns/net"}
        };
	struct oci_linux linux_ = {.namespaces = namespaces, .n_namespaces = 2};
	struct oci_spec spec = {.linux_ = &linux_};
	struct stat root;
	struct migrate_offer offer = make(*state, "namespaces", &root);

	offer.witness = ".w";
	check(*state, &offer, &spec, NULL);
	namespaces[1].path = "/run/netns/nowhere";
	check(*state, &offer, &spec, "the namespace '/run/netns/nowhere' is missing there");
}

static void test_controllers(void **state)
{
	struct oci_string_map unified = {"nonesuch.max", "1"};
	struct oci_resources resources = {.unified = &unified, .n_unified = 1};
	struct oci_linux linux_ = {.resources = &resources};
	struct oci_spec spec = {.linux_ = &linux_};
	struct stat root;
	struct migrate_offer offer = make(*state, "controllers", &root);
	int mount = cgroup_open_mount(NULL);

	offer.witness = ".w";
	if (mount < 0) {
		check(*state, &offer, &spec, "it has no cgroup v2 tree");
		return;
	}
	close(mount);
	check(*state, &offer, &spec,
	      "its cgroup v2 tree lacks the controller 'nonesuch' for unified.nonesuch.max");
	unified.key = "cgroup.max.depth"; /* of no controller */
	check(*state, &offer, &spec, NULL);
}

/** In a directory that has what a procfs has. */
static void test_the_kernel(void **state)
{
	struct oci_namespace namespaces[] = {{.type = CLONE_NEWPID}, {.type = CLONE_NEWTIME}};
	struct oci_seccomp seccomp = {0};
	struct oci_process process = {.apparmor_profile = "web"};
	struct oci_linux linux_ = {
	    .namespaces = namespaces, .n_namespaces = 2, .seccomp = &seccomp};
	struct oci_spec spec = {.linux_ = &linux_, .process = &process};
	struct migrate_obstacles obstacles = {.arena = &arena};
	static const char *const dirs[] = {"proc",
					   "proc/7",
					   "proc/7/ns",
					   "proc/7/attr",
					   "proc/7/attr/apparmor",
					   "proc/sys",
					   "proc/sys/kernel",
					   "proc/sys/kernel/seccomp"};
	const struct scratch *scratch = *state;
	int proc;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		scratch_mkdir(scratch, dirs[i]);
	assert_return_code(symlinkat("7", scratch->fd, "proc/self"), errno);
	assert_return_code(symlinkat("pid:[1]", scratch->fd, "proc/7/ns/pid"), errno);
	proc = openat(scratch->fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(proc, errno);
	migrate_find_in_kernel(&spec, proc, &obstacles);
	assert_int_equal(obstacles.count, 3);
	assert_string_equal(obstacles.list[0], "its kernel has no time namespaces");
	assert_string_equal(obstacles.list[1], "its kernel has no seccomp filters (linux.seccomp)");
	assert_string_equal(obstacles.list[2],
			    "its kernel does not use AppArmor (process.apparmorProfile 'web')");

	assert_return_code(symlinkat("time:[1]", scratch->fd, "proc/7/ns/time"), errno);
	scratch_write(scratch, "proc/sys/kernel/seccomp/actions_avail", "allow");
	scratch_write(scratch, "proc/7/attr/apparmor/current", "unconfined");
	obstacles.count = 0;
	migrate_find_in_kernel(&spec, proc, &obstacles);
	assert_int_equal(obstacles.count, 0);
	close(proc);
}

/** What this kernel has it is not said to lack. */
static void test_this_kernel(void **state)
{
	struct oci_namespace namespaces[] = {
	    {.type = CLONE_NEWCGROUP}, {.type = CLONE_NEWIPC}, {.type = CLONE_NEWNS},
	    {.type = CLONE_NEWNET},    {.type = CLONE_NEWPID}, {.type = CLONE_NEWUTS},
	    {.type = CLONE_NEWUSER},
	};
	struct oci_linux linux_ = {.namespaces = namespaces, .n_namespaces = ARRAY_LEN(namespaces)};
	struct oci_spec spec = {.linux_ = &linux_};
	struct stat root;
	struct migrate_offer offer = make(*state, "kernel", &root);

	offer.witness = ".w";
	check(*state, &offer, &spec, NULL);
}

static void test_room(void **state)
{
	struct stat root;
	struct migrate_offer offer = make(*state, "room", &root);

	offer.witness = ".w";
	offer.memory = UINT64_MAX;
	check(*state, &offer, &empty, "MiB of room for images");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_id),     cmocka_unit_test(test_bundle_and_root),
	    cmocka_unit_test(test_whose_root), cmocka_unit_test(test_sources_of_mounts),
	    cmocka_unit_test(test_namespaces), cmocka_unit_test(test_controllers),
	    cmocka_unit_test(test_the_kernel), cmocka_unit_test(test_this_kernel),
	    cmocka_unit_test(test_room),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
