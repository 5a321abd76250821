// SPDX-License-Identifier: Apache-2.0
// The 8254's model. See vpit.h.
#include "arch/x86/vpit.h"

enum { SPEAKER_CHANNEL = 2, CONTROL_PORT = 3, REFRESH_CLOCKS = 18 };

// The control word, the read-back command and the status byte.
enum {
    CONTROL_CHANNEL_SHIFT = 6,
    CONTROL_READ_BACK = 3, // in place of a channel
    CONTROL_CHANNEL_BITS = 0x3f,
    CONTROL_ACCESS_SHIFT = 4,
    CONTROL_ACCESS_MASK = 3,
    CONTROL_MODE_SHIFT = 1,
    CONTROL_MODE_MASK = 7,
    READ_BACK_NO_COUNT = 1 << 5,
    READ_BACK_NO_STATUS = 1 << 4,
    READ_BACK_CHANNEL_0 = 1 << 1,
    STATUS_OUT = 1 << 7,
    STATUS_NULL_COUNT = 1 << 6,
};
enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { MODE_0_TERMINAL, MODE_1_ONE_SHOT, MODE_2_RATE, MODE_3_SQUARE, MODE_4_STROBE, MODE_5_TRIGGERED };
enum { COUNT_MAX = 0x10000, CHANNEL_0_RESET = 0x36, CHANNEL_1_RESET = 0x54 }; // mode 3, both bytes; mode 2, low byte

// Port 0x61.
enum { PORT_B_GATE = 1 << 0, PORT_B_WRITABLE = 0xf, PORT_B_REFRESH = 1 << 4, PORT_B_OUT = 1 << 5 };

// ---- counting: 8254, "mode definitions" -------------------------------------------------------------------

// Bits 3:2 of modes 2 and 3 are "don't care" and 1.
static unsigned mode(const struct vpit_channel *channel) {
    unsigned bits = channel->control >> CONTROL_MODE_SHIFT & CONTROL_MODE_MASK;

    return bits > MODE_5_TRIGGERED ? bits & MODE_3_SQUARE : bits;
}

static unsigned access(const struct vpit_channel *channel) {
    return channel->control >> CONTROL_ACCESS_SHIFT & CONTROL_ACCESS_MASK;
}

// The gate starts it, and does not stop it.
static bool is_triggered(const struct vpit_channel *channel) {
    return mode(channel) == MODE_1_ONE_SHOT || mode(channel) == MODE_5_TRIGGERED;
}

static uint64_t clocks(const struct vpit *pit, uint64_t ticks) {
    return ticks / pit->clock_hz * VPIT_HZ + ticks % pit->clock_hz * VPIT_HZ / pit->clock_hz;
}

// What has run since the count began, in ticks when it is stopped, or starts to run again.
static uint64_t run_time(const struct vpit_channel *channel, uint64_t now) {
    return channel->runs ? now - MIN(now, channel->since) : channel->since;
}

static uint64_t elapsed(const struct vpit *pit, const struct vpit_channel *channel, uint64_t now) {
    return clocks(pit, run_time(channel, now));
}

static uint16_t current(const struct vpit *pit, const struct vpit_channel *channel, uint64_t now) {
    uint64_t done = elapsed(pit, channel, now);

    if (channel->count == 0) { return 0; }
    if (mode(channel) == MODE_2_RATE) { done %= channel->count; }
    if (mode(channel) == MODE_3_SQUARE) { done = done * 2 % channel->count; }
    return (uint16_t)(channel->count - done);
}

static bool output(const struct vpit *pit, const struct vpit_channel *channel, uint64_t now) {
    uint64_t done = elapsed(pit, channel, now), count = channel->count;

    if (count == 0) { return mode(channel) != MODE_0_TERMINAL; }
    switch (mode(channel)) {
    case MODE_0_TERMINAL: return done >= count;
    case MODE_1_ONE_SHOT: return !channel->runs || done >= count;
    case MODE_2_RATE: return !channel->runs || done % count != count - 1;
    case MODE_3_SQUARE: return !channel->runs || done % count < (count + 1) / 2;
    default: return done != count;
    }
}

static void set_gate(struct vpit_channel *channel, bool gate, uint64_t now) {
    bool before = channel->gate;

    channel->gate = gate;
    if (gate == before || channel->count == 0 || (!gate && is_triggered(channel))) { return; }
    uint64_t time = run_time(channel, now);
    bool goes_on = mode(channel) == MODE_0_TERMINAL || mode(channel) == MODE_4_STROBE;
    channel->runs = gate;
    channel->since = !gate ? time : goes_on ? now - time : now;
}

