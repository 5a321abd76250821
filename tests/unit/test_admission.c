// SPDX-License-Identifier: Apache-2.0
/* The exact test against brute force, which adds up demand instant by instant. */
#include "test_sched_support.h"

#include "sched/admission.h"

#include <time.h>

struct set {
    struct sched_task tasks[SCHED_TASKS_MAX];
    uint32_t task_count;
    struct sched_source sources[SCHED_SOURCES_MAX];
    uint32_t source_count;
};

static enum sched_outcome admit(const struct set *set, struct sched_verdict *verdict) {
    return sched_admit(set->tasks, set->task_count, set->sources, set->source_count, verdict);
}

/* Demand by counting jobs and interrupts one by one. */
static uint64_t counted_demand(const struct set *set, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < set->task_count; i++) {
        for (uint64_t d = set->tasks[i].deadline; d <= t; d += set->tasks[i].period) { sum += set->tasks[i].budget; }
    }
    for (uint32_t i = 0; i < set->source_count; i++) {
        for (uint64_t a = 0; a <= t; a += set->sources[i].distance) { sum += set->sources[i].cost; }
    }
    return sum;
}

/* Every distance and period divides CYCLE: the first idle instant comes by then, if ever. */
#define CYCLE 60

/* Work released before t, everything from 0 on and as often as possible. */
static uint64_t counted_work(const struct set *set, uint64_t t) {
    uint64_t sum = 0;

    for (uint32_t i = 0; i < set->task_count; i++) {
        for (uint64_t r = 0; r < t; r += set->tasks[i].period) { sum += set->tasks[i].budget; }
    }
    for (uint32_t i = 0; i < set->source_count; i++) {
        for (uint64_t a = 0; a < t; a += set->sources[i].distance) { sum += set->sources[i].cost; }
    }
    return sum;
}

/* Looks at every deadline; behind the first idle instant only where there are no interrupts, to see
 * that nothing fails there. (With interrupts h(t) counts what arrives up to t, although what was
 * released before the idle instant cannot wait for it any more.) */
static bool feasible_by_brute_force(const struct set *set) {
    uint64_t end = 2 * CYCLE;
    uint64_t sum = 0;

    if (counted_work(set, CYCLE) > CYCLE) { return false; }
    if (set->source_count > 0) {
        for (end = 1; counted_work(set, end) > end;) { end++; }
    }
    for (uint64_t t = 0; t <= end; t++) {
        bool deadline = false;

        for (uint32_t i = 0; i < set->task_count; i++) {
            const struct sched_task *task = &set->tasks[i];

            if (t >= task->deadline && (t - task->deadline) % task->period == 0) {
                sum += task->budget;
                deadline = true;
            }
        }
        for (uint32_t i = 0; i < set->source_count; i++) {
            sum += t % set->sources[i].distance == 0 ? set->sources[i].cost : 0;
        }
        if (deadline && sum > t) { return false; }
    }
    return true;
}

static void witness_holds(const struct set *set, const struct sched_verdict *verdict) {
    assert_true(verdict->at > 0);
    assert_true(verdict->demand > verdict->at);
    assert_int_equal(verdict->excess, verdict->demand - verdict->at);
    assert_int_equal(verdict->demand, counted_demand(set, verdict->at));
}

static void random_small_set(struct random *random, struct set *set) {
    static const uint8_t divisors[] = {2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60};

    set->task_count = (uint32_t)random_in(random, 1, 5);
    set->source_count = (uint32_t)random_in(random, 0, 8) / 4;
    for (uint32_t i = 0; i < set->task_count; i++) {
        uint64_t period = divisors[random_in(random, set->task_count > 2 ? 2 : 0, 10)];
        uint64_t budget = random_in(random, 1, 1 + period * 3 / (2 + 2 * set->task_count));

        budget = budget < period ? budget : period;
        set->tasks[i].period = period;
        set->tasks[i].budget = budget;
        set->tasks[i].deadline = random_in(random, 0, 2) == 0 ? period : random_in(random, budget, period);
    }
    for (uint32_t i = 0; i < set->source_count; i++) {
        set->sources[i].distance = divisors[random_in(random, 4, 10)];
        set->sources[i].cost = random_in(random, 1, 2);
    }
}

