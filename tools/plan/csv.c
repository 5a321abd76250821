// SPDX-License-Identifier: Apache-2.0
// A plan from a table: the columns of docs/planner.md, a VCPU in each row. What a row may ask for is judged by the checker of
// system descriptions, so that both say the same; here is what only a table can get wrong. Everything in it comes from
// outside: bytes are looked at where their count says that there are some, and repeated in messages as far as they print.
#include <string.h>

#include "kernel/log.h"
#include "sched/sched.h"
#include "tools/plan/plan.h"

#define ROWS_MAX     (SCHED_CORES_MAX * SCHED_MEMBERS_MAX)
#define SIZE_MAX_CSV (1u << 20)
enum { CELLS_MAX = 32, CELL_SIZE = 64, NAME_MAX_CSV = 47 };

enum column { NAME, BUDGET, PERIOD, DEADLINE, CORE, VM, WEIGHT, COLUMNS };
static const char *const names[COLUMNS] = {"name", "budget-us", "period-us", "deadline-us", "core", "vm", "weight"};
static const char all_names[] = "name, budget-us, period-us, deadline-us, core, vm, weight";

struct cell { // without the blanks and quotes around it
    char text[CELL_SIZE];
    size_t length;
};

struct row {
    unsigned line;
    char name[NAME_MAX_CSV + 1], vm[NAME_MAX_CSV + 1];
};

struct table {
    struct sysdesc_check check; // where messages go, and what they are about
    struct system_desc *sys;    // only what `check` wants of it
    const char *at, *end;       // what is not read yet
    unsigned line;
    unsigned cell_count;
    struct cell cells[CELLS_MAX];
    bool has[COLUMNS];
    enum column column_of[CELLS_MAX]; // COLUMNS: one that is not known
    unsigned header_cells;
    unsigned core_count;
    unsigned row_count; // good ones
    struct row rows[ROWS_MAX];
    struct vcpu_desc vcpus[ROWS_MAX];
    struct sched_request requests[ROWS_MAX];
    struct sched_placement placements[ROWS_MAX];
};

static void about_line(struct sysdesc_check *c, unsigned line) {
    c->path_length = (size_t)format_string(c->path, sizeof(c->path), "%u", line);
}

static void mistake(struct table *t, const char *column, const char *wrong, const char *remedy) {
    sysdesc_mistake(&t->check, column, remedy, "%s", wrong);
}

// ---- lines and cells ----------------------------------------------------------------------------------------

static bool is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static void skip_blanks(const char **at, const char *end) {
    while (*at < end && is_blank(**at)) { (*at)++; }
}

static void keep(struct cell *cell, char byte) {
    if (cell->length < CELL_SIZE - 1) { cell->text[cell->length] = byte; }
    cell->length++;
}

// *at is behind the first quote, and behind the last when it returns; two of them inside are one.
static void read_quoted(struct table *t, struct cell *cell, const char **at, const char *end) {
    while (*at < end) {
        char byte = *(*at)++;
        if (byte == '"') {
            if (*at == end || **at != '"') { return; }
            (*at)++;
        }
        keep(cell, byte);
    }
    mistake(t, NULL, "a quote is not closed on its line", "put \" at both ends of a cell, and \"\" for one inside");
}

static void read_cell(struct table *t, struct cell *cell, const char **at, const char *end) {
    *cell = (struct cell){.length = 0};
    skip_blanks(at, end);
    if (*at < end && **at == '"') {
        (*at)++;
        read_quoted(t, cell, at, end);
        skip_blanks(at, end);
        if (*at < end && **at != ',') {
            mistake(t, NULL, "there is something behind the closing quote of a cell",
                    "end the cell there with a comma");
        }
        while (*at < end && **at != ',') { (*at)++; }
        return;
    }
    while (*at < end && **at != ',') { keep(cell, *(*at)++); }
    while (cell->length > 0 && cell->length < CELL_SIZE && is_blank(cell->text[cell->length - 1])) {
        cell->text[--cell->length] = '\0';
    }
}

// Cells of the next line, of LF or CR LF; false: there is none.
static bool read_line(struct table *t) {
    const char *at = t->at;
    size_t left = (size_t)(t->end - at);
    const char *end = left == 0 ? NULL : memchr(at, '\n', left);

    if (left == 0) { return false; }
    t->at = end == NULL ? t->end : end + 1;
    if (end == NULL) { end = t->end; }
    if (end > at && end[-1] == '\r') { end--; }
    about_line(&t->check, ++t->line);
    t->cell_count = 0;
    for (;;) {
        struct cell spare;
        read_cell(t, t->cell_count < CELLS_MAX ? &t->cells[t->cell_count] : &spare, &at, end);
        t->cell_count++;
        if (at == end) { return true; }
        at++; // the comma
    }
}

