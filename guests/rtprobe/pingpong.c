// SPDX-License-Identifier: Apache-2.0
// mode=pingpong: does each interrupt come, once? VCPU 0 sends to VCPU 1, which sends back; then one expiry of the timer. It waits
// for both computing and asleep by turns. A line a second; who waits for a lost one says nothing any more.
#include "interrupts.h"
#include "rtprobe.h"

#define PEER     1
#define PING     3
#define PONG     4
#define ROUND_US 700

static volatile uint64_t pings, pongs;
static volatile bool peer_up;

static void on_ping(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt, (void)stamp;
    pings = pings + 1;
    ipi_send(0, PONG);
}

static void on_pong(uint32_t interrupt, uint64_t stamp) {
    (void)interrupt, (void)stamp;
    pongs = pongs + 1;
}

static void be_peer(void) {
    peer_up = true;
    for (;;) take_interrupt();
}

static void wait_for_pong(uint64_t round, bool asleep) {
    while (asleep && pongs < round) take_interrupt();
    irq_unmask();
    while (pongs < round) spin_pause();
    irq_mask();
}

void pingpong_run(void) {
    irq_handle(IPI_INTERRUPT(PING), on_ping);
    irq_handle(IPI_INTERRUPT(PONG), on_pong);
    if (vcpu_count() <= PEER || vcpu_start(PEER, be_peer) != 0) {
        say("rtprobe: mode pingpong needs a second VCPU\n");
        return;
    }
    while (!peer_up) spin_pause();
    uint64_t next_line = clock_now() + clock_hz;
    for (uint64_t round = 1;; round++) {
        bool asleep = round % 8 == 0; // more of it computing: that uses budget
        ipi_send(PEER, PING);
        wait_for_pong(round, asleep);
        uint64_t due = clock_now() + us_to_ticks(ROUND_US);
        uint64_t came = asleep ? sleep_until(due) : spin_until(due);
        if (came < due || pings != round || pongs != round) {
            say("rtprobe: round %llu pings %llu pongs %llu timer by %lld FAILED\n", (unsigned long long)round,
                (unsigned long long)pings, (unsigned long long)pongs, (long long)(came - due));
            return;
        }
        if (clock_now() < next_line) continue;
        next_line = clock_now() + clock_hz;
        say("rtprobe: round %llu ok\n", (unsigned long long)round);
    }
}
