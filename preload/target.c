/* SPDX-License-Identifier: MIT */
/* What descriptors refer to; see target.h. */
#include "target.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "dict.h"
#include "note.h"
#include "pool.h"
#include "recorder.h"
#include "sys.h"
#include "thread.h"

#define NAMES_MAX   114688u    /* distinct targets */
#define SLOTS_MAX   131072u    /* 2 MiB */
#define NAME_SLOTS  256u       /* of the first table: one page */
#define NAME_SURE   (1u << 31) /* in an id: that it is a file, or a folder, the system has said */
#define NAME_SIZE   1100
#define NAME_BASES  8  /* names kept to compare a new one with */
#define BASE_LEAST  16 /* bytes that must be the same to be worth a reference */
#define FOLDER_MOST 16 /* bytes of the folder's name that may differ */

/* Only ever used with target_lock held. */
struct name_slot {
	uint64_t hash; /* 0 = free */
	uint32_t id;
};

/* Names of files in the same few folders: what they begin with is written once. */
struct name_bases {
	uint32_t uses;
	struct name_base {
		uint32_t id, size;
		uint32_t used; /* when last, of `uses` */
		char name[NAME_SIZE];
	} base[NAME_BASES];
};

static uint64_t name_hash(uint32_t kind, const char *name, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull ^ kind;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ull;
	h ^= h >> 29;
	return h ? h : 1;
}

/* The first entry of a table has the number of places behind it in its hash. */
static uint32_t slots_of(const struct name_slot *table)
{
	return (uint32_t)__atomic_load_n(&table->hash, __ATOMIC_RELAXED);
}

static struct name_slot *name_place(struct name_slot *table, uint64_t hash)
{
	uint32_t mask = slots_of(table) - 1, i = (uint32_t)hash & mask;

	while (table[1 + i].hash && table[1 + i].hash != hash)
		i = (i + 1) & mask;
	return &table[1 + i];
}

/* Whoever looks a name up without the lock may still be at an old table: it stays, as zeros. */
static bool names_replace(struct name_slot *old, uint32_t slots)
{
	struct name_slot *bigger = pool_map((slots + 1) * sizeof(*bigger));

	if (!bigger)
		return false;
	bigger->hash = slots;
	for (uint32_t i = 1; old && i <= slots_of(old); i++)
		if (old[i].hash)
			*name_place(bigger, old[i].hash) = old[i];
	__atomic_store_n(&lar->names, bigger, __ATOMIC_RELEASE);
	if (old)
		sys_madvise(old, (slots_of(old) + 1) * sizeof(*old), MADV_DONTNEED);
	return true;
}

/* Makes room for one name more, so that the table stays at most half full, the largest
 * seven eighths. */
static bool names_grow(void)
{
	uint32_t slots;

	if (!lar->names)
		return names_replace(NULL, NAME_SLOTS);
	slots = slots_of(lar->names);
	if (lar->target_count < slots / 2 || slots == SLOTS_MAX)
		return lar->target_count < NAMES_MAX;
	return names_replace(lar->names, slots < SLOTS_MAX / 4 ? slots * 4 : SLOTS_MAX);
}

/* That of a name that is known, or NULL. Without the lock: id is there before its hash. */
static struct name_slot *names_look(uint64_t hash)
{
	struct name_slot *table = __atomic_load_n(&lar->names, __ATOMIC_ACQUIRE);
	uint32_t slots = table ? slots_of(table) : 0;

	for (uint32_t n = 0, i = (uint32_t)hash; n < slots; n++, i++) {
		struct name_slot *slot = &table[1 + (i & (slots - 1))];
		uint64_t found = __atomic_load_n(&slot->hash, __ATOMIC_ACQUIRE);

		if (found == hash)
			return slot;
		if (!found)
			break;
	}
	return NULL;
}

/* Its number, else 0. */
static uint32_t names_find(uint64_t hash)
{
	const struct name_slot *slot = names_look(hash);

	return slot ? __atomic_load_n(&slot->id, __ATOMIC_RELAXED) & ~NAME_SURE : 0;
}

/* The longest of the kept names' beginnings that `name` has too; *shared is its length. */
static struct name_base *base_of(const char *name, size_t n, size_t *shared)
{
	struct name_base *best = NULL;

