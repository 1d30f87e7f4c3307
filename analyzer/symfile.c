/* SPDX-License-Identifier: MIT */
/* Finding and opening a module's files: see symfile.h. */
#include "symfile.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symunpack.h"

#define SYSTEM_DEBUG_FOLDER "/usr/lib/debug"
#define MAX_PLACES	    256
#define MAX_ID_BYTES	    64

/* File names to try, in order. */
struct places {
	char *path[MAX_PLACES];
	unsigned count;
};

/* Says whether an opened file is the one that is wanted. */
typedef bool accept_fn(Elf *elf, const void *arg);

__attribute__((format(printf, 2, 3))) static void place_add(struct places *p, const char *format,
							    ...)
{
	va_list args;

	if (p->count == MAX_PLACES)
		return;
	va_start(args, format);
	if (vasprintf(&p->path[p->count], format, args) >= 0)
		p->count++;
	va_end(args);
}

static void places_free(struct places *p)
{
	while (p->count > 0)
		free(p->path[--p->count]);
}

/* Adds `name` below each folder of the list `search`. */
static void places_below(struct places *p, const char *search, const char *name)
{
	while (search && *search) {
		int size = (int)strcspn(search, ":");

		if (size > 0)
			place_add(p, "%.*s/%s", size, search, name);
		search += size + (search[size] == ':');
	}
}

/* ".build-id/xx/yyyy" and `suffix`; false when there is no id. */
static bool id_name(char *out, const uint8_t *id, size_t size, const char *suffix)
{
	char *p = out;

	if (size < 2 || size > MAX_ID_BYTES)
		return false;
	p += sprintf(p, ".build-id/%02x/", id[0]);
	for (size_t i = 1; i < size; i++)
		p += sprintf(p, "%02x", id[i]);
	strcpy(p, suffix);
	return true;
}

#define ID_NAME_BYTES (2 * MAX_ID_BYTES + 32)

