// SPDX-License-Identifier: Apache-2.0
// Memory from the firmware, its map of memory, and the end of boot services (UEFI 2.10, 7.2 and 7.4).
#include "kernel/log.h"
#include "tools/efi/loader.h"

// The map changes when something allocates, such as what we do to hold it.
enum { MAP_SPARE = 16, EXIT_TRIES = 8 };

// What is not listed belongs to somebody else. Boot services' memory is free once they are gone (7.2, table 7.10).
static const uint8_t kinds[EfiMaxMemoryType] = {
    [EfiLoaderCode] = MEMORY_RAM,       [EfiLoaderData] = MEMORY_RAM,         [EfiBootServicesCode] = MEMORY_RAM,
    [EfiBootServicesData] = MEMORY_RAM, [EfiConventionalMemory] = MEMORY_RAM, [EfiACPIReclaimMemory] = MEMORY_ACPI,
    [EfiACPIMemoryNVS] = MEMORY_NVS,
};

// The firmware's own list.
struct list {
    char *base;
    UINTN room, size, step, key;
};

EFI_STATUS memory_take(UINTN size, UINTN align, EFI_PHYSICAL_ADDRESS limit, EFI_MEMORY_TYPE type, paddr_t *base) {
    EFI_PHYSICAL_ADDRESS place = limit;
    UINTN pages = (size + align - 1) / PAGE_SIZE + (size % PAGE_SIZE != 0);
    EFI_STATUS status = efi->BootServices->AllocatePages(AllocateMaxAddress, type, pages, &place);

    *base = ALIGN_UP(place, (paddr_t)align);
    return status;
}

static EFI_STATUS get_list(struct list *list) {
    UINT32 version;

    list->size = list->room;
    return efi->BootServices->GetMemoryMap(&list->size, (EFI_MEMORY_DESCRIPTOR *)list->base, &list->key, &list->step,
                                           &version);
}

static EFI_STATUS make_list(struct list *list) {
    EFI_STATUS status;

    *list = (struct list){0};
    status = get_list(list);
    if (status != EFI_BUFFER_TOO_SMALL) { return status; }
    list->room = list->size + MAP_SPARE * list->step;
    return efi->BootServices->AllocatePool(EfiLoaderData, list->room, (void **)&list->base);
}

static EFI_STATUS describe(const struct list *list) {
    static struct memory_map map;

    map.count = 0;
    for (UINTN at = 0; at + list->step <= list->size; at += list->step) {
        const EFI_MEMORY_DESCRIPTOR *entry = (const EFI_MEMORY_DESCRIPTOR *)(list->base + at);
        struct range range = {entry->PhysicalStart, entry->NumberOfPages * PAGE_SIZE};
        uint32_t kind =
            entry->Type < EfiMaxMemoryType && kinds[entry->Type] != 0 ? kinds[entry->Type] : MEMORY_RESERVED;

        if (memory_map_add(&map, &range, kind) != OK) {
            log_line("the firmware's memory map has more than %u pieces; update the firmware", MEMORY_PIECES);
            return EFI_BUFFER_TOO_SMALL;
        }
    }
    return arch_describe_memory(&map);
}

// The list must be the one that holds at this very moment: firmware may do things of its own in between, and then says
// so (7.4.6). From the first attempt on nothing but the list may be asked for.
EFI_STATUS leave_boot_services(const struct boot *boot) {
    struct list list;
    EFI_STATUS status = make_list(&list);

    for (unsigned try = 0; !EFI_ERROR(status) && try < EXIT_TRIES; try++) {
        status = get_list(&list);
        if (EFI_ERROR(status)) { break; }
        status = describe(&list);
        if (EFI_ERROR(status)) { return status; }
        status = efi->BootServices->ExitBootServices(boot->image, list.key);
        if (status != EFI_INVALID_PARAMETER) { break; }
        status = try + 1 < EXIT_TRIES ? EFI_SUCCESS : status;
    }
    if (EFI_ERROR(status)) { log_line("boot services do not end (%s); update the firmware", status_name(status)); }
    return status;
}
