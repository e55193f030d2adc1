/* Loaded before libc into a command under test and its workers: counts the calls by which they
   change a store, kills at one of them, and writes down what each has done.

   One page of memory, shared by all processes, says what is to be done; see calls.py, which has the
   same fields in the same order. Only processes of the session that is named there are looked at. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { READ, OPEN, WRITE, FSYNC, RENAME, UNLINK, MKDIR, LOCK, SEND, RECEIVE, KINDS };
enum victim { CALLER, COMMAND, ALL };
enum moment { BEFORE, HALFWAY, AFTER };

struct control {
    int32_t session;          /* whose calls count; 0: nobody's */
    int32_t role, kind;       /* of the call to kill at: 0 the command, 1 another process */
    int32_t victim, moment;
    int32_t killed;           /* 1 once it was done */
    int64_t when;             /* at the how-manieth such call; 0: never */
    int64_t seen[2][KINDS];
    char below[1024];         /* the folder that is looked at, with a slash at its end */
    char also_read[1024];     /* another one, whose files are read */
    char log[1024];           /* what was done is appended to this file; empty: to none */
};

static struct control *control;
static int log_fd = -1;

/* Also called by a process that was forked, to have a page of its own. */
void use_calls(const char *path)
{
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (page != MAP_FAILED)
        control = page;
}

__attribute__((constructor)) static void start(void)
{
    use_calls(getenv("AFFECTSTORE_CALLS"));
}

static int is_watched(void)
{
    return control && control->session && getsid(0) == control->session;
}

/* The absolute path of what `path` means beside `folder`. */
static int resolve(int folder, const char *path, char *out)
{
    char link[64];
    ssize_t length;
    if (path[0] == '/')
        return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
    if (folder == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, out, PATH_MAX - 1);
    if (length < 0)
        return 0;
    return path[0] == 0 ? (out[length] = 0, 1)
                        : snprintf(out + length, PATH_MAX - length, "/%s", path) < PATH_MAX - length;
}

static int begins(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return length && strncmp(path, folder, length) == 0;
}

static int is_below(const char *path)
{
    /* The folder itself counts: it is forced to disk too. */
    size_t length = strlen(control->below);
    return begins(path, control->below) ||
           (length && strlen(path) == length - 1 && strncmp(path, control->below, length - 1) == 0);
}

static int fd_is_below(int fd, char *path)
{
    return resolve(fd, "", path) && is_below(path);
}

/* Whether it is now that somebody dies: -1 not now, else the moment. */
static int count(enum kind kind)
{
    int role = getpid() != control->session;
    int64_t number = __atomic_add_fetch(&control->seen[role][kind], 1, __ATOMIC_SEQ_CST);
    if (control->when && control->role == role && control->kind == (int)kind &&
        number == control->when)
        return control->moment;
    return -1;
}

static void strike(void)
{
    control->killed = 1;
    if (control->victim == COMMAND)
        kill(control->session, SIGKILL);
    else
        kill(control->victim == ALL ? 0 : getpid(), SIGKILL);
}

static int open_log(void)
{
    if (log_fd < 0 && control->log[0]) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, control->log,
                              O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 700);
        syscall(SYS_close, fd);
    }
    return log_fd >= 0;
}

/* A name is changed and noted before another process notes what it did with it. */
static __thread int holds;
static void hold(int more)
{
    struct flock whole = {.l_type = more > 0 ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET};
    int before = errno;
    if (!open_log())
        return;
    holds += more;
    if (holds == (more > 0))
        while (syscall(SYS_fcntl, log_fd, F_SETLKW, &whole) < 0 && errno == EINTR)
            ;
    errno = before;
}

/* One record: letter, inode, offset, three lengths, two paths, bytes; in one write. */
static void note(char what, uint64_t inode, int64_t offset, const char *path, const char *other,
                 const void *data, size_t size)
{
    struct __attribute__((packed)) {
        char what;
        uint64_t inode;
        int64_t offset;
        uint32_t path, other, data;
    } head = {what, inode, offset, (uint32_t)strlen(path), (uint32_t)strlen(other), (uint32_t)size};
    struct iovec parts[] = {{&head, sizeof head},
                            {(void *)path, head.path},
                            {(void *)other, head.other},
                            {(void *)data, size}};
    int before = errno;
    if (!open_log())
        return;
    hold(1);
    syscall(SYS_writev, log_fd, parts, 4);
    hold(-1);
    errno = before;
}

