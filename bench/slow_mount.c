/* A library for LD_PRELOAD that makes a directory behave like a mount from a distant server.
 *
 * It sleeps before each call that NFS would send to its server: opening and looking up, making, renaming, removing, changing
 * attributes, reading a directory, and closing what was written. Calls that a client answers from memory (read, write, fstat)
 * do not wait. A relative path belongs to the directory that /proc names, so that it works for openat and its relatives.
 *
 *   SLOW_MOUNT_ROOT   the directory, as an absolute path without links; without it, every path is slow
 *   SLOW_MOUNT_US     microseconds of a call; without it 200 (the kernel adds some 60)
 *   SLOW_MOUNT_COUNT  a file with the number of delayed calls of all processes, 8 bytes in the machine's order
 *
 *   cc -O2 -shared -fPIC -o slow_mount.so slow_mount.c
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char *root = "";
static size_t root_length;
static long delay_us = 200;
static unsigned long *count;

/* The function that would have been called without this library. */
#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("SLOW_MOUNT_ROOT");
    if (text) root = text;
    root_length = strlen(root);
    if ((text = getenv("SLOW_MOUNT_US"))) delay_us = atol(text);
    if (!(text = getenv("SLOW_MOUNT_COUNT"))) return;
    NEXT(open);
    int fd = next(text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *count)) return;
    void *map = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED) count = map;
    close(fd);
}

static void wait_for_server(void) {
    int saved = errno;
    struct timespec left = {delay_us / 1000000, delay_us % 1000000 * 1000};
    if (count) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    while (nanosleep(&left, &left) && errno == EINTR) {}
    errno = saved;
}

static int starts_with_root(const char *path) {
    return !strncmp(path, root, root_length) && (!path[root_length] || path[root_length] == '/');
}

static int slow_link(const char *link) {
    char target[PATH_MAX];
    NEXT(readlink);
    int saved = errno;
    ssize_t length = next(link, target, sizeof target - 1);
    errno = saved;
    if (length < 0) return 0;
    target[length] = 0;
    return starts_with_root(target);
}

static int slow_fd(int fd) {
    char link[64];
    if (!root_length) return 1;
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
    return slow_link(link);
}

/* An empty path is the descriptor itself, whose attributes the client has. */
static __attribute__((noinline)) int slow(int directory, const char *path) {
    if (!path || !*path) return 0;
    if (!root_length) return 1;
    if (*path == '/') return starts_with_root(path);
    return directory == AT_FDCWD ? slow_link("/proc/thread-self/cwd") : slow_fd(directory);
}

#define CALL(type, name, parameters, arguments, is_slow) \
    type name parameters { \
        NEXT(name); \
        if (is_slow) wait_for_server(); \
        return next arguments; \
    }

#define OPEN(name, parameters, arguments, last, directory) \
    int name parameters { \
        NEXT(name); \
        va_list more; \
        va_start(more, last); \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        if (slow(directory, path)) wait_for_server(); \
        return next arguments; \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), flags, AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), flags, AT_FDCWD)
OPEN(openat, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), flags, fd)
OPEN(openat64, (int fd, const char *path, int flags, ...), (fd, path, flags, mode), flags, fd)

/* What compilers call instead of open for a program that was built with checks. */
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);
CALL(int, __open_2, (const char *path, int flags), (path, flags), slow(AT_FDCWD, path))
CALL(int, __open64_2, (const char *path, int flags), (path, flags), slow(AT_FDCWD, path))
CALL(int, __openat_2, (int fd, const char *path, int flags), (fd, path, flags), slow(fd, path))
CALL(int, __openat64_2, (int fd, const char *path, int flags), (fd, path, flags), slow(fd, path))

CALL(int, creat, (const char *path, mode_t mode), (path, mode), slow(AT_FDCWD, path))
CALL(int, creat64, (const char *path, mode_t mode), (path, mode), slow(AT_FDCWD, path))
CALL(int, mkstemp, (char *path), (path), slow(AT_FDCWD, path))
CALL(int, mkstemp64, (char *path), (path), slow(AT_FDCWD, path))
CALL(int, stat, (const char *path, struct stat *to), (path, to), slow(AT_FDCWD, path))
CALL(int, stat64, (const char *path, struct stat64 *to), (path, to), slow(AT_FDCWD, path))
CALL(int, lstat, (const char *path, struct stat *to), (path, to), slow(AT_FDCWD, path))
CALL(int, lstat64, (const char *path, struct stat64 *to), (path, to), slow(AT_FDCWD, path))
CALL(int, fstatat, (int fd, const char *path, struct stat *to, int flags), (fd, path, to, flags), slow(fd, path))
CALL(int, fstatat64, (int fd, const char *path, struct stat64 *to, int flags), (fd, path, to, flags), slow(fd, path))
CALL(int, statx, (int fd, const char *path, int flags, unsigned mask, struct statx *to), (fd, path, flags, mask, to),
     slow(fd, path))
