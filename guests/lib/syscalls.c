// SPDX-License-Identifier: Apache-2.0
// What newlib asks of a system: a heap and a console.
#include "guest.h"

#include <errno.h>
#include <sys/stat.h>

#define HEAP_SIZE 0x10000

void *_sbrk(ptrdiff_t increment);
int _write(int file, const char *data, int length);
int _read(int file, char *data, int length);
int _close(int file);
long _lseek(int file, long offset, int whence);
int _fstat(int file, struct stat *status);
int _isatty(int file);
int _getpid(void);
int _kill(int process, int signal);
_Noreturn void _exit(int status);

void *_sbrk(ptrdiff_t increment) {
    static char heap[HEAP_SIZE] __attribute__((aligned(16)));
    static ptrdiff_t used;
    if (increment > HEAP_SIZE - used || increment < -used) {
        errno = ENOMEM;
        return (void *)-1;
    }
    used += increment;
    return heap + used - increment;
}

int _write(int file, const char *data, int length) {
    (void)file;
    console_write(data, (size_t)length);
    return length;
}

int _read(int file, char *data, int length) {
    (void)file;
    int c = length > 0 ? console_read() : -1;
    if (c < 0) return 0;
    *data = (char)c;
    return 1;
}

int _close(int file) {
    (void)file;
    return -1;
}

long _lseek(int file, long offset, int whence) {
    (void)file, (void)offset, (void)whence;
    return 0;
}

int _fstat(int file, struct stat *status) {
    (void)file;
    status->st_mode = S_IFCHR;
    return 0;
}

int _isatty(int file) {
    (void)file;
    return 1;
}

int _getpid(void) { return 1; }

int _kill(int process, int signal) {
    (void)process, (void)signal;
    errno = EINVAL;
    return -1;
}

void _exit(int status) {
    (void)status;
    machine_off();
}
