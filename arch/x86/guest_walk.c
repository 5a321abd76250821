// SPDX-License-Identifier: Apache-2.0
// Down the levels; then the rights of all of them together; then the accessed and dirty bits.
#include "arch/x86/guest_walk.h"

#include "arch/x86/control_regs.h"

// Bits of an entry: SDM vol. 3A, tables 4-4 to 4-20. The same in all formats.
#define ENTRY_P        BIT(0)
#define ENTRY_RW       BIT(1)
#define ENTRY_US       BIT(2)
#define ENTRY_A        BIT(5)
#define ENTRY_D        BIT(6)
#define ENTRY_PS       BIT(7)
#define ENTRY_XD       BIT(63)

#define BITS(low, end) (BIT(end) - BIT(low)) // low .. end - 1

enum {
    MAX_LEVELS = 5,
    USER_CPL = 3,
    PHYSICAL_BITS = 52,
    PSE36_LOW = 13, // where bits 32 and up of a page of 4 MiB are
    PSE36_BITS = 40,
};

struct format {
    uint8_t levels;
    uint8_t with_rights; // of them from the lowest: those whose entries have rights and an accessed bit
    uint8_t index_bits;
    uint8_t entry_size;
};

enum format_name { LEGACY, PAE, LEVELS4, LEVELS5 };

static const struct format formats[] = {
    [LEGACY] = {2, 2, 10, 4},
    [PAE] = {3, 2, 9, 8},
    [LEVELS4] = {4, 4, 9, 8},
    [LEVELS5] = {5, 5, 9, 8},
};

struct walk {
    const struct guest_paging *paging;
    const struct format *format;
    uint64_t linear;
    unsigned access;      // bits of the error code: PF_WRITE, PF_FETCH, PF_USER
    unsigned level;       // of the entry read last
    unsigned shift;       // of its index in the linear address
    uint64_t reserved;    // at every level
    uint64_t all, some;   // bits of all entries with rights, of at least one
    gpa_t at[MAX_LEVELS]; // the entries, by level - 1
    uint64_t entry[MAX_LEVELS];
};

static const struct format *format_of(const struct guest_paging *paging) {
    if ((paging->cr4 & CR4_PAE) == 0) { return &formats[LEGACY]; }
    if ((paging->efer & EFER_LMA) == 0) { return &formats[PAE]; }
    return &formats[(paging->cr4 & CR4_LA57) != 0 ? LEVELS5 : LEVELS4];
}

static bool is(const struct walk *w, enum format_name name) { return w->format == &formats[name]; }

// The four at the top of PAE have an address and P, nothing else.
static bool is_pdpte(const struct walk *w) { return w->level > w->format->with_rights; }

// PS where no page can be is reserved.
static bool is_page(const struct walk *w, uint64_t entry) {
    return w->level == 1 || ((entry & ENTRY_PS) != 0 && (!is(w, LEGACY) || (w->paging->cr4 & CR4_PSE) != 0));
}

static uint64_t always_reserved(const struct walk *w) {
    const unsigned physical = w->paging->maxphyaddr;

    if (is(w, LEGACY)) { return 0; }
    return (is(w, PAE) ? BITS(physical, 63) : BITS(physical, PHYSICAL_BITS)) |
           ((w->paging->efer & EFER_NXE) == 0 ? ENTRY_XD : 0);
}

static uint64_t reserved_bits(const struct walk *w, bool page) {
    if (is_pdpte(w)) { return w->reserved | ENTRY_XD | ENTRY_RW | ENTRY_US | BITS(5, 9); }
    if (w->level > 3) { return w->reserved | ENTRY_PS; }
    if (!page || w->level == 1) { return w->reserved; }
    if (is(w, LEGACY)) { return BITS(PSE36_LOW + MIN(w->paging->maxphyaddr, PSE36_BITS) - 32, w->shift); }
    return w->reserved | BITS(PAGE_SHIFT + 1, w->shift);
}

static int page_fault(const struct walk *w, uint32_t cause, uint32_t *error) {
    const bool tells_fetch = (w->paging->cr4 & CR4_SMEP) != 0 || (!is(w, LEGACY) && (w->paging->efer & EFER_NXE) != 0);

    *error = cause | (tells_fetch ? w->access : w->access & ~PF_FETCH);
    return ERR_DENIED;
}

