/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timestamp.h"

#include <stdio.h>
#include <time.h>

void timestamp_now(char buf[TIMESTAMP_SIZE])
{
	time_t seconds = time(NULL);
	struct tm utc;

	if (!gmtime_r(&seconds, &utc) || !strftime(buf, TIMESTAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc))
		snprintf(buf, TIMESTAMP_SIZE, "1970-01-01T00:00:00Z");
}
