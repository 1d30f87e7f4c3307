/* SPDX-License-Identifier: MIT */
/* Makes a process that sleeps look for leaks; see sleeper.h and preload/snapshot_entry.c. */
#include "sleeper.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RED_ZONE     128    /* below the stack pointer, still in use */
#define CODE_USER_64 0x33   /* cs of 64-bit code */
#define SYSCALL_CODE 0x050f /* the instruction */
#define STACK_ROOM   (64u << 10)
#define STOP_STEPS   200 /* 1 ms each */

/* What a system call that was interrupted and is to begin again returns inside the kernel. */
enum {
	RESTART_SYS = -512,
	RESTART_NO_INTR = -513,
	RESTART_NO_HAND = -514,
	RESTART_BLOCK = -516, /* ... by another call, which knows how much time is left */
};

/* The line of the process' mappings that an address is in, and where that begins. */
static bool mapping_of(uint32_t pid, uint64_t address, char *line, size_t room, uint64_t *start)
{
	unsigned long from, to;
	bool found = false;
	char path[40];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, (int)room, f))
		found = sscanf(line, "%lx-%lx", &from, &to) == 2 && address >= from && address < to;
	if (f)
		fclose(f);
	*start = found ? from : 0;
	return found;
}

/* The file named in the trace says where the entry is: it has to be the recorder's code. */
static bool is_recorder(uint32_t pid, uint64_t entry)
{
	char line[4400], may[5];
	uint64_t start;

	return mapping_of(pid, entry, line, sizeof(line), &start) &&
	       sscanf(line, "%*s %4s", may) == 1 && may[2] == 'x' && strstr(line, "/liblariat");
}

/* Is there room for the look? The first thread's stack grows by itself. */
static bool has_stack(uint32_t pid, uint64_t sp)
{
	char line[4400];
	uint64_t start;

	return mapping_of(pid, sp, line, sizeof(line), &start) &&
	       (sp - start >= STACK_ROOM || strstr(line, "[stack]"));
}

/* With a shadow stack no return goes to an address that was not called from. */
static bool has_shadow_stack(uint32_t pid, const char *tid)
{
	char path[64], line[400];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%.16s/status", pid, tid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "x86_Thread_features:", 20) && strstr(line, "shstk");
	if (f)
		fclose(f);
	return found;
}

/* By the letter behind the name in parentheses. */
static bool is_asleep(uint32_t pid, const char *tid)
{
	char path[64], text[512] = "";
	const char *end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/task/%.16s/stat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'S';
}

static bool stops(pid_t tid)
{
	struct timespec step = { 0, 1000000 };
	int status;

	for (unsigned i = 0; i < STOP_STEPS; i++) {
		if (waitpid(tid, &status, __WALL | WNOHANG) == tid)
			return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP;
		nanosleep(&step, NULL);
	}
	return false;
}

/* What the kernel would do when nothing but a look had come in between. */
static void go_on_with_call(struct user_regs_struct *r)
{
	switch ((long)r->rax) {
	case RESTART_SYS:
	case RESTART_NO_INTR:
	case RESTART_NO_HAND:
		r->rax = r->orig_rax;
		r->rip -= 2;
		break;
	case RESTART_BLOCK:
		r->rax = SYS_restart_syscall;
		r->rip -= 2;
		break;
	default:
		break;
	}
}

/* The thread is stopped: where it goes when it is let go. */
static int redirect(uint32_t pid, pid_t tid, uint64_t entry)
{
	struct user_regs_struct r;
	long code;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &r))
		return -errno;
	errno = 0;
	code = ptrace(PTRACE_PEEKTEXT, tid, r.rip - 2, NULL);
	if (errno || (code & 0xffff) != SYSCALL_CODE || r.cs != CODE_USER_64 ||
	    (long)r.orig_rax < 0 || !has_stack(pid, r.rsp))
		return -EAGAIN;
	go_on_with_call(&r);
	r.rsp -= RED_ZONE + 8;
	if (ptrace(PTRACE_POKEDATA, tid, r.rsp, r.rip))
		return -errno;
	r.rip = entry;
	r.orig_rax = ~0ull; /* the kernel has no call to begin again */
	return ptrace(PTRACE_SETREGS, tid, NULL, &r) ? -errno : 0;
}

static int send_thread(uint32_t pid, pid_t tid, uint64_t entry)
{
	int err;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) || !stops(tid)) {
		ptrace(PTRACE_DETACH, tid, NULL, NULL);
		return -EAGAIN;
	}
	err = redirect(pid, tid, entry);
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return err;
}

int sleeper_send(uint32_t pid, uint64_t entry)
{
	const struct dirent *d;
	char path[40];
	int err = -EAGAIN;
	DIR *dir;

	if (!entry || !is_recorder(pid, entry))
		return -EFAULT;
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	while (dir && err && (d = readdir(dir)))
		if (d->d_name[0] != '.' && is_asleep(pid, d->d_name) &&
		    !has_shadow_stack(pid, d->d_name))
			err = send_thread(pid, (pid_t)atol(d->d_name), entry);
	if (dir)
		closedir(dir);
	return err;
}