static void the_test_equals_brute_force(void **state) {
    struct random random = random_start("small sets", 0xadd17);
    uint32_t admitted = 0;
    uint32_t walked = 0;
    uint32_t most_steps = 0;
    uint32_t shorter = 0, interrupted[3] = {0}; /* walked with some D < T; admitted, by the number of sources */
    uint32_t sets = ROUNDS(1500000);

    (void)state;
    for (uint32_t i = 0; i < sets; i++) {
        struct set set;
        struct sched_verdict verdict;
        bool feasible;

        random_small_set(&random, &set);
        feasible = feasible_by_brute_force(&set);
        assert_int_equal(admit(&set, &verdict), feasible ? SCHED_ADMITTED : SCHED_REFUSED);
        assert_int_equal(verdict.outcome, feasible ? SCHED_ADMITTED : SCHED_REFUSED);
        if (!feasible) { witness_holds(&set, &verdict); }
        admitted += feasible ? 1 : 0;
        walked += feasible && verdict.steps > 0 ? 1 : 0;
        for (uint32_t j = 0; j < set.task_count && feasible && verdict.steps > 0; j++) {
            if (set.tasks[j].deadline < set.tasks[j].period) {
                shorter++;
                break;
            }
        }
        interrupted[set.source_count] += feasible ? 1 : 0;
        most_steps = verdict.steps > most_steps ? verdict.steps : most_steps;
    }
    printf("             %u sets, %u admitted, %u of them by QPA, at most %u steps\n", sets, admitted, walked,
           most_steps);
    printf("             %u of those by QPA with a D < T; admitted beside 0, 1 and 2 sources: %u, %u, %u\n", shorter,
           interrupted[0], interrupted[1], interrupted[2]);
    assert_true(admitted > sets / 10 && admitted < sets - sets / 10 && walked > sets / 50);
    assert_true(shorter > sets / 50 && interrupted[1] > sets / 50 && interrupted[2] > sets / 200);
}

/* Periods of 1 to 100 ms in a 1 GHz clock, nearly full: the sizes that a machine has. */
static void random_large_set(struct random *random, struct set *set, double utilisation) {
    double shares[12];

    set->task_count = (uint32_t)random_in(random, 2, 12);
    set->source_count = 0;
    random_shares(random, shares, set->task_count, utilisation);
    for (uint32_t i = 0; i < set->task_count; i++) {
        struct sched_task *task = &set->tasks[i];
        uint64_t period = (uint64_t)random_over_two_decades(random, 10) * 100000;
        uint64_t budget = (uint64_t)(shares[i] * (double)period);

        task->period = period;
        task->budget = budget == 0 ? 1 : budget < period ? budget : period;
        task->deadline =
            period - (uint64_t)(random_real(random) * random_real(random) * (double)(period - task->budget));
    }
}

static void large_sets_are_decided_in_few_steps(void **state) {
    struct random random = random_start("large sets", 0xb16);
    uint32_t most_steps = 0;
    uint32_t outcomes[3] = {0};

    (void)state;
    for (uint32_t i = 0; i < ROUNDS(40000); i++) {
        struct set set;
        struct sched_verdict verdict;

        random_large_set(&random, &set, 0.7 + 0.299 * random_real(&random));
        outcomes[admit(&set, &verdict)]++;
        most_steps = verdict.steps > most_steps ? verdict.steps : most_steps;
        if (verdict.outcome == SCHED_REFUSED) { witness_holds(&set, &verdict); }
    }
    printf("             %u admitted, %u refused, %u undecided, at most %u steps\n", outcomes[SCHED_ADMITTED],
           outcomes[SCHED_REFUSED], outcomes[SCHED_UNDECIDED], most_steps);
    assert_int_equal(outcomes[SCHED_UNDECIDED], 0);
    assert_true(outcomes[SCHED_ADMITTED] > 100 && outcomes[SCHED_REFUSED] > 100);
    assert_true(most_steps < SCHED_QPA_STEPS_MAX);
}

