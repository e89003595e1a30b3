/* Faults of the machine for one process, by LD_PRELOAD: its clock jumps, and a disk cannot be written.
 *
 * The kernel refuses to make a disk read-only while files on it are open for writing, and does so by itself when the
 * disk fails; and the clock of the machine belongs to everybody. What is to be so is read from a small file that
 * COALMINE_TEST_FAULTS names, at each call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int64_t clock_ns; /* added to the time of day */
    uint64_t device;  /* of the disk that cannot be written; 0 if all can */
};

static volatile struct faults *faults;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("COALMINE_TEST_FAULTS");
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof *faults, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED)
        faults = found;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int result = (int)syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && faults && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = at->tv_sec * INT64_C(1000000000) + at->tv_nsec + faults->clock_ns;
        at->tv_sec = ns / 1000000000;
        at->tv_nsec = ns % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *at, void *zone)
{
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

static int no_file(int file)
{
    struct stat found;
    return faults && faults->device && fstat(file, &found) == 0 && found.st_dev == faults->device;
}

static int no_path(int folder, const char *path)
{
    struct stat found;
    char copy[PATH_MAX];
    if (!faults || !faults->device)
        return 0;
    if (fstatat(folder, path, &found, 0) != 0) {
        strncpy(copy, path, sizeof copy - 1);
        copy[sizeof copy - 1] = 0;
        if (fstatat(folder, dirname(copy), &found, 0) != 0)
            return 0;
    }
    return found.st_dev == faults->device;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE_IF(wrong) \
    if (wrong) { \
        errno = EROFS; \
        return -1; \
    }
#define OF_FILE(result, name, parameters, ...) \
    result name parameters { REFUSE_IF(no_file(file)) return REAL(name)(__VA_ARGS__); }
#define OF_PATH(result, name, parameters, folder, ...) \
    result name parameters { REFUSE_IF(no_path(folder, path)) return REAL(name)(__VA_ARGS__); }

OF_FILE(ssize_t, write, (int file, const void *data, size_t size), file, data, size)
OF_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), file, data, size, at)
OF_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), file, data, size, at)
OF_FILE(ssize_t, writev, (int file, const struct iovec *data, int count), file, data, count)
OF_FILE(int, ftruncate, (int file, off_t size), file, size)
OF_FILE(int, ftruncate64, (int file, off64_t size), file, size)
OF_FILE(int, fallocate, (int file, int mode, off_t at, off_t size), file, mode, at, size)
OF_PATH(int, unlink, (const char *path), AT_FDCWD, path)
OF_PATH(int, rmdir, (const char *path), AT_FDCWD, path)
OF_PATH(int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, mode)
OF_PATH(int, rename, (const char *path, const char *to), AT_FDCWD, path, to)
OF_PATH(int, truncate, (const char *path, off_t size), AT_FDCWD, path, size)

#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & (O_CREAT | O_TRUNC)))
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE(flags, mode) \
        REFUSE_IF(WRITES(flags) && no_path(AT_FDCWD, path)) \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode); \
    }
#define OPEN_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        MODE(flags, mode) \
        REFUSE_IF(WRITES(flags) && no_path(folder, path)) \
        return (int)syscall(SYS_openat, folder, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)
