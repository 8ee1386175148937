/* SPDX-License-Identifier: Apache-2.0 */
/* update: new limits for a container, all of them or none. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "base/str.h"
#include "cgroups/cgroup_update.h"
#include "libcontainer/access.h"
#include "libcontainer/config_load.h"
#include "libcontainer/intel_rdt.h"
#include "oci-spec/config.h"

struct update {
	const struct runtime *rt;
	const struct update_options *opts;
	struct access access;
	struct systemd_bus *systemd;
	const struct oci_resources *change;
	struct cgroup_update plan;
	struct cgroup_update_done done;
	struct oci_intel_rdt rdt; /* the container's, with the schemas asked for */
	struct intel_rdt_plan rdt_plan;
	int rdt_fd;
	const char *rdt_before; /* schemata, to be written again on a failure */
	const char *config;     /* the container's configuration as it will be */
	size_t config_len;
};

static int step_open(void *ctx, struct wh_error *err)
{
	struct update *update = ctx;
	struct access *access = &update->access;
	int rc = access_open(access, update->rt, update->opts->id, STATE_LOCKED, err);

	if (rc < 0)
		return rc;
	if (access->status != OCI_STATUS_CREATED && access->status != OCI_STATUS_RUNNING)
		return access_not_running(access, err);
	/* may start the program anew, so before standard input is read */
	if (access->record.unit)
		rc = systemd_load(err);
	return rc < 0 ? rc : access_spec(access, err);
}

static int read_document(const char *path, struct arena *arena, struct problems *problems,
			 const struct oci_resources **ret, struct wh_error *err)
{
	bool from_stdin = streq(path, "-");
	const char *name = from_stdin ? "standard input" : path;
	char *text;
	size_t len;
	int rc;

	if (from_stdin)
		rc = file_read_stream(STDIN_FILENO, name, OCI_CONFIG_MAX_SIZE, arena, &text, &len,
				      err);
	else
		rc = file_read(AT_FDCWD, path, OCI_CONFIG_MAX_SIZE, arena, &text, &len, err);
	return rc < 0 ? rc : oci_resources_decode(name, text, len, arena, problems, ret, err);
}

static int changes_rdt(const void *ctx)
{
	const struct update *update = ctx;

	return update->opts->l3_cache_schema || update->opts->mem_bw_schema;
}

/**
 * What --l3-cache-schema and --mem-bw-schema ask for is no cgroup's, and goes to resctrl: to the
 * class of service that the container has been in since it was created.
 */
static int plan_rdt(struct update *update, struct wh_error *err)
{
	const struct update_options *opts = update->opts;
	const struct oci_intel_rdt *rdt = update->access.spec->linux_->intel_rdt;
	const struct oci_intel_rdt change = {
	    .clos_id = rdt ? rdt->clos_id : NULL,
	    .l3_cache_schema = opts->l3_cache_schema,
	    .mem_bw_schema = opts->mem_bw_schema,
	};

	if (!rdt)
		return wh_fail_kind(err, WH_ERROR_UNSUPPORTED, 0,
				    "%s: container '%s' was created without linux.intelRdt: its "
				    "processes are in the default class of service",
				    opts->l3_cache_schema ? "--l3-cache-schema" : "--mem-bw-schema",
				    opts->id);
	update->rdt = *rdt;
	if (opts->l3_cache_schema)
		update->rdt.l3_cache_schema = opts->l3_cache_schema;
	if (opts->mem_bw_schema)
		update->rdt.mem_bw_schema = opts->mem_bw_schema;
	return intel_rdt_plan_build(&change, opts->id, &update->access.arena, &update->rdt_plan,
				    err);
}

static int step_read(void *ctx, struct wh_error *err)
{
	static const struct oci_resources nothing = {.n_devices = 0};
	struct update *update = ctx;
	const struct update_options *opts = update->opts;
	struct problems problems;
	int rc;

	problems_init(&problems, &update->access.arena);
	update->change = opts->resources ? opts->resources : &nothing;
	rc = changes_rdt(update) ? plan_rdt(update, err) : 0;
	if (rc == 0 && opts->resources_file)
		rc = read_document(opts->resources_file, &update->access.arena, &problems,
				   &update->change, err);
	for (const struct problem *p = problems.first; p; p = p->next) {
		if (p->severity == PROBLEM_WARNING)
			log_warning("%s", p->text);
	}
	return rc;
}

