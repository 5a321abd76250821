// SPDX-License-Identifier: Apache-2.0
#include "arch/host/hardware.h"

struct host_registers host_registers;