static bool line_is_empty(const struct table *t) { return t->cell_count == 1 && t->cells[0].length == 0; }

// Says what is no text that this program can read; `column` is NULL in the first line.
static bool is_text(struct table *t, const char *column, const struct cell *cell) {
    char wrong[80];

    if (cell->length >= CELL_SIZE) {
        format_string(wrong, sizeof(wrong), "has %lu characters", (unsigned long)cell->length);
        mistake(t, column, wrong, "at most 47 in a name; numbers have at most 8");
        return false;
    }
    for (size_t i = 0; i < cell->length; i++) {
        unsigned byte = (unsigned char)cell->text[i];
        if (byte >= ' ' && byte <= '~') { continue; }
        format_string(wrong, sizeof(wrong), "has the byte 0x%02x, which is no printable ASCII character", byte);
        mistake(t, column, wrong, "use letters, digits and punctuation of ASCII");
        return false;
    }
    return true;
}

// ---- the first line -----------------------------------------------------------------------------------------

static enum column column_named(const char *name) {
    for (int i = 0; i < COLUMNS; i++) {
        if (strcmp(names[i], name) == 0) { return (enum column)i; }
    }
    return COLUMNS;
}

static void read_name_of_column(struct table *t, unsigned index) {
    const struct cell *cell = &t->cells[index];
    enum column column = COLUMNS;

    t->column_of[index] = COLUMNS;
    if (!is_text(t, NULL, cell)) { return; }
    column = column_named(cell->text);
    if (column == COLUMNS) {
        char remedy[128];
        format_string(remedy, sizeof(remedy), "%s%s",
                      strchr(cell->text, ';') != NULL ? "separate by commas; columns are " : "columns are ", all_names);
        mistake(t, cell->length == 0 ? NULL : cell->text, "no such column", remedy);
    } else if (t->has[column]) {
        mistake(t, names[column], "the column stands here twice", "name it once");
    } else {
        t->has[column] = true;
        t->column_of[index] = column;
    }
}

static void want_column(struct table *t, enum column column, const char *why) {
    if (!t->has[column]) { mistake(t, names[column], "there is no such column", why); }
}

static bool read_header(struct table *t) {
    static const char mark[] = "\xef\xbb\xbf"; // spreadsheets put it before UTF-8
    size_t size = (size_t)(t->end - t->at);

    if (size >= 3 && memcmp(t->at, mark, 3) == 0) { t->at += 3; }
    if (size >= 2 && (memcmp(t->at, "\xff\xfe", 2) == 0 || memcmp(t->at, "\xfe\xff", 2) == 0)) {
        about_line(&t->check, 1);
        mistake(t, NULL, "the file is UTF-16", "write it as ASCII or UTF-8");
        return false;
    }
    if (!read_line(t) || line_is_empty(t)) {
        about_line(&t->check, 1);
        mistake(t, NULL, "the names of the columns are missing", "begin with name,budget-us,period-us");
        return false;
    }
    t->header_cells = MIN(t->cell_count, (unsigned)CELLS_MAX);
    for (unsigned i = 0; i < t->header_cells; i++) { read_name_of_column(t, i); }
    want_column(t, NAME, "begin with name,budget-us,period-us");
    if (t->has[BUDGET] || t->has[PERIOD] || t->has[DEADLINE] || !t->has[WEIGHT]) {
        want_column(t, BUDGET, "a reservation has budget-us and period-us");
        want_column(t, PERIOD, "a reservation has budget-us and period-us");
    }
    return true;
}

// ---- rows ---------------------------------------------------------------------------------------------------

// 0 stands for a number that was refused.
static uint32_t read_value(struct table *t, enum column column, const struct cell *cell, uint32_t min, uint32_t max) {
    uint64_t value = 0;
    char wrong[112], remedy[80];

    format_string(remedy, sizeof(remedy),
                  column == CORE ? "%u to %u, or auto; --cores says how many there are" : "%u to %u", min, max);
    for (size_t i = 0; i < cell->length; i++) {
        char byte = cell->text[i];
        if (byte < '0' || byte > '9') {
            format_string(wrong, sizeof(wrong), "'%s' is no whole number", cell->text);
            mistake(t, names[column], wrong, remedy);
            return 0;
        }
        value = MIN(value * 10 + (uint64_t)(byte - '0'), 1ull << 40);
    }
    if (value < min || value > max) {
        format_string(wrong, sizeof(wrong), "%s is too %s", cell->text, value < min ? "small" : "large");
        mistake(t, names[column], wrong, remedy);
        return 0;
    }
    return (uint32_t)value;
}

