/* SPDX-License-Identifier: Apache-2.0 */
/* What CRIU and the kernel can do here, asked of CRIU. */
#include <errno.h>

#include "base/arena.h"
#include "libcontainer/checkpoint/checkpoint.h"
#include "libcontainer/checkpoint/criu.h"

static int ask(struct criu *criu, struct checkpoint_support *ret_support, struct wh_error *err)
{
	const struct criu_features wanted = {.mem_track = true, .lazy_pages = true};
	const struct criu_request request = {.type = CRIU_FEATURE_CHECK, .features = &wanted};
	struct criu_response response;
	int rc = criu_call(criu, &request, NULL, NULL, &response, err);

	if (rc < 0 && !wh_error_set(err))
		return wh_fail(err, 0, "CRIU does not tell what it can do here");
	if (rc < 0)
		return rc;
	*ret_support = (struct checkpoint_support){
	    .criu_version = criu->version,
	    .mem_track = response.features.mem_track,
	    .lazy_pages = response.features.lazy_pages,
	};
	return 0;
}

int checkpoint_support(const char *criu, struct checkpoint_support *ret_support,
		       struct wh_error *err)
{
	const struct criu_start start = {.program = criu, .cgroup_fd = -EBADF};
	struct criu asked = CRIU_NONE;
	struct arena arena;
	int rc = arena_init(&arena, err);

	if (rc < 0)
		return rc;
	rc = criu_start(&asked, &start, &arena, err);
	if (rc == 0)
		rc = ask(&asked, ret_support, err);
	criu_done(&asked);
	arena_done(&arena);
	return rc;
}
