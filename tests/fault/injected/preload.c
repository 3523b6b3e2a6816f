/* Makes system calls on one tree fail, from inside the program: loaded by LD_PRELOAD into the program under test and
 * its children. Both programs reach the kernel through libc alone (Rust's crates too, `syscall` included), so what is
 * defined here sees every call on the tree; test_injected.py holds that true with strace where it is installed.
 *
 * What to do stands in a file that all processes map ($INJECT_CONTROL, laid out as `struct control`; control.py writes
 * it). The calls of the wanted kind on paths below `prefix` are counted over all processes and threads, and the
 * `first`th to the `last`th of them fail. Every call on the tree can be logged, what was hit always is. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LOG_SIZE = 1 << 20, SHORT = 10000, ACTION = 20000 };

struct control {
  char kind[32];     /* which calls fail; empty: none; data: read and copy */
  char tree[512];    /* what is logged: calls on paths below this */
  char prefix[512];  /* what is counted and fails: calls on paths below this */
  char name[256];    /* if not empty: only on paths of which the last component holds this */
  uint32_t error;    /* an errno; SHORT: half is read or written; ACTION + n: the source changes first */
  uint32_t first, last;
  uint32_t all;      /* log every call on the tree */
  uint64_t argument; /* the length that an action truncates to */
  _Atomic uint32_t count, hits, used;
  char log[LOG_SIZE];
};

static struct control *control;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

typedef long (*raw_t)(long, ...);

static long raw(long n, long a, long b, long c, long d) {
  static raw_t call;
  if (!call) call = (raw_t)real("syscall");
  return call(n, a, b, c, d, 0L, 0L);
}

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("INJECT_CONTROL");
  if (!file) return;
  int fd = raw(SYS_openat, AT_FDCWD, (long)file, O_RDWR | O_CLOEXEC, 0);
  if (fd < 0) return;
  void *place = mmap(0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  raw(SYS_close, fd, 0, 0, 0);
  if (place != MAP_FAILED) control = place;
}

/* Programs probe for a call with pointers that lead nowhere; what is declared as never null is looked at as a number. */
__attribute__((noinline)) static int valid(uintptr_t pointer) { return pointer > 4096; }

/* As text: "a/./b" and "a/c/../b" are "a/b". */
static void normalise(char *path) {
  char *to = path, *from = path;
  while (*from) {
    while (*from == '/') from++;
    size_t length = strcspn(from, "/");
    if (length == 2 && !strncmp(from, "..", 2)) {
      while (to > path && *--to != '/') {}
    } else if (length && !(length == 1 && *from == '.')) {
      *to++ = '/';
      memmove(to, from, length);
      to += length;
    }
    from += length;
  }
  *to = 0;
}

/* The absolute path of a descriptor, or of a name below one. */
static int whole(int fd, const char *name, char *into) {
  ssize_t length = 0;
  if (!name || name[0] != '/') {
    if (fd == AT_FDCWD) {
      if (raw(SYS_getcwd, (long)into, PATH_MAX, 0, 0) < 0) return 0;
      length = strlen(into);
    } else {
      char link[40];
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
      length = raw(SYS_readlinkat, AT_FDCWD, (long)link, (long)into, PATH_MAX - 1);
      if (length < 0) return 0;
      into[length] = 0;
    }
    if (!name || !*name) return 1;
    into[length++] = '/';
  }
  if (length + strlen(name) >= PATH_MAX) return 0;
  strcpy(into + length, name);
  /* What an O_PATH descriptor is open on is also reached by its name in /proc. */
  int number, end = 0;
  if (sscanf(into, "/proc/%*[^/]/fd/%d%n", &number, &end) == 1 && (!into[end] || into[end] == '/')) {
    char rest[PATH_MAX + 1];
    strcpy(rest, into[end] ? into + end + 1 : "");
    return whole(number, rest[0] == '/' ? "" : rest, into);
  }
  return 1;
}

static int below(const char *path, const char *prefix) {
  size_t length = strlen(prefix);
  return length && !strncmp(path, prefix, length) && (path[length] == '/' || path[length] == 0);
}

static void note(const char *mark, const char *kind, const char *path) {
  char line[PATH_MAX + 100];
  int length = snprintf(line, sizeof line, "%s %s %s\n", mark, kind, path);
  uint32_t at = atomic_fetch_add(&control->used, length);
  if (at + length < LOG_SIZE) memcpy(control->log + at, line, length);
}

