// SPDX-License-Identifier: Apache-2.0
/* Where a rule of sched/ begins and ends: one tick, one turn, one entity more or less. */
#include "test_sched_support.h"

#include "sched/change.h"
#include "sched/entity_heap.h"
#include "sched/sched.h"
#include "sched/share.h"

static struct sched_core core;
static struct sched_entity server, other, filler;

/* A core with a server, and best effort that always runs beside it. */
static void begin(uint64_t budget, uint64_t deadline, uint64_t period) {
    sched_core_init(&core, 100);
    assert_int_equal(sched_entity_init_reserved(&server, budget, deadline, period), SCHED_OK);
    assert_int_equal(sched_entity_init_best_effort(&filler, 1), SCHED_OK);
    assert_int_equal(sched_add(&core, &server), SCHED_OK);
    assert_int_equal(sched_add(&core, &filler), SCHED_OK);
    sched_wake(&core, &filler, 0);
    sched_pick(&core, 0);
}

static void an_overrun_of_one_tick_is_owed_and_paid(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_wake(&core, &server, 0);
    sched_pick(&core, 0);
    sched_pick(&core, 21);
    assert_int_equal(server.debt, 1);
    assert_ptr_equal(sched_pick(&core, 100).run, &server);
    assert_int_equal(server.remaining, 19);
    assert_int_equal(server.debt, 0);
}

/* All of its list, wherever that lies in the ring and whatever lay behind it once: back one period after the first of it. */
static void who_owes_all_waits_for_one_refill_more(void **state) {
    (void)state;
    for (uint32_t periods = 1; periods <= 2 * SCHED_REFILLS_MAX; periods++) {
        uint64_t now = 0;

        begin(20, 50, 100);
        sched_wake(&core, &server, 0);
        for (uint32_t i = 0; i < periods; i++, now += 100) {
            assert_ptr_equal(sched_pick(&core, now).run, &server);
            assert_ptr_equal(sched_pick(&core, now + 20).run, &filler);
        }
        sched_charge(&core, &server, 20);
        assert_int_equal(server.debt, 20);
        assert_int_equal(sched_eligible_at(&server, now - 50), now + 100);
    }
}

/* Its budget counts for nothing: it is there at once, whatever the list says. */
static void a_sole_owner_always_has_budget(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_wake(&core, &server, 0);
    sched_pick(&core, 0);
    sched_block(&core, &server, 20);
    assert_int_equal(sched_eligible_at(&server, 30), 100);
    sched_remove(&core, &filler, 30);
    assert_int_equal(sched_eligible_at(&server, 30), 30);
}

/* The last decision was at 10; that `other` blocks at 60 is the latest time that the core knows. */
static void a_charge_after_a_block_is_dated_by_the_block(void **state) {
    (void)state;
    begin(20, 50, 100);
    assert_int_equal(sched_entity_init_reserved(&other, 50, 50, 100), SCHED_OK);
    assert_int_equal(sched_add(&core, &other), SCHED_OK);
    sched_wake(&core, &other, 0);
    sched_pick(&core, 0);
    sched_wake(&core, &server, 5);
    sched_pick(&core, 10);
    sched_block(&core, &other, 49);
    sched_charge(&core, &server, 20);
    assert_int_equal(server.stats.misses[SCHED_MISS_DISPATCH], 0);
    begin(20, 50, 100);
    assert_int_equal(sched_entity_init_reserved(&other, 50, 50, 100), SCHED_OK);
    assert_int_equal(sched_add(&core, &other), SCHED_OK);
    sched_wake(&core, &other, 0);
    sched_pick(&core, 0);
    sched_wake(&core, &server, 5);
    sched_pick(&core, 10);
    sched_block(&core, &other, 60);
    sched_charge(&core, &server, 20);
    assert_int_equal(server.stats.misses[SCHED_MISS_DISPATCH], 1);
}

/* Nothing ran that a decision could account; the decision itself dates what is charged after it. */
static void a_charge_after_an_idle_time_is_dated_by_the_decision(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_block(&core, &filler, 5);
    assert_null(sched_pick(&core, 5).run);
    sched_wake(&core, &server, 10);
    sched_pick(&core, 70);
    sched_charge(&core, &server, 20);
    assert_int_equal(server.stats.misses[SCHED_MISS_DISPATCH], 1);
}

/* Who first runs at `start`, and beside one interrupt of 5 ticks until start + 25. */
static uint64_t misses_beside_an_interrupt(uint64_t start) {
    begin(20, 23, 100);
    sched_wake(&core, &server, 0);
    sched_pick(&core, start);
    sched_exempt(&core, 5);
    sched_pick(&core, start + 25);
    assert_int_equal(server.stats.supplied, 20);
    assert_int_equal(server.debt, 0);
    return server.stats.misses[SCHED_MISS_DISPATCH];
}

