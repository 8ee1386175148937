/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/version.h"

#include "config.build.h"
#include "libcontainer/seccomp/seccomp.h"
#include "oci-spec/state.h"

void version_print(FILE *out)
{
	/* a tree that came as an archive knows no commit */
	const char *commit = WHERRY_COMMIT[0] ? WHERRY_COMMIT : WHERRY_VERSION;
	char libseccomp[32];

	seccomp_library_version(libseccomp, sizeof(libseccomp));
	fprintf(out, "wherry version %s\ncommit: %s\nspec: %s\nlibseccomp: %s\n", WHERRY_VERSION,
		commit, OCI_VERSION, libseccomp);
}
