// SPDX-License-Identifier: Apache-2.0
// Which hypercall instruction the storm has.
#include "matmul.h"

typedef void units(const double *a, const double *b, double *sums, uint64_t count);

units storm_units_vmmcall, storm_units_vmcall, storm_units_alone;

void storm_units(const double *a, const double *b, double *sums, uint64_t count) {
    static units *chosen;
    if (!chosen && !takt_present()) {
        say("matmul: no hypercalls here\n");
        chosen = storm_units_alone;
    } else if (!chosen) {
        chosen = cpu_is_amd() ? storm_units_vmmcall : storm_units_vmcall;
    }
    chosen(a, b, sums, count);
}
