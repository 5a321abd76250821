// SPDX-License-Identifier: Apache-2.0
// From the firmware's boot manager to the hypervisor: the files, the console, and the order of steps.
#include "kernel/log.h"
#include "kernel/string.h"
#include "tools/efi/loader.h"

enum { KEY_WAIT_MS = 10000, KEY_STEP_MS = 50, PATH_MAX = 32, TREE_HEAD = 8 };

EFI_SYSTEM_TABLE *efi;

// ---- console ---------------------------------------------------------------------------------------------------------

static void widen(const char *text, CHAR16 *out, UINTN room) {
    UINTN i = 0;

    for (; i + 1 < room && text[i] != '\0'; i++) { out[i] = (unsigned char)text[i]; }
    out[i] = 0;
}

void log_line(const char *format, ...) {
    char line[LOG_LINE_MAX];
    CHAR16 wide[LOG_LINE_MAX], end[] = {'\r', '\n', 0};
    va_list args;

    va_start(args, format);
    format_string_v(line, sizeof(line), format, args);
    va_end(args);
    widen(line, wide, ARRAY_SIZE(wide));
    efi->ConOut->OutputString(efi->ConOut, wide);
    efi->ConOut->OutputString(efi->ConOut, end);
}

EFI_STATUS fail(EFI_STATUS status, const char *what, const char *problem) {
    static const char *const names[] = {
        "success",          "load error",  "invalid parameter", "unsupported",     "bad buffer size",
        "buffer too small", "not ready",   "device error",      "write protected", "out of resources",
        "volume corrupted", "volume full", "no media",          "media changed",   "not found",
    };
    UINTN number = status & ~EFI_ERROR_MASK;

    log_line("takt loader: %s: %s (%s)", what, problem,
             number < ARRAY_SIZE(names) ? names[number] : "another EFI status");
    return status;
}

static void wait_for_key(void) {
    EFI_INPUT_KEY key;

    log_line("takt loader: nothing is started; a key, or %u s, gives the machine back to the firmware",
             KEY_WAIT_MS / 1000);
    efi->ConIn->Reset(efi->ConIn, FALSE);
    for (unsigned ms = 0; ms < KEY_WAIT_MS; ms += KEY_STEP_MS) {
        if (efi->ConIn->ReadKeyStroke(efi->ConIn, &key) == EFI_SUCCESS) { return; }
        efi->BootServices->Stall(KEY_STEP_MS * 1000);
    }
}

// ---- what firmware has -----------------------------------------------------------------------------------------------

void *configuration_table(const EFI_GUID *name) {
    for (UINTN i = 0; i < efi->NumberOfTableEntries; i++) {
        EFI_CONFIGURATION_TABLE *table = &efi->ConfigurationTable[i];
        if (memcmp(&table->VendorGuid, name, sizeof(*name)) == 0) { return table->VendorTable; }
    }
    return NULL;
}

static EFI_STATUS open_volume(EFI_HANDLE image, EFI_FILE_HANDLE *root) {
    static EFI_GUID loaded_id = EFI_LOADED_IMAGE_PROTOCOL_GUID, volume_id = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_BOOT_SERVICES *services = efi->BootServices;
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE_IO_INTERFACE *volume;
    EFI_STATUS status = services->HandleProtocol(image, &loaded_id, (void **)&loaded);

    if (!EFI_ERROR(status)) { status = services->HandleProtocol(loaded->DeviceHandle, &volume_id, (void **)&volume); }
    if (!EFI_ERROR(status)) { status = volume->OpenVolume(volume, root); }
    return EFI_ERROR(status) ? fail(status, "boot volume", "it cannot be read; start from a FAT volume") : EFI_SUCCESS;
}

// ---- files -----------------------------------------------------------------------------------------------------------

static EFI_STATUS file_size(EFI_FILE_HANDLE file, uint64_t *size) {
    EFI_STATUS status = file->SetPosition(file, UINT64_MAX); // its end; a directory has none

    if (!EFI_ERROR(status)) { status = file->GetPosition(file, size); }
    if (!EFI_ERROR(status)) { status = file->SetPosition(file, 0); }
    return status;
}