/* The interrupt may have come as the budget ended, at 23; a tick later that was late, whenever it came. */
static void a_budget_that_ends_as_an_interrupt_comes_is_not_late(void **state) {
    (void)state;
    assert_int_equal(misses_beside_an_interrupt(0), 0);
    assert_int_equal(misses_beside_an_interrupt(3), 0);
    assert_int_equal(misses_beside_an_interrupt(4), 1);
}

static void a_turn_has_a_length(void **state) {
    (void)state;
    sched_core_init(&core, 0);
    assert_int_equal(core.turn, 1);
    sched_core_init(&core, 1);
    assert_int_equal(core.turn, 1);
    sched_core_init(&core, SHARE_TURN_MAX - 1);
    assert_int_equal(core.turn, SHARE_TURN_MAX - 1);
    sched_core_init(&core, UINT64_MAX);
    assert_int_equal(core.turn, SHARE_TURN_MAX);
}

static void a_wake_up_from_another_core_at_the_first_tick_preempts(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_wake(&core, &server, 0);
    sched_block(&core, &server, 0);
    core.current_deadline = 51;
    assert_true(sched_remote_preempts(&core, &server, 0));
    core.current_deadline = 50;
    assert_false(sched_remote_preempts(&core, &server, 0));
}

/* Two turns ahead of the others is what turns explain: it keeps its place. More is not. */
static void who_is_two_turns_ahead_keeps_its_place(void **state) {
    uint64_t two_turns = 2 * 100 * (SHARE_SCALE / 2);

    (void)state;
    for (uint64_t over = 0; over < 2; over++) {
        begin(20, 50, 100);
        assert_int_equal(sched_entity_init_best_effort(&other, 2), SCHED_OK);
        assert_int_equal(sched_add(&core, &other), SCHED_OK);
        other.vtime = filler.vtime + two_turns + over;
        sched_wake(&core, &other, 0);
        assert_int_equal(other.vtime - filler.vtime, over == 0 ? two_turns : 0);
    }
}

/* What the machine lost lies before the end of the budget: that came when the time was over, and so too late. */
static void what_the_machine_lost_can_make_it_late(void **state) {
    (void)state;
    for (uint64_t lost = 31; lost <= 32; lost++) {
        begin(20, 51, 100);
        sched_wake(&core, &server, 0);
        sched_pick(&core, 0);
        sched_distorted(&core, 20 + lost);
        assert_int_equal(server.stats.forgiven, lost);
        assert_int_equal(server.debt, 0);
        assert_int_equal(server.stats.misses[SCHED_MISS_PLATFORM], lost == 31 ? 0 : 1);
    }
}

static uint64_t activations(const struct sched_entity *many, uint32_t count) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) { sum += many[i].stats.activations; }
    return sum;
}

/* However many refills came while they did not matter: each decision opens one, the most urgent, as of when it came. */
static void a_decision_opens_one_activation(void **state) {
    static struct sched_entity many[20];

    (void)state;
    begin(500, 600, 2000);
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(sched_entity_init_reserved(&many[i], 5, 1500 - 10 * i, 2000), SCHED_OK);
        assert_int_equal(sched_add(&core, &many[i]), SCHED_OK);
        sched_wake(&core, &many[i], 0);
    }
    for (uint64_t now = 0; now < 100; now += 5) { assert_ptr_not_equal(sched_pick(&core, now).run, &filler); }
    assert_ptr_equal(sched_pick(&core, 100).run, &filler);
    sched_wake(&core, &server, 1990);
    for (uint64_t now = 1990; now < 2100; now += 10) { assert_ptr_equal(sched_pick(&core, now).run, &server); }
    assert_true(activations(many, 20) == 20);
    sched_block(&core, &server, 2100);
    assert_false(sched_quiet(&core, 2100));
    for (uint32_t i = 0; i < 20; i++) {
        struct sched_decision decision = sched_pick(&core, 2100 + 5 * i);

        assert_ptr_equal(decision.run, &many[19 - i]);
        assert_true(decision.deadline == 2000 + many[19 - i].deadline && decision.until == 2105 + 5 * i);
        assert_true(activations(many, 20) == 21 + i);
    }
    assert_ptr_equal(sched_pick(&core, 2200).run, &filler);
    assert_true(sched_quiet(&core, 2200));
}

/* Not for a refill that pays a debt only, of however many. */
static void nobody_is_looked_at_who_only_pays(void **state) {
    struct sched_decision decision;

    (void)state;
    begin(20, 50, 100);
    sched_wake(&core, &server, 0);
    sched_pick(&core, 0);
    sched_block(&core, &server, 5); /* 5 come back at 100 */
    sched_wake(&core, &server, 40);
    sched_pick(&core, 40);
    assert_int_equal(sched_pick(&core, 55).until, 100);
    sched_charge(&core, &server, 4);
    assert_int_equal(sched_pick(&core, 60).until, 100);
    sched_charge(&core, &server, 1);
    decision = sched_pick(&core, 61);
    assert_ptr_equal(decision.run, &filler);
    assert_int_equal(decision.until, 140);
    sched_charge(&core, &server, 15);
    assert_int_equal(sched_pick(&core, 62).until, 200); /* the 5 of 100, a period later */
    assert_int_equal(server.stats.activations, 2);
    decision = sched_pick(&core, 200);
    assert_ptr_equal(decision.run, &server);
    assert_int_equal(decision.until, 205);
    assert_int_equal(sched_pick(&core, 205).until, 240); /* paid as of 140 */
}