	*shared = 0;
	for (uint32_t i = 0; lar->name_bases && i < NAME_BASES; i++) {
		struct name_base *b = &lar->name_bases->base[i];
		size_t same = 0;

		while (same < n && same < b->size && name[same] == b->name[same])
			same++;
		if (same > *shared) {
			*shared = same;
			best = b;
		}
	}
	return best;
}

/* Keeps a name that stands whole in the dictionary, in place of the one not used for longest. */
static void base_keep(uint32_t id, const char *name, size_t n)
{
	struct name_base *b;

	if (n < BASE_LEAST)
		return;
	if (!lar->name_bases)
		lar->name_bases = pool_map(sizeof(*lar->name_bases));
	if (!lar->name_bases)
		return;
	b = &lar->name_bases->base[0];
	for (uint32_t i = 1; i < NAME_BASES; i++)
		if (lar->name_bases->base[i].used < b->used)
			b = &lar->name_bases->base[i];
	b->used = ++lar->name_bases->uses;
	b->id = id;
	b->size = (uint32_t)n;
	memcpy(b->name, name, n);
}

static uint32_t intern_locked(uint32_t kind, uint64_t hash, const char *name, size_t n)
{
	struct {
		struct lar_dict_target t;
		char name[NAME_SIZE];
	} record;
	struct name_base *base;
	struct name_slot *slot;
	size_t shared, folder;

	if (names_find(hash))
		return names_find(hash);
	if (!names_grow())
		return 0;
	base = base_of(name, n, &shared);
	/* further files of a folder shall find one of it to begin like */
	for (folder = n; folder && name[folder - 1] != '/'; folder--)
		;
	if (shared < BASE_LEAST || shared * 2 < n || folder > shared + FOLDER_MOST) {
		base = NULL;
		shared = 0;
	}
	record.t.kind = (uint16_t)kind;
	record.t.shared = (uint16_t)shared;
	record.t.base = base ? base->id : 0;
	if (base)
		base->used = ++lar->name_bases->uses;
	memcpy(record.name, name + shared, n - shared);
	record.name[n - shared] = 0;
	if (!dict_append_blocked(LAR_DICT_TARGET, lar->target_count + 1, &record,
				 offsetof(__typeof__(record), name) + n - shared + 1))
		return 0;
	if (!base)
		base_keep(lar->target_count + 1, name, n);
	slot = name_place(lar->names, hash);
	__atomic_store_n(&slot->id, ++lar->target_count, __ATOMIC_RELAXED);
	__atomic_store_n(&slot->hash, hash, __ATOMIC_RELEASE);
	return lar->target_count;
}

/* The number of a name, entered in the dictionary when it is new. */
static uint32_t intern(uint32_t kind, const char *name, size_t n)
{
	uint64_t mask, hash;
	uint32_t id;

	if (n >= NAME_SIZE)
		n = NAME_SIZE - 1;
	hash = name_hash(kind, name, n);
	id = names_find(hash);
	if (id)
		return id;
	sys_block_signals(&mask);
	if (spin_lock(&lar->target_lock)) {
		id = intern_locked(kind, hash, name, n);
		spin_unlock(&lar->target_lock);
	}
	sys_restore_signals(&mask);
	if (!id)
		lar_lost_add(LAR_LOST_TARGET, 1);
	return id;
}

static uint32_t *fd_entry(int fd)
{
	uint32_t *table = __atomic_load_n(&lar->fd_target, __ATOMIC_ACQUIRE), *none = NULL;

	if (fd < 0 || (unsigned)fd >= TARGET_FDS)
		return NULL;
	if (!table) {
		table = pool_map(TARGET_FDS * sizeof(*table));
		if (!table)
			return NULL;
		if (!__atomic_compare_exchange_n(&lar->fd_target, &none, table, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			pool_unmap(table, TARGET_FDS * sizeof(*table));
			table = none;
		}
	}
	return &table[fd];
}

static const char *ip_protocol(int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	sys_call6(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type, (long)&n, 0);
	return type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "ip";
}

static size_t address_text(int fd, const struct sockaddr_storage *a, socklen_t len, char *out,
			   size_t size)
{
	char ip[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	const struct sockaddr_un *un = (const void *)a;

	if (a->ss_family == AF_INET) {
		const uint8_t *b = (const uint8_t *)&in->sin_addr;

		return note_format(out, size, "%s %u.%u.%u.%u:%u", ip_protocol(fd), b[0], b[1],
				   b[2], b[3], ntohs(in->sin_port));
	}
	if (a->ss_family == AF_INET6) {
		/* inet_ntop formats with sprintf, no allocation */
		if (!inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip)))
			return 0;
		return note_format(out, size, "%s [%s]:%u", ip_protocol(fd), ip,
				   ntohs(in6->sin6_port));
	}
	if (a->ss_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path) + 1)
		return note_format(out, size, "unix %s%s", un->sun_path[0] ? "" : "@",
				   un->sun_path[0] ? un->sun_path : un->sun_path + 1);
	return 0;
}

