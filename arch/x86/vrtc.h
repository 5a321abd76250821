// SPDX-License-Identifier: Apache-2.0
// The real-time clock of one VM (Motorola MC146818A datasheet; Intel I/O Controller Hub 10 datasheet, chapter 13): the time,
// in BCD and 24-hour form, and status registers that say so. Writes do nothing: the time is the machine's, there is no
// alarm, no interrupt and no CMOS memory (reads as 0). Right from 1970 to February 2100, when the year that four divides is
// no leap year.
//
// A guest that reads register A first, as it must to see that no update is under way, reads one moment from then on: what
// it read there, for a second or so. The caller of the ports holds a lock.
#ifndef X86_VRTC_H
#define X86_VRTC_H

#include "kernel/mmio.h"

enum { VRTC_CENTURY = 0x32 }; // its register: CENTURY of the FADT, if that says that there is a clock

struct vrtc {
    uint64_t (*seconds)(void *context); // since 1970-01-01 00:00 UTC
    void *context;
    uint64_t sample; // the time when register A was last read
    uint8_t index;   // which register port 0x71 is
};

// For ports 0x70, whose bit 7, the NMI mask, does nothing, and 0x71.
extern const struct port_ops vrtc_ops;

#endif