CALL(int, access, (const char *path, int mode), (path, mode), slow(AT_FDCWD, path))
CALL(int, faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags), slow(fd, path))
CALL(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size), slow(AT_FDCWD, path))
CALL(ssize_t, readlinkat, (int fd, const char *path, char *to, size_t size), (fd, path, to, size), slow(fd, path))

CALL(int, unlink, (const char *path), (path), slow(AT_FDCWD, path))
CALL(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), slow(fd, path))
CALL(int, rmdir, (const char *path), (path), slow(AT_FDCWD, path))
CALL(int, rename, (const char *from, const char *path), (from, path), slow(AT_FDCWD, from) || slow(AT_FDCWD, path))
CALL(int, renameat, (int at, const char *from, int fd, const char *path), (at, from, fd, path),
     slow(at, from) || slow(fd, path))
CALL(int, renameat2, (int at, const char *from, int fd, const char *path, unsigned flags), (at, from, fd, path, flags),
     slow(at, from) || slow(fd, path))
CALL(int, link, (const char *from, const char *path), (from, path), slow(AT_FDCWD, path))
CALL(int, linkat, (int at, const char *from, int fd, const char *path, int flags), (at, from, fd, path, flags),
     slow(fd, path))
CALL(int, symlink, (const char *target, const char *path), (target, path), slow(AT_FDCWD, path))
CALL(int, symlinkat, (const char *target, int fd, const char *path), (target, fd, path), slow(fd, path))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), slow(AT_FDCWD, path))
CALL(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), slow(fd, path))
CALL(int, mknod, (const char *path, mode_t mode, dev_t device), (path, mode, device), slow(AT_FDCWD, path))
CALL(int, mknodat, (int fd, const char *path, mode_t mode, dev_t device), (fd, path, mode, device), slow(fd, path))
CALL(int, mkfifo, (const char *path, mode_t mode), (path, mode), slow(AT_FDCWD, path))
CALL(int, mkfifoat, (int fd, const char *path, mode_t mode), (fd, path, mode), slow(fd, path))

CALL(int, chmod, (const char *path, mode_t mode), (path, mode), slow(AT_FDCWD, path))
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode), slow_fd(fd))
CALL(int, fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags), slow(fd, path))
CALL(int, chown, (const char *path, uid_t user, gid_t group), (path, user, group), slow(AT_FDCWD, path))
CALL(int, lchown, (const char *path, uid_t user, gid_t group), (path, user, group), slow(AT_FDCWD, path))
CALL(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), slow_fd(fd))
CALL(int, fchownat, (int fd, const char *path, uid_t user, gid_t group, int flags), (fd, path, user, group, flags),
     slow(fd, path))
CALL(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags), (fd, path, times, flags),
     path ? slow(fd, path) : slow_fd(fd))
CALL(int, futimens, (int fd, const struct timespec times[2]), (fd, times), slow_fd(fd))
CALL(int, utimes, (const char *path, const struct timeval times[2]), (path, times), slow(AT_FDCWD, path))
CALL(int, lutimes, (const char *path, const struct timeval times[2]), (path, times), slow(AT_FDCWD, path))
CALL(int, truncate, (const char *path, off_t length), (path, length), slow(AT_FDCWD, path))
CALL(int, ftruncate, (int fd, off_t length), (fd, length), slow_fd(fd))
CALL(int, ftruncate64, (int fd, off64_t length), (fd, length), slow_fd(fd))
CALL(int, fsync, (int fd), (fd), slow_fd(fd))

/* What was written goes to the server at the latest when it is closed. */
static int written(int fd) {
    int saved = errno, flags = fcntl(fd, F_GETFL);
    errno = saved;
    return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
}

CALL(int, close, (int fd), (fd), written(fd) && slow_fd(fd))

/* A directory is looked up and read; further parts of a long one come from glibc's own calls, which nobody can replace. */
DIR *opendir(const char *path) {
    NEXT(opendir);
    if (slow(AT_FDCWD, path)) {
        wait_for_server();
        wait_for_server();
    }
    return next(path);
}

CALL(DIR *, fdopendir, (int fd), (fd), slow_fd(fd))

/* Calls without a function of their own in the C library or in a program. */
long syscall(long number, ...) {
    NEXT(syscall);
    va_list more;
    long a[6];
    va_start(more, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(more, long);
    va_end(more);
    int fd = (int)a[0];
    const char *path = (const char *)a[1];
    switch (number) {
    case SYS_openat:
    case SYS_openat2:
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_readlinkat:
    case SYS_fchownat:
    case SYS_fchmodat:
    case SYS_utimensat:
#ifdef SYS_fchmodat2
    case SYS_fchmodat2:
#endif
        if (slow(fd, path)) wait_for_server();
        break;
    case SYS_renameat:
    case SYS_renameat2:
        if (slow(fd, path) || slow((int)a[2], (const char *)a[3])) wait_for_server();
        break;
    case SYS_getdents64:
        /* The end of a directory comes with its last part. */
        if (slow_fd(fd)) {
            long length = next(number, a[0], a[1], a[2]);
            if (length > 0) wait_for_server();
            return length;
        }
        break;
    }
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
