// SPDX-License-Identifier: Apache-2.0
// x86-64: the hypervisor is entered as Multiboot2 says (Specification 2.0, 3.3), as by any other boot loader.
#include "kernel/log.h"
#include "kernel/string.h"
#include "tools/efi/loader.h"
#include "tools/efi/multiboot2.h"

// Addresses are handed over in 32 bits.
const EFI_PHYSICAL_ADDRESS arch_memory_limit = UINT32_MAX;

enum { INFO_SIZE = 8192, MAP_ENTRY = 24, RSDP_OLD_SIZE = 20, RSDP_LENGTH = 20, RSDP_NEW_MOST = 64 };

// Leaves long mode and enters the hypervisor, from wherever it is copied to; x86_64_enter.S.
typedef void enter_function(uint32_t entry, uint32_t info);
extern const char enter_kernel[], enter_kernel_end[];

static struct {
    struct mb2_info info;
    uint32_t before_map; // as much of the information there is without the memory map
    paddr_t entry, enter;
} state;

// Where it wants to be, or else anywhere.
static EFI_STATUS place_kernel(const struct range *file) {
    struct mb2_kernel kernel;
    const char *problem = mb2_read_header((const void *)file->base, file->size, &kernel);

    if (problem != NULL) { return fail(EFI_LOAD_ERROR, HYPERVISOR_PATH, problem); }
    paddr_t place = kernel.load;
    UINTN pages = ALIGN_UP((UINTN)kernel.memory_size, PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = efi->BootServices->AllocatePages(AllocateAddress, EfiLoaderData, pages, &place);
    if (EFI_ERROR(status) || place % MB2_ALIGN != 0) {
        status = memory_take(HYPERVISOR_PATH, kernel.memory_size, MB2_ALIGN, EfiLoaderData, &place);
        if (EFI_ERROR(status)) { return status; }
    }
    memcpy((char *)place, (const char *)file->base + kernel.offset, kernel.file_size);
    memset((char *)place + kernel.file_size, 0, kernel.memory_size - kernel.file_size);
    state.entry = place + kernel.entry;
    return EFI_SUCCESS;
}

// These are small and there are few: there is room.
static void add_tag(uint32_t type, const void *what, UINTN size) {
    void *place = mb2_add(&state.info, type, (uint32_t)size);

    if (place != NULL) { memcpy(place, what, size); }
}

// The old RSDP does not say how long it is (ACPI 6.5, 5.2.5.3).
static void add_rsdp(void) {
    static const EFI_GUID new_id = ACPI_20_TABLE_GUID, old_id = ACPI_TABLE_GUID;
    const char *new = configuration_table(&new_id), *old = configuration_table(&old_id);
    uint32_t size;

    if (new != NULL) {
        memcpy(&size, new + RSDP_LENGTH, sizeof(size));
        add_tag(MB2_RSDP_NEW, new, MIN(size, (uint32_t)RSDP_NEW_MOST));
    } else if (old != NULL) {
        add_tag(MB2_RSDP_OLD, old, RSDP_OLD_SIZE);
    }
}

EFI_STATUS arch_prepare(const struct boot *boot) {
    UINTN enter_size = (UINTN)enter_kernel_end - (UINTN)enter_kernel;
    // Start, end, and a name of no characters.
    uint32_t module[] = {(uint32_t)boot->system.base, (uint32_t)(boot->system.base + boot->system.size), 0};
    paddr_t info = 0;
    EFI_STATUS status = place_kernel(&boot->hypervisor);

    if (!EFI_ERROR(status)) { status = memory_take("boot information", INFO_SIZE, PAGE_SIZE, EfiLoaderData, &info); }
    if (!EFI_ERROR(status)) {
        status = memory_take("way out of long mode", enter_size, PAGE_SIZE, EfiLoaderCode, &state.enter);
    }
    if (EFI_ERROR(status)) { return status; }
    memcpy((void *)state.enter, enter_kernel, enter_size);
    mb2_begin(&state.info, (void *)info, INFO_SIZE);
    add_tag(MB2_MODULE, module, 2 * sizeof(module[0]) + 1);
    add_tag(MB2_COMMAND, boot->command, strlen(boot->command) + 1);
    add_rsdp();
    state.before_map = state.info.used;
    return EFI_SUCCESS;
}

EFI_STATUS arch_describe_memory(const struct memory_map *map) {
    uint32_t head[] = {MAP_ENTRY, 0}; // the size of an entry, the version

    state.info.used = state.before_map;
    char *tag = mb2_add(&state.info, MB2_MAP, (uint32_t)sizeof(head) + map->count * MAP_ENTRY);
    if (tag == NULL) { return fail(EFI_BUFFER_TOO_SMALL, "memory map", "it has too many pieces; update the firmware"); }
    memcpy(tag, head, sizeof(head));
    memcpy(tag + sizeof(head), map->at, map->count * MAP_ENTRY);
    mb2_end(&state.info);
    return EFI_SUCCESS;
}

_Static_assert(sizeof(struct memory_piece) == MAP_ENTRY, "a piece is an entry of Multiboot2's map");

void arch_enter(void) {
    ((enter_function *)state.enter)((uint32_t)state.entry, (uint32_t)(uintptr_t)state.info.base);
    __builtin_unreachable();
}
