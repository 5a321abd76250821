// SPDX-License-Identifier: Apache-2.0
// The monitor: the operator's command line. Everything here runs in the console job; output goes to the monitor's ring,
// a row per slice, so that no command delays anything.
#ifndef KERNEL_MONITOR_H
#define KERNEL_MONITOR_H

#include "kernel/types.h"

int monitor_init(void); // boot

// A line that is not an answer to a command.
void monitor_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void monitor_prompt(void); // a fresh one; nothing while a command is at work, which ends with one
void monitor_redraw(void); // the prompt and what was typed so far
void monitor_key(char c);
bool monitor_busy(void); // a command is at work and takes no keys
void monitor_cancel(void);
bool monitor_step(void); // one row of it; false: nothing to do, or no room now

#endif
