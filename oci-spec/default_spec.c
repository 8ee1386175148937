/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default configuration as tables, copied into the arena, strings too: the caller may change
 * it, and the init image, which maps the arena, does not have this program's constants.
 *
 * Against runc's: a cgroup namespace (CVE-2023-25809, and a /proc/self/cgroup that makes sense
 * inside), no ambient capabilities (the kernel would refuse them without inheritable ones), and two
 * more masked paths.
 */
#include "oci-spec/default_spec.h"

#include <assert.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#include "base/str.h"
#include "base/sys.h"
#include "oci-spec/state.h"

static const char *const args[] = {"sh", NULL};
static const char *const env[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", NULL};

/* moby's list: CVE-2017-16539 (scsi), CVE-2018-10892 (acpi), moby#35399 (keys), and what leaks
 * timing or power of the host. */
static const char *const masked_paths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    NULL,
};
static const char *const readonly_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

struct default_mount {
	const char *destination, *type, *source;
	const char *options; /* separated by commas; NULL: none */
};

static const struct default_mount mounts[] = {
    {"/proc",          "proc",   "proc",   NULL						     },
    {"/dev",           "tmpfs",  "tmpfs",  "nosuid,strictatime,mode=755,size=65536k"                },
    {"/dev/pts",       "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
    {"/dev/shm",       "tmpfs",  "shm",    "nosuid,noexec,nodev,mode=1777,size=65536k"              },
    {"/dev/mqueue",    "mqueue", "mqueue", "nosuid,noexec,nodev"                                    },
    {"/sys",           "sysfs",  "sysfs",  "nosuid,noexec,nodev,ro"                                 },
    {"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"                        },
};

/*
 * A user without privileges has no group 5 inside (devpts gid=5), and may not mount sysfs while the
 * network namespace is the host's: a bind of the host's /sys stands in.
 */
static const struct default_mount rootless_mounts[] = {
    {"/proc",          "proc",   "proc",   NULL					       },
    {"/dev",           "tmpfs",  "tmpfs",  "nosuid,strictatime,mode=755,size=65536k"          },
    {"/dev/pts",       "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"},
    {"/dev/shm",       "tmpfs",  "shm",    "nosuid,noexec,nodev,mode=1777,size=65536k"        },
    {"/dev/mqueue",    "mqueue", "mqueue", "nosuid,noexec,nodev"                              },
    {"/sys",           "none",   "/sys",   "rbind,nosuid,noexec,nodev,ro"                     },
    {"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"                  },
};
static_assert(ARRAY_LEN(mounts) == ARRAY_LEN(rootless_mounts),
	      "the same places, mounted otherwise");

static const int64_t namespaces[] = {CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
				     CLONE_NEWUTS, CLONE_NEWNS,  CLONE_NEWCGROUP};
static const int64_t rootless_namespaces[] = {CLONE_NEWPID, CLONE_NEWIPC,    CLONE_NEWUTS,
					      CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUSER};

static const uint64_t default_capabilities =
    1ULL << CAP_AUDIT_WRITE | 1ULL << CAP_KILL | 1ULL << CAP_NET_BIND_SERVICE;

/* Remembers that the arena was full, so that each allocation need not be judged where it is made.
 */
struct builder {
	struct arena *arena;
	bool failed;
};

static void *make(struct builder *b, size_t count, size_t size)
{
	void *memory = arena_calloc(b->arena, count, size);

	if (!memory)
		b->failed = true;
	return memory;
}

static const void *copy(struct builder *b, const void *data, size_t size)
{
	const void *memory = arena_memdup(b->arena, data, size);

	if (!memory)
		b->failed = true;
	return memory;
}

static const char *copy_string(struct builder *b, const char *string)
{
	const char *copied = arena_strdup(b->arena, string);

	if (!copied)
		b->failed = true;
	return copied;
}

static const char **copy_strings(struct builder *b, const char *const *strings, size_t *ret_count)
{
	size_t count = 0;
	const char **copies;

	*ret_count = 0;
	while (strings[count])
		count++;
	copies = make(b, count, sizeof(*copies));
	if (!copies)
		return NULL;
	for (size_t i = 0; i < count; i++)
		copies[i] = copy_string(b, strings[i]);
	*ret_count = count;
	return copies;
}

/* The words of @list, which are separated by commas. */
static const char **split(struct builder *b, const char *list, size_t *ret_count)
{
	char *rest = list ? (char *)(uintptr_t)copy_string(b, list) : NULL;
	const char **words;
	size_t count = 1;

	*ret_count = 0;
	if (!rest)
		return NULL;
	for (const char *c = rest; *c; c++)
		count += *c == ',';
	words = make(b, count, sizeof(*words));
	if (!words)
		return NULL;
	for (size_t i = 0; i < count; i++)
		words[i] = strsep(&rest, ",");
	*ret_count = count;
	return words;
}

static const struct oci_process *make_process(struct builder *b)
{
	struct oci_process *process = make(b, 1, sizeof(*process));
	const struct oci_capability_set *set;
	struct oci_capabilities caps;
	struct oci_rlimit rlimit = {.type = RLIMIT_NOFILE, .soft = 1024, .hard = 1024};
	bool on = true;

	if (!process)
		return NULL;
	process->terminal = true;
	process->args = copy_strings(b, args, &process->n_args);
	process->env = copy_strings(b, env, &process->n_env);
	process->cwd = copy_string(b, "/");
	set = copy(b, &(struct oci_capability_set){.mask = default_capabilities}, sizeof(*set));
	caps = (struct oci_capabilities){.bounding = set, .effective = set, .permitted = set};
	process->capabilities = copy(b, &caps, sizeof(caps));
	process->rlimits = (struct oci_rlimit *)(uintptr_t)copy(b, &rlimit, sizeof(rlimit));
	process->n_rlimits = 1;
	process->no_new_privileges = copy(b, &on, sizeof(on));
	return process;
}

static struct oci_mount *make_mounts(struct builder *b, const struct default_mount *rows,
				     size_t count)
{
	struct oci_mount *made = make(b, count, sizeof(*made));

	for (size_t i = 0; made && i < count; i++) {
		made[i].destination = copy_string(b, rows[i].destination);
		made[i].type = copy_string(b, rows[i].type);
		made[i].source = copy_string(b, rows[i].source);
		made[i].options = split(b, rows[i].options, &made[i].n_options);
	}
	return made;
}

static struct oci_namespace *make_namespaces(struct builder *b, const int64_t *types, size_t count)
{
	struct oci_namespace *made = make(b, count, sizeof(*made));

	for (size_t i = 0; made && i < count; i++)
		made[i].type = types[i];
	return made;
}

static struct oci_id_mapping *make_mapping(struct builder *b, uint32_t host_id)
{
	struct oci_id_mapping *mapping = make(b, 1, sizeof(*mapping));

	if (mapping)
		*mapping =
		    (struct oci_id_mapping){.container_id = 0, .host_id = host_id, .size = 1};
	return mapping;
}

/* Deny every device; the default ones are allowed by the runtime itself. */
static const struct oci_resources *make_resources(struct builder *b)
{
	struct oci_resources *resources = make(b, 1, sizeof(*resources));

	if (!resources)
		return NULL;
	resources->devices = make(b, 1, sizeof(*resources->devices));
	if (resources->devices)
		*resources->devices = (struct oci_device_rule){
		    .allow = false, .type = 'a', .access = copy_string(b, "rwm")};
	resources->n_devices = 1;
	return resources;
}

static const struct oci_linux *make_linux(struct builder *b, bool rootless, uint32_t uid,
					  uint32_t gid)
{
	struct oci_linux *linux_ = make(b, 1, sizeof(*linux_));

	if (!linux_)
		return NULL;
	if (rootless) {
		linux_->uid_mappings = make_mapping(b, uid);
		linux_->n_uid_mappings = 1;
		linux_->gid_mappings = make_mapping(b, gid);
		linux_->n_gid_mappings = 1;
		linux_->namespaces =
		    make_namespaces(b, rootless_namespaces, ARRAY_LEN(rootless_namespaces));
		linux_->n_namespaces = ARRAY_LEN(rootless_namespaces);
	} else {
		linux_->resources = make_resources(b);
		linux_->namespaces = make_namespaces(b, namespaces, ARRAY_LEN(namespaces));
		linux_->n_namespaces = ARRAY_LEN(namespaces);
	}
	linux_->masked_paths = copy_strings(b, masked_paths, &linux_->n_masked_paths);
	linux_->readonly_paths = copy_strings(b, readonly_paths, &linux_->n_readonly_paths);
	return linux_;
}

int oci_default_spec(struct arena *arena, bool rootless, uint32_t uid, uint32_t gid,
		     struct oci_spec **ret_spec, struct wh_error *err)
{
	struct builder b = {.arena = arena};
	struct oci_root root = {.path = copy_string(&b, "rootfs"), .readonly = true};
	struct oci_spec *spec = make(&b, 1, sizeof(*spec));

	if (!spec)
		return wh_oom(err);
	spec->oci_version = copy_string(&b, OCI_VERSION);
	spec->process = make_process(&b);
	spec->root = copy(&b, &root, sizeof(root));
	spec->hostname = copy_string(&b, "wherry");
	spec->mounts = rootless ? make_mounts(&b, rootless_mounts, ARRAY_LEN(rootless_mounts))
				: make_mounts(&b, mounts, ARRAY_LEN(mounts));
	spec->n_mounts = ARRAY_LEN(mounts);
	spec->linux_ = make_linux(&b, rootless, uid, gid);
	if (b.failed)
		return wh_oom(err);
	*ret_spec = spec;
	return 0;
}
