/* SPDX-License-Identifier: MIT */
/* Files by name and descriptors without their data: metadata, syncing, positions. */
#include <stdarg.h>

#include "hook_io.h"

/* A wrapper of a call that names a file. */
#define BY_PATH(type, symbol, parameters, arguments, dir, path)                                    \
	LAR_EXPORT type symbol parameters                                                          \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		type result = REAL(symbol) arguments;                                              \
                                                                                                   \
		io_record_path(&io, dir, path, result);                                            \
		return result;                                                                     \
	}

/* One that returns its error. */
#define BY_ERROR(symbol, parameters, arguments, fd, at)                                            \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = { LAR_CALL_##symbol, io_begin(LAR_CALL_##symbol, fd), 0,       \
				      (uint64_t)(at), HOOK_FRAME };                                \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		io_record_error(&io, fd, result);                                                  \
		return result;                                                                     \
	}

#define ON_FD(type, symbol, parameters, arguments)                                                 \
	IO_ON(type, symbol, parameters, arguments, fd, 0, IO_NO_OFFSET)

ON_FD(int, syncfs, (int fd), (fd))
ON_FD(int, sync_file_range, (int fd, off64_t at, off64_t n, unsigned flags), (fd, at, n, flags))
IO_ON(int, msync, (void *p, size_t n, int flags), (p, n, flags), -1, n, IO_NO_OFFSET)

LAR_EXPORT void sync(void)
{
	struct io_call io = IO_CALL(sync);

	REAL(sync)();
	io_record(&io, -1, 0, 0);
}

ON_FD(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence))
ON_FD(off64_t, lseek64, (int fd, off64_t at, int whence), (fd, at, whence))
ON_FD(off_t, __lseek, (int fd, off_t at, int whence), (fd, at, whence))
ON_FD(off64_t, llseek, (int fd, off64_t at, int whence), (fd, at, whence))

ON_FD(int, ftruncate, (int fd, off_t n), (fd, n))
ON_FD(int, ftruncate64, (int fd, off64_t n), (fd, n))
BY_PATH(int, truncate, (const char *path, off_t n), (path, n), AT_FDCWD, path)
BY_PATH(int, truncate64, (const char *path, off64_t n), (path, n), AT_FDCWD, path)
ON_FD(int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
ON_FD(int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
BY_ERROR(posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n), fd, at)
BY_ERROR(posix_fallocate64, (int fd, off64_t at, off64_t n), (fd, at, n), fd, at)
BY_ERROR(posix_fadvise, (int fd, off_t at, off_t n, int advice), (fd, at, n, advice), fd, at)
BY_ERROR(posix_fadvise64, (int fd, off64_t at, off64_t n, int advice), (fd, at, n, advice), fd, at)
IO_ON(ssize_t, readahead, (int fd, off64_t at, size_t n), (fd, at, n), fd, 0, at)
ON_FD(ssize_t, getdents64, (int fd, void *buf, size_t n), (fd, buf, n))
ON_FD(int, shutdown, (int fd, int how), (fd, how))

BY_PATH(int, stat, (const char *path, struct stat *st), (path, st), AT_FDCWD, path)
BY_PATH(int, stat64, (const char *path, struct stat64 *st), (path, st), AT_FDCWD, path)
BY_PATH(int, lstat, (const char *path, struct stat *st), (path, st), AT_FDCWD, path)
BY_PATH(int, lstat64, (const char *path, struct stat64 *st), (path, st), AT_FDCWD, path)
ON_FD(int, fstat, (int fd, struct stat *st), (fd, st))
ON_FD(int, fstat64, (int fd, struct stat64 *st), (fd, st))
BY_PATH(int, fstatat, (int dir, const char *path, struct stat *st, int flags),
	(dir, path, st, flags), dir, path)
BY_PATH(int, fstatat64, (int dir, const char *path, struct stat64 *st, int flags),
	(dir, path, st, flags), dir, path)
BY_PATH(int, statx, (int dir, const char *path, int flags, unsigned mask, struct statx *st),
	(dir, path, flags, mask, st), dir, path)
BY_PATH(int, __xstat, (int version, const char *path, struct stat *st), (version, path, st),
	AT_FDCWD, path)
BY_PATH(int, __xstat64, (int version, const char *path, struct stat64 *st), (version, path, st),
	AT_FDCWD, path)
BY_PATH(int, __lxstat, (int version, const char *path, struct stat *st), (version, path, st),
	AT_FDCWD, path)
BY_PATH(int, __lxstat64, (int version, const char *path, struct stat64 *st), (version, path, st),
	AT_FDCWD, path)
ON_FD(int, __fxstat, (int version, int fd, struct stat *st), (version, fd, st))
ON_FD(int, __fxstat64, (int version, int fd, struct stat64 *st), (version, fd, st))
BY_PATH(int, __fxstatat, (int version, int dir, const char *path, struct stat *st, int flags),
	(version, dir, path, st, flags), dir, path)
BY_PATH(int, __fxstatat64, (int version, int dir, const char *path, struct stat64 *st, int flags),
	(version, dir, path, st, flags), dir, path)
BY_PATH(int, access, (const char *path, int mode), (path, mode), AT_FDCWD, path)
BY_PATH(int, eaccess, (const char *path, int mode), (path, mode), AT_FDCWD, path)
BY_PATH(int, euidaccess, (const char *path, int mode), (path, mode), AT_FDCWD, path)
BY_PATH(int, faccessat, (int dir, const char *path, int mode, int flags), (dir, path, mode, flags),
	dir, path)

BY_PATH(int, unlink, (const char *path), (path), AT_FDCWD, path)
BY_PATH(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags), dir, path)
BY_PATH(int, remove, (const char *path), (path), AT_FDCWD, path)
BY_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
BY_PATH(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), dir, path)
BY_PATH(int, rmdir, (const char *path), (path), AT_FDCWD, path)
BY_PATH(int, link, (const char *from, const char *path), (from, path), AT_FDCWD, path)
BY_PATH(int, linkat, (int dir, const char *from, int to, const char *path, int flags),
	(dir, from, to, path, flags), to, path)
