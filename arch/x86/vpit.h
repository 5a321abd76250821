// SPDX-License-Identifier: Apache-2.0
// The 8254 interval timer of one VM, as far as a loop that calibrates by it needs: three channels that count, in all six
// modes, latched or not, and port 0x61 with gate and output of channel 2. No channel raises an interrupt. Source: Intel
// 8254 datasheet (order number 231164), "8254" in what follows; port 0x61: NMI_SC in chapter
// 13 of the Intel I/O Controller Hub 10 datasheet.
//
// Simpler than the chip: a count that is written counts at once, also in modes 2 and 3, and in modes 1 and 5 ends the one
// that runs; BCD counts are taken as binary; a read that is not latched sees whole clocks only.
//
// Pure: `now` is the caller's clock, in its ticks, not running backwards by more than the cores' clocks differ. The caller
// holds a lock. Every call is a few divisions.
#ifndef X86_VPIT_H
#define X86_VPIT_H

#include "kernel/types.h"

#define VPIT_HZ 1193182ull

enum { VPIT_CHANNELS = 3, VPIT_PORTS = 4 }; // counters 0 .. 2, then the control word

struct vpit_channel {
    uint64_t since; // it runs: when it began to; else: how long it had run. Ticks
    uint32_t count; // 1 .. 65536; 0: none written since the control word
    uint16_t latch;
    uint8_t control; // without the channel
    uint8_t status;
    uint8_t low; // written, its high byte has still to come
    bool gate, runs;
    bool latched, status_latched;
    bool read_high, write_high; // the second byte of two is next
};

struct vpit {
    uint64_t clock_hz;
    struct vpit_channel channels[VPIT_CHANNELS];
    uint8_t port_b; // what of port 0x61 was written
};

// As a PC's firmware leaves it: channel 0 in mode 3, channel 1 in mode 2, channel 2 off. `clock_hz`, of `now`: up to 2^33.
void vpit_reset(struct vpit *pit, uint64_t clock_hz, uint64_t now);
// Ports 0x40 .. 0x43, as offsets; the control word reads as all ones.
uint8_t vpit_read(struct vpit *pit, unsigned offset, uint64_t now);
void vpit_write(struct vpit *pit, unsigned offset, uint8_t value, uint64_t now);
// Port 0x61: gate of channel 2 and speaker data; refresh toggle (every 18 clocks) and output of channel 2 read-only.
uint8_t vpit_port_b_read(const struct vpit *pit, uint64_t now);
void vpit_port_b_write(struct vpit *pit, uint8_t value, uint64_t now);

#endif
