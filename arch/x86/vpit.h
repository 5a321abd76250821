// SPDX-License-Identifier: Apache-2.0
// The 8254 interval timer of one VM, as far as a loop that calibrates by it needs: three channels that count, latched or
// not, and port 0x61 with gate and output of channel 2. No channel raises an interrupt. Sources: Intel 8254 datasheet
// (order number 231164); port 0x61: NMI_SC in chapter 13 of the Intel I/O Controller Hub 10 datasheet.
//
// Simpler than the chip: a count that is written counts at once, falls by one each clock in every mode, and begins again at
// its end in modes 2 and 3, whose output is high; the gate stops nothing, but starts the count anew when it rises; BCD counts
// are taken as binary; the read-back command is ignored.
//
// The caller of the ports holds a lock. Every access is a few divisions.
#ifndef X86_VPIT_H
#define X86_VPIT_H

#include "kernel/mmio.h"

#define VPIT_HZ 1193182ull

enum { VPIT_CHANNELS = 3, VPIT_PORTS = 4 }; // counters 0 to 2, then the control word, which reads as all ones

struct vpit_channel {
    uint64_t since; // when it began to count, ticks
    uint32_t count; // 1 .. 65536; 0: none written since the control word
    uint16_t latch;
    uint8_t control; // word
    uint8_t low;     // written, its high byte has still to come
    bool latched;
    bool read_high, write_high; // the second byte of two is next
};

struct vpit {
    uint64_t (*now)(void *context); // ticks; does not run backwards by more than cores' clocks differ
    void *context;
    uint64_t clock_hz; // of now(); up to 2^33
    struct vpit_channel channels[VPIT_CHANNELS];
    uint8_t port_b; // what of port 0x61 was written
};

// As a PC's firmware leaves it: channel 0 in mode 3. The first three fields are set.
void vpit_reset(struct vpit *pit);

// For ports 0x40 to 0x43 and for port 0x61: gate of channel 2, speaker, refresh toggle (every 18 clocks), output of channel 2.
extern const struct port_ops vpit_ops, vpit_port_b_ops;

#endif
