// SPDX-License-Identifier: Apache-2.0
// Private to console*.c: the console's one structure. Everything without a remark belongs to the console job.
#ifndef KERNEL_CONSOLE_STATE_H
#define KERNEL_CONSOLE_STATE_H

#include "kernel/console.h"
#include "kernel/console_ring.h"
#include "kernel/job.h"
#include "kernel/types.h"

// Control characters, by their names in ASCII or by the keys that send them.
enum { CTRL_C = 0x03, BEL = 0x07, BS = 0x08, CTRL_U = 0x15, ESC = 0x1b, CTRL_BRACKET = 0x1d, DEL = 0x7f };

// Sources of output, in this order: the log, the monitor, then every channel of every VM.
enum {
    SOURCE_LOG,
    SOURCE_MONITOR,
    SOURCE_VMS,
    MAX_SOURCES = SOURCE_VMS + MAX_VMS * CONSOLE_CHANNELS,
    NO_SOURCE = MAX_SOURCES,
};
enum { FOCUS_MONITOR = MAX_VMS, INPUT_PENDING_MAX = 256, STAGE_SIZE = 80 };

struct console_source {
    struct console_ring ring;
    uint64_t written_at; // clock of the last write; published by the producer
    bool full;           // a write did not fit: the device waits for drained(); published by the producer
    bool cr;             // a carriage return waits for what follows it
    uint8_t escape;      // enum escape_state
    uint16_t column;     // in the guest's own line, or its last piece; 0: at its start
    char prefix[MAX_NAME + 16];
    struct console_device device;
};

struct console_output {
    unsigned open; // whose line the terminal's cursor is in, or NO_SOURCE: at a line's start
    unsigned turn; // source being drained
    unsigned turn_left;
    uint64_t last_at; // clock of the last character
    bool prompt_broken;
    uint8_t stage_at, stage_length; // bytes on their way to the UART
    char stage[STAGE_SIZE];
};

struct console_input {
    unsigned focus; // VM number or FOCUS_MONITOR; published
    bool escape;    // the next key is a command
    bool begun;     // the VM in focus has had a part of a line, on `channel`
    uint8_t channel;
    bool masked;            // the receive interrupt is off; set by the handler, published
    uint64_t masked_at;     // since then
    unsigned pending_count; // typed, not yet taken by the VM in focus
    uint64_t pending_since;
    char pending[INPUT_PENDING_MAX];
};

struct console {
    struct cpu *cpu; // NULL before console_init
    struct job job;
    const struct system_desc *desc;
    unsigned source_count;
    struct console_source *sources;
    uint8_t spoke[MAX_VMS]; // enum console_channel that the VM used last; published by its VCPUs
    uint64_t log_cursor;
    bool started;         // the log is ours
    uint64_t ms;          // one millisecond, ticks
    uint64_t rx_distance; // least time between two receive interrupts, ticks
    struct console_output out;
    struct console_input in;
};
extern struct console console;

static inline unsigned console_source_of(unsigned vm, enum console_channel channel) {
    return SOURCE_VMS + vm * CONSOLE_CHANNELS + channel;
}

// What a step left behind: it could go on, or nothing before `wake_at`.
struct console_progress {
    bool again;
    uint64_t wake_at;
};

// ---- console_out.c: a bounded number of characters towards the UART -----------------------------------------
void console_output_step(uint64_t now, struct console_progress *progress);
// Prints everything of one source with put_now. Panic only.
void console_output_flush(unsigned index);

// ---- console_in.c: from the UART to the monitor or the VM in focus ------------------------------------------
void console_input_step(uint64_t now, struct console_progress *progress);
void console_set_focus(unsigned focus, uint64_t now);

// ---- for the monitor (console job) --------------------------------------------------------------------------
// Of the monitor's ring: what does not fit is cut, so whoever writes there asks first.
size_t console_monitor_room(void);

#endif
