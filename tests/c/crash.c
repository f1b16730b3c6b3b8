/*
 * crash AT UNDER FROM REPORT PROGRAM ARGUMENTS...
 *
 * Runs a program, and everything it starts, and ends all of it with SIGKILL just before its AT-th step: a system call
 * that changes something below the folder UNDER. Steps are counted from the first one that touches the file FROM, or
 * from the beginning where that is "-". In REPORT stands a line for each step. Ends as the program does, or with 86
 * after a crash.
 *
 * What a store writes into its write-ahead log counts when it is synced: what is there before is no transaction yet.
 *
 * A seccomp filter stops the program only at these calls, so that it runs about as fast as without.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRASHED 86

/* Where a call says what it changes: an open file; a path in a folder; a path alone. */
enum where { FILE_AT, PATH_AT, PATH };

struct call {
    long number;
    const char *name;
    enum where where;
    /* Which argument it is; of PATH_AT the folder, and the path follows. */
    int argument;
};

static const struct call CALLS[] = {
    {SYS_write, "write", FILE_AT, 0},
    {SYS_pwrite64, "pwrite", FILE_AT, 0},
    {SYS_writev, "writev", FILE_AT, 0},
    {SYS_ftruncate, "ftruncate", FILE_AT, 0},
    {SYS_fsync, "fsync", FILE_AT, 0},
    {SYS_fdatasync, "fdatasync", FILE_AT, 0},
    {SYS_fchmod, "fchmod", FILE_AT, 0},
    {SYS_copy_file_range, "copy_file_range", FILE_AT, 2},
    {SYS_openat, "openat", PATH_AT, 0},
    {SYS_mkdirat, "mkdirat", PATH_AT, 0},
    {SYS_unlinkat, "unlinkat", PATH_AT, 0},
    {SYS_fchmodat, "fchmodat", PATH_AT, 0},
    {SYS_renameat2, "renameat2", PATH_AT, 2},
    {SYS_linkat, "linkat", PATH_AT, 2},
    {SYS_symlinkat, "symlinkat", PATH_AT, 1},
#ifdef SYS_openat2
    {SYS_openat2, "openat2", PATH_AT, 0},
#endif
#ifdef SYS_renameat
    {SYS_renameat, "renameat", PATH_AT, 2},
#endif
#ifdef SYS_open
    {SYS_open, "open", PATH, 0},
    {SYS_mkdir, "mkdir", PATH, 0},
    {SYS_rmdir, "rmdir", PATH, 0},
    {SYS_unlink, "unlink", PATH, 0},
    {SYS_chmod, "chmod", PATH, 0},
    {SYS_rename, "rename", PATH, 1},
    {SYS_link, "link", PATH, 1},
    {SYS_symlink, "symlink", PATH, 1},
#endif
};
#define COUNT (sizeof CALLS / sizeof CALLS[0])

static void fail(const char *what)
{
    fprintf(stderr, "crash: %s: %s\n", what, strerror(errno));
    exit(87);
}

/* In the program to be: stop at these calls, then become it. */
static void become(char **arguments)
{
    struct sock_filter filter[COUNT + 3];
    size_t n = 0, i;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (i = 0; i < COUNT; i++)
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALLS[i].number,
                                                   (unsigned char)(COUNT - i), 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog program = {(unsigned short)n, filter};
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
        fail("tracing");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        fail("seccomp");
    execv(arguments[0], arguments);
    fail(arguments[0]);
}

/* What a link in /proc says. */
static int linked(pid_t pid, const char *name, long number, char *path)
{
    char link[64];
    ssize_t length;
    if (number < 0)
        snprintf(link, sizeof link, "/proc/%d/%s", (int)pid, name);
    else
        snprintf(link, sizeof link, "/proc/%d/%s/%ld", (int)pid, name, number);
    length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return length >= 0;
}

/* A text in the memory of the program. */
static void text(pid_t pid, unsigned long at, char *text)
{
    size_t length = 0;
    text[0] = 0;
    while (length < PATH_MAX - 1) {
        /* Never beyond a page, as the next one may not be there. */
        size_t page = 4096 - (at + length) % 4096, most = PATH_MAX - 1 - length;
        struct iovec here = {text + length, page < most ? page : most};
        struct iovec there = {(void *)(at + length), here.iov_len};
        ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
        if (got <= 0)
            break;
        if (memchr(text + length, 0, (size_t)got))
            return;
        length += (size_t)got;
    }
    text[length] = 0;
}

/* The file that a call changes. */
static void changed(pid_t pid, const struct call *call, const __uint64_t *arguments, char *path)
{
    char name[PATH_MAX], folder[PATH_MAX];
    if (call->where == FILE_AT) {
        linked(pid, "fd", (long)arguments[call->argument], path);
        return;
    }
    text(pid, arguments[call->argument + (call->where == PATH_AT)], name);
    int from = (int)arguments[call->argument];
    if (name[0] == '/')
        folder[0] = 0;
    else if (call->where == PATH || from == AT_FDCWD)
        linked(pid, "cwd", -1, folder);
    else
        linked(pid, "fd", from, folder);
    if (snprintf(path, PATH_MAX, "%s%s%s", folder, folder[0] ? "/" : "", name) >= PATH_MAX)
        path[0] = 0;
}

