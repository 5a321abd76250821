// SPDX-License-Identifier: Apache-2.0
/*
 * The start latency against the dispatcher itself: servers, interrupts and one section that nothing preempts are played tick
 * by tick, by the scenario that the analysis takes for the worst and at random. No wake-up that finds budget may wait
 * longer than was computed, and on small sets the computed wait is reached.
 */
#include "test_sched_support.h"

#include "sched/latency.h"
#include "sched/sched.h"

#include <string.h>

#define SERVERS_MAX 5
#define LENGTH      160 /* ticks that a play lasts */

struct server {
    struct sched_entity entity;
    uint64_t promise;  /* longest start latency */
    uint64_t wake_at;  /* while it waits; SCHED_NEVER: it does not come */
    uint64_t left;     /* ticks that it wants until it blocks */
    uint64_t woke_at;  /* while it is to start: since then; else SCHED_NEVER */
    uint64_t longest;  /* seen in this set */
    bool late_in_heap; /* delivered after the others of its tick: loses ties */
};

struct play {
    struct random *random;
    struct sched_task tasks[SERVERS_MAX];
    struct sched_source source;
    uint32_t count, sources;
    uint64_t blocking;
    struct server servers[SERVERS_MAX];
    struct sched_entity load;
    struct sched_core core;
    uint64_t interrupt_at, masked_at;
};

/* ---- one play ------------------------------------------------------------------------------------------- */

static void wake(struct play *p, struct server *server, uint64_t now) {
    if (server->entity.state != SCHED_BLOCKED || server->wake_at > now) { return; }
    server->woke_at = sched_eligible_at(&server->entity, server->wake_at);
    if (server->woke_at != server->wake_at) { /* a timer of a throttled VCPU is postponed to there */
        server->wake_at = server->woke_at;
        if (server->wake_at > now) { return; }
    }
    sched_wake(&p->core, &server->entity, server->wake_at);
    server->wake_at = SCHED_NEVER;
}

static void wake_due(struct play *p, uint64_t now) {
    for (uint32_t late = 0; late < 2; late++) {
        for (uint32_t i = 0; i < p->count; i++) {
            if (p->servers[i].late_in_heap == (late == 1)) { wake(p, &p->servers[i], now); }
        }
    }
}

static void run_tick(struct play *p, struct sched_entity *entity, uint64_t now) {
    if (entity == NULL || entity == &p->load) { return; }

    struct server *server = (struct server *)entity;

    if (server->woke_at != SCHED_NEVER) {
        uint64_t waited = now - server->woke_at;

        if (waited > server->longest) { server->longest = waited; }
        if (waited > server->promise) {
            for (uint32_t i = 0; i < p->count; i++) {
                printf("  (%llu, %llu, %llu)\n", (unsigned long long)p->tasks[i].budget,
                       (unsigned long long)p->tasks[i].deadline, (unsigned long long)p->tasks[i].period);
            }
            fail_msg("server %u waited %llu, promised %llu, at %llu", (unsigned)(server - p->servers),
                     (unsigned long long)waited, (unsigned long long)server->promise, (unsigned long long)now);
        }
        server->woke_at = SCHED_NEVER;
    }
    if (server->left != SCHED_NEVER) { server->left--; }
}

/* Who has had what it wanted blocks, and comes back when `again` says. */
static void block_done(struct play *p, uint64_t now,
                       uint64_t (*again)(struct play *p, struct server *s, uint64_t now)) {
    for (uint32_t i = 0; i < p->count; i++) {
        struct server *server = &p->servers[i];

        if (server->left == 0 && server->entity.state != SCHED_BLOCKED) {
            sched_block(&p->core, &server->entity, now);
            server->wake_at = again(p, server, now);
        }
    }
}

static void play(struct play *p, uint64_t (*again)(struct play *p, struct server *s, uint64_t now)) {
    struct sched_entity *running = NULL;
    uint64_t stolen_until = 0, masked_until = 0;

    for (uint64_t now = 0; now < LENGTH; now++) {
        if (now >= masked_until && now >= stolen_until) {
            block_done(p, now, again);
            wake_due(p, now);
            running = sched_pick(&p->core, now).run;
            if (now == p->interrupt_at) {
                stolen_until = now + p->source.cost;
                sched_exempt(&p->core, p->source.cost);
                p->interrupt_at += p->source.distance + random_in(p->random, 0, 3) / 3 * random_in(p->random, 0, 9);
            }
            if (now >= p->masked_at && running == &p->load) { /* a handler of something that is not urgent */
                masked_until = now + p->blocking;
                p->masked_at = SCHED_NEVER;
            }
        } else if (now == p->interrupt_at) {
            p->interrupt_at++; /* it waits for the end of the section */
        }
        if (now >= stolen_until) { run_tick(p, running, now); }
    }
}

static void begin(struct play *p) {
    sched_core_init(&p->core, 7);
    sched_entity_init_best_effort(&p->load, 1);
    sched_add(&p->core, &p->load);
    sched_wake(&p->core, &p->load, 0);
    for (uint32_t i = 0; i < p->count; i++) {
        struct server *server = &p->servers[i];

        sched_entity_init_reserved(&server->entity, p->tasks[i].budget, p->tasks[i].deadline, p->tasks[i].period);
        sched_add(&p->core, &server->entity);
        server->woke_at = SCHED_NEVER;
        server->late_in_heap = false;
    }
    sched_pick(&p->core, 0);
    p->interrupt_at = SCHED_NEVER;
    p->masked_at = SCHED_NEVER;
}

