/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/checkpoint/criu_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CONFIG_ANNOTATION "org.criu.config"
/** Everything up to what CRIU calls debugging: its errors alone seldom tell why. */
#define LOG_LEVEL 4
/** A file that was deleted while open is saved whole, up to this size; CRIU's own limit is 1 MiB. */
#define GHOST_LIMIT (1UL << 30)

/** Where CRIU's configuration is looked for, the first that is there. */
static const char *const config_files[] = {"/etc/criu/wherry.conf", "/etc/criu/runc.conf"};

static int make_directories(const char *path)
{
	char buf[PATH_MAX];

	if ((size_t)snprintf(buf, sizeof(buf), "%s", path) >= sizeof(buf))
		return -ENAMETOOLONG;
	for (char *slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(buf, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_directory(const char *path, const char *option, bool create, int *ret_fd,
			  struct wh_error *err)
{
	int rc = create ? make_directories(path) : 0;
	int fd = rc < 0 ? rc : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return wh_fail(err, rc < 0 ? -rc : errno, "%s '%s'", option, path);
	*ret_fd = fd;
	return 0;
}

int criu_files_open(struct criu_files *files, const struct criu_choices *choices, bool create,
		    struct wh_error *err)
{
	int rc = 0;

	files->image_path = choices->image_path ? choices->image_path : CHECKPOINT_DEFAULT_IMAGE;
	files->work_path = choices->log_goes    ? NULL
			   : choices->work_path ? choices->work_path
						: files->image_path;
	if (choices->image_dir_fd > 0) {
		files->image_fd = fcntl(choices->image_dir_fd, F_DUPFD_CLOEXEC, 3);
		if (files->image_fd < 0)
			return wh_fail(err, errno, "use the image's directory");
	} else {
		rc = open_directory(files->image_path, "--image-path", create, &files->image_fd,
				    err);
	}
	if (rc < 0)
		return rc;
	if (choices->work_path)
		return open_directory(choices->work_path, "--work-path", true, &files->work_fd,
				      err);
	files->work_fd = fcntl(files->image_fd, F_DUPFD_CLOEXEC, 3);
	return files->work_fd < 0 ? wh_fail(err, errno, "use the image's directory") : 0;
}

void criu_files_close(struct criu_files *files)
{
	files->image_fd = fd_close(files->image_fd);
	files->work_fd = fd_close(files->work_fd);
}

static const char *config_file(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		if (streq(spec->annotations[i].key, CONFIG_ANNOTATION))
			return str_empty(spec->annotations[i].value) ? NULL
								     : spec->annotations[i].value;
	}
	for (size_t i = 0; i < ARRAY_LEN(config_files); i++) {
		if (access(config_files[i], R_OK) == 0)
			return config_files[i];
	}
	return NULL;
}

/**
 * CRIU locks by iptables' programs unless it is told otherwise, and fails where they are missing; nftables needs
 * none.
 */
static enum criu_network_lock network_lock(const struct criu_choices *choices)
{
	static const char *const programs[] = {"/usr/sbin/iptables-restore",
					       "/sbin/iptables-restore"};

	if (choices->network_lock != CRIU_NETWORK_LOCK_DEFAULT)
		return choices->network_lock;
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		if (access(programs[i], X_OK) == 0)
			return CRIU_NETWORK_LOCK_IPTABLES;
	}
	return CRIU_NETWORK_LOCK_NFTABLES;
}

int criu_options_common(const struct criu_choices *choices, const struct criu_files *files,
			const struct oci_spec *spec, struct criu_options *ret, struct wh_error *err)
{
	*ret = (struct criu_options){
	    .images_dir_fd = files->image_fd,
	    .work_dir_fd = files->work_fd,
	    .log_level = LOG_LEVEL,
	    .ghost_limit = GHOST_LIMIT,
	    .config_file = config_file(spec),
	    .ext_unix_sk = choices->ext_unix_sk,
	    .tcp_established = choices->tcp_established,
	    .tcp_close = choices->tcp_close,
	    .shell_job = choices->shell_job,
	    .file_locks = choices->file_locks,
	    .link_remap = choices->link_remap,
	    .auto_dedup = choices->auto_dedup,
	    .lazy_pages = choices->lazy_pages,
	    .network_lock = network_lock(choices),
	    .lsm_profile = choices->lsm_profile,
	    .lsm_mount_context = choices->lsm_mount_context,
	    .empty_ns = choices->empty_network ? CLONE_NEWNET : 0,
	    .manage_cgroups = true,
	    .cgroups_mode = CRIU_CGROUPS_IGNORE,
	    .orphan_pts_master = true,
	    .ext_masters = true,
	    .ext_sharing = true,
	};
	if (ret->config_file && access(ret->config_file, R_OK) < 0)
		return wh_fail(err, errno, "annotation " CONFIG_ANNOTATION ": '%s'",
			       ret->config_file);
	return 0;
}

#define CPUINFO_LOG "cpuinfo.log"

int criu_cpuinfo(struct criu *criu, enum criu_request_type type, const struct criu_files *files,
		 struct wh_error *err)
{
	const struct criu_options options = {
	    .images_dir_fd = files->image_fd,
	    .work_dir_fd = files->work_fd,
	    .log_level = LOG_LEVEL,
	    .log_file = CPUINFO_LOG,
	};
	const struct criu_request request = {.type = type, .options = &options, .keep_open = true};
	struct criu_response response;
	int rc = criu_call(criu, &request, NULL, NULL, &response, err);

	if (rc == 0 || wh_error_set(err))
		return rc;
	return criu_failed(&response,
			   type == CRIU_CPUINFO_DUMP
			       ? "describe this processor"
			       : "use this processor for what was saved on another",
			   files->work_fd, files->work_path, CPUINFO_LOG, err);
}
