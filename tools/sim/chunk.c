// SPDX-License-Identifier: Apache-2.0
/* The sets of a campaign. Each is decided by the campaign's seed and its own number, whoever plays it. */
#include "tools/sim/campaign.h"

#define DRAWS_MAX 200u

/* What sets are drawn for when no utilisation is given; each comes with D = T and with D <= T, and a third of them with
 * interrupts. */
static const double utilisations[] = {0.70, 0.80, 0.85, 0.90, 0.95};

#define UTILISATIONS (sizeof(utilisations) / sizeof(utilisations[0]))

static struct system_plan plan_of(const struct campaign *campaign, uint64_t number) {
    struct system_plan plan = campaign->plan;

    if (plan.utilisation == 0) { plan.utilisation = utilisations[number % UTILISATIONS]; }
    plan.constrained = number / UTILISATIONS % 2 != 0;
    plan.sources = number / UTILISATIONS / 2 % 3 == 0;
    return plan;
}

/* Fills it up to what admission allows, or nearly: after a refusal a little less is asked for. */
static bool draw_admitted(struct system *system, struct system_plan *plan, struct random *random,
                          struct record *record) {
    for (uint32_t i = 0; i < DRAWS_MAX; i++) {
        record->draws++;
        system_draw(system, plan, random);
        if (system_place(system, plan)) { return true; }
        plan->utilisation *= 0.99;
    }
    return false;
}

bool campaign_run_chunk(const struct campaign *campaign, uint64_t number, struct sim_machine *machine,
                        struct record *record) {
    static struct system system; /* too large for a stack */
    uint64_t end = campaign->first + campaign->sets;
    uint64_t set = campaign->first + number * campaign->chunk;

    *record = record_zero(number);
    for (uint64_t i = 0; i < campaign->chunk && set < end; i++, set++) {
        struct system_plan plan = plan_of(campaign, set);
        struct random random = {campaign->seed + set * UINT64_C(0xd1342543de82ef95)};
        struct sim_counts counts = sim_counts_zero();

        random.state = random_next(&random);
        if (!draw_admitted(&system, &plan, &random, record)) { continue; }
        for (uint32_t j = 0; j < system.vcpu_count; j++) { record->split += system.placements[j].second >= 0 ? 1 : 0; }
        if (!system_play(&system, &plan, machine, random_next(&random), &counts)) { return false; }
        record->sets++;
        if (sim_faults(&counts) != 0 && record->first_bad == RECORD_NO_SET) { record->first_bad = set; }
        sim_counts_add(&record->counts, &counts);
    }
    return true;
}