// From CR3 to the entry of the page: SDM vol. 3A, 4.3 to 4.5.
static int descend(struct walk *w, const struct guest_memory_ops *ops, void *context, uint32_t *error) {
    const struct format *f = w->format;
    gpa_t table = w->paging->cr3 & (is(w, PAE) ? BITS(5, 32) : BITS(PAGE_SHIFT, is(w, LEGACY) ? 32 : PHYSICAL_BITS));

    w->shift = PAGE_SHIFT + (f->levels - 1u) * f->index_bits;
    for (w->level = f->levels;; w->level--, w->shift -= f->index_bits) {
        const uint64_t index = w->linear >> w->shift & (BIT(f->index_bits) - 1);
        const gpa_t at = table + index * f->entry_size;
        uint64_t entry = 0;

        int status = ops->read(context, at, &entry, f->entry_size);
        if (status != OK) { return status; }
        w->at[w->level - 1] = at;
        w->entry[w->level - 1] = entry;
        if ((entry & ENTRY_P) == 0) { return page_fault(w, 0, error); }
        const bool page = is_page(w, entry);
        if ((entry & reserved_bits(w, page)) != 0) { return page_fault(w, PF_PRESENT | PF_RSVD, error); }
        if (!is_pdpte(w)) {
            w->all &= entry;
            w->some |= entry;
        }
        if (page) { return OK; }
        table = entry & BITS(PAGE_SHIFT, PHYSICAL_BITS);
    }
}

// SDM vol. 3A, 4.6.1. An access of an instruction is an explicit one: RFLAGS.AC lifts SMAP.
static bool is_allowed(const struct walk *w) {
    const struct guest_paging *p = w->paging;
    const bool user = (w->access & PF_USER) != 0, users_page = (w->all & ENTRY_US) != 0;

    if (user && !users_page) { return false; }
    if ((w->access & PF_FETCH) != 0) {
        return (w->some & ENTRY_XD) == 0 && (user || !users_page || (p->cr4 & CR4_SMEP) == 0);
    }
    if (!user && users_page && (p->cr4 & CR4_SMAP) != 0 && (p->rflags & RFLAGS_AC) == 0) { return false; }
    return (w->access & PF_WRITE) == 0 || (w->all & ENTRY_RW) != 0 || (!user && (p->cr0 & CR0_WP) == 0);
}

// SDM vol. 3A, 4.8.
static int mark_used(const struct walk *w, const struct guest_memory_ops *ops, void *context) {
    const uint64_t dirty = (w->access & PF_WRITE) != 0 ? ENTRY_D : 0;

    if ((w->all & ENTRY_A) != 0 && (w->entry[w->level - 1] & dirty) == dirty) { return OK; }
    for (unsigned level = w->format->with_rights; level >= w->level; level--) {
        const uint64_t entry = w->entry[level - 1];
        const uint64_t marked = entry | ENTRY_A | (level == w->level ? dirty : 0);

        if (marked == entry) { continue; }
        int status = ops->compare_exchange(context, w->at[level - 1], w->format->entry_size, entry, marked);
        if (status != OK) { return status; }
    }
    return OK;
}

static gpa_t address_in_page(const struct walk *w) {
    const uint64_t entry = w->entry[w->level - 1], offset = BIT(w->shift) - 1;
    gpa_t base = entry & BITS(PAGE_SHIFT, PHYSICAL_BITS) & ~offset;

    if (is(w, LEGACY) && w->level > 1) { base |= (entry & BITS(PSE36_LOW, w->shift)) << (32 - PSE36_LOW); }
    return base | (w->linear & offset);
}

static bool is_canonical(const struct walk *w) {
    const unsigned unused = 64 - PAGE_SHIFT - w->format->levels * w->format->index_bits;

    return (uint64_t)((int64_t)(w->linear << unused) >> unused) == w->linear;
}

int guest_walk(const struct guest_paging *paging, const struct guest_memory_ops *ops, void *context, uint64_t linear,
               unsigned access, gpa_t *gpa, uint32_t *error) {
    struct walk w = {
        .paging = paging, .format = format_of(paging), .linear = linear, .access = access, .all = UINT64_MAX};
    int status;

    if ((paging->cr0 & CR0_PG) == 0) {
        *gpa = linear;
        return OK;
    }
    if (paging->cpl == USER_CPL) { w.access |= PF_USER; }
    if (!is(&w, LEGACY) && !is(&w, PAE) && !is_canonical(&w)) { return ERR_INVALID; }
    w.reserved = always_reserved(&w);
    status = descend(&w, ops, context, error);
    if (status != OK) { return status; }
    if (!is_allowed(&w)) { return page_fault(&w, PF_PRESENT, error); }
    status = mark_used(&w, ops, context);
    if (status == OK) { *gpa = address_in_page(&w); }
    return status;
}