/* ---- two ways to play ----------------------------------------------------------------------------------- */

static uint64_t at_random(struct play *p, struct server *server, uint64_t now) {
    static const uint64_t wants[] = {1, 1, 2, 3, SCHED_NEVER, SCHED_NEVER};
    uint64_t want = wants[random_in(p->random, 0, 5)];
    uint64_t wait = random_in(p->random, 0, 3);

    server->left = want == 3 ? server->entity.budget : want;
    if (wait == 2) { wait = random_in(p->random, 0, server->entity.period); }
    return now + wait;
}

static void play_at_random(struct play *p) {
    begin(p);
    for (uint32_t i = 0; i < p->count; i++) {
        p->servers[i].wake_at = random_in(p->random, 0, 1) * random_in(p->random, 0, 12) + 1;
        (void)at_random(p, &p->servers[i], 0);
        p->servers[i].late_in_heap = random_in(p->random, 0, 1) == 0;
    }
    if (p->sources != 0) { p->interrupt_at = random_in(p->random, 0, 20); }
    if (p->blocking != 0) { p->masked_at = random_in(p->random, 0, 20); }
    play(p, at_random);
}

/* The second life of the victim of play_worst() begins when the analysis says. */
static uint64_t second_wake;

static uint64_t when_told(struct play *p, struct server *server, uint64_t now) {
    (void)p;
    server->left = 1;
    return second_wake < now ? now : second_wake;
}

/* Others all wake at the start of the busy period and want everything; the victim uses what it may, and wakes up again. */
static void play_worst(struct play *p, uint32_t victim, uint64_t offset) {
    struct server *server = &p->servers[victim];
    uint64_t start = p->tasks[victim].period, behind = offset % p->tasks[victim].period;

    begin(p);
    for (uint32_t i = 0; i < p->count; i++) {
        p->servers[i].wake_at = start;
        p->servers[i].left = SCHED_NEVER;
    }
    server->late_in_heap = true;
    server->left = behind < server->entity.budget - 1 ? behind : server->entity.budget - 1;
    if (offset >= p->tasks[victim].period) { server->left = SCHED_NEVER - 1; }
    second_wake = start + offset;
    if (server->left == 0) {
        server->wake_at = second_wake;
        server->left = 1;
    }
    if (p->sources != 0) { p->interrupt_at = start; }
    if (p->blocking != 0) {
        p->masked_at = start - 1; /* a tick of the load, then the busy period */
        p->blocking++;
    }
    play(p, when_told);
    if (p->blocking != 0) { p->blocking--; }
}

/* ---- sets ----------------------------------------------------------------------------------------------- */

static bool admitted(const struct play *p, uint32_t count) {
    struct sched_verdict verdict;

    return sched_admit(p->tasks, count, &p->source, p->sources, &verdict) == SCHED_ADMITTED;
}

static void fill(struct play *p, uint64_t period_max) {
    for (uint32_t tries = 0; tries < 10 && p->count < SERVERS_MAX; tries++) {
        uint64_t period = random_in(p->random, 2, period_max);
        uint64_t budget = random_in(p->random, 1, (period + 1) / 2);
        uint64_t deadline = random_in(p->random, 0, 1) == 0 ? period : random_in(p->random, budget, period);

        p->tasks[p->count] = (struct sched_task){budget, deadline, period};
        if (admitted(p, p->count + 1)) { p->count++; }
    }
}

static bool prepare(struct play *p, struct random *random, uint64_t period_max) {
    memset(p, 0, sizeof(*p));
    p->random = random;
    if (random_in(random, 0, 3) == 0) {
        p->source = (struct sched_source){random_in(random, 1, 2), random_in(random, 8, 30)};
        p->sources = 1;
    }
    if (random_in(random, 0, 3) == 0) { p->blocking = random_in(random, 1, 2); }
    fill(p, period_max);
    return p->count != 0;
}

static void never_longer_than_computed(void **state) {
    struct random random = random_start("start latency against the dispatcher", 0x1a7e);
    static struct play p;
    uint32_t sets = 0, decided = 0, victims = 0, reached = 0, most_steps = 0;

    (void)state;
    while (sets < ROUNDS(100000)) {
        struct sched_latency found[SERVERS_MAX];
        bool all = prepare(&p, &random, 4 + sets % 3 * 8);

        for (uint32_t i = 0; i < p.count; i++) {
            all &= sched_start_latency(p.tasks, p.count, &p.source, p.sources, p.blocking, i, &found[i]);
            p.servers[i].promise = all ? found[i].longest : SCHED_NEVER - 1;
            if (found[i].steps > most_steps) { most_steps = found[i].steps; }
        }
        if (p.count == 0) { continue; }
        sets++;
        decided += all;
        for (uint32_t i = 0; i < p.count && all; i++) { play_worst(&p, i, found[i].offset); }
        for (uint32_t again = 0; again < 3; again++) { play_at_random(&p); }
        for (uint32_t i = 0; i < p.count && all; i++) {
            victims++;
            reached += p.servers[i].longest == p.servers[i].promise;
        }
    }
    printf("             %u sets, %u decided; %u of %u waits reached exactly; at most %u steps\n", sets, decided,
           reached, victims, most_steps);
    assert_true(decided > sets / 10 * 9);
    assert_true(reached > victims / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_longer_than_computed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
