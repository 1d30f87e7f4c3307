/* SPDX-License-Identifier: MIT */
/* Functions of libc for I/O that no header declares, or some only in part. */
#ifndef LARIAT_REAL_IO_H
#define LARIAT_REAL_IO_H

#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* other names of the same */
ssize_t __read(int fd, void *buf, size_t n);
ssize_t __write(int fd, const void *buf, size_t n);
ssize_t __pread64(int fd, void *buf, size_t n, off64_t at);
ssize_t __pwrite64(int fd, const void *buf, size_t n, off64_t at);
ssize_t __send(int fd, const void *buf, size_t n, int flags);
int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);
int __dup2(int old, int fd);
int __pipe(int fds[2]);
int __connect(int fd, const struct sockaddr *to, socklen_t n);
int __close(int fd);
off_t __lseek(int fd, off_t at, int whence);
off64_t llseek(int fd, off64_t at, int whence);
int __fcntl(int fd, int command, ...);
int __poll(struct pollfd *p, nfds_t n, int ms);
int __select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *t);
int __nanosleep(const struct timespec *t, struct timespec *left);
int __sched_yield(void);
pid_t __wait(int *status);
pid_t __waitpid(pid_t pid, int *status, int flags);
int __sigsuspend(const sigset_t *set);
int eaccess(const char *path, int mode);
int euidaccess(const char *path, int mode);

/* fortified forms */
int __mq_open_2(const char *name, int flags);
int __poll_chk(struct pollfd *p, nfds_t n, int ms, size_t size);
int __ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask,
		size_t size);
ssize_t __readlink_chk(const char *path, char *buf, size_t n, size_t size);
ssize_t __readlinkat_chk(int dir, const char *path, char *buf, size_t n, size_t size);
size_t __fread_chk(void *p, size_t room, size_t size, size_t n, FILE *f);
size_t __fread_unlocked_chk(void *p, size_t room, size_t size, size_t n, FILE *f);
char *__fgets_chk(char *s, size_t room, int n, FILE *f);
char *__fgets_unlocked_chk(char *s, size_t room, int n, FILE *f);
char *__gets_chk(char *s, size_t room);
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *f, int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list ap);
int __vfprintf_chk(FILE *f, int flag, const char *format, va_list ap);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list ap);
wchar_t *__fgetws_chk(wchar_t *s, size_t room, int n, FILE *f);
wchar_t *__fgetws_unlocked_chk(wchar_t *s, size_t room, int n, FILE *f);
int __wprintf_chk(int flag, const wchar_t *format, ...);
int __fwprintf_chk(FILE *f, int flag, const wchar_t *format, ...);
int __vwprintf_chk(int flag, const wchar_t *format, va_list ap);
int __vfwprintf_chk(FILE *f, int flag, const wchar_t *format, va_list ap);

/* streams: what old programs call, and what compilers make of calls */
char *gets(char *s);
int _IO_getc(FILE *f);
int _IO_putc(int c, FILE *f);
int _IO_puts(const char *s);
int _IO_fputs(const char *s, FILE *f);
char *_IO_fgets(char *s, int n, FILE *f);
char *_IO_gets(char *s);
size_t _IO_fread(void *p, size_t size, size_t n, FILE *f);
size_t _IO_fwrite(const void *p, size_t size, size_t n, FILE *f);
int _IO_fflush(FILE *f);
int _IO_printf(const char *format, ...);
int _IO_fprintf(FILE *f, const char *format, ...);
int _IO_vfprintf(FILE *f, const char *format, va_list ap);
int __vfscanf(FILE *f, const char *format, va_list ap);
wint_t __wuflow(FILE *f);
wint_t __woverflow(FILE *f, wint_t c);
int __isoc99_scanf(const char *format, ...);
int __isoc99_fscanf(FILE *f, const char *format, ...);
int __isoc99_vscanf(const char *format, va_list ap);
int __isoc99_vfscanf(FILE *f, const char *format, va_list ap);
int __isoc99_wscanf(const wchar_t *format, ...);
int __isoc99_fwscanf(FILE *f, const wchar_t *format, ...);
int __isoc99_vwscanf(const wchar_t *format, va_list ap);
int __isoc99_vfwscanf(FILE *f, const wchar_t *format, va_list ap);

/* what programs built against a libc before 2.33 call */
int __xstat(int version, const char *path, struct stat *st);
int __xstat64(int version, const char *path, struct stat64 *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);
int __lxstat(int version, const char *path, struct stat *st);
int __lxstat64(int version, const char *path, struct stat64 *st);
int __fxstatat(int version, int dir, const char *path, struct stat *st, int flags);
int __fxstatat64(int version, int dir, const char *path, struct stat64 *st, int flags);

#endif
