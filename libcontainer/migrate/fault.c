/* SPDX-License-Identifier: Apache-2.0 */
#include "libcontainer/migrate/fault.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static const struct {
	const char *name;
	int sig;
} actions[] = {
    {"kill", SIGKILL},
    {"stop", SIGSTOP},
};

#define VARIABLE "WHERRY_TEST_MIGRATE_FAULT"

void migrate_fault_end(void)
{
	unsetenv(VARIABLE);
}

void migrate_fault(const char *side, const char *what, const char *name)
{
	const char *wanted = getenv(VARIABLE);
	char here[128];

	if (!wanted)
		return;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		char *colon;
		int n = snprintf(here, sizeof(here), "%s %s%s%s", side, what, name ? ":" : "",
				 name ? name : "");

		if (n < 0 || n >= (int)sizeof(here))
			return;
		colon = strchr(here, ':');
		for (char *c = colon; c && *c; c++)
			*c = *c == ' ' ? '-' : *c;
		if (strncmp(wanted, here, (size_t)n) != 0 || wanted[n] != ' ' ||
		    !streq(wanted + n + 1, actions[i].name))
			continue;
		/* once: who is let go on may come here again */
		migrate_fault_end();
		kill(getpid(), actions[i].sig);
		return;
	}
}