static bool elf_usable(Elf *elf)
{
	GElf_Ehdr header;

	return elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header) &&
	       (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

/* NULL unless there is at least one unit. */
static Dwarf *begin_dwarf(struct symfile_part *part)
{
	Dwarf_CU *unit = NULL;
	Dwarf *dwarf;

	part->unpacked = symunpack(part->elf);
	dwarf = dwarf_begin_elf(part->elf, DWARF_C_READ, NULL);
	if (dwarf && dwarf_get_units(dwarf, NULL, &unit, NULL, NULL, NULL, NULL) != 0) {
		dwarf_end(dwarf);
		dwarf = NULL;
	}
	return dwarf;
}

/* Only a regular file is opened: a recorded path may name a device or a pipe. */
static int open_file(const char *path, int *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -ENOENT;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	*out = fd;
	return 0;
}

/* -ENOENT, -ENOEXEC, or -ESTALE when `accept` refuses the file. */
static int open_part(struct symfile_part *part, const char *path, accept_fn *accept,
		     const void *arg)
{
	int fd, err = open_file(path, &fd);

	if (err)
		return err;
	part->elf = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	if (!part->elf || !elf_usable(part->elf))
		err = -ENOEXEC;
	else if (!accept(part->elf, arg))
		err = -ESTALE;
	if (!err) {
		/* libdw asks the open file for its folder, to find dwz's and .dwo files later. */
		part->dwarf = begin_dwarf(part);
		elf_cntl(part->elf, ELF_C_FDREAD);
	} else {
		elf_end(part->elf);
		part->elf = NULL;
	}
	close(fd);
	return err;
}

/* The first place that is accepted. -ESTALE and -ENOEXEC tell more than -ENOENT. */
static int open_first(struct symfile_part *part, const struct places *p, accept_fn *accept,
		      const void *arg, unsigned *which)
{
	int result = -ENOENT;

	for (unsigned i = 0; i < p->count; i++) {
		int err = open_part(part, p->path[i], accept, arg);

		if (!err) {
			*which = i;
			return 0;
		}
		if (result != -ESTALE && err != -ENOENT)
			result = err;
	}
	return result;
}

static bool accept_id(Elf *elf, const void *arg)
{
	const struct symfile_id *id = arg;
	const void *found;
	ssize_t size;

	if (id->build_id_size == 0)
		return true;
	size = dwelf_elf_gnu_build_id(elf, &found);
	return size > 0 && (size_t)size == id->build_id_size &&
	       memcmp(found, id->build_id, size) == 0;
}

/* The length of a path without the kernel's mark of a deleted file. */
static int path_size(const char *path, bool *deleted)
{
	static const char mark[] = " (deleted)";
	size_t size = strnlen(path, PATH_MAX), mark_size = sizeof(mark) - 1;

	*deleted = size > mark_size && strcmp(path + size - mark_size, mark) == 0;
	return (int)(*deleted ? size - mark_size : size);
}

static int open_main(struct symfile *f, const struct symfile_id *id, const char *search)
{
	char name[ID_NAME_BYTES];
	struct places p = { .count = 0 };
	bool deleted, known = id_name(name, id->build_id, id->build_id_size, "");
	int size = path_size(id->path, &deleted), err;
	unsigned which;

	if (known)
		places_below(&p, search, name);
	if (id->path[0] == '/') {
		char *path = strndup(id->path, size);

		/* What now stands at a deleted file's path is another one, unless its id says not.
		 */
		if (path && (known || !deleted)) {
			places_below(&p, search, path + 1);
			if (known)
				places_below(&p, search, strrchr(path, '/') + 1);
			place_add(&p, "%s", path);
		}
		if (deleted)
			place_add(&p, "%s", id->path);
		free(path);
	}
	err = open_first(&f->main, &p, accept_id, id, &which);
	if (!err)
		f->path = strdup(p.path[which]);
	places_free(&p);
	/* Something else than an ELF file stands where the module was. */
	return err == -ENOEXEC && known ? -ESTALE : err;
}

/* As .gnu_debuglink has it: CRC-32 of the whole file, reflected, polynomial 0x04c11db7. */
static uint32_t crc32_of(const uint8_t *data, size_t size)
{
	uint32_t table[256], crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		table[i] = c;
	}
	for (size_t i = 0; i < size; i++)
		crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

struct link {
	Elf *main;
	const char *name;
	GElf_Word crc;
};

/* The build-id decides where both files have one, else the checksum of the link. */
static bool accept_link(Elf *elf, const void *arg)
{
	const struct link *link = arg;
	const void *mine, *its;
	ssize_t my_size = dwelf_elf_gnu_build_id(link->main, &mine);
	ssize_t its_size = dwelf_elf_gnu_build_id(elf, &its);
	size_t size;
	char *bytes;

	if (my_size > 0 && its_size > 0)
		return my_size == its_size && memcmp(mine, its, my_size) == 0;
	bytes = elf_rawfile(elf, &size);
	return bytes && crc32_of((const uint8_t *)bytes, size) == link->crc;
}

static void open_debuglink(struct symfile *f, const char *search)
{
	struct link link = { .main = f->main.elf };
	struct places p = { .count = 0 };
	char *folder;
	unsigned which;

	link.name = dwelf_elf_gnu_debuglink(f->main.elf, &link.crc);
	if (!link.name || !link.name[0] || strchr(link.name, '/') || !f->path)
		return;
	folder = strdup(f->path);
	if (!folder)
		return;
	*strrchr(folder, '/') = '\0';
	place_add(&p, "%s/%s", folder, link.name);
	place_add(&p, "%s/.debug/%s", folder, link.name);
	places_below(&p, search, link.name);
	place_add(&p, SYSTEM_DEBUG_FOLDER "%s/%s", folder, link.name);
	for (unsigned i = 0, count = p.count; i < count; i++)
		if (strcmp(p.path[i], f->path) == 0)
			p.path[i][0] = '\0'; /* a link to itself */
	open_first(&f->debug, &p, accept_link, &link, &which);
	places_free(&p);
	free(folder);
}

/* The separate debug file by build-id: works even when the module itself is gone. */
static void open_debug_by_id(struct symfile *f, const struct symfile_id *id, const char *search)
{
	struct symfile_id wanted = *id;
	struct places p = { .count = 0 };
	char name[ID_NAME_BYTES];
	unsigned which;

	if (wanted.build_id_size == 0 && f->main.elf) {
		const void *found;
		ssize_t size = dwelf_elf_gnu_build_id(f->main.elf, &found);

		if (size > 0) {
			wanted.build_id = found;
			wanted.build_id_size = (uint32_t)size;
		}
	}
	if (!id_name(name, wanted.build_id, wanted.build_id_size, ".debug"))
		return;
	places_below(&p, search, name);
	for (unsigned i = 0, count = p.count; i < count; i++) {
		size_t folder = strlen(p.path[i]) - strlen(name) - 1;

		place_add(&p, "%.*s" SYSTEM_DEBUG_FOLDER "/%s", (int)folder, p.path[i], name);
	}
	place_add(&p, SYSTEM_DEBUG_FOLDER "/%s", name);
	open_first(&f->debug, &p, accept_id, &wanted, &which);
	places_free(&p);
}

/* dwz's shared file: libdw finds it beside the debug file and in /usr/lib/debug by itself. */
static void open_alt(struct symfile *f, const char *search)
{
	Dwarf *dwarf = f->main.dwarf ? f->main.dwarf : f->debug.dwarf;
	struct symfile_id wanted = { .path = "" };
	struct places p = { .count = 0 };
	char name[ID_NAME_BYTES];
	const char *link;
	const void *id;
	ssize_t size = dwarf ? dwelf_dwarf_gnu_debugaltlink(dwarf, &link, &id) : 0;
	unsigned which;

	if (size <= 0 || !id_name(name, id, (size_t)size, ".debug"))
		return;
	wanted.build_id = id;
	wanted.build_id_size = (uint32_t)size;
	places_below(&p, search, name);
	places_below(&p, search, link[0] == '/' ? link + 1 : link);
	if (open_first(&f->alt, &p, accept_id, &wanted, &which) == 0 && f->alt.dwarf)
		dwarf_setalt(dwarf, f->alt.dwarf);
	places_free(&p);
}

/*
 * The kernel's own library has no file. Where the analyzer runs on the kernel that was recorded, it
 * has the same one mapped.
 */
static int open_vdso(struct symfile *f, const struct symfile_id *id)
{
	char *image = (char *)getauxval(AT_SYSINFO_EHDR);
	GElf_Ehdr header;

	if (!image || id->build_id_size == 0)
		return -ENOENT;
	memcpy(&header, image, sizeof(header));
	f->main.elf =
		elf_memory(image, header.e_shoff + (size_t)header.e_shnum * header.e_shentsize);
	if (f->main.elf && elf_usable(f->main.elf) && accept_id(f->main.elf, id))
		return 0;
	symfile_close(f);
	return -ENOENT;
}

static bool is_vdso(const char *path)
{
	const char *name = basename(path);

	return strcmp(path, "[vdso]") == 0 || strncmp(name, "linux-vdso", 10) == 0;
}

int symfile_open(struct symfile *f, const struct symfile_id *id, const char *search)
{
	int err;

	*f = (struct symfile){ 0 };
	elf_version(EV_CURRENT);
	if (is_vdso(id->path))
		return open_vdso(f, id);
	err = open_main(f, id, search);
	if (!f->main.dwarf)
		open_debug_by_id(f, id, search);
	if (f->main.elf && !f->main.dwarf && !f->debug.elf)
		open_debuglink(f, search);
	if (!f->main.elf && !f->debug.elf) {
		symfile_close(f);
		return err;
	}
	open_alt(f, search);
	return 0;
}

static void close_part(struct symfile_part *part)
{
	if (part->dwarf)
		dwarf_end(part->dwarf);
	if (part->elf)
		elf_end(part->elf);
	symunpack_free(part->unpacked);
	*part = (struct symfile_part){ 0 };
}

void symfile_close(struct symfile *f)
{
	close_part(&f->main);
	close_part(&f->debug);
	close_part(&f->alt);
	free(f->path);
	f->path = NULL;
}
