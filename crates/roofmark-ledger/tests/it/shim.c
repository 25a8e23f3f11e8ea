/* Preloaded into a child of the fault tests. Counts what a process writes to regular files in $FAULT_FOLDER and,
 * at the $FAULT_AT-th call, ends it or lets the call fail:
 *   kill  half of the bytes are written, then the process is killed (kill -9);
 *   full  this and every later write finds the disk full;
 *   eio   this one call fails with an input/output error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static int in_folder(const char *path) {
    const char *folder = getenv("FAULT_FOLDER");
    return folder && strncmp(path, folder, strlen(folder)) == 0;
}

static int counts(int fd) {
    struct stat found;
    char link[64], path[PATH_MAX];
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return in_folder(path);
}

/* What is to happen at this call: 0 nothing, 'k' kill, 'f' full, 'e' error. */
static char fault(void) {
    const char *at = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND");
    long now = ++calls, wanted = at ? atol(at) : 0;
    if (!wanted || !kind) return 0;
    if (now == wanted || (now > wanted && kind[0] == 'f')) return kind[0];
    return 0;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

#define REAL(name, ...) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t count) {
    REAL(write);
    switch (counts(fd) ? fault() : 0) {
        case 'k': real(fd, from, count / 2); die(); break;
        case 'f': errno = ENOSPC; return -1;
        case 'e': errno = EIO; return -1;
    }
    return real(fd, from, count);
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t at) {
    REAL(pwrite);
    switch (counts(fd) ? fault() : 0) {
        case 'k': real(fd, from, count / 2, at); die(); break;
        case 'f': errno = ENOSPC; return -1;
        case 'e': errno = EIO; return -1;
    }
    return real(fd, from, count, at);
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t at) {
    REAL(pwrite64);
    switch (counts(fd) ? fault() : 0) {
        case 'k': real(fd, from, count / 2, at); die(); break;
        case 'f': errno = ENOSPC; return -1;
        case 'e': errno = EIO; return -1;
    }
    return real(fd, from, count, at);
}

int ftruncate(int fd, off_t length) {
    REAL(ftruncate);
    switch (counts(fd) ? fault() : 0) {
        case 'k': die(); break;
        case 'e': errno = EIO; return -1;
    }
    return real(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    switch (counts(fd) ? fault() : 0) {
        case 'k': die(); break;
        case 'e': errno = EIO; return -1;
    }
    return real(fd, length);
}

int fsync(int fd) {
    REAL(fsync);
    switch (counts(fd) ? fault() : 0) {
        case 'k': die(); break;
        case 'e': errno = EIO; return -1;
    }
    return real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    switch (counts(fd) ? fault() : 0) {
        case 'k': die(); break;
        case 'e': errno = EIO; return -1;
    }
    return real(fd);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    if (in_folder(to) && fault() == 'k') die();
    return real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    if (in_folder(path) && fault() == 'k') die();
    return real(path);
}
