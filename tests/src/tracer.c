/* Runs a program and stops it at the system calls that change files, by seccomp and ptrace: only these calls cost anything.
 *
 * tracer record LOG PROGRAM...    writes a line for each call: its number, where in the program it was made, and whether a child made it
 * tracer kill NUMBER PROGRAM...   kills the process that is about to make the call of this number
 *
 * Ends as the program did; processes that the program leaves behind are waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const int CALLS[] = {
    SYS_write, SYS_pwrite64, SYS_ftruncate, SYS_fsync, SYS_fdatasync, SYS_renameat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mkdirat,
    SYS_unlinkat, SYS_fchmod, SYS_fchmodat,
#ifdef SYS_rename
    SYS_rename, SYS_link, SYS_symlink, SYS_mkdir, SYS_unlink, SYS_rmdir, SYS_chmod,
#endif
};
#define COUNT (sizeof CALLS / sizeof CALLS[0])

/* So many addresses of the stack tell a place: enough to reach the code that asked the database to write. */
#define FRAMES 8
#define STACK 2048

static void die(const char *what) {
    perror(what);
    exit(126);
}

static void filter(void) {
    struct sock_filter program[COUNT + 3];
    size_t at = 0;
    program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < COUNT; i++)
        program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALLS[i], (unsigned char)(COUNT - i), 0);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    struct sock_fprog all = {.len = (unsigned short)at, .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all)) die("seccomp");
}

/* The process of a thread. */
static pid_t process_of(pid_t thread) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", thread);
    FILE *file = fopen(path, "r");
    pid_t process = thread;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Tgid: %d", &process) == 1) break;
    if (file) fclose(file);
    return process;
}

/* Where the code of the program is; it stays there. */
static int text_of(pid_t process, unsigned long *start, unsigned long *end, unsigned long *base) {
    char path[64], exe[4096], line[4400], name[4096], flags[8];
    snprintf(path, sizeof path, "/proc/%d/exe", process);
    ssize_t length = readlink(path, exe, sizeof exe - 1);
    if (length < 0) return 0;
    exe[length] = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", process);
    FILE *file = fopen(path, "r");
    int found = 0;
    *base = 0;
    while (file && fgets(line, sizeof line, file)) {
        unsigned long from, to;
        name[0] = 0;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &from, &to, flags, name) < 3 || strcmp(name, exe)) continue;
        if (!*base) *base = from;
        if (strchr(flags, 'x')) {
            *start = from;
            *end = to;
            found = 1;
            break;
        }
    }
    if (file) fclose(file);
    return found;
}

static uint64_t hash(uint64_t sum, uint64_t value) { return (sum ^ value) * 1099511628211u; }

/* A number for the place in the program where a call is made: the call, and the code that led to it. */
static uint64_t place(pid_t thread, pid_t process, int is_child) {
    static unsigned long start, end, base;
    static int known;
    struct user_regs_struct registers;
    struct iovec whole = {.iov_base = &registers, .iov_len = sizeof registers};
    if (ptrace(PTRACE_GETREGSET, thread, (void *)1, &whole)) return 0;
#if defined(__x86_64__)
    unsigned long number = registers.orig_rax, top = registers.rsp;
#else
    unsigned long number = registers.regs[8], top = registers.sp;
#endif
    uint64_t sum = hash(1469598103934665603u, number);
    if (is_child) return hash(sum, 1);
    if (!known) known = text_of(process, &start, &end, &base);
    unsigned long words[STACK];
    struct iovec here = {.iov_base = words, .iov_len = sizeof words};
    struct iovec there = {.iov_base = (void *)top, .iov_len = sizeof words};
    ssize_t bytes = process_vm_readv(thread, &here, 1, &there, 1, 0);
    int frames = 0;
    for (ssize_t i = 0; i < bytes / (ssize_t)sizeof words[0] && frames < FRAMES; i++)
        if (known && words[i] >= start && words[i] < end) {
            sum = hash(sum, words[i] - base);
            frames++;
        }
    return sum;
}

int main(int argc, char **argv) {
    if (argc < 4) return 126;
    int kills = !strcmp(argv[1], "kill");
    unsigned long wanted = kills ? strtoul(argv[2], NULL, 10) : 0, number = 0;
    FILE *log = kills ? NULL : fopen(argv[2], "w");
    if (!kills && !log) die(argv[2]);
    pid_t child = fork();
    if (child < 0) die("fork");
    if (!child) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) die("ptrace");
        raise(SIGSTOP);
        filter();
        execvp(argv[3], argv + 3);
        die(argv[3]);
    }
    int status, ended = 126;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 126;
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) die("ptrace");
    ptrace(PTRACE_CONT, child, 0, 0);
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) {
            if (errno == EINTR) continue;
            break;
        }
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child) ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        if (event == PTRACE_EVENT_SECCOMP) {
            number++;
            pid_t process = process_of(thread);
            if (log) fprintf(log, "%lu %016lx %d\n", number, (unsigned long)place(thread, process, process != child), process != child);
            if (kills && number == wanted) kill(process, SIGKILL);
            signal = 0;
        } else if (event || signal == SIGTRAP || signal == SIGSTOP) {
            signal = 0;
        }
        ptrace(PTRACE_CONT, thread, 0, (long)signal);
    }
    if (log) fclose(log);
    return ended;
}