BY_PATH(int, symlink, (const char *from, const char *path), (from, path), AT_FDCWD, path)
BY_PATH(int, symlinkat, (const char *from, int dir, const char *path), (from, dir, path), dir, path)
BY_PATH(ssize_t, readlink, (const char *path, char *buf, size_t n), (path, buf, n), AT_FDCWD, path)
BY_PATH(ssize_t, readlinkat, (int dir, const char *path, char *buf, size_t n), (dir, path, buf, n),
	dir, path)
BY_PATH(ssize_t, __readlink_chk, (const char *path, char *buf, size_t n, size_t size),
	(path, buf, n, size), AT_FDCWD, path)
BY_PATH(ssize_t, __readlinkat_chk, (int dir, const char *path, char *buf, size_t n, size_t size),
	(dir, path, buf, n, size), dir, path)
BY_PATH(int, chmod, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
BY_PATH(int, lchmod, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
ON_FD(int, fchmod, (int fd, mode_t mode), (fd, mode))
BY_PATH(int, fchmodat, (int dir, const char *path, mode_t mode, int flags),
	(dir, path, mode, flags), dir, path)
BY_PATH(int, chown, (const char *path, uid_t user, gid_t group), (path, user, group), AT_FDCWD,
	path)
BY_PATH(int, lchown, (const char *path, uid_t user, gid_t group), (path, user, group), AT_FDCWD,
	path)
ON_FD(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
BY_PATH(int, fchownat, (int dir, const char *path, uid_t user, gid_t group, int flags),
	(dir, path, user, group, flags), dir, path)

/* Descriptors that are open on the old name are known by the new one from now on. */
#define RENAME(symbol, parameters, arguments, old_dir, old, dir, path)                             \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		io_record_path(&io, dir, path, result);                                            \
		if (!result)                                                                       \
			target_renamed();                                                          \
		return result;                                                                     \
	}

RENAME(rename, (const char *old, const char *path), (old, path), AT_FDCWD, old, AT_FDCWD, path)
RENAME(renameat, (int from, const char *old, int to, const char *path), (from, old, to, path), from,
       old, to, path)
RENAME(renameat2, (int from, const char *old, int to, const char *path, unsigned flags),
       (from, old, to, path, flags), from, old, to, path)

LAR_EXPORT int chdir(const char *path)
{
	struct io_call io = IO_CALL(chdir);
	int result = REAL(chdir)(path);

	/* on success a relative path is that of the folder where the process is now */
	target_folder_changed();
	io_record_path(&io, AT_FDCWD, !result && *path != '/' ? "" : path, result);
	return result;
}

LAR_EXPORT int fchdir(int fd)
{
	struct io_call io = IO_CALL(fchdir);
	int result = REAL(fchdir)(fd);

	target_folder_changed();
	io_record(&io, fd, 0, result);
	return result;
}

static void control_record(struct io_call *io, int fd, int command, int result)
{
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
		io->call = LAR_CALL_fcntl_dupfd;
		if (result >= 0)
			target_copy(fd, result);
		io_record(io, result, 0, result);
		return;
	}
	if (command == F_SETLKW || command == F_OFD_SETLKW)
		io->call = LAR_CALL_fcntl_setlkw;
	io_record(io, fd, 0, result);
}

/* The third argument is a number or a pointer, or not there: passing it on is harmless. */
#define CONTROL(symbol)                                                                            \
	LAR_EXPORT int symbol(int fd, int command, ...)                                            \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		void *argument;                                                                    \
		va_list ap;                                                                        \
		int result;                                                                        \
                                                                                                   \
		va_start(ap, command);                                                             \
		argument = va_arg(ap, void *);                                                     \
		va_end(ap);                                                                        \
		result = REAL(symbol)(fd, command, argument);                                      \
		control_record(&io, fd, command, result);                                          \
		return result;                                                                     \
	}

CONTROL(fcntl)
CONTROL(fcntl64)
CONTROL(__fcntl)