/* "tcp 192.0.2.1:80", "unix /run/x", "tcp listening 0.0.0.0:80", or what the link says. */
static size_t socket_text(int fd, char *out, size_t size)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a) - 1;
	size_t n = 0;
	int listening = 0;
	socklen_t ilen = sizeof(listening);

	memset(&a, 0, sizeof(a));
	if (!sys_call3(SYS_getpeername, fd, (long)&a, (long)&len))
		n = address_text(fd, &a, len, out, size);
	if (n)
		return n;
	sys_call6(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, (long)&listening, (long)&ilen, 0);
	len = sizeof(a) - 1;
	memset(&a, 0, sizeof(a));
	if (sys_call3(SYS_getsockname, fd, (long)&a, (long)&len))
		return 0;
	n = address_text(fd, &a, len, out, size);
	if (n && listening && n + 12 < size) {
		memcpy(out + n, " (listening)", 13);
		n += 12;
	}
	return n;
}

/* *n: bytes of the link; less than before where it says that the file has no name any more. */
static uint32_t kind_of(int fd, const char *link, ssize_t *n)
{
	static const char gone[] = " (deleted)";
	const ssize_t gone_size = sizeof(gone) - 1;
	struct stat st;

	if (!strncmp(link, "socket:", 7))
		return LAR_TARGET_SOCKET;
	if (!strncmp(link, "pipe:", 5))
		return LAR_TARGET_PIPE;
	if (!strncmp(link, "anon_inode:", 11) || !strncmp(link, "/memfd:", 7))
		return LAR_TARGET_ANON;
	if (!strncmp(link, "/dev/pts/", 9) || !strcmp(link, "/dev/tty") ||
	    !strcmp(link, "/dev/console"))
		return LAR_TARGET_TTY;
	if (sys_call3(SYS_fstat, fd, (long)&st, 0))
		return LAR_TARGET_FILE;
	if (!st.st_nlink && *n > gone_size &&
	    !memcmp(link + *n - gone_size, gone, (size_t)gone_size))
		*n -= gone_size;
	return S_ISDIR(st.st_mode)    ? LAR_TARGET_DIR
	       : S_ISCHR(st.st_mode)  ? LAR_TARGET_CHARDEV
	       : S_ISFIFO(st.st_mode) ? LAR_TARGET_PIPE
				      : LAR_TARGET_FILE;
}

static uint32_t ask_system(int fd)
{
	char link[40], name[NAME_SIZE];
	ssize_t n;
	uint32_t kind;

	note_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = sys_readlink(link, name, sizeof(name) - 1);
	if (n <= 0)
		return 0;
	name[n] = 0;
	kind = kind_of(fd, name, &n);
	if (kind == LAR_TARGET_SOCKET) {
		size_t len = socket_text(fd, name, sizeof(name));

		n = len ? (ssize_t)len : n;
	}
	return intern(kind, name, (size_t)n);
}

uint32_t target_of_address(int fd, const struct sockaddr_storage *a, size_t len)
{
	char name[NAME_SIZE];
	size_t n = address_text(fd, a, (socklen_t)len, name, sizeof(name));

	return n ? intern(LAR_TARGET_SOCKET, name, n) : 0;
}