static void load(struct vpit_channel *channel, unsigned count, uint64_t now) {
    channel->count = count == 0 ? COUNT_MAX : count;
    channel->runs = channel->gate && !is_triggered(channel);
    channel->since = channel->runs ? now : 0;
}

// ---- the counters' ports ----------------------------------------------------------------------------------

static uint8_t read_counter(const struct vpit *pit, struct vpit_channel *channel, uint64_t now) {
    uint16_t value = channel->latched ? channel->latch : current(pit, channel, now);
    bool both = access(channel) == ACCESS_BOTH;
    bool high = both ? channel->read_high : access(channel) == ACCESS_HIGH;

    if (channel->status_latched) {
        channel->status_latched = false;
        return channel->status;
    }
    channel->read_high = both && !high;
    if (!channel->read_high) { channel->latched = false; }
    return (uint8_t)(high ? value >> 8 : value);
}

static void write_counter(struct vpit_channel *channel, uint8_t value, uint64_t now) {
    if (access(channel) == ACCESS_LOW) {
        load(channel, value, now);
    } else if (access(channel) == ACCESS_HIGH) {
        load(channel, (unsigned)value << 8, now);
    } else if (channel->write_high) {
        channel->write_high = false;
        load(channel, (unsigned)value << 8 | channel->low, now);
    } else {
        channel->write_high = true;
        channel->low = value;
    }
}

// ---- the control word -------------------------------------------------------------------------------------

static void latch_count(const struct vpit *pit, struct vpit_channel *channel, uint64_t now) {
    if (channel->latched) { return; }
    channel->latch = current(pit, channel, now);
    channel->latched = true;
}

static void latch_status(const struct vpit *pit, struct vpit_channel *channel, uint64_t now) {
    if (channel->status_latched) { return; }
    channel->status = (uint8_t)(channel->control | (output(pit, channel, now) ? STATUS_OUT : 0) |
                                (channel->count == 0 ? STATUS_NULL_COUNT : 0));
    channel->status_latched = true;
}

static void read_back(struct vpit *pit, uint8_t value, uint64_t now) {
    for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
        if ((value & READ_BACK_CHANNEL_0 << i) == 0) { continue; }
        if ((value & READ_BACK_NO_COUNT) == 0) { latch_count(pit, &pit->channels[i], now); }
        if ((value & READ_BACK_NO_STATUS) == 0) { latch_status(pit, &pit->channels[i], now); }
    }
}

static void write_control(struct vpit *pit, uint8_t value, uint64_t now) {
    unsigned number = value >> CONTROL_CHANNEL_SHIFT;

    if (number == CONTROL_READ_BACK) {
        read_back(pit, value, now);
    } else if ((value >> CONTROL_ACCESS_SHIFT & CONTROL_ACCESS_MASK) == ACCESS_LATCH) {
        latch_count(pit, &pit->channels[number], now);
    } else {
        pit->channels[number] =
            (struct vpit_channel){.control = value & CONTROL_CHANNEL_BITS, .gate = pit->channels[number].gate};
    }
}

// ---- ports ------------------------------------------------------------------------------------------------

uint8_t vpit_read(struct vpit *pit, unsigned offset, uint64_t now) {
    return offset < VPIT_CHANNELS ? read_counter(pit, &pit->channels[offset], now) : UINT8_MAX;
}

void vpit_write(struct vpit *pit, unsigned offset, uint8_t value, uint64_t now) {
    if (offset < VPIT_CHANNELS) {
        write_counter(&pit->channels[offset], value, now);
    } else if (offset == CONTROL_PORT) {
        write_control(pit, value, now);
    }
}

uint8_t vpit_port_b_read(const struct vpit *pit, uint64_t now) {
    bool refresh = clocks(pit, now) / REFRESH_CLOCKS % 2 != 0;

    return (uint8_t)(pit->port_b | (refresh ? PORT_B_REFRESH : 0) |
                     (output(pit, &pit->channels[SPEAKER_CHANNEL], now) ? PORT_B_OUT : 0));
}

void vpit_port_b_write(struct vpit *pit, uint8_t value, uint64_t now) {
    pit->port_b = value & PORT_B_WRITABLE;
    set_gate(&pit->channels[SPEAKER_CHANNEL], (value & PORT_B_GATE) != 0, now);
}

void vpit_reset(struct vpit *pit, uint64_t clock_hz, uint64_t now) {
    *pit = (struct vpit){.clock_hz = clock_hz};
    pit->channels[0] = (struct vpit_channel){.control = CHANNEL_0_RESET, .gate = true};
    pit->channels[1] = (struct vpit_channel){.control = CHANNEL_1_RESET & CONTROL_CHANNEL_BITS, .gate = true};
    load(&pit->channels[0], 0, now);
    load(&pit->channels[1], REFRESH_CLOCKS, now);
}