static void put(const char *path, int flags, const char *text, size_t times) {
  int fd = raw(SYS_openat, AT_FDCWD, (long)path, flags, 0644);
  for (size_t i = 0; fd >= 0 && i < times; i++) raw(SYS_write, fd, (long)text, strlen(text), 0);
  if (fd >= 0) raw(SYS_close, fd, 0, 0, 0);
}

/* What somebody else does to the source at this moment. */
static void change(int what, const char *path) {
  char other[PATH_MAX + 8], *slash;
  strcpy(other, path);
  switch (what) {
  case 0: raw(SYS_truncate, (long)path, control->argument, 0, 0); break;
  case 1: put(path, O_WRONLY | O_APPEND, "appended meanwhile\n", 500); break;
  case 2:
    strcat(other, ".other");
    put(other, O_WRONLY | O_CREAT | O_TRUNC, "replaced meanwhile\n", 300);
    raw(SYS_renameat, AT_FDCWD, (long)other, AT_FDCWD, (long)path);
    break;
  case 3: raw(SYS_fchmodat, AT_FDCWD, (long)path, 0, 0); break;
  case 4: raw(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0); break;
  case 5:
    slash = strrchr(other, '/');
    *slash = 0;
    char away[PATH_MAX + 8];
    snprintf(away, sizeof away, "%s.away", other);
    raw(SYS_renameat, AT_FDCWD, (long)other, AT_FDCWD, (long)away);
    break;
  }
}

/* Counts a call. -1: it fails, errno is set; SHORT: it does half; 0: it is done. */
static int hit(const char *kind, int fd, const char *name) {
  if (!control || !control->tree[0] || (name && !valid((uintptr_t)name))) return 0;
  int before = errno;
  char path[PATH_MAX + 1];
  /* Pipes and sockets have other names. */
  int known = whole(fd, name, path) && path[0] == '/';
  if (known) normalise(path);
  if (!known || !below(path, control->tree)) {
    errno = before;
    return 0;
  }
  int result = 0;
  if (control->all) note("call", kind, path);
  int wanted = !strcmp(kind, control->kind);
  /* Whatever takes data from a file. */
  if (!strcmp(control->kind, "data")) wanted = !strcmp(kind, "read") || !strcmp(kind, "copy");
  if (wanted && below(path, control->prefix)) {
    const char *leaf = strrchr(path, '/');
    if (!control->name[0] || (leaf && strstr(leaf, control->name))) {
      uint32_t number = atomic_fetch_add(&control->count, 1) + 1;
      if (number >= control->first && number <= control->last) {
        atomic_fetch_add(&control->hits, 1);
        note("hit", kind, path);
        if (control->error >= ACTION)
          change(control->error - ACTION, path);
        else if (control->error == SHORT)
          result = SHORT;
        else {
          errno = control->error;
          return -1;
        }
      }
    }
  }
  errno = before;
  return result;
}

/* Calls that have nothing to do with each other but the way they fail. */
#define FAIL(kind, fd, name) \
  if (hit(kind, fd, name) < 0) return -1

static const char *stat_kind(uintptr_t name) { return valid(name) && *(const char *)name ? "stat" : "fstat"; }

static const char *open_kind(int flags) {
  if (flags & O_PATH || (flags & O_DIRECTORY && !((flags & O_TMPFILE) == O_TMPFILE))) return "opendir";
  return (flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT) ? "open" : "create";
}

#define OPENER(name)                                                   \
  int name(const char *path, int flags, ...) {                         \
    va_list list;                                                      \
    va_start(list, flags);                                             \
    mode_t mode = va_arg(list, mode_t);                                \
    va_end(list);                                                      \
    FAIL(open_kind(flags), AT_FDCWD, path);                            \
    return REAL(name)(path, flags, mode);                              \
  }
OPENER(open)
OPENER(open64)
#define OPENER_AT(name)                                                \
  int name(int fd, const char *path, int flags, ...) {                 \
    va_list list;                                                      \
    va_start(list, flags);                                             \
    mode_t mode = va_arg(list, mode_t);                                \
    va_end(list);                                                      \
    FAIL(open_kind(flags), fd, path);                                  \
    return REAL(name)(fd, path, flags, mode);                          \
  }