/* Whether a call that opens a file makes or empties one. */
static int makes(pid_t pid, const struct call *call, const __uint64_t *arguments)
{
    unsigned long flags = 0;
    if (!strcmp(call->name, "open"))
        flags = arguments[1];
    else if (!strcmp(call->name, "openat"))
        flags = arguments[2];
    else if (!strcmp(call->name, "openat2")) {
        struct iovec here = {&flags, sizeof flags}, there = {(void *)(unsigned long)arguments[2], sizeof flags};
        process_vm_readv(pid, &here, 1, &there, 1, 0);
    } else
        return 1;
    return (flags & (O_CREAT | O_TRUNC)) != 0;
}

static int ends_with(const char *text, const char *end)
{
    size_t whole = strlen(text), part = strlen(end);
    return whole >= part && !strcmp(text + whole - part, end);
}

struct watch {
    long at, seen;
    const char *under, *from;
    int counts;
    FILE *report;
};

/* Counts a step; whether it is the one. */
static int step(struct watch *watch, pid_t pid)
{
    struct __ptrace_syscall_info info;
    char path[PATH_MAX];
    size_t i;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0 || info.op != PTRACE_SYSCALL_INFO_SECCOMP)
        return 0;
    for (i = 0; i < COUNT && (__uint64_t)CALLS[i].number != info.seccomp.nr; i++)
        ;
    if (i == COUNT || !makes(pid, &CALLS[i], info.seccomp.args))
        return 0;
    changed(pid, &CALLS[i], info.seccomp.args, path);
    if (!strcmp(path, watch->from))
        watch->counts = 1;
    if (!watch->counts || strncmp(path, watch->under, strlen(watch->under)))
        return 0;
    if (ends_with(path, "-shm") || (ends_with(path, "-wal") && !strstr(CALLS[i].name, "sync")))
        return 0;
    watch->seen++;
    fprintf(watch->report, "%ld %s %s\n", watch->seen, CALLS[i].name, path + strlen(watch->under));
    return watch->seen == watch->at;
}

/* Everything that is traced and has not ended, threads, too. */
static struct {
    pid_t all[4096];
    size_t count;
} tracees;

static void add(pid_t pid)
{
    size_t i;
    for (i = 0; i < tracees.count; i++)
        if (tracees.all[i] == pid)
            return;
    if (tracees.count == sizeof tracees.all / sizeof tracees.all[0])
        fail("too many processes");
    tracees.all[tracees.count++] = pid;
}

static void gone(pid_t pid)
{
    size_t i;
    for (i = 0; i < tracees.count; i++)
        if (tracees.all[i] == pid)
            tracees.all[i--] = tracees.all[--tracees.count];
}

/* Ends everything that is traced, and waits until it has ended. */
static int crash(struct watch *watch)
{
    size_t i;
    pid_t pid;
    int status;
    fclose(watch->report);
    for (i = 0; i < tracees.count; i++)
        kill(tracees.all[i], SIGKILL);
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
        if (pid > 0 && WIFSTOPPED(status))
            kill(pid, SIGKILL);
    return CRASHED;
}

int main(int count, char **arguments)
{
    const unsigned long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                                  PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    struct watch watch = {0, 0, NULL, NULL, 0, NULL};
    int status, code = 87;
    pid_t first, pid;
    if (count < 6) {
        fprintf(stderr, "crash AT UNDER FROM REPORT PROGRAM ARGUMENTS...\n");
        return 87;
    }
    watch.at = atol(arguments[1]);
    watch.under = arguments[2];
    watch.from = arguments[3];
    watch.counts = !strcmp(watch.from, "-");
    watch.report = fopen(arguments[4], "we");
    if (!watch.report)
        fail(arguments[4]);
    first = fork();
    if (first < 0)
        fail("fork");
    if (!first)
        become(arguments + 5);
    if (waitpid(first, &status, 0) < 0 || ptrace(PTRACE_SETOPTIONS, first, 0, options) < 0)
        fail("tracing");
    ptrace(PTRACE_CONT, first, 0, 0);
    add(first);
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        int event = status >> 16, signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
        if (pid <= 0)
            continue;
        if (!WIFSTOPPED(status)) {
            gone(pid);
            if (pid == first)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        add(pid);
        if (event == PTRACE_EVENT_SECCOMP && step(&watch, pid))
            return crash(&watch);
        /* A new tracee begins with a stop that is no signal of anybody. */
        if (event || signal == SIGSTOP || signal == SIGTRAP)
            signal = 0;
        ptrace(PTRACE_CONT, pid, 0, (long)signal);
    }
    fclose(watch.report);
    return code;
}