static void check_heap(const struct sched_heap *heap, uint32_t count) {
    assert_int_equal(heap->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(heap->slot[i]->position, i);
        assert_true(i == 0 || heap->slot[(i - 1) / 2]->key <= heap->slot[i]->key);
    }
}

/* Who takes the place of one that leaves may belong further up. */
static void the_last_of_a_heap_finds_its_place(void **state) {
    static const uint64_t keys[] = {1, 10, 2, 11, 12, 3, 4};
    static struct sched_entity entities[7];
    static struct sched_heap heap;

    (void)state;
    for (uint32_t i = 0; i < 7; i++) { heap_push(&heap, &entities[i], keys[i]); }
    heap_remove(&heap, &entities[3]);
    check_heap(&heap, 6);
}

static void a_heap_stays_one_whoever_leaves(void **state) {
    static struct sched_entity entities[SCHED_ENTITIES_MAX];
    static struct sched_heap heap;
    bool in[SCHED_ENTITIES_MAX] = {false};
    uint64_t random = 1;
    uint32_t count = 0;

    (void)state;
    for (unsigned turn = 0; turn < 10000; turn++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t which = (uint32_t)(random >> 33) % SCHED_ENTITIES_MAX;
        if (in[which]) {
            heap_remove(&heap, &entities[which]);
            count--;
        } else {
            entities[which].release = random >> 50;
            heap_push(&heap, &entities[which], (random >> 40) % 100);
            count++;
        }
        in[which] = !in[which];
        check_heap(&heap, count);
    }
}

/* What it owed when a refill came is paid as of then, also when it is not asked before it waits and wakes. */
static void a_debt_is_paid_in_time_over_a_block(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_wake(&core, &server, 0);
    sched_pick(&core, 0);
    sched_pick(&core, 20);
    sched_charge(&core, &server, 20);
    sched_block(&core, &server, 150);
    assert_int_equal(server.debt, 0);
    assert_int_equal(sched_eligible_at(&server, 150), 200);
    sched_wake(&core, &server, 150);
    assert_int_equal(sched_pick(&core, 150).until, 200);
    assert_ptr_equal(sched_pick(&core, 200).run, &server);
}

#if TAKT_SPLIT
static void budget_elsewhere_is_budget(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_wake(&core, &server, 0);
    sched_pick(&core, 0);
    sched_block(&core, &server, 20);
    assert_int_equal(sched_eligible_at(&server, 20), 100);
    server.elsewhere = 60;
    assert_int_equal(sched_eligible_at(&server, 20), 60);
    assert_int_equal(sched_eligible_at(&server, 70), 70);
}

/* It is where it was in all respects but its place. */
static void who_lives_elsewhere_now_has_left_the_old_place(void **state) {
    (void)state;
    begin(20, 50, 100);
    sched_relocate(&core, &server, &other);
    assert_null(server.core);
    assert_ptr_equal(other.core, &core);
    assert_int_equal(sched_add(&core, &other), SCHED_EINVAL);
    sched_wake(&core, &other, 10);
    assert_ptr_equal(sched_pick(&core, 10).run, &other);
    assert_int_equal(core.population, 2);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overrun_of_one_tick_is_owed_and_paid),
        cmocka_unit_test(who_owes_all_waits_for_one_refill_more),
        cmocka_unit_test(a_sole_owner_always_has_budget),
        cmocka_unit_test(a_charge_after_a_block_is_dated_by_the_block),
        cmocka_unit_test(a_charge_after_an_idle_time_is_dated_by_the_decision),
        cmocka_unit_test(a_budget_that_ends_as_an_interrupt_comes_is_not_late),
        cmocka_unit_test(a_turn_has_a_length),
        cmocka_unit_test(a_wake_up_from_another_core_at_the_first_tick_preempts),
        cmocka_unit_test(who_is_two_turns_ahead_keeps_its_place),
        cmocka_unit_test(what_the_machine_lost_can_make_it_late),
        cmocka_unit_test(a_decision_opens_one_activation),
        cmocka_unit_test(nobody_is_looked_at_who_only_pays),
        cmocka_unit_test(the_last_of_a_heap_finds_its_place),
        cmocka_unit_test(a_heap_stays_one_whoever_leaves),
        cmocka_unit_test(a_debt_is_paid_in_time_over_a_block),
#if TAKT_SPLIT
        cmocka_unit_test(budget_elsewhere_is_budget),
        cmocka_unit_test(who_lives_elsewhere_now_has_left_the_old_place),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
