// SPDX-License-Identifier: Apache-2.0
// System registers for the files that also build for the host, where arch/host/hardware.h stands in for this one
// (#include <hardware.h>).
#ifndef ARM64_HARDWARE_H
#define ARM64_HARDWARE_H

#include "arch/arm64/sysreg.h"

#define hardware_read(name)         read_sysreg(name)
#define hardware_write(name, value) write_sysreg(name, value)

#endif
