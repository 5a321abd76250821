// SPDX-License-Identifier: Apache-2.0
// Between the files of the guest library.
#ifndef GUEST_PRIVATE_H
#define GUEST_PRIVATE_H

#include "guest.h"

extern struct trap_context *trap_contexts[VCPUS_MAX];

// In assembly: calls function(argument); 0 when it came back and 1 when an exception ended it.
int trap_guarded(struct trap_context *context, void (*function)(void *), void *argument);

// The words of the command line, which must stay where they are.
void arguments_init(const char *text);

// The UART's side of the console.
void console_init(void);
void console_put(char c);

#endif
