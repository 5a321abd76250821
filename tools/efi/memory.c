// SPDX-License-Identifier: Apache-2.0
// Memory from the firmware, its map of memory, and the end of boot services (UEFI 2.10, 7.2 and 7.4).
#include "tools/efi/loader.h"

// The map grows when something allocates, such as what we do to hold it.
enum { LIST_SPARE = 4096, EXIT_TRIES = 8 };

// What is not listed is reserved. Boot services' memory is free once they are gone (7.2, table 7.10).
static const uint8_t kinds[EfiMaxMemoryType] = {
    [EfiLoaderCode] = MEMORY_RAM,       [EfiLoaderData] = MEMORY_RAM,         [EfiBootServicesCode] = MEMORY_RAM,
    [EfiBootServicesData] = MEMORY_RAM, [EfiConventionalMemory] = MEMORY_RAM, [EfiACPIReclaimMemory] = MEMORY_ACPI,
    [EfiACPIMemoryNVS] = MEMORY_NVS,
};

// The firmware's own list.
struct list {
    char *base;
    UINTN size, step, key;
};

EFI_STATUS memory_take(const char *what, UINTN size, UINTN align, EFI_MEMORY_TYPE type, paddr_t *base) {
    UINTN pages = (ALIGN_UP(size, PAGE_SIZE) + align) / PAGE_SIZE - 1;
    EFI_STATUS status;

    *base = arch_memory_limit;
    status = efi->BootServices->AllocatePages(AllocateMaxAddress, type, pages, base);
    *base = ALIGN_UP(*base, (paddr_t)align);
    return EFI_ERROR(status) ? fail(status, what, "there is no memory for it; give the machine more") : EFI_SUCCESS;
}

int memory_map_add(struct memory_map *map, const struct range *range, uint32_t kind) {
    struct memory_piece *last = &map->at[map->count - 1];

    if (map->count > 0 && last->kind == kind && last->range.base + last->range.size == range->base) {
        last->range.size += range->size;
        return OK;
    }
    if (map->count == MEMORY_PIECES) { return ERR_RANGE; }
    map->at[map->count++] = (struct memory_piece){*range, kind, 0};
    return OK;
}

static EFI_STATUS describe(const struct list *list) {
    static struct memory_map map;

    map.count = 0;
    for (UINTN at = 0; at + list->step <= list->size; at += list->step) {
        const EFI_MEMORY_DESCRIPTOR *entry = (const EFI_MEMORY_DESCRIPTOR *)(list->base + at);
        uint32_t kind = entry->Type < EfiMaxMemoryType ? kinds[entry->Type] : 0;

        if (memory_map_add(&map, &(struct range){entry->PhysicalStart, entry->NumberOfPages * PAGE_SIZE},
                           kind != 0 ? kind : MEMORY_RESERVED) != OK) {
            return fail(EFI_BUFFER_TOO_SMALL, "memory map", "it has too many pieces; update the firmware");
        }
    }
    return arch_describe_memory(&map);
}

static EFI_STATUS exit_with_list(EFI_HANDLE image, struct list *list, UINTN room) {
    EFI_BOOT_SERVICES *services = efi->BootServices;
    EFI_STATUS status = EFI_INVALID_PARAMETER;
    UINT32 version;

    // The list must be the one of this very moment: firmware may do things of its own in between, and then says so (7.4.6).
    // From the first attempt on nothing but the list may be asked for.
    for (unsigned tried = 0; status == EFI_INVALID_PARAMETER && tried < EXIT_TRIES; tried++) {
        list->size = room;
        status =
            services->GetMemoryMap(&list->size, (EFI_MEMORY_DESCRIPTOR *)list->base, &list->key, &list->step, &version);
        if (EFI_ERROR(status)) { break; }
        status = describe(list);
        if (EFI_ERROR(status)) { return status; }
        status = services->ExitBootServices(image, list->key);
    }
    return EFI_ERROR(status) ? fail(status, "boot services", "they do not end; update the firmware") : EFI_SUCCESS;
}

EFI_STATUS leave_boot_services(EFI_HANDLE image) {
    struct list list = {0};
    UINT32 version;
    paddr_t base;

    // Too small: it says how much it needs.
    (void)efi->BootServices->GetMemoryMap(&list.size, NULL, &list.key, &list.step, &version);
    EFI_STATUS status = memory_take("memory map", list.size + LIST_SPARE, PAGE_SIZE, EfiLoaderData, &base);
    if (EFI_ERROR(status)) { return status; }
    UINTN room = list.size + LIST_SPARE;
    list.base = (char *)base;
    return exit_with_list(image, &list, room);
}