static uint64_t inode_of(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

/* Opening */

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    int moment = -1, writes = (flags & O_ACCMODE) != O_RDONLY, is_new = 0, fd, below = 0;
    struct stat found;
    if (is_watched() && resolve(folder, path, full)) {
        below = is_below(full);
        if (below || begins(full, control->also_read))
            moment = count(writes || flags & O_CREAT ? OPEN : READ);
        if (below && writes)
            is_new = (flags & O_TMPFILE) == O_TMPFILE ||
                     (fstatat(AT_FDCWD, full, &found, 0) != 0 && errno == ENOENT);
        if (moment == BEFORE)
            strike();
    }
    fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0 && below && writes && (flags & O_TMPFILE) != O_TMPFILE)
        note(is_new ? 'c' : flags & O_TRUNC ? 't' : 'o', inode_of(fd), 0, full, "", "", 0);
    if (moment > BEFORE)
        strike();
    return fd;
}

#define MODE                                     \
    mode_t mode = 0;                             \
    if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list more;                            \
        va_start(more, flags);                   \
        mode = va_arg(more, mode_t);             \
        va_end(more);                            \
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

/* Writing. A named file alone is written down: one without a name ends with its process. */

static int is_named(int fd, char *path)
{
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && fd_is_below(fd, path) &&
           found.st_nlink > 0;
}

static int is_inet(int fd)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode) &&
           getpeername(fd, (struct sockaddr *)&at, &size) == 0 &&
           (at.ss_family == AF_INET || at.ss_family == AF_INET6);
}

