// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE // anonymous mappings
#include "arch/host/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE = 64, TLB_ENTRIES = 1024, MAX_UNPUBLISHED = 4096, VMID_SHIFT = 48, HYPERVISOR = -1 };

#define LINES        (MODEL_RAM_SIZE / LINE)
#define ADDRESS_BITS 0x0000fffffffff000ull
#define VALID        1ull
#define TABLE        2ull

static struct {
    unsigned char *cached, *memory, *fetched;
    unsigned char *line_fetched; // one flag for each line
} ram;

struct tlb_entry {
    bool used;
    int regime; // a VMID, or HYPERVISOR
    paddr_t root;
    uint64_t base, size;
    uint64_t leaf;
    const uint64_t *entry;
};
static struct tlb_entry tlb[TLB_ENTRIES];

static const uint64_t *unpublished[MAX_UNPUBLISHED];
static unsigned unpublished_count;

static bool expected[MODEL_RULES];
static unsigned broken[MODEL_RULES];

static const char *const rules[MODEL_RULES] = {
    [MODEL_UNPUBLISHED] = "a walk met an entry that was not published",
    [MODEL_STALE] = "a translation was used after its entry had been removed, before its invalidation",
    [MODEL_NO_BREAK] = "a valid entry was replaced without break-before-make",
    [MODEL_NO_FLUSH] = "an entry was made while a TLB held what it had been",
    [MODEL_VMID_REUSED] = "a VMID was used for other tables without a flush",
    [MODEL_BAD_TABLE] = "a table entry is malformed",
    [MODEL_TLB_FULL] = "the model's TLB is full",
};

static void rule_broken(enum model_rule rule) {
    broken[rule]++;
    if (!expected[rule]) {
        fprintf(stderr, "model: %s\n", rules[rule]);
        abort();
    }
}

void model_expect(enum model_rule rule) { expected[rule] = true; }

unsigned model_broken(enum model_rule rule) { return broken[rule]; }

// Pages of zeroes that cost nothing until they are touched.
static void *zero_pages(void *old, size_t size) {
    if (old != NULL) { munmap(old, size); }
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        perror("model: mmap");
        abort();
    }
    return pages;
}

void model_reset(void) {
    ram.cached = zero_pages(ram.cached, MODEL_RAM_SIZE);
    ram.memory = zero_pages(ram.memory, MODEL_RAM_SIZE);
    ram.fetched = zero_pages(ram.fetched, MODEL_RAM_SIZE);
    ram.line_fetched = zero_pages(ram.line_fetched, LINES);
    memset(tlb, 0, sizeof(tlb));
    unpublished_count = 0;
    memset(expected, 0, sizeof(expected));
    memset(broken, 0, sizeof(broken));
}

// ---- memory and caches ------------------------------------------------------------------------------------

void *model_ram(paddr_t pa) {
    if (pa < MODEL_RAM_BASE || pa - MODEL_RAM_BASE >= MODEL_RAM_SIZE || ram.cached == NULL) { return NULL; }
    return ram.cached + (pa - MODEL_RAM_BASE);
}

void model_cache_clean(const void *address, uint64_t size) {
    uint64_t start = (uint64_t)((uintptr_t)address - (uintptr_t)ram.cached);
    uint64_t end;

    if (start >= MODEL_RAM_SIZE || size > MODEL_RAM_SIZE - start) {
        return; // no RAM of the machine
    }
    end = ALIGN_UP(start + size, (uint64_t)LINE);
    start = ALIGN_DOWN(start, (uint64_t)LINE);
    memcpy(ram.memory + start, ram.cached + start, end - start);
}

void model_cache_drop_instructions(void) { ram.line_fetched = zero_pages(ram.line_fetched, LINES); }

unsigned char model_read_uncached(paddr_t pa) { return ram.memory[pa - MODEL_RAM_BASE]; }

unsigned char model_fetch(paddr_t pa) {
    uint64_t offset = pa - MODEL_RAM_BASE, line = ALIGN_DOWN(offset, (uint64_t)LINE);

    if (!ram.line_fetched[line / LINE]) {
        ram.line_fetched[line / LINE] = 1;
        memcpy(ram.fetched + line, ram.memory + line, LINE);
    }
    return ram.fetched[offset];
}

// ---- tables and TLB ---------------------------------------------------------------------------------------

static bool tlb_has(const uint64_t *entry) {
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].used && tlb[i].entry == entry) { return true; }
    }
    return false;
}