static EFI_STATUS read_open_file(EFI_FILE_HANDLE file, const char *path, struct range *out) {
    EFI_STATUS status = file_size(file, &out->size);
    UINTN count = 1;

    if (!EFI_ERROR(status) && out->size != 0) {
        status = memory_take(path, out->size, PAGE_SIZE, EfiLoaderData, &out->base);
        if (EFI_ERROR(status)) { return status; }
    }
    // A volume may give less at a time than it is asked for.
    for (UINTN done = 0; !EFI_ERROR(status) && done < out->size && count != 0; done += count) {
        count = out->size - done;
        status = file->Read(file, &count, (char *)out->base + done);
    }
    if (!EFI_ERROR(status) && (out->size == 0 || count == 0)) { status = EFI_LOAD_ERROR; }
    return EFI_ERROR(status) ? fail(status, path, "it is empty or cannot be read; copy it anew") : EFI_SUCCESS;
}

// A file that need not be there has a size of 0 then.
static EFI_STATUS read_file(EFI_FILE_HANDLE root, const char *path, bool needed, struct range *out) {
    CHAR16 wide[PATH_MAX];
    EFI_FILE_HANDLE file;

    widen(path, wide, ARRAY_SIZE(wide));
    EFI_STATUS status = root->Open(root, &file, wide, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND && !needed) { return EFI_SUCCESS; }
    if (EFI_ERROR(status)) { return fail(status, path, "it cannot be opened; copy it to this loader's volume"); }
    status = read_open_file(file, path, out);
    file->Close(file);
    return status;
}

// The first line of the file, without its end.
static EFI_STATUS set_command(struct boot *boot, const struct range *file) {
    const char *text = (const char *)file->base;

    for (UINTN i = 0; i < file->size && text[i] != '\r' && text[i] != '\n'; i++) {
        if (i == COMMAND_MAX - 1) { return fail(EFI_BAD_BUFFER_SIZE, COMMAND_PATH, "255 characters are the most"); }
        boot->command[i] = text[i];
    }
    return EFI_SUCCESS;
}

// A FIT image begins as every flattened tree: magic number, size (Devicetree Specification 0.4, 5.2). What is inside
// is for the hypervisor to check.
static EFI_STATUS check_system(const struct range *file) {
    const uint8_t *head = (const uint8_t *)file->base;

    if (file->size < TREE_HEAD || memcmp(head, "\xd0\x0d\xfe\xed", 4) != 0) {
        return fail(EFI_LOAD_ERROR, SYSTEM_PATH, "it is no system image; copy what 'make image' made");
    }
    if (((uint64_t)head[4] << 24 | head[5] << 16 | head[6] << 8 | head[7]) > file->size) {
        return fail(EFI_LOAD_ERROR, SYSTEM_PATH, "it is cut off; copy it anew");
    }
    return EFI_SUCCESS;
}

static EFI_STATUS load_files(struct boot *boot) {
    EFI_FILE_HANDLE root;
    struct range command = {0};
    EFI_STATUS status = open_volume(boot->image, &root);

    if (!EFI_ERROR(status)) { status = read_file(root, HYPERVISOR_PATH, true, &boot->hypervisor); }
    if (!EFI_ERROR(status)) { status = read_file(root, SYSTEM_PATH, true, &boot->system); }
    if (!EFI_ERROR(status)) { status = check_system(&boot->system); }
    if (!EFI_ERROR(status)) { status = read_file(root, COMMAND_PATH, false, &command); }
    if (!EFI_ERROR(status)) { status = set_command(boot, &command); }
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

// Called by gnu-efi's crt0.
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table) {
    static struct boot boot;
    EFI_STATUS status;

    efi = table;
    boot.image = image;
    status = load_files(&boot);
    if (!EFI_ERROR(status)) { status = arch_prepare(&boot); }
    if (!EFI_ERROR(status)) { status = leave_boot_services(image); }
    if (!EFI_ERROR(status)) { arch_enter(); }
    wait_for_key();
    return status;
}
