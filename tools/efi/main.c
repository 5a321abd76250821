// SPDX-License-Identifier: Apache-2.0
// From the firmware's boot manager to the hypervisor: the files, the console, and the order of steps.
#include "kernel/log.h"
#include "kernel/string.h"
#include "tools/efi/loader.h"

enum { KEY_WAIT_MS = 10000, KEY_STEP_MS = 50, PATH_MAX = 32 };

EFI_SYSTEM_TABLE *efi;

static EFI_GUID loaded_image_id = EFI_LOADED_IMAGE_PROTOCOL_GUID, volume_id = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;

// ---- console ---------------------------------------------------------------------------------------------------------

static void widen(const char *text, CHAR16 *out, UINTN room) {
    UINTN i = 0;

    for (; i + 1 < room && text[i] != '\0'; i++) { out[i] = (unsigned char)text[i]; }
    out[i] = 0;
}

void log_line(const char *format, ...) {
    char line[LOG_LINE_MAX];
    CHAR16 wide[LOG_LINE_MAX];
    va_list args;

    va_start(args, format);
    format_string_v(line, sizeof(line), format, args);
    va_end(args);
    widen(line, wide, ARRAY_SIZE(wide));
    static CHAR16 begin[] = L"takt loader: ", end[] = L"\r\n";
    efi->ConOut->OutputString(efi->ConOut, begin);
    efi->ConOut->OutputString(efi->ConOut, wide);
    efi->ConOut->OutputString(efi->ConOut, end);
}

const char *status_name(EFI_STATUS status) {
    static const struct {
        EFI_STATUS status;
        const char *name;
    } names[] = {
        {EFI_LOAD_ERROR, "load error"},
        {EFI_INVALID_PARAMETER, "invalid parameter"},
        {EFI_UNSUPPORTED, "unsupported"},
        {EFI_BAD_BUFFER_SIZE, "bad buffer size"},
        {EFI_BUFFER_TOO_SMALL, "buffer too small"},
        {EFI_NOT_READY, "not ready"},
        {EFI_DEVICE_ERROR, "device error"},
        {EFI_OUT_OF_RESOURCES, "out of resources"},
        {EFI_VOLUME_CORRUPTED, "volume corrupted"},
        {EFI_NO_MEDIA, "no media"},
        {EFI_MEDIA_CHANGED, "media changed"},
        {EFI_NOT_FOUND, "not found"},
        {EFI_ACCESS_DENIED, "access denied"},
        {EFI_END_OF_FILE, "end of file"},
        {EFI_SECURITY_VIOLATION, "security violation"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].status == status) { return names[i].name; }
    }
    return "a status of no name";
}

static void wait_for_key(void) {
    EFI_INPUT_KEY key;

    efi->ConIn->Reset(efi->ConIn, FALSE);
    for (unsigned ms = 0; ms < KEY_WAIT_MS && efi->ConIn->ReadKeyStroke(efi->ConIn, &key) != EFI_SUCCESS;
         ms += KEY_STEP_MS) {
        efi->BootServices->Stall(KEY_STEP_MS * 1000);
    }
}

// ---- what firmware has -----------------------------------------------------------------------------------------------

void *configuration_table(const EFI_GUID *name) {
    for (UINTN i = 0; i < efi->NumberOfTableEntries; i++) {
        if (memcmp(&efi->ConfigurationTable[i].VendorGuid, name, sizeof(*name)) == 0) {
            return efi->ConfigurationTable[i].VendorTable;
        }
    }
    return NULL;
}

static EFI_STATUS open_volume(EFI_HANDLE image, EFI_FILE_HANDLE *root) {
    EFI_LOADED_IMAGE *loaded;
    EFI_FILE_IO_INTERFACE *volume;
    EFI_STATUS status = efi->BootServices->HandleProtocol(image, &loaded_image_id, (void **)&loaded);

    if (!EFI_ERROR(status)) {
        status = efi->BootServices->HandleProtocol(loaded->DeviceHandle, &volume_id, (void **)&volume);
    }
    if (!EFI_ERROR(status)) { status = volume->OpenVolume(volume, root); }
    if (EFI_ERROR(status)) {
        log_line("the volume it was started from cannot be read (%s); start it from a FAT volume", status_name(status));
    }
    return status;
}

// ---- files -----------------------------------------------------------------------------------------------------------

// A volume may give less at a time than it is asked for.
static EFI_STATUS read_all(EFI_FILE_HANDLE file, const struct range *into) {
    for (UINTN done = 0, count; done < into->size; done += count) {
        count = into->size - done;
        EFI_STATUS status = file->Read(file, &count, (char *)into->base + done);
        if (EFI_ERROR(status)) { return status; }
        if (count == 0) { return EFI_END_OF_FILE; }
    }
    return EFI_SUCCESS;
}

