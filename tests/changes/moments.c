/* Loaded before libc into a build and its workers: counts the calls by which they open and read the
   files of a folder, and waits at some of them until another process has done what it wants.

   One page of memory, shared by all processes, says at which; see moments.py, which has the same
   fields in the same order. Every call is two moments, one before it and one after. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct page {
    int64_t seen;
    int64_t stops[2];      /* moments at which the caller waits; 0: none */
    int32_t waiting;       /* which of them was reached, from 1; set to 0 to go on */
    int32_t owner;         /* the process that does the changes, whose own calls do not count */
    char below[1024];      /* the folder, with a slash at its end */
    char path[PATH_MAX];   /* the file that the waiting call is about */
};

static struct page *page;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("AFFECTSTORE_MOMENTS");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    void *found = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (found != MAP_FAILED)
        page = found;
}

static int is_watched(void)
{
    return page && page->below[0] && page->owner != getpid();
}

static int is_below(const char *path)
{
    return is_watched() && strncmp(path, page->below, strlen(page->below)) == 0;
}

static int fd_is_below(int fd, char *path)
{
    char link[64];
    if (!is_watched())
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static void moment(const char *path)
{
    int64_t number = __atomic_add_fetch(&page->seen, 1, __ATOMIC_SEQ_CST);
    for (int stop = 0; stop < 2; stop++) {
        if (number != page->stops[stop])
            continue;
        snprintf(page->path, sizeof page->path, "%s", path);
        __atomic_store_n(&page->waiting, stop + 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&page->waiting, __ATOMIC_SEQ_CST))
            usleep(100);
    }
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    int below = is_below(path);
    if (below)
        moment(path);
    int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (below)
        moment(path);
    return fd;
}

#define MODE                                              \
    mode_t mode = 0;                                      \
    if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode = va_arg(more, mode_t);                      \
        va_end(more);                                     \
    }

int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...)
{
    MODE return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...)
{
    MODE return open_at(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...)
{
    MODE return open_at(folder, path, flags, mode);
}

#define READ(arguments, name, call)        \
    ssize_t name arguments                 \
    {                                      \
        char path[PATH_MAX];               \
        int below = fd_is_below(fd, path); \
        if (below)                         \
            moment(path);                  \
        ssize_t done = (ssize_t)(call);    \
        if (below)                         \
            moment(path);                  \
        return done;                       \
    }

READ((int fd, void *data, size_t size), read, syscall(SYS_read, fd, data, size))
READ((int fd, void *data, size_t size, off_t at), pread, syscall(SYS_pread64, fd, data, size, at))
READ((int fd, void *data, size_t size, off64_t at), pread64,
     syscall(SYS_pread64, fd, data, size, at))
