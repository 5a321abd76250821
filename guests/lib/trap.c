// SPDX-License-Identifier: Apache-2.0
#include "private.h"

#include <string.h>

struct trap_context *trap_contexts[VCPUS_MAX];

int guard(struct trap_context *context, void (*function)(void *), void *argument) {
    memset(context, 0, sizeof(*context));
    trap_contexts[vcpu_self()] = context;
    return trap_guarded(context, function, argument);
}