/** What the whole configuration becomes is checked before anything changes. */
static int encode_config(struct update *update, struct wh_error *err)
{
	struct oci_spec spec = *update->access.spec;
	struct oci_linux linux_ = *spec.linux_;

	linux_.resources = update->plan.resources;
	if (changes_rdt(update))
		linux_.intel_rdt = &update->rdt;
	spec.linux_ = &linux_;
	return state_config_encode(&spec, &update->access.arena, &update->config,
				   &update->config_len, err);
}

static int step_plan(void *ctx, struct wh_error *err)
{
	struct update *update = ctx;
	struct problems problems;
	int rc;

	problems_init(&problems, &update->access.arena);
	rc = cgroup_update_plan(update->access.spec->linux_->resources, update->change,
				&update->access.arena, &problems, &update->plan, err);
	if (rc == 0)
		rc = problems_to_error(&problems, err);
	return rc < 0 ? rc : encode_config(update, err);
}

static int changes_cgroup(const void *ctx)
{
	const struct update *update = ctx;

	return update->plan.writes.count > 0 || update->plan.devices;
}

static struct cgroup_target target_of(struct update *update)
{
	struct access *access = &update->access;
	const struct container_record *record = &access->record;

	return (struct cgroup_target){
	    .manager = (enum cgroup_manager)record->cgroup_manager,
	    .mount_fd = access->cgroup_mount_fd,
	    .path = record->cgroup_path,
	    .cgroup = &access->cgroup,
	    .systemd = update->systemd,
	    .unit = record->unit,
	    .user_unit = record->user_unit,
	    .arena = &access->arena,
	};
}

static int step_apply(void *ctx, struct wh_error *err)
{
	struct update *update = ctx;
	const struct container_record *record = &update->access.record;
	struct cgroup_target target;
	int rc = access_open_cgroup(&update->access, err);

	if (rc == 0 && record->unit)
		rc = systemd_bus_open(record->user_unit, &update->systemd, err);
	if (rc < 0)
		return rc;
	target = target_of(update);
	return cgroup_update_apply(&update->plan, &target, &update->done, err);
}

static void undo_apply(void *ctx)
{
	struct update *update = ctx;
	const struct cgroup_target target = target_of(update);

	cgroup_update_undo(&update->plan, &target, &update->done);
}

static int step_rdt(void *ctx, struct wh_error *err)
{
	struct update *update = ctx;

	update->rdt_fd = intel_rdt_open(err);
	if (update->rdt_fd < 0)
		return update->rdt_fd;
	return intel_rdt_change(&update->rdt_plan, update->rdt_fd, update->rdt_plan.limits,
				&update->access.arena, &update->rdt_before, err);
}

static void undo_rdt(void *ctx)
{
	struct update *update = ctx;
	struct wh_error err = WH_ERROR_INIT;
	const char *changed;

	if (intel_rdt_change(&update->rdt_plan, update->rdt_fd, update->rdt_before,
			     &update->access.arena, &changed, &err) < 0)
		log_warning("%s", err.message);
}

static int step_remember(void *ctx, struct wh_error *err)
{
	struct update *update = ctx;

	return state_config_write(update->access.dir_fd, update->config, update->config_len, err);
}

static const struct step update_steps[] = {
    {"open container",  step_open,     NULL,       NULL          },
    {"read limits",     step_read,     NULL,       NULL          },
    {"plan",            step_plan,     NULL,       NULL          },
    {"set limits",      step_apply,    undo_apply, changes_cgroup},
    {"set RDT schemas", step_rdt,      undo_rdt,   changes_rdt   },
    {"remember limits", step_remember, NULL,       NULL          },
};

int container_update(const struct runtime *rt, const struct update_options *opts,
		     struct wh_error *err)
{
	struct update update = {.rt = rt, .opts = opts, .access = ACCESS_INIT, .rdt_fd = -EBADF};
	int rc = steps_run(update_steps, ARRAY_LEN(update_steps), &update, err);

	systemd_bus_close(update.systemd);
	fd_close(update.rdt_fd);
	access_done(&update.access);
	return rc;
}
