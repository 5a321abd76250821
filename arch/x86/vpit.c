// SPDX-License-Identifier: Apache-2.0
// The 8254's model. See vpit.h.
#include "arch/x86/vpit.h"

enum { MODE_0_TERMINAL, MODE_2_RATE = 2, MODE_3_SQUARE = 3, MODE_4_STROBE = 4 };
enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { CONTROL_MODE_SHIFT = 1, CONTROL_ACCESS_SHIFT = 4, CONTROL_ACCESS_MASK = 3, CONTROL_CHANNEL_SHIFT = 6 };
enum { COUNT_MAX = 0x10000, SPEAKER = 2, REFRESH = 1, REFRESH_CLOCKS = 18 };
enum { PORT_B_GATE = 1 << 0, PORT_B_WRITABLE = 0xf, PORT_B_REFRESH = 1 << 4, PORT_B_OUT = 1 << 5 };

// ---- counting ---------------------------------------------------------------------------------------------

// Bit 2 counts in modes 0 and 4 only, bit 0 in modes 2 and 3.
static unsigned mode(const struct vpit_channel *channel) {
    unsigned bits = channel->control >> CONTROL_MODE_SHIFT;

    return (bits & MODE_2_RATE) != 0 ? bits & MODE_3_SQUARE : bits & MODE_4_STROBE;
}

static unsigned access(uint8_t control) { return control >> CONTROL_ACCESS_SHIFT & CONTROL_ACCESS_MASK; }

static uint64_t clocks(const struct vpit *pit, uint64_t ticks) {
    return ticks / pit->clock_hz * VPIT_HZ + ticks % pit->clock_hz * VPIT_HZ / pit->clock_hz;
}

static uint64_t run_time(const struct vpit_channel *channel, uint64_t now) {
    return channel->runs ? now - MIN(now, channel->since) : channel->since;
}

static uint16_t current(const struct vpit *pit, const struct vpit_channel *channel) {
    uint64_t done = clocks(pit, run_time(channel, pit->now(pit->context)));

    if (channel->count == 0) { return 0; }
    if (mode(channel) == MODE_2_RATE) { done %= channel->count; }
    if (mode(channel) == MODE_3_SQUARE) { done = done * 2 % channel->count; }
    return (uint16_t)(channel->count - done);
}

static bool output(const struct vpit_channel *channel, uint64_t done) {
    uint64_t count = channel->count;

    if (count == 0) { return mode(channel) != MODE_0_TERMINAL; }
    switch (mode(channel)) {
    case MODE_0_TERMINAL: return done >= count;
    case MODE_2_RATE: return !channel->runs || done % count != count - 1;
    case MODE_3_SQUARE: return !channel->runs || done % count < (count + 1) / 2;
    default: return done != count;
    }
}

// Off, it stops the count; on again, modes 2 and 3 begin anew.
static void set_gate(struct vpit_channel *channel, bool gate, uint64_t now) {
    uint64_t time = run_time(channel, now);
    bool again = mode(channel) == MODE_2_RATE || mode(channel) == MODE_3_SQUARE;

    if (gate == channel->gate) { return; }
    channel->gate = gate;
    channel->runs = gate && channel->count != 0;
    channel->since = !channel->runs ? time : again ? now : now - time;
}

static void load(struct vpit *pit, struct vpit_channel *channel, unsigned count) {
    channel->count = count == 0 ? COUNT_MAX : count;
    channel->runs = channel->gate;
    channel->since = channel->runs ? pit->now(pit->context) : 0;
}

// ---- ports ------------------------------------------------------------------------------------------------

static uint8_t read(void *device, unsigned offset) {
    struct vpit *pit = device;
    struct vpit_channel *channel = &pit->channels[offset];

    if (offset >= VPIT_CHANNELS) { return UINT8_MAX; }
    uint16_t value = channel->latched ? channel->latch : current(pit, channel);
    bool both = access(channel->control) == ACCESS_BOTH;
    bool high = both ? channel->read_high : access(channel->control) == ACCESS_HIGH;
    channel->read_high = both && !high;
    channel->latched = channel->latched && channel->read_high;
    return (uint8_t)(high ? value >> 8 : value);
}

static void write_counter(struct vpit *pit, struct vpit_channel *channel, uint8_t value) {
    bool both = access(channel->control) == ACCESS_BOTH;

    if (both && !channel->write_high) {
        channel->write_high = true;
        channel->low = value;
        return;
    }
    channel->write_high = false;
    load(pit, channel, access(channel->control) == ACCESS_LOW ? value : (unsigned)value << 8 | channel->low);
}

static void write_control(struct vpit *pit, uint8_t value) {
    unsigned number = value >> CONTROL_CHANNEL_SHIFT;

    if (number >= VPIT_CHANNELS) { return; }
    struct vpit_channel *channel = &pit->channels[number];
    if (access(value) != ACCESS_LATCH) {
        *channel = (struct vpit_channel){.control = value, .gate = channel->gate};
    } else if (!channel->latched) {
        channel->latch = current(pit, channel);
        channel->latched = true;
    }
}

static int write(void *device, unsigned offset, uint8_t value) {
    struct vpit *pit = device;

    if (offset < VPIT_CHANNELS) {
        write_counter(pit, &pit->channels[offset], value);
    } else {
        write_control(pit, value);
    }
    return OK;
}

static uint8_t read_port_b(void *device, UNUSED unsigned offset) {
    const struct vpit *pit = device;
    const struct vpit_channel *channel = &pit->channels[SPEAKER];
    uint64_t now = pit->now(pit->context);
    bool out = output(channel, clocks(pit, run_time(channel, now)));
    bool refresh = clocks(pit, now) / REFRESH_CLOCKS % 2 != 0;

    return (uint8_t)(pit->port_b | (refresh ? PORT_B_REFRESH : 0) | (out ? PORT_B_OUT : 0));
}

static int write_port_b(void *device, UNUSED unsigned offset, uint8_t value) {
    struct vpit *pit = device;

    pit->port_b = value & PORT_B_WRITABLE;
    set_gate(&pit->channels[SPEAKER], (value & PORT_B_GATE) != 0, pit->now(pit->context));
    return OK;
}

const struct port_ops vpit_ops = {read, write}, vpit_port_b_ops = {read_port_b, write_port_b};

void vpit_reset(struct vpit *pit) {
    const uint8_t square = ACCESS_BOTH << CONTROL_ACCESS_SHIFT | MODE_3_SQUARE << CONTROL_MODE_SHIFT;
    const uint8_t rate = ACCESS_LOW << CONTROL_ACCESS_SHIFT | MODE_2_RATE << CONTROL_MODE_SHIFT;

    pit->channels[0] = (struct vpit_channel){.control = square, .gate = true};
    pit->channels[REFRESH] = (struct vpit_channel){.control = rate, .gate = true};
    pit->channels[SPEAKER] = (struct vpit_channel){0};
    pit->port_b = 0;
    load(pit, &pit->channels[0], COUNT_MAX);
    load(pit, &pit->channels[REFRESH], REFRESH_CLOCKS);
}
