// SPDX-License-Identifier: Apache-2.0
// The multiplexer: sources take turns, a line each, and no two are ever mixed in one line. A line is taken when it is
// whole, when its source has been quiet for a while (a prompt), when much has piled up, or, of the VM in focus, at
// once. A source that finds another one's unfinished line on the terminal ends it first; who was cut short goes on
// under its prefix with a `+` at its end, so that the pieces can be told from lines.
//
// What a guest prints cannot pass for somebody else's: a lone carriage return is followed by the prefix, and outside
// the focus backspaces stop at the guest's first column and escape sequences are left out (a terminal would answer
// some of them, into the wrong VM).
#include "kernel/console_state.h"
#include "kernel/string.h"

enum {
    SLICE_CHARS = 48, // taken or sent in a slice: about 5,000 instructions
    QUIET_MS = 20,    // then a line without end is shown as it is
    FIFO_MS = 1,      // till a full FIFO has room: 16 characters at 115,200 baud take 1.4 ms
};

enum escape_state { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_CSI, ESCAPE_STRING };

static bool in_focus(unsigned source) {
    return source < SOURCE_VMS || (source - SOURCE_VMS) / CONSOLE_CHANNELS == console.in.focus;
}

// ---- whose turn it is -------------------------------------------------------------------------------------

// Sets *wake_at to the time at which an unready source becomes ready, if that is earlier.
static bool ready(unsigned index, uint64_t now, uint64_t *wake_at) {
    const struct console_source *source = &console.sources[index];
    uint32_t used = console_ring_used(&source->ring);
    uint64_t quiet = __atomic_load_n(&source->written_at, __ATOMIC_RELAXED) + QUIET_MS * console.ms;

    if (used == 0) { return false; }
    if (in_focus(index) || console_ring_has_line(&source->ring) || used >= CONSOLE_RING_SIZE / 2 || now >= quiet) {
        return true;
    }
    *wake_at = MIN(*wake_at, quiet);
    return false;
}

// The line that is being printed first, as long as there is more of it; then the others in order.
static unsigned choose(uint64_t now, uint64_t *wake_at) {
    struct console_output *out = &console.out;

    if (out->open != NO_SOURCE && out->open == out->turn && out->turn_left > 0 &&
        console_ring_used(&console.sources[out->open].ring) > 0) {
        return out->open;
    }
    for (unsigned i = 1; i <= console.source_count; i++) {
        unsigned index = (out->turn + i) % console.source_count;
        if (ready(index, now, wake_at)) {
            out->turn = index;
            out->turn_left = CONSOLE_TURN_CHARS;
            return index;
        }
    }
    return NO_SOURCE;
}

// ---- one character ----------------------------------------------------------------------------------------

static void stage(const char *bytes, size_t length) {
    struct console_output *out = &console.out;

    memcpy(out->stage + out->stage_length, bytes, length);
    out->stage_length = (uint8_t)(out->stage_length + length);
}

static void stage_text(const char *text) { stage(text, strlen(text)); }

// The terminal's cursor comes to be in this source's line.
static void open_line(unsigned index) {
    struct console_output *out = &console.out;
    struct console_source *source = &console.sources[index];

    if (out->open == index) { return; }
    if (out->open != NO_SOURCE) {
        out->prompt_broken |= out->open == SOURCE_MONITOR;
        stage_text("\r\n");
    }
    stage_text(source->prefix);
    if (source->column > 0 && source->prefix[0] != '\0') { out->stage[out->stage_length - 1] = '+'; }
    source->column = 0;
    out->open = index;
}

static void end_line(unsigned index) {
    open_line(index);
    stage_text("\r\n");
    console.sources[index].column = 0;
    console.out.open = NO_SOURCE;
    console.out.turn_left = 0;
}