/* One VCPU with 99.9 % by short periods, and 15 that each ask for what it leaves at ever later deadlines: demand stays less
 * than a short period behind time, so that the walk visits nearly each of them. */
static struct set slow_to_decide(uint32_t task_count) {
    struct set set = {.task_count = task_count, .tasks = {{999000, 1000000, 1000000}}};

    for (uint32_t i = 1; i < task_count; i++) {
        set.tasks[i] = (struct sched_task){1000000, UINT64_C(1000000000) * i, UINT64_C(32000000000)};
    }
    return set;
}

/* The longest that one exact test of 16 VCPUs takes: the cap of 1,024 steps, each two divisions a task, behind 1,024 rounds
 * for the busy period, each one: 48 K divisions. The time is only printed; on a core of 2 GHz 1 ms is 40 cycles for each. */
static void what_takes_longest_is_stopped_by_the_cap(void **state) {
    enum { TESTS = 100 };
    struct sched_verdict verdict;
    struct set set = slow_to_decide(16);
    clock_t start = clock();

    (void)state;
    for (uint32_t i = 0; i < ROUNDS(TESTS); i++) { assert_int_equal(admit(&set, &verdict), SCHED_UNDECIDED); }
    printf("             16 tasks: %u steps, %llu us here\n", verdict.steps,
           (unsigned long long)(clock() - start) * 1000000 / CLOCKS_PER_SEC / ROUNDS(TESTS));
    assert_int_equal(verdict.steps, SCHED_QPA_STEPS_MAX);
    assert_int_equal(verdict.at, 0);
}

/* p-1 of 10p and 1 of 10p for each of ten primes: exactly one, by ten coprime denominators. */
static struct set full_set_of_coprime_periods(void) {
    static const uint64_t primes[] = {999999937, 999999929, 999999893, 999999883, 999999797,
                                      999999761, 999999757, 999999751, 999999739, 999999733};
    struct set set = {.task_count = 20};

    for (uint32_t i = 0; i < 10; i++) {
        uint64_t period = primes[i] * 10;

        set.tasks[2 * i] = (struct sched_task){primes[i] - 1, period, period};
        set.tasks[2 * i + 1] = (struct sched_task){1, period, period};
    }
    return set;
}

static void a_full_core_is_admitted_and_one_tick_more_is_not(void **state) {
    struct sched_verdict verdict;
    struct set set = {.task_count = 3, .tasks = {{1, 3, 3}, {1000000007, 3000000021, 3000000021}, {5, 15, 15}}};

    (void)state;
    assert_int_equal(admit(&set, &verdict), SCHED_ADMITTED);
    set.tasks[1].budget++;
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    set = full_set_of_coprime_periods();
    assert_int_equal(admit(&set, &verdict), SCHED_ADMITTED);
    set.tasks[7].budget++;
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    assert_int_equal(verdict.at, 0); /* first seen at their common multiple, beyond 2^62 */
}

static void interrupts_count_in_utilisation_and_at_every_instant(void **state) {
    struct sched_verdict verdict;
    struct set set = {.task_count = 1, .tasks = {{50, 60, 100}}, .source_count = 1, .sources = {{10, 100}}};

    (void)state;
    assert_int_equal(admit(&set, &verdict), SCHED_ADMITTED); /* 50 + 10 by 60 */
    set.sources[0].distance = 60;
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED); /* two by 60 */
    assert_int_equal(verdict.at, 60);
    assert_int_equal(verdict.excess, 10);
    set = (struct set){.source_count = 2, .sources = {{50, 100}, {50, 100}}};
    assert_int_equal(admit(&set, &verdict), SCHED_ADMITTED);
    set.sources[1].cost = 51;
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    witness_holds(&set, &verdict);
    /* D = T, but interrupts delay: 62 + 4 * 10 by 100. */
    set = (struct set){.task_count = 1,
                       .tasks = {{62000000, 100000000, 100000000}},
                       .source_count = 1,
                       .sources = {{10000000, 30000000}}};
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    assert_int_equal(verdict.at, 100000000);
    assert_int_equal(verdict.excess, 2000000);
}