static void read_word(struct table *t, enum column column, const struct cell *cell, char *out) {
    if (cell->length > NAME_MAX_CSV) {
        mistake(t, names[column], "the name is too long", "at most 47 characters");
        return;
    }
    memcpy(out, cell->text, cell->length + 1);
}

static void read_column(struct table *t, enum column column, const struct cell *cell, struct row *row,
                        struct vcpu_desc *vcpu) {
    static const uint32_t seen[COLUMNS] = {[BUDGET] = BIT(VCPU_BUDGET),
                                           [PERIOD] = BIT(VCPU_PERIOD),
                                           [DEADLINE] = BIT(VCPU_DEADLINE),
                                           [WEIGHT] = BIT(VCPU_WEIGHT)};

    if (cell->length == 0) { return; }
    t->check.seen |= seen[column];
    if (!is_text(t, names[column], cell)) { return; }
    switch (column) {
    case NAME: read_word(t, column, cell, row->name); break;
    case VM: read_word(t, column, cell, row->vm); break;
    case BUDGET: vcpu->budget_us = read_value(t, column, cell, BUDGET_US_MIN, PERIOD_US_MAX); break;
    case PERIOD: vcpu->period_us = read_value(t, column, cell, BUDGET_US_MIN, PERIOD_US_MAX); break;
    case DEADLINE: vcpu->deadline_us = read_value(t, column, cell, BUDGET_US_MIN, PERIOD_US_MAX); break;
    case WEIGHT: vcpu->weight = read_value(t, column, cell, 1, SCHED_WEIGHT_MAX); break;
    case CORE:
        if (strcmp(cell->text, "auto") != 0) {
            vcpu->core = (uint8_t)read_value(t, column, cell, 0, t->core_count - 1);
        }
        break;
    default: break;
    }
}

static void check_name(struct table *t, const struct row *row) {
    char wrong[80];

    for (unsigned i = 0; i < t->row_count; i++) {
        if (strcmp(t->rows[i].name, row->name) != 0) { continue; }
        format_string(wrong, sizeof(wrong), "line %u has the name %s, too", t->rows[i].line, row->name);
        mistake(t, names[NAME], wrong, "give each VCPU a name of its own");
        return;
    }
}

static bool cells_are_too_many(struct table *t) {
    char wrong[80];

    if (t->cell_count <= t->header_cells) { return false; }
    format_string(wrong, sizeof(wrong), "has %u cells, and the first line %u", t->cell_count, t->header_cells);
    mistake(t, NULL, wrong, "leave out what has no column, or put the cell that has a comma in quotes");
    return true;
}

// A row with mistakes is told and left out.
static void read_row(struct table *t) {
    struct row *row = &t->rows[t->row_count];
    struct vcpu_desc *vcpu = &t->vcpus[t->row_count];
    unsigned before = t->check.sink->count;

    *row = (struct row){.line = t->line};
    *vcpu = (struct vcpu_desc){.weight = 100, .core = CORE_AUTO};
    t->check.seen = 0;
    if (cells_are_too_many(t)) { return; }
    for (unsigned i = 0; i < t->cell_count; i++) {
        if (t->column_of[i] != COLUMNS) { read_column(t, t->column_of[i], &t->cells[i], row, vcpu); }
    }
    if (row->name[0] != '\0') {
        check_name(t, row);
    } else if (t->has[NAME] && t->check.sink->count == before) {
        mistake(t, names[NAME], "is missing", "give each VCPU a name of its own");
    }
    if ((t->check.seen & (BIT(VCPU_BUDGET) | BIT(VCPU_PERIOD) | BIT(VCPU_DEADLINE))) != 0 && t->has[BUDGET] &&
        t->has[PERIOD]) {
        sysdesc_reservation(&t->check, vcpu);
    }
    if (t->check.sink->count == before) { t->row_count++; }
}

static void read_rows(struct table *t) {
    unsigned count = 0;

    while (read_line(t)) {
        if (line_is_empty(t)) { continue; }
        if (t->row_count == ROWS_MAX) {
            char wrong[64];
            format_string(wrong, sizeof(wrong), "more than %u VCPUs", ROWS_MAX);
            mistake(t, NULL, wrong, "plan the cores in parts");
            return;
        }
        count++;
        read_row(t);
    }
    about_line(&t->check, t->line);
    if (count == 0) { mistake(t, NULL, "has no VCPU", "write one in each line below the names of the columns"); }
}

