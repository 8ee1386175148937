/* SPDX-License-Identifier: Apache-2.0 */
/* Calls and jobs of systemd's manager, for the sources of cgroups/ only. */
#pragma once

#include "cgroups/bus_value.h"
#include "cgroups/systemd_bus.h"
#include "cgroups/systemd_library.h"

#define SYSTEMD_NAME  "org.freedesktop.systemd1"
#define DBUS_PROPERTY "org.freedesktop.DBus.Properties"

/** A connection. */
struct systemd_bus {
	const struct sd_library *lib;
	sd_bus *bus;
	bool user;
};

/** What systemd answered instead of a result, of its own or the bus's errors. */
enum systemd_answer {
	SYSTEMD_DONE,
	SYSTEMD_NO_UNIT,     /* NoSuchUnit */
	SYSTEMD_UNIT_EXISTS, /* UnitExists */
	SYSTEMD_NO_OBJECT,   /* UnknownObject: of a job, that it has ended */
	SYSTEMD_GONE,        /* it left the bus before it answered: it is being restarted */
	SYSTEMD_FAILED,      /* anything else */
};

/** "systemd", or "the user's systemd", for errors. */
const char *systemd_bus_name(const struct systemd_bus *bus);

/** A method call to the manager, to be filled, sent, and freed by systemd_call_done(). */
struct systemd_call {
	struct systemd_bus *bus;
	sd_bus_message *message;
	sd_bus_message *reply;
	int failed;    /* the first -errno of filling it */
	bool repeated; /* sent more than once: the first time may have had its effect */
};

/** Begin a call of the manager's @method. */
void systemd_call_begin(struct systemd_call *call, struct systemd_bus *bus, const char *method);
/** The same for @method of @interface at the object @path. */
void systemd_call_begin_at(struct systemd_call *call, struct systemd_bus *bus, const char *path,
			   const char *interface, const char *method);
void systemd_call_text(struct systemd_call *call, const char *text);
void systemd_call_bool(struct systemd_call *call, bool value);
/** The list of properties, "a(sv)"; @pid is added as PIDs unless it is 0. */
void systemd_call_properties(struct systemd_call *call, const struct bus_properties *properties,
			     pid_t pid);
/** The further units of StartTransientUnit, "a(sa(sv))": none. */
void systemd_call_no_units(struct systemd_call *call);
/** An array of pids, "au", with the one. */
void systemd_call_pids(struct systemd_call *call, pid_t pid);
/**
 * Send it and wait for the answer; again, for a while, when systemd left the bus without one, since it
 * is being restarted. *@ret_answer says what kind it was; @what ("start unit 'x'") begins the error's
 * text. Returns 0 or -errno.
 */
int systemd_call_send(struct systemd_call *call, const char *what, enum systemd_answer *ret_answer,
		      struct wh_error *err);
void systemd_call_done(struct systemd_call *call);

/** A job that systemd will report the end of. */
struct systemd_job {
	struct systemd_bus *bus;
	char path[128]; /* the job */
	char ended_path
	    [128];       /* of the report that came last: it may be there before the job is known */
	char result[32]; /* what that said: "done", "failed", ... */
};

/**
 * Listen for the ends of jobs from here on, before the call that makes one. @job stays where it is for
 * as long as the connection. Returns 0 or -errno.
 */
int systemd_job_listen(struct systemd_job *job, struct systemd_bus *bus, struct wh_error *err);
/** The job that the reply to @call names. Returns 0 or -errno. */
int systemd_job_take(struct systemd_job *job, const struct systemd_call *call,
		     struct wh_error *err);
/**
 * Wait for its end. Returns 0 when it is done; -ETIMEDOUT, or -errno with a text that begins with @what.
 */
int systemd_job_wait(struct systemd_job *job, const char *what, struct wh_error *err);
