/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a migration that is cut down at a chosen point. WHERRY_TEST_MIGRATE_FAULT in the environment is
 * "SIDE POINT ACTION", such as "source send:commit kill" or "destination committed stop". The only thing
 * it does is that the process ends or stops itself there, which whoever sets our environment could do anyway.
 *
 * SIDE is source or destination. POINT is send:MESSAGE before a message is sent, sent:MESSAGE after, got:MESSAGE
 * when one has been received (blanks in names are '-'), or a name given by the steps between. ACTION is kill
 * (SIGKILL) or stop (SIGSTOP). It happens once: what is stopped and continued goes on to the end.
 */
#pragma once

/** From here on none is wanted any more, here and in processes of ours: what recovers is not cut down again. */
void migrate_fault_end(void);
/** Point @what ("send", or a name alone) of @name (NULL: none) was reached on @side. */
void migrate_fault(const char *side, const char *what, const char *name);