// Follows a sequence that is left out; true while `c` belongs to it. IEC 6429: CSI ends with 0x40..0x7e; a string
// (OSC and its kin) with BEL, or with ESC and one more.
static bool skip_escape(struct console_source *source, char c) {
    switch ((enum escape_state)source->escape) {
    case ESCAPE_NONE: source->escape = c == ESC ? ESCAPE_BEGUN : ESCAPE_NONE; return c == ESC;
    case ESCAPE_BEGUN:
        source->escape = c == '['               ? ESCAPE_CSI
                         : c == ']' || c == 'P' ? ESCAPE_STRING
                         : c >= ' ' && c <= '/' ? ESCAPE_BEGUN // ESC ( B: one more follows
                                                : ESCAPE_NONE;
        return c >= ' ';
    case ESCAPE_CSI: source->escape = c >= '@' || c < ' ' ? ESCAPE_NONE : ESCAPE_CSI; return c >= ' ';
    case ESCAPE_STRING:
        source->escape = c == ESC ? ESCAPE_BEGUN : c == BEL || c == '\n' ? ESCAPE_NONE : ESCAPE_STRING;
        return c != '\n';
    }
    return false;
}

// Whether a character outside the focus may be shown as it is.
static bool harmless(const struct console_source *source, char c) {
    unsigned char byte = (unsigned char)c;

    return (byte >= ' ' && c != DEL) || c == '\t' || (c == BS && source->column > 0);
}

// A carriage return that no newline followed: the line is written over, behind its prefix.
static void return_carriage(unsigned index) {
    struct console_source *source = &console.sources[index];

    source->cr = false;
    if (source->column > 0 && console.out.open == index) {
        stage_text("\r");
        stage_text(source->prefix);
    }
    source->column = 0;
}

static void translate(unsigned index, char c) {
    struct console_source *source = &console.sources[index];

    if (!in_focus(index) || source->escape != ESCAPE_NONE) {
        if (skip_escape(source, c)) { return; }
    }
    if (c == '\n' || c == '\r') {
        source->cr = c == '\r';
        if (c == '\n') { end_line(index); }
        return;
    }
    if (!in_focus(index) && !harmless(source, c)) { return; }
    if (source->cr) { return_carriage(index); }
    open_line(index);
    stage(&c, 1);
    if (c != BS) {
        source->column = (uint16_t)MIN(source->column + 1, UINT16_MAX);
    } else if (source->column > 0) {
        source->column--;
    }
}

// ---- a slice ----------------------------------------------------------------------------------------------

// Returns how many characters the UART took: less than are staged when it has no room.
static unsigned send_staged(uint64_t now) {
    struct console_output *out = &console.out;
    unsigned sent = 0;

    while (out->stage_at < out->stage_length && console_uart->put(out->stage[out->stage_at])) {
        out->stage_at++;
        out->last_at = now;
        sent++;
    }
    if (out->stage_at == out->stage_length) { out->stage_at = out->stage_length = 0; }
    return sent;
}

static void take_character(unsigned index) {
    struct console_ring *ring = &console.sources[index].ring;

    console.out.turn_left--;
    translate(index, console_ring_take(ring));
    if (console_ring_used(ring) == 0) { console.out.turn_left = 0; }
}

// A character taken counts as well as one sent: what is left out costs time too.
void console_output_step(uint64_t now, struct console_progress *progress) {
    for (unsigned done = 0; done < SLICE_CHARS; done++) {
        done += send_staged(now);
        if (console.out.stage_length > 0) {
            progress->wake_at = MIN(progress->wake_at, now + FIFO_MS * console.ms);
            return;
        }
        unsigned index = choose(now, &progress->wake_at);
        if (index == NO_SOURCE) { return; }
        take_character(index);
    }
    progress->again = true;
}

void console_output_flush(unsigned index) {
    struct console_output *out = &console.out;
    struct console_ring *ring = &console.sources[index].ring;
    bool more;

    do {
        while (out->stage_at < out->stage_length) { console_uart->put_now(out->stage[out->stage_at++]); }
        out->stage_at = out->stage_length = 0;
        more = console_ring_used(ring) > 0;
        if (more) { translate(index, console_ring_take(ring)); }
    } while (more);
    if (out->open != NO_SOURCE) {
        console_uart->put_now('\r');
        console_uart->put_now('\n');
    }
}