void model_table_write(uint64_t *entry, uint64_t value) {
    if ((*entry & VALID) != 0 && (value & VALID) != 0 && *entry != value) { rule_broken(MODEL_NO_BREAK); }
    if ((*entry & VALID) == 0 && (value & VALID) != 0 && tlb_has(entry)) { rule_broken(MODEL_NO_FLUSH); }
    *entry = value;
    if (unpublished_count == MAX_UNPUBLISHED) {
        unpublished_count = 0; // a test of a thousand writes does not look at one
    }
    unpublished[unpublished_count++] = entry;
}

void model_table_publish(void) { unpublished_count = 0; }

void model_tlb_flush_hypervisor(uint64_t address) {
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].regime == HYPERVISOR && address - tlb[i].base < tlb[i].size) { tlb[i].used = false; }
    }
}

void model_tlb_flush_guest(uint64_t vttbr) {
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].regime == (int)(vttbr >> VMID_SHIFT)) { tlb[i].used = false; }
    }
}

static const uint64_t *read_entry(paddr_t pa) {
    const uint64_t *entry = model_ram(pa);

    if (entry == NULL) {
        rule_broken(MODEL_BAD_TABLE);
        return NULL;
    }
    for (unsigned i = 0; i < unpublished_count; i++) {
        if (unpublished[i] == entry) { rule_broken(MODEL_UNPUBLISHED); }
    }
    return entry;
}

// DDI 0487, D8.2: from `level` on, nine bits a level, the first level's index as wide as the address.
static struct tlb_entry walk(paddr_t root, unsigned level, uint64_t address) {
    uint64_t index_mask = ~0ull, table = root;

    for (;; level++) {
        unsigned shift = 39 - 9 * level;
        const uint64_t *entry = read_entry(table + 8 * (address >> shift & index_mask));
        if (entry == NULL || (*entry & VALID) == 0) { return (struct tlb_entry){.used = false}; }
        bool leaf = level == 3 || (*entry & TABLE) == 0;
        uint64_t size = 1ull << shift;
        if (leaf &&
            ((level == 3) != ((*entry & TABLE) != 0) || level == 0 || (*entry & ADDRESS_BITS & (size - 1)) != 0)) {
            rule_broken(MODEL_BAD_TABLE);
        }
        if (leaf) {
            return (struct tlb_entry){
                .used = true, .base = address & ~(size - 1), .size = size, .leaf = *entry, .entry = entry};
        }
        table = *entry & ADDRESS_BITS;
        index_mask = 511;
    }
}

static void tlb_keep(struct tlb_entry entry) {
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (!tlb[i].used) {
            tlb[i] = entry;
            return;
        }
    }
    rule_broken(MODEL_TLB_FULL);
}

static struct model_translation result_of(const struct tlb_entry *entry, uint64_t address) {
    return (struct model_translation){
        .mapped = entry->used,
        .pa = (entry->leaf & ADDRESS_BITS & ~(entry->size - 1)) + (address - entry->base),
        .leaf = entry->leaf,
        .size = entry->size,
    };
}

static struct model_translation use(int regime, paddr_t root, unsigned level, uint64_t address) {
    struct tlb_entry entry;

    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        if (tlb[i].used && tlb[i].regime == regime && address - tlb[i].base < tlb[i].size) {
            if (tlb[i].root != root) {
                rule_broken(MODEL_VMID_REUSED);
            } else if (*tlb[i].entry != tlb[i].leaf) {
                rule_broken(MODEL_STALE);
            }
            return result_of(&tlb[i], address);
        }
    }
    entry = walk(root, level, address);
    entry.regime = regime;
    entry.root = root;
    if (entry.used) { tlb_keep(entry); }
    return result_of(&entry, address);
}

struct model_translation model_use_hypervisor(paddr_t ttbr, uint64_t address) {
    return use(HYPERVISOR, ttbr, 0, address);
}

struct model_translation model_use_guest(uint64_t vttbr, uint64_t vtcr, gpa_t gpa) {
    unsigned bits = 64 - (unsigned)(vtcr & 63);
    unsigned level = 2 - (unsigned)(vtcr >> 6 & 3);

    if (gpa >> bits != 0) { return (struct model_translation){.mapped = false}; }
    return use((int)(vttbr >> VMID_SHIFT), vttbr & ADDRESS_BITS, level, gpa);
}