static EFI_STATUS read_open_file(EFI_FILE_HANDLE file, const char *path, struct range *out) {
    EFI_STATUS status = file->SetPosition(file, UINT64_MAX); // its end; a directory has none

    if (!EFI_ERROR(status)) { status = file->GetPosition(file, &out->size); }
    if (!EFI_ERROR(status)) { status = file->SetPosition(file, 0); }
    if (!EFI_ERROR(status) && out->size == 0) {
        log_line("%s: it is empty; copy it anew", path);
        return EFI_END_OF_FILE;
    }
    if (!EFI_ERROR(status)) {
        status = memory_take(out->size, PAGE_SIZE, arch_memory_limit, EfiLoaderData, &out->base);
        if (EFI_ERROR(status)) {
            log_line("%s: there is no memory for its %llu KiB (%s); give the machine more", path,
                     (unsigned long long)(out->size >> 10), status_name(status));
            return status;
        }
        status = read_all(file, out);
    }
    if (EFI_ERROR(status)) {
        log_line("%s: it cannot be read (%s); check the volume and copy it anew", path, status_name(status));
    }
    return status;
}

// A file that need not be there has a size of 0 then.
static EFI_STATUS read_file(EFI_FILE_HANDLE root, const char *path, bool needed, struct range *out) {
    CHAR16 wide[PATH_MAX];
    EFI_FILE_HANDLE file;
    EFI_STATUS status;

    *out = (struct range){0};
    widen(path, wide, ARRAY_SIZE(wide));
    status = root->Open(root, &file, wide, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND && !needed) { return EFI_SUCCESS; }
    if (EFI_ERROR(status)) {
        log_line("%s: it cannot be opened (%s); copy it to the volume that this loader was started from", path,
                 status_name(status));
        return status;
    }
    status = read_open_file(file, path, out);
    file->Close(file);
    return status;
}

// The first line of the file, without its end.
static EFI_STATUS set_command(struct boot *boot, const struct range *file) {
    const char *text = (const char *)file->base;
    UINTN length = 0;

    while (length < file->size && text[length] != '\r' && text[length] != '\n') { length++; }
    if (length >= COMMAND_MAX) {
        log_line("%s: its line has %llu characters; %u are the most", COMMAND_PATH, (unsigned long long)length,
                 COMMAND_MAX - 1);
        return EFI_BAD_BUFFER_SIZE;
    }
    if (length > 0) { memcpy(boot->command, text, length); }
    return EFI_SUCCESS;
}

// The head of a flattened tree, which a FIT image is: magic number and size (Devicetree Specification 0.4, 5.2). What is
// inside is checked by the hypervisor.
static EFI_STATUS check_system(const struct range *file) {
    const uint8_t *head = (const uint8_t *)file->base;
    uint64_t size = 0;

    if (file->size < 8 || memcmp(head, "\xd0\x0d\xfe\xed", 4) != 0) {
        log_line("%s: it is no system image; copy what 'make image' made", SYSTEM_PATH);
        return EFI_LOAD_ERROR;
    }
    for (unsigned i = 4; i < 8; i++) { size = size << 8 | head[i]; }
    if (size > file->size) {
        log_line("%s: it ends after %llu bytes, and its header speaks of %llu; copy it anew", SYSTEM_PATH,
                 (unsigned long long)file->size, (unsigned long long)size);
        return EFI_LOAD_ERROR;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS load_files(struct boot *boot) {
    EFI_FILE_HANDLE root;
    struct range command = {0};
    EFI_STATUS status = open_volume(boot->image, &root);

    if (EFI_ERROR(status)) { return status; }
    status = read_file(root, HYPERVISOR_PATH, true, &boot->hypervisor);
    if (!EFI_ERROR(status)) { status = read_file(root, SYSTEM_PATH, true, &boot->system); }
    if (!EFI_ERROR(status)) { status = check_system(&boot->system); }
    if (!EFI_ERROR(status)) { status = read_file(root, COMMAND_PATH, false, &command); }
    if (!EFI_ERROR(status)) { status = set_command(boot, &command); }
    root->Close(root);
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
    if (!EFI_ERROR(status)) { status = leave_boot_services(&boot); }
    if (!EFI_ERROR(status)) { arch_enter(); }
    log_line("nothing is started; a key, or %u seconds, gives the machine back to the firmware", KEY_WAIT_MS / 1000);
    wait_for_key();
    return status;
}
