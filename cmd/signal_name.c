/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signal_name.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>

#include "base/str.h"

#define SIGNAL_MAX 64
/* The first two real-time signals belong to the C library's threads (nptl(7)). */
#define SIGNAL_RTMIN 34

static const struct name_value rows[] = {
    {"HUP",    SIGHUP   },
    {"INT",    SIGINT   },
    {"QUIT",   SIGQUIT  },
    {"ILL",    SIGILL   },
    {"TRAP",   SIGTRAP  },
    {"ABRT",   SIGABRT  },
    {"BUS",    SIGBUS   },
    {"FPE",    SIGFPE   },
    {"KILL",   SIGKILL  },
    {"USR1",   SIGUSR1  },
    {"SEGV",   SIGSEGV  },
    {"USR2",   SIGUSR2  },
    {"PIPE",   SIGPIPE  },
    {"ALRM",   SIGALRM  },
    {"TERM",   SIGTERM  },
    {"STKFLT", SIGSTKFLT},
    {"CHLD",   SIGCHLD  },
    {"CONT",   SIGCONT  },
    {"STOP",   SIGSTOP  },
    {"TSTP",   SIGTSTP  },
    {"TTIN",   SIGTTIN  },
    {"TTOU",   SIGTTOU  },
    {"URG",    SIGURG   },
    {"XCPU",   SIGXCPU  },
    {"XFSZ",   SIGXFSZ  },
    {"VTALRM", SIGVTALRM},
    {"PROF",   SIGPROF  },
    {"WINCH",  SIGWINCH },
    {"IO",     SIGIO    },
    {"PWR",    SIGPWR   },
    {"SYS",    SIGSYS   },
    {"IOT",    SIGIOT   },
    {"CLD",    SIGCHLD  },
    {"POLL",   SIGPOLL  },
    {"UNUSED", SIGSYS   },
};
const struct name_table signal_names = NAME_TABLE(rows);

/** Real-time signals: where each name starts, which way it counts, and the name alone. */
static const struct {
	const char *name;
	int base;
	char sign;
} realtime[] = {
    {"RTMIN", SIGNAL_RTMIN, '+'},
    {"RTMAX", SIGNAL_MAX,   '-'}
};

static int parse_realtime(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(realtime); i++) {
		const char *rest = name + strlen(realtime[i].name);
		uint64_t offset;

		if (strncasecmp(name, realtime[i].name, strlen(realtime[i].name)) != 0)
			continue;
		if (*rest == '\0')
			return realtime[i].base;
		if (*rest != realtime[i].sign ||
		    str_parse_u64(rest + 1, SIGNAL_MAX - SIGNAL_RTMIN, &offset) < 0)
			return -EINVAL;
		return *rest == '+' ? realtime[i].base + (int)offset
				    : realtime[i].base - (int)offset;
	}
	return -EINVAL;
}

int signal_parse(const char *text)
{
	uint64_t number;

	if (str_parse_u64(text, SIGNAL_MAX, &number) == 0)
		return number > 0 ? (int)number : -EINVAL;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcasecmp(text, rows[i].name) == 0)
			return (int)rows[i].value;
	}
	return parse_realtime(text);
}