OPENER_AT(openat)
OPENER_AT(openat64)
int __open_2(const char *path, int flags) { FAIL(open_kind(flags), AT_FDCWD, path); return ((int (*)(const char *, int))real("__open_2"))(path, flags); }
int __open64_2(const char *path, int flags) { FAIL(open_kind(flags), AT_FDCWD, path); return ((int (*)(const char *, int))real("__open64_2"))(path, flags); }
int __openat_2(int fd, const char *path, int flags) { FAIL(open_kind(flags), fd, path); return ((int (*)(int, const char *, int))real("__openat_2"))(fd, path, flags); }
int __openat64_2(int fd, const char *path, int flags) { FAIL(open_kind(flags), fd, path); return ((int (*)(int, const char *, int))real("__openat64_2"))(fd, path, flags); }
DIR *opendir(const char *path) { if (hit("opendir", AT_FDCWD, path) < 0) return 0; return REAL(opendir)(path); }

#define READER(name, type, extra, ...)                                 \
  ssize_t name(int fd, void *buffer, size_t size extra) {              \
    int how = hit("read", fd, 0);                                      \
    if (how < 0) return -1;                                            \
    if (how == SHORT && size > 1) size /= 2;                           \
    return ((type)real(#name))(fd, buffer, size __VA_ARGS__);          \
  }
#define COMMA ,
typedef ssize_t (*read_t)(int, void *, size_t);
typedef ssize_t (*pread_t)(int, void *, size_t, off64_t);
READER(read, read_t, )
READER(pread, pread_t, COMMA off_t at, COMMA at)
READER(pread64, pread_t, COMMA off64_t at, COMMA at)
ssize_t readv(int fd, const struct iovec *parts, int number) {
  int how = hit("read", fd, 0);
  if (how < 0) return -1;
  if (how == SHORT) number = (number + 1) / 2;
  return REAL(readv)(fd, parts, number);
}

#define WRITER(name, type, extra, ...)                                 \
  ssize_t name(int fd, const void *buffer, size_t size extra) {        \
    int how = hit("write", fd, 0);                                     \
    if (how < 0) return -1;                                            \
    if (how == SHORT && size > 1) size /= 2;                           \
    return ((type)real(#name))(fd, buffer, size __VA_ARGS__);          \
  }
typedef ssize_t (*write_t)(int, const void *, size_t);
typedef ssize_t (*pwrite_t)(int, const void *, size_t, off64_t);
WRITER(write, write_t, )
WRITER(pwrite, pwrite_t, COMMA off_t at, COMMA at)
WRITER(pwrite64, pwrite_t, COMMA off64_t at, COMMA at)
ssize_t writev(int fd, const struct iovec *parts, int number) {
  int how = hit("write", fd, 0);
  if (how < 0) return -1;
  if (how == SHORT) number = (number + 1) / 2;
  return REAL(writev)(fd, parts, number);
}
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags) {
  /* A call on two files: the source's name if that is what is asked for, else the destination's. */
  int how = hit("copy", from, 0);
  if (!how) how = hit("copy", to, 0);
  if (how < 0) return -1;
  if (how == SHORT && size > 1) size /= 2;
  return REAL(copy_file_range)(from, a, to, b, size, flags);
}

int fsync(int fd) { FAIL("fsync", fd, 0); return REAL(fsync)(fd); }
int fdatasync(int fd) { FAIL("fsync", fd, 0); return REAL(fdatasync)(fd); }
int close(int fd) {
  /* The descriptor is gone whatever close says. */
  if (hit("close", fd, 0) < 0) { raw(SYS_close, fd, 0, 0, 0); errno = control->error; return -1; }
  return REAL(close)(fd);
}
int ftruncate(int fd, off_t n) { FAIL("ftruncate", fd, 0); return REAL(ftruncate)(fd, n); }
int ftruncate64(int fd, off64_t n) { FAIL("ftruncate", fd, 0); return REAL(ftruncate64)(fd, n); }
int fallocate(int fd, int m, off_t a, off_t n) { FAIL("fallocate", fd, 0); return REAL(fallocate)(fd, m, a, n); }
int fallocate64(int fd, int m, off64_t a, off64_t n) { FAIL("fallocate", fd, 0); return REAL(fallocate64)(fd, m, a, n); }

/* Two names: the new one counts for link and rename, as that is what is missing afterwards. */
int rename(const char *a, const char *b) { FAIL("rename", AT_FDCWD, b); return REAL(rename)(a, b); }
int renameat(int f, const char *a, int t, const char *b) { FAIL("rename", t, b); return REAL(renameat)(f, a, t, b); }
int renameat2(int f, const char *a, int t, const char *b, unsigned g) { FAIL("rename", t, b); return REAL(renameat2)(f, a, t, b, g); }
int link(const char *a, const char *b) { FAIL("link", AT_FDCWD, b); return REAL(link)(a, b); }
int linkat(int f, const char *a, int t, const char *b, int g) { FAIL("link", t, b); return REAL(linkat)(f, a, t, b, g); }
int symlink(const char *a, const char *b) { FAIL("symlink", AT_FDCWD, b); return REAL(symlink)(a, b); }
int symlinkat(const char *a, int t, const char *b) { FAIL("symlink", t, b); return REAL(symlinkat)(a, t, b); }
int unlink(const char *a) { FAIL("unlink", AT_FDCWD, a); return REAL(unlink)(a); }
int unlinkat(int f, const char *a, int g) { FAIL(g & AT_REMOVEDIR ? "rmdir" : "unlink", f, a); return REAL(unlinkat)(f, a, g); }
int rmdir(const char *a) { FAIL("rmdir", AT_FDCWD, a); return REAL(rmdir)(a); }
int mkdir(const char *a, mode_t m) { FAIL("mkdir", AT_FDCWD, a); return REAL(mkdir)(a, m); }
int mkdirat(int f, const char *a, mode_t m) { FAIL("mkdir", f, a); return REAL(mkdirat)(f, a, m); }
int mknod(const char *a, mode_t m, dev_t d) { FAIL("mknod", AT_FDCWD, a); return REAL(mknod)(a, m, d); }
int mknodat(int f, const char *a, mode_t m, dev_t d) { FAIL("mknod", f, a); return REAL(mknodat)(f, a, m, d); }
int mkfifo(const char *a, mode_t m) { FAIL("mknod", AT_FDCWD, a); return REAL(mkfifo)(a, m); }
int mkfifoat(int f, const char *a, mode_t m) { FAIL("mknod", f, a); return REAL(mkfifoat)(f, a, m); }
int chmod(const char *a, mode_t m) { FAIL("chmod", AT_FDCWD, a); return REAL(chmod)(a, m); }
int lchmod(const char *a, mode_t m) { FAIL("chmod", AT_FDCWD, a); return REAL(lchmod)(a, m); }
int fchmod(int f, mode_t m) { FAIL("chmod", f, 0); return REAL(fchmod)(f, m); }
int fchmodat(int f, const char *a, mode_t m, int g) { FAIL("chmod", f, a); return REAL(fchmodat)(f, a, m, g); }
int chown(const char *a, uid_t u, gid_t g) { FAIL("chown", AT_FDCWD, a); return REAL(chown)(a, u, g); }
int lchown(const char *a, uid_t u, gid_t g) { FAIL("chown", AT_FDCWD, a); return REAL(lchown)(a, u, g); }
int fchown(int f, uid_t u, gid_t g) { FAIL("chown", f, 0); return REAL(fchown)(f, u, g); }
int fchownat(int f, const char *a, uid_t u, gid_t g, int h) { FAIL("chown", f, a); return REAL(fchownat)(f, a, u, g, h); }
int utimensat(int f, const char *a, const struct timespec t[2], int g) { FAIL("utimens", f, a); return REAL(utimensat)(f, a, t, g); }
int futimens(int f, const struct timespec t[2]) { FAIL("utimens", f, 0); return REAL(futimens)(f, t); }
int utimes(const char *a, const struct timeval t[2]) { FAIL("utimens", AT_FDCWD, a); return REAL(utimes)(a, t); }
int lutimes(const char *a, const struct timeval t[2]) { FAIL("utimens", AT_FDCWD, a); return REAL(lutimes)(a, t); }

int setxattr(const char *a, const char *n, const void *v, size_t s, int g) { FAIL("setxattr", AT_FDCWD, a); return REAL(setxattr)(a, n, v, s, g); }
int lsetxattr(const char *a, const char *n, const void *v, size_t s, int g) { FAIL("setxattr", AT_FDCWD, a); return REAL(lsetxattr)(a, n, v, s, g); }
int fsetxattr(int f, const char *n, const void *v, size_t s, int g) { FAIL("setxattr", f, 0); return REAL(fsetxattr)(f, n, v, s, g); }
int removexattr(const char *a, const char *n) { FAIL("removexattr", AT_FDCWD, a); return REAL(removexattr)(a, n); }
int lremovexattr(const char *a, const char *n) { FAIL("removexattr", AT_FDCWD, a); return REAL(lremovexattr)(a, n); }
int fremovexattr(int f, const char *n) { FAIL("removexattr", f, 0); return REAL(fremovexattr)(f, n); }
ssize_t getxattr(const char *a, const char *n, void *v, size_t s) { FAIL("getxattr", AT_FDCWD, a); return REAL(getxattr)(a, n, v, s); }
ssize_t lgetxattr(const char *a, const char *n, void *v, size_t s) { FAIL("getxattr", AT_FDCWD, a); return REAL(lgetxattr)(a, n, v, s); }
ssize_t fgetxattr(int f, const char *n, void *v, size_t s) { FAIL("getxattr", f, 0); return REAL(fgetxattr)(f, n, v, s); }
ssize_t listxattr(const char *a, char *v, size_t s) { FAIL("listxattr", AT_FDCWD, a); return REAL(listxattr)(a, v, s); }
ssize_t llistxattr(const char *a, char *v, size_t s) { FAIL("listxattr", AT_FDCWD, a); return REAL(llistxattr)(a, v, s); }
ssize_t flistxattr(int f, char *v, size_t s) { FAIL("listxattr", f, 0); return REAL(flistxattr)(f, v, s); }

struct dirent *readdir(DIR *d) { if (hit("getdents", dirfd(d), 0) < 0) return 0; return REAL(readdir)(d); }
struct dirent64 *readdir64(DIR *d) { if (hit("getdents", dirfd(d), 0) < 0) return 0; return REAL(readdir64)(d); }
ssize_t readlink(const char *a, char *v, size_t s) { FAIL("readlink", AT_FDCWD, a); return REAL(readlink)(a, v, s); }
ssize_t readlinkat(int f, const char *a, char *v, size_t s) { FAIL("readlink", f, a); return REAL(readlinkat)(f, a, v, s); }

#define STAT(name, type) \
  int name(const char *a, struct type *s) { FAIL("stat", AT_FDCWD, a); return REAL(name)(a, s); }
STAT(stat, stat)
STAT(lstat, stat)
STAT(stat64, stat64)
STAT(lstat64, stat64)
int fstat(int f, struct stat *s) { FAIL("fstat", f, 0); return REAL(fstat)(f, s); }
int fstat64(int f, struct stat64 *s) { FAIL("fstat", f, 0); return REAL(fstat64)(f, s); }
int fstatat(int f, const char *a, struct stat *s, int g) { FAIL(stat_kind((uintptr_t)a), f, a); return REAL(fstatat)(f, a, s, g); }
int fstatat64(int f, const char *a, struct stat64 *s, int g) { FAIL(stat_kind((uintptr_t)a), f, a); return REAL(fstatat64)(f, a, s, g); }
int statx(int f, const char *a, int g, unsigned m, struct statx *s) { FAIL(stat_kind((uintptr_t)a), f, a); return REAL(statx)(f, a, g, m, s); }

long syscall(long n, ...) {
  va_list list;
  va_start(list, n);
  long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long), d = va_arg(list, long);
  long e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  switch (n) {
#ifdef SYS_openat2
  case SYS_openat2: FAIL(open_kind((int)*(uint64_t *)c), (int)a, (const char *)b); break;
#endif
  case SYS_getdents64: FAIL("getdents", (int)a, 0); break;
  case SYS_statx: FAIL(stat_kind(b), (int)a, (const char *)b); break;
  case SYS_fchmod: FAIL("chmod", (int)a, 0); break;
  case SYS_fchown: FAIL("chown", (int)a, 0); break;
  case SYS_fchmodat: FAIL("chmod", (int)a, (const char *)b); break;
  case SYS_renameat2: FAIL("rename", (int)c, (const char *)d); break;
#ifdef SYS_fchmodat2
  case SYS_fchmodat2: FAIL("chmod", (int)a, (const char *)b); break;
#endif
  case SYS_copy_file_range: {
    int how = hit("copy", (int)a, 0);
    if (!how) how = hit("copy", (int)c, 0);
    if (how < 0) return -1;
    if (how == SHORT && e > 1) e /= 2;
    break;
  }
  }
  return ((raw_t)real("syscall"))(n, a, b, c, d, e, f);
}
