// SPDX-License-Identifier: Apache-2.0
// The 8254's model. See vpit.h.
#include "arch/x86/vpit.h"

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { CONTROL_PERIODIC = 1 << 2 /* modes 2 and 3 */, CONTROL_ACCESS_SHIFT = 4, CONTROL_ACCESS_MASK = 3 };
enum { CONTROL_CHANNEL_SHIFT = 6, COUNT_MAX = 0x10000, SPEAKER = 2, REFRESH_CLOCKS = 18 };
enum { PORT_B_GATE = 1 << 0, PORT_B_WRITABLE = 0xf, PORT_B_REFRESH = 1 << 4, PORT_B_OUT = 1 << 5 };

// ---- counting ---------------------------------------------------------------------------------------------

static bool is_periodic(const struct vpit_channel *channel) { return (channel->control & CONTROL_PERIODIC) != 0; }

static unsigned access(uint8_t control) { return control >> CONTROL_ACCESS_SHIFT & CONTROL_ACCESS_MASK; }

// That have passed since `since`.
static uint64_t clocks(const struct vpit *pit, uint64_t since) {
    uint64_t now = pit->now(pit->context), ticks = now - MIN(now, since);

    return ticks / pit->clock_hz * VPIT_HZ + ticks % pit->clock_hz * VPIT_HZ / pit->clock_hz;
}

static uint16_t current(const struct vpit *pit, const struct vpit_channel *channel) {
    uint64_t done = clocks(pit, channel->since);

    if (channel->count == 0) { return 0; }
    return (uint16_t)(channel->count - (is_periodic(channel) ? done % channel->count : done));
}

static bool output(const struct vpit *pit, const struct vpit_channel *channel) {
    return is_periodic(channel) || (channel->count != 0 && clocks(pit, channel->since) >= channel->count);
}

static void load(struct vpit *pit, struct vpit_channel *channel, unsigned count) {
    channel->count = count == 0 ? COUNT_MAX : count;
    channel->since = pit->now(pit->context);
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
        *channel = (struct vpit_channel){.control = value};
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
    bool refresh = clocks(pit, 0) / REFRESH_CLOCKS % 2 != 0;

    return (uint8_t)(pit->port_b | (refresh ? PORT_B_REFRESH : 0) |
                     (output(pit, &pit->channels[SPEAKER]) ? PORT_B_OUT : 0));
}

static int write_port_b(void *device, UNUSED unsigned offset, uint8_t value) {
    struct vpit *pit = device;

    if ((value & ~pit->port_b & PORT_B_GATE) != 0) { pit->channels[SPEAKER].since = pit->now(pit->context); }
    pit->port_b = value & PORT_B_WRITABLE;
    return OK;
}

const struct port_ops vpit_ops = {read, write}, vpit_port_b_ops = {read_port_b, write_port_b};

void vpit_reset(struct vpit *pit) {
    for (unsigned i = 0; i < VPIT_CHANNELS; i++) { pit->channels[i] = (struct vpit_channel){0}; }
    pit->port_b = 0;
    pit->channels[0].control = ACCESS_BOTH << CONTROL_ACCESS_SHIFT | CONTROL_PERIODIC;
    load(pit, &pit->channels[0], COUNT_MAX);
}
