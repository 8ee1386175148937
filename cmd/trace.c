/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/verb.h"
#include "cmd/waterfall.h"

/** For a pipe or a file, where nobody says how wide. */
#define DEFAULT_WIDTH 100

static const struct argument trace_arguments[] = {
    ARGUMENT("FILE", COMPLETE_FILE),
};

static size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width = DEFAULT_WIDTH;

	if (!columns || str_parse_u64(columns, UINT16_MAX, &width) < 0) {
		if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
			width = size.ws_col;
	}
	if (width < WATERFALL_MIN_WIDTH)
		return WATERFALL_MIN_WIDTH;
	return width > WATERFALL_MAX_WIDTH ? WATERFALL_MAX_WIDTH : (size_t)width;
}

/** The character set of the locale, by its name alone: loading a locale is not worth one glyph. */
static bool is_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
		const char *value = getenv(variables[i]);

		if (!str_empty(value))
			return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
	}
	return false;
}

static int run(struct cli *cli, const void *args, struct wh_error *err)
{
	struct waterfall_style style = {.width = terminal_width(), .utf8 = is_utf8()};
	struct trace_event *events;
	size_t count;
	int rc;

	rc = trace_file_read(cli->args[0], cli->arena, &events, &count, err);
	if (rc < 0)
		return rc;
	waterfall_print(stdout, events, count, &style);
	return 0;
}

const struct verb verb_trace = {
    .name = "trace",
    .summary = "draw a timeline that --trace wrote",
    .details =
	"FILE is Chrome's trace-event format: about:tracing and ui.perfetto.dev read it, too.",
    VERB_ARGUMENTS(trace_arguments),
    .stateless = true,
    .run = run,
};