/* All that have a name are at most fd_high. */
static void fd_seen(int fd)
{
	uint32_t high = atomic_load_explicit(&lar->fd_high, memory_order_relaxed);

	while ((uint32_t)fd > high &&
	       !atomic_compare_exchange_weak_explicit(&lar->fd_high, &high, (uint32_t)fd,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/* The child of a vfork shares this memory, but has descriptors and a folder of its own. */
static bool own_descriptors(void)
{
	pid_t pid = sys_getpid();

	return pid < 0 || pid == (pid_t)lar->pid;
}

/* What is forgotten is asked anew: then it does not matter whose it was. */
static void entry_set(uint32_t *entry, int fd, uint32_t target)
{
	if (target && !own_descriptors())
		return;
	if (target)
		fd_seen(fd);
	__atomic_store_n(entry, target ? target + 1 : 0, __ATOMIC_RELAXED);
}

uint32_t target_of_fd(int fd)
{
	uint32_t *entry = fd_entry(fd), target;

	if (!entry)
		return fd < 0 ? 0 : ask_system(fd);
	target = __atomic_load_n(entry, __ATOMIC_RELAXED);
	if (target)
		return target - 1;
	target = ask_system(fd);
	if (target)
		entry_set(entry, fd, target);
	return target;
}

/*
 * The working folder, with a slash behind it; its length, 0 = not known. Kept by the thread until
 * the program changes it: a look-up by the system takes longer than most calls that it is for.
 */
static size_t working_folder(char *out, size_t size)
{
	uint32_t generation = atomic_load_explicit(&lar->cwd_generation, memory_order_relaxed) + 1;
	struct thread *t = lar_self;
	bool own = t->gate == GATE_BUSY && t->slot;
	ssize_t n;

	if (own && t->cwd_generation == generation) {
		memcpy(out, t->cwd, t->cwd_size);
		return t->cwd_size;
	}
	n = sys_readlink("/proc/self/cwd", out, size - 2);
	if (n <= 0)
		return 0;
	if (out[n - 1] != '/')
		out[n++] = '/';
	if (own && (size_t)n <= sizeof(t->cwd) && own_descriptors()) {
		t->cwd_generation = 0;
		memcpy(t->cwd, out, (size_t)n);
		t->cwd_size = (uint32_t)n;
		__atomic_signal_fence(__ATOMIC_RELEASE);
		t->cwd_generation = generation;
	}
	return (size_t)n;
}

void target_folder_changed(void)
{
	if (lar)
		atomic_fetch_add_explicit(&lar->cwd_generation, 1, memory_order_relaxed);
}

/* As strnlen(), of a path that nobody may have read to its end: up to where it can be read. */
static size_t path_length(const char *path, size_t most, bool readable)
{
	size_t n = 0, known = readable ? most : 4096 - ((uint64_t)path & 4095);

	for (; n < most; known += 4096) {
		n += strnlen(path + n, (known < most ? known : most) - n);
		if (n < known || n == most || !sys_readable(path + n))
			break;
	}
	return n;
}

/* The system is asked what it is where it has not been said before that it is a file. */
static uint32_t intern_opened(char *name, size_t n, int fd)
{
	uint64_t hash = name_hash(LAR_TARGET_FILE, name, n);
	struct name_slot *slot = names_look(hash);
	ssize_t length = (ssize_t)n;
	uint32_t kind, id;

	if (fd < 0 || (slot && __atomic_load_n(&slot->id, __ATOMIC_RELAXED) & NAME_SURE))
		return intern(LAR_TARGET_FILE, name, n);
	name[n] = 0;
	kind = kind_of(fd, name, &length);
	id = intern(kind, name, n);
	slot = kind == LAR_TARGET_FILE ? names_look(hash) : NULL;
	if (slot)
		__atomic_fetch_or(&slot->id, NAME_SURE, __ATOMIC_RELAXED);
	return id;
}

/* An open folder that a path is relative to, likewise; kept for its target. */
static size_t open_folder(int fd, char *out, size_t size)
{
	uint32_t generation = atomic_load_explicit(&lar->cwd_generation, memory_order_relaxed) + 1;
	uint32_t target = target_of_fd(fd);
	struct thread *t = lar_self;
	struct thread_folder *kept = &t->folder[target % THREAD_FOLDERS];
	bool own = target && t->gate == GATE_BUSY && t->slot;
	char link[40];
	ssize_t n;

	if (own && kept->target == target && kept->generation == generation) {
		memcpy(out, kept->name, kept->size);
		return kept->size;
	}
	note_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = sys_readlink(link, out, size - 2);
	if (n <= 0)
		return 0;
	if (out[n - 1] != '/')
		out[n++] = '/';
	if (own && (size_t)n <= sizeof(kept->name) && own_descriptors()) {
		kept->target = 0;
		__atomic_signal_fence(__ATOMIC_RELEASE);
		memcpy(kept->name, out, (size_t)n);
		kept->size = (uint32_t)n;
		kept->generation = generation;
		__atomic_signal_fence(__ATOMIC_RELEASE);
		kept->target = target;
	}
	return (size_t)n;
}

/* What a path names, with the folder that it is relative to; its length, 0 = that is not known. */
static size_t path_name(char *name, int dir, const char *path, bool readable)
{
	size_t n, at = 0;

	/* the call may be about to fail because of a bad pointer: the kernel shall say so */
	if (!path || (!readable && !sys_readable((const void *)((uint64_t)path & ~7ull))))
		return 0;
	if (*path != '/')
		at = dir == AT_FDCWD ? working_folder(name, NAME_SIZE)
				     : open_folder(dir, name, NAME_SIZE);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	n = path_length(path, NAME_SIZE - at - 1, readable);
	if (!n && at > 1)
		at--;
	memcpy(name + at, path, n);
	name[at + n] = 0;
	return at + n;
}

uint32_t target_of_path(int dir, const char *path, bool readable, int fd)
{
	char name[NAME_SIZE];
	size_t n = path_name(name, dir, path, readable);

	return n || (path && readable) ? intern_opened(name, n, fd) : 0;
}

/* One name and no more, which is neither of the two that mean another folder. */
static bool is_component(const char *path)
{
	return *path && !strchr(path, '/') && strcmp(path, ".") != 0 && strcmp(path, "..") != 0;
}

uint32_t target_of_folder(int dir, const char *path, bool no_link, int fd)
{
	char name[NAME_SIZE];
	size_t n = path_name(name, dir, path, true);
	uint64_t hash = name_hash(LAR_TARGET_DIR, name, n);
	struct name_slot *slot = names_look(hash);
	uint32_t id = slot ? __atomic_load_n(&slot->id, __ATOMIC_RELAXED) : 0;

	if (id & NAME_SURE)
		return id & ~NAME_SURE;
	if (no_link && name[0] == '/' && is_component(path))
		return intern(LAR_TARGET_DIR, name, n);
	id = ask_system(fd);
	slot = names_look(hash);
	if (slot && id && names_find(hash) == id)
		__atomic_fetch_or(&slot->id, NAME_SURE, __ATOMIC_RELAXED);
	return id;
}

void target_set(int fd, uint32_t target)
{
	uint32_t *entry = lar ? fd_entry(fd) : NULL;

	if (entry)
		entry_set(entry, fd, target);
}

void target_copy(int from, int to)
{
	if (lar && lar->fd_target)
		target_set(to, target_known(from));
}

void target_forget(int fd)
{
	if (lar && lar->fd_target)
		target_set(fd, 0);
}

void target_holds(uint32_t target, uint32_t what)
{
	struct lar_dict_holds record = { what, 0 };
	uint32_t known = 0;
	uint64_t mask;

	sys_block_signals(&mask);
	if (spin_lock(&lar->target_lock)) {
		while (known < lar->held_count && lar->held[known] != target)
			known++;
		if (known == lar->held_count && known < RECORDER_HELD &&
		    dict_append_blocked(LAR_DICT_HOLDS, target, &record, sizeof(record)))
			lar->held[lar->held_count++] = target;
		spin_unlock(&lar->target_lock);
	}
	sys_restore_signals(&mask);
}

void target_renamed(void)
{
	target_folder_changed();
	if (lar)
		target_forget_range(0, atomic_load_explicit(&lar->fd_high, memory_order_relaxed));
}

void target_forget_range(unsigned first, unsigned last)
{
	if (!lar || !lar->fd_target)
		return;
	if (last > atomic_load_explicit(&lar->fd_high, memory_order_relaxed))
		last = atomic_load_explicit(&lar->fd_high, memory_order_relaxed);
	for (unsigned fd = first; fd <= last && fd < TARGET_FDS; fd++)
		__atomic_store_n(&lar->fd_target[fd], 0, __ATOMIC_RELAXED);
}