// ---- placement ----------------------------------------------------------------------------------------------

// VCPUs of one VM have one number; a row without a VM is a VM of its own.
static uint32_t vm_number(const struct table *t, unsigned index) {
    for (unsigned i = 0; i < index && t->rows[index].vm[0] != '\0'; i++) {
        if (strcmp(t->rows[i].vm, t->rows[index].vm) == 0) { return t->requests[i].vm; }
    }
    return index;
}

static void place(struct table *t, const struct plan_options *options, struct sched_core_load *cores) {
    const struct clock_rate *rate = &t->check.rate;
    struct sched_machine machine = {
        .cores = cores,
        .core_count = options->cores,
        .splits = options->migration_ns != 0,
        .switch_cost = clock_ns_to_ticks_up(rate, options->overhead_ns),
        .migration_cost = clock_ns_to_ticks_up(rate, options->migration_ns),
    };

    for (unsigned i = 0; i < t->row_count; i++) {
        struct vcpu_desc *vcpu = &t->vcpus[i];
        if (vcpu->reserved) { sysdesc_set_task(&t->check, vcpu); }
        t->requests[i] = (struct sched_request){.task = vcpu->task,
                                                .weight = vcpu->weight,
                                                .vm = vm_number(t, i),
                                                .core = vcpu->core == CORE_AUTO ? SCHED_CORE_AUTO : vcpu->core};
    }
    (void)sched_place_all(&machine, t->requests, t->placements, t->row_count);
    for (unsigned i = 0; i < t->row_count; i++) {
        if (t->placements[i].step != SCHED_STEP_REFUSED) { continue; }
        about_line(&t->check, t->rows[i].line);
        sysdesc_refused(&t->check, &t->vcpus[i], &t->placements[i]);
    }
}

static bool enter_irqs(const struct plan_options *options, const struct clock_rate *rate,
                       struct sched_core_load *cores) {
    for (unsigned i = 0; i < options->irq_count; i++) {
        const struct plan_irq *irq = &options->irqs[i];
        struct sched_core_load *load = &cores[irq->core];
        if (irq->core >= options->cores || load->source_count == SCHED_SOURCES_MAX) {
            fprintf(stderr, "takt-plan: --irq names core %u, which %s\n", irq->core,
                    irq->core >= options->cores ? "--cores does not give" : "has more than 32 of them");
            return false;
        }
        load->sources[load->source_count++] =
            (struct sched_source){clock_ns_to_ticks_up(rate, irq->cost_ns),
                                  MAX(clock_ns_to_ticks_down(rate, irq->distance_us * 1000ull), 1u)};
    }
    return true;
}

static void show(struct plan *plan, struct table *t) {
    plan->vcpus = plan_allocate(plan, t->row_count + 1, sizeof(*plan->vcpus));
    for (unsigned i = 0; i < t->row_count; i++) {
        const struct row *row = &t->rows[i];
        plan->vcpus[plan->vcpu_count++] = (struct plan_vcpu){
            .vm = row->name, .line = row->line, .desc = &t->vcpus[i], .placement = &t->placements[i]};
    }
    plan_explain(plan, &t->check);
}

bool plan_csv(struct plan *plan, const struct plan_options *options) {
    const struct blob *text = &plan->input[0];
    struct table *t = plan_allocate(plan, 1, sizeof(*t));
    struct sched_core_load *cores = plan_allocate(plan, options->cores, sizeof(*cores));

    t->sys = plan_allocate(plan, 1, sizeof(*t->sys));
    t->sys->overhead_ns = options->overhead_ns;
    t->check = (struct sysdesc_check){.sys = t->sys, .sink = &plan->sink, .file = options->csv};
    t->core_count = options->cores;
    t->at = text->data;
    t->end = t->at + text->size;
    (void)clock_rate_init(&t->check.rate, options->hz);
    plan->source = options->csv;
    plan->machine = "the cores of the table";
    plan->hz = options->hz;
    plan->rate = t->check.rate;
    plan->overhead_ns = options->overhead_ns;
    plan->migration_ns = options->migration_ns;
    plan->core_count = options->cores;
    plan->cores = cores;
    if (!enter_irqs(options, &plan->rate, cores)) { return false; }
    about_line(&t->check, 1);
    if (text->size > SIZE_MAX_CSV) {
        mistake(t, NULL, "the file has more than a MiB", "plan the cores in parts");
        return true;
    }
    if (read_header(t)) { read_rows(t); }
    place(t, options, cores);
    show(plan, t);
    return true;
}
