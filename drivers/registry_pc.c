// SPDX-License-Identifier: Apache-2.0
// The virtual devices of a PC guest.
#include "drivers/virtual.h"

const struct virtual_device *const virtual_devices[] = {NULL};
