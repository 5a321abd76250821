// SPDX-License-Identifier: Apache-2.0
// x86-64: the hypervisor is entered as Multiboot2 says (Specification 2.0, 3.3), as by any other boot loader.
#include "kernel/log.h"
#include "kernel/string.h"
#include "tools/efi/loader.h"
#include "tools/efi/multiboot2.h"

// Addresses are handed over in 32 bits.
const EFI_PHYSICAL_ADDRESS arch_memory_limit = UINT32_MAX;

enum { INFO_SIZE = 2 * PAGE_SIZE, MAP_ENTRY = 24, RSDP_OLD_SIZE = 20, RSDP_LENGTH = 20, RSDP_MOST = 64 };

// Leaves long mode and enters the hypervisor; x86_64_enter.S. Runs wherever it is copied to.
typedef void (*enter_function)(uint32_t entry, uint32_t info) __attribute__((noreturn));
extern const char enter_kernel[], enter_kernel_end[];

static struct {
    struct mb2_info info;
    uint32_t before_map; // how much of the information there is without the memory map
    paddr_t kernel, entry, enter;
} state;

static EFI_STATUS no_memory(const char *what, uint64_t size, EFI_STATUS status) {
    log_line("%s: there is no memory below 4 GiB for its %llu KiB (%s); give the machine more", what,
             (unsigned long long)(size >> 10), status_name(status));
    return status;
}

// Where it wants to be, or else anywhere that its header allows.
static EFI_STATUS place_kernel(const struct mb2_kernel *kernel, const struct range *file) {
    EFI_PHYSICAL_ADDRESS place = kernel->load;
    UINTN pages = ALIGN_UP((UINTN)kernel->memory_size, PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = EFI_NOT_FOUND;

    if (place % PAGE_SIZE == 0) {
        status = efi->BootServices->AllocatePages(AllocateAddress, EfiLoaderData, pages, &place);
    }
    if (EFI_ERROR(status)) {
        status = memory_take(kernel->memory_size, kernel->align, kernel->most, EfiLoaderData, &place);
    }
    if (!EFI_ERROR(status) && place < kernel->least) { status = EFI_NOT_FOUND; }
    if (EFI_ERROR(status)) { return no_memory(HYPERVISOR_PATH, kernel->memory_size, status); }
    memcpy((char *)place, (const char *)file->base + kernel->offset, kernel->file_size);
    memset((char *)place + kernel->file_size, 0, kernel->memory_size - kernel->file_size);
    state.kernel = place;
    state.entry = place + kernel->entry;
    return EFI_SUCCESS;
}

static void *add_copy(uint32_t type, const void *what, uint32_t size) {
    void *place = mb2_add(&state.info, type, size);

    return place != NULL ? memcpy(place, what, size) : NULL;
}

// The old RSDP has no length of its own (ACPI 6.5, 5.2.5.3).
static bool add_rsdp(void) {
    static const EFI_GUID acpi_2 = ACPI_20_TABLE_GUID, acpi_1 = ACPI_TABLE_GUID;
    const char *rsdp = configuration_table(&acpi_2);
    uint32_t size;

    if (rsdp != NULL) {
        memcpy(&size, rsdp + RSDP_LENGTH, sizeof(size));
        return add_copy(MB2_RSDP_NEW, rsdp, MIN(size, (uint32_t)RSDP_MOST)) != NULL;
    }
    rsdp = configuration_table(&acpi_1);
    return rsdp == NULL || add_copy(MB2_RSDP_OLD, rsdp, RSDP_OLD_SIZE) != NULL;
}

static EFI_STATUS describe_files(const struct boot *boot) {
    paddr_t base;
    EFI_STATUS status = memory_take(INFO_SIZE, PAGE_SIZE, arch_memory_limit, EfiLoaderData, &base);

    if (EFI_ERROR(status)) { return no_memory("the boot information", INFO_SIZE, status); }
    mb2_begin(&state.info, (void *)base, INFO_SIZE);
    // Start, end, and a name of no characters.
    uint32_t module[] = {(uint32_t)boot->system.base, (uint32_t)(boot->system.base + boot->system.size), 0};
    add_copy(MB2_MODULE, module, sizeof(module[0]) * 2 + 1);
    add_copy(MB2_COMMAND, boot->command, (uint32_t)strlen(boot->command) + 1);
    add_rsdp();
    state.before_map = state.info.used;
    return EFI_SUCCESS;
}

EFI_STATUS arch_prepare(const struct boot *boot) {
    struct mb2_kernel kernel;
    UINTN size = (UINTN)(enter_kernel_end - enter_kernel);
    EFI_STATUS status;

    if (mb2_read_header(HYPERVISOR_PATH, (const void *)boot->hypervisor.base, boot->hypervisor.size, &kernel) != OK) {
        return EFI_LOAD_ERROR;
    }
    status = place_kernel(&kernel, &boot->hypervisor);
    if (!EFI_ERROR(status)) { status = describe_files(boot); }
    if (EFI_ERROR(status)) { return status; }
    status = memory_take(size, PAGE_SIZE, arch_memory_limit, EfiLoaderCode, &state.enter);
    if (EFI_ERROR(status)) { return no_memory("the way out of long mode", size, status); }
    memcpy((void *)state.enter, enter_kernel, size);
    log_line("%s goes to 0x%llx, %s is at 0x%llx", HYPERVISOR_PATH, (unsigned long long)state.kernel, SYSTEM_PATH,
             (unsigned long long)boot->system.base);
    return EFI_SUCCESS;
}

EFI_STATUS arch_describe_memory(const struct memory_map *map) {
    state.info.used = state.before_map;
    uint32_t *tag = mb2_add(&state.info, MB2_MAP, 2 * sizeof(*tag) + map->count * MAP_ENTRY);

    if (tag == NULL) {
        log_line("the boot information is too small for %u pieces of memory; update the firmware", map->count);
        return EFI_BUFFER_TOO_SMALL;
    }
    *tag++ = MAP_ENTRY;
    *tag++ = 0; // version
    for (unsigned i = 0; i < map->count; i++, tag += MAP_ENTRY / sizeof(*tag)) {
        memcpy(tag, &map->at[i], sizeof(map->at[i].range) + sizeof(map->at[i].kind));
    }
    mb2_end(&state.info);
    return EFI_SUCCESS;
}

void arch_enter(void) { ((enter_function)state.enter)((uint32_t)state.entry, (uint32_t)(uintptr_t)state.info.base); }