/* Full to the last tick with D < T and periods without a short common multiple: no bound on the
 * last instant is within reach, and the verdict says so instead of guessing. */
static void what_cannot_be_decided_is_called_undecided(void **state) {
    struct sched_verdict verdict;
    struct set set = full_set_of_coprime_periods();

    (void)state;
    set.tasks[0].deadline--;
    assert_int_equal(admit(&set, &verdict), SCHED_UNDECIDED);
}

static void malformed_input_is_named_so(void **state) {
    static const struct sched_task bad_tasks[] = {{0, 5, 10}, {6, 5, 10}, {5, 11, 10}, {1, 1, UINT64_C(1) << 62}};
    static const struct sched_source bad_sources[] = {{0, 5}, {5, 0}, {UINT64_C(1) << 62, 5}, {5, UINT64_C(1) << 62}};
    struct sched_verdict verdict;
    struct set set = {.task_count = 1, .source_count = 1};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        set.tasks[0] = bad_tasks[i];
        set.sources[0] = (struct sched_source){1, 100};
        assert_int_equal(admit(&set, &verdict), SCHED_MALFORMED);
        set.tasks[0] = (struct sched_task){1, 10, 10};
        set.sources[0] = bad_sources[i];
        assert_int_equal(admit(&set, &verdict), SCHED_MALFORMED);
    }
    assert_int_equal(sched_admit(set.tasks, SCHED_TASKS_MAX + 1, NULL, 0, &verdict), SCHED_MALFORMED);
    assert_int_equal(sched_admit(NULL, 0, set.sources, SCHED_SOURCES_MAX + 1, &verdict), SCHED_MALFORMED);
    assert_int_equal(sched_admit(NULL, 0, NULL, 0, &verdict), SCHED_ADMITTED);
}

static void numbers_saturate_instead_of_wrapping(void **state) {
    const uint64_t huge = (UINT64_C(1) << 62) - 1;
    struct sched_verdict verdict;
    struct set set = {.task_count = 2, .tasks = {{huge / 2, huge, huge}, {huge / 2, huge, huge}}};

    (void)state;
    assert_int_equal(admit(&set, &verdict), SCHED_ADMITTED);
    set.tasks[0].deadline = huge / 2;
    assert_int_equal(admit(&set, &verdict), SCHED_ADMITTED);
    set.tasks[1].deadline = huge / 2 + 1;
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    /* So nearly full that the bound by utilisation leaves 64 bits; both miss at T/2. */
    set.tasks[0] = (struct sched_task){581903644959935, 581903644959935, 1163807289919870};
    set.tasks[1] = (struct sched_task){581903642862783, 581903644959935, 1163807289919870};
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    assert_int_equal(verdict.at, 581903644959935);
    set.source_count = 1;
    set.sources[0] = (struct sched_source){huge, 1};
    assert_int_equal(admit(&set, &verdict), SCHED_REFUSED);
    assert_int_equal(verdict.demand, UINT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_equals_brute_force),
        cmocka_unit_test(large_sets_are_decided_in_few_steps),
        cmocka_unit_test(what_takes_longest_is_stopped_by_the_cap),
        cmocka_unit_test(a_full_core_is_admitted_and_one_tick_more_is_not),
        cmocka_unit_test(interrupts_count_in_utilisation_and_at_every_instant),
        cmocka_unit_test(what_cannot_be_decided_is_called_undecided),
        cmocka_unit_test(malformed_input_is_named_so),
        cmocka_unit_test(numbers_saturate_instead_of_wrapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