static ssize_t write_at(int fd, const void *data, size_t size, int64_t offset)
{
    char path[PATH_MAX] = "";
    int moment = -1, named = 0;
    ssize_t done;
    if (is_watched() && fd != log_fd) {
        if ((named = is_named(fd, path)) || is_below(path))
            moment = count(WRITE);
        else if (is_inet(fd))
            moment = count(SEND);
        if (moment == BEFORE)
            strike();
        if (moment == HALFWAY && size > 1)
            size /= 2;
    }
    done = offset < 0 ? syscall(SYS_write, fd, data, size)
                      : syscall(SYS_pwrite64, fd, data, size, offset);
    if (named && done > 0)
        note('w', inode_of(fd), offset < 0 ? lseek(fd, 0, SEEK_CUR) - done : offset, path, "", data,
             (size_t)done);
    if (moment > BEFORE)
        strike();
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return write_at(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return write_at(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    return write_at(fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int number)
{
    char path[PATH_MAX] = "";
    int moment = -1, named = 0;
    ssize_t done, left;
    if (is_watched() && fd != log_fd) {
        if ((named = is_named(fd, path)))
            moment = count(WRITE);
        else if (is_inet(fd))
            moment = count(SEND);
        if (moment == BEFORE)
            strike();
    }
    done = left = syscall(SYS_writev, fd, parts, number);
    for (int part = 0; named && left > 0 && part < number; part++) {
        ssize_t size = left < (ssize_t)parts[part].iov_len ? left : (ssize_t)parts[part].iov_len;
        note('w', inode_of(fd), lseek(fd, 0, SEEK_CUR) - left, path, "", parts[part].iov_base,
             (size_t)size);
        left -= size;
    }
    if (moment > BEFORE)
        strike();
    return done;
}

static int truncate_fd(int fd, off_t size)
{
    char path[PATH_MAX] = "";
    int named = is_watched() && is_named(fd, path);
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (named && done == 0)
        note('s', inode_of(fd), size, path, "", "", 0);
    return done;
}

int ftruncate(int fd, off_t size) { return truncate_fd(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_fd(fd, size); }

/* Forcing to disk */

static int force(int fd, long number)
{
    char path[PATH_MAX] = "";
    struct stat found;
    int moment = -1, below = is_watched() && fd_is_below(fd, path), done;
    if (below && (moment = count(FSYNC)) == BEFORE)
        strike();
    done = (int)syscall(number, fd);
    if (below && done == 0 && fstat(fd, &found) == 0)
        note(S_ISDIR(found.st_mode) ? 'F' : 'f', found.st_ino, 0, path, "", "", 0);
    if (moment > BEFORE)
        strike();
    return done;
}

int fsync(int fd) { return force(fd, SYS_fsync); }
int fdatasync(int fd) { return force(fd, SYS_fdatasync); }

/* Names */

#define CHANGE(kind, letter, path, other, call)                           \
    char full[PATH_MAX] = "", second[PATH_MAX] = "";                      \
    int moment = -1, below = 0, done;                                     \
    if (is_watched() && resolve(folder, path, full) &&                    \
        (!(other) || resolve(new_folder, (other) ? (other) : "", second)) && \
        (below = is_below(full) || is_below(second)))                     \
        if ((moment = count(kind)) == BEFORE)                             \
            strike();                                                     \
    if (below)                                                            \
        hold(1);                                                          \
    done = (int)(call);                                                   \
    if (below && done == 0)                                               \
        note(letter, 0, 0, full, second, "", 0);                          \
    if (below)                                                            \
        hold(-1);                                                         \
    if (moment > BEFORE)                                                  \
        strike();                                                         \
    return done;

static int rename_at(int folder, const char *path, int new_folder, const char *other)
{
    CHANGE(RENAME, 'r', path, other, syscall(SYS_renameat, folder, path, new_folder, other))
}
int rename(const char *path, const char *other)
{
    return rename_at(AT_FDCWD, path, AT_FDCWD, other);
}
int renameat(int folder, const char *path, int new_folder, const char *other)
{
    return rename_at(folder, path, new_folder, other);
}

static int link_at(int folder, const char *path, int new_folder, const char *other)
{
    CHANGE(RENAME, 'l', path, other, syscall(SYS_linkat, folder, path, new_folder, other, 0))
}
int link(const char *path, const char *other) { return link_at(AT_FDCWD, path, AT_FDCWD, other); }

static int unlink_at(int folder, const char *path, int flags)
{
    int new_folder = AT_FDCWD;
    CHANGE(UNLINK, 'u', path, (const char *)NULL, syscall(SYS_unlinkat, folder, path, flags))
}
int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return unlink_at(folder, path, flags); }

static int mkdir_at(int folder, const char *path, mode_t mode)
{
    int new_folder = AT_FDCWD;
    CHANGE(MKDIR, 'm', path, (const char *)NULL, syscall(SYS_mkdirat, folder, path, mode))
}
int mkdir(const char *path, mode_t mode) { return mkdir_at(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return mkdir_at(folder, path, mode); }

int flock(int fd, int operation)
{
    char path[PATH_MAX] = "";
    int moment = -1, done;
    if (is_watched() && fd_is_below(fd, path) && (moment = count(LOCK)) == BEFORE)
        strike();
    done = (int)syscall(SYS_flock, fd, operation);
    if (moment > BEFORE)
        strike();
    return done;
}

/* The network */

#define TALK(kind, type, name, arguments, call)                           \
    type name arguments                                                   \
    {                                                                     \
        int moment = -1;                                                  \
        type done;                                                        \
        if (is_watched() && is_inet(fd) && (moment = count(kind)) == BEFORE) \
            strike();                                                     \
        done = (type)(call);                                              \
        if (moment > BEFORE)                                              \
            strike();                                                     \
        return done;                                                      \
    }

TALK(SEND, ssize_t, send, (int fd, const void *data, size_t size, int flags),
     syscall(SYS_sendto, fd, data, size, flags, NULL, 0))
TALK(SEND, ssize_t, sendto,
     (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length),
     syscall(SYS_sendto, fd, data, size, flags, to, length))
TALK(SEND, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     syscall(SYS_sendmsg, fd, message, flags))
TALK(RECEIVE, ssize_t, recv, (int fd, void *data, size_t size, int flags),
     syscall(SYS_recvfrom, fd, data, size, flags, NULL, NULL))
TALK(RECEIVE, ssize_t, recvfrom,
     (int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length),
     syscall(SYS_recvfrom, fd, data, size, flags, from, length))
