/* SPDX-License-Identifier: MIT */
/* Reads executables for what keeps LD_PRELOAD from working; see elfcheck.h. The file is hostile. */
#include "elfcheck.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "findcmd.h"

#define SCRIPT_LINE_MAX 255 /* Linux looks no further (BINPRM_BUF_SIZE) */
#define SCRIPT_NESTING	4   /* ... and not at more interpreters that are scripts */

/* What an executable says of itself. */
struct elf_facts {
	bool has_interp, is_linker, is_go, defines_malloc;
	const char *sanitizer; /* NULL = none */
	const char *heap;      /* an allocator under names of its own, NULL = none */
	char interp[PATH_MAX];
};

static const struct {
	unsigned machine;
	const char *name;
} machines[] = {
	{ EM_386, "i386" },	{ EM_ARM, "32-bit ARM" }, { EM_AARCH64, "64-bit ARM" },
	{ EM_RISCV, "RISC-V" }, { EM_PPC64, "PowerPC" },  { EM_S390, "s390" },
};

/* Functions whose definition inside the executable tells what it was built with. */
static const struct {
	const char *symbol, *sanitizer, *heap;
} tell_tales[] = {
	{ "__asan_init", "AddressSanitizer", NULL },
	{ "__tsan_init", "ThreadSanitizer", NULL },
	{ "__msan_init", "MemorySanitizer", NULL },
	{ "__hwasan_init", "HWAddressSanitizer", NULL },
	{ "_rjem_malloc", NULL, "jemalloc" },
	{ "je_malloc", NULL, "jemalloc" },
	{ "mi_malloc", NULL, "mimalloc" },
	{ "tc_malloc", NULL, "tcmalloc" },
};

static const struct {
	const char *library, *sanitizer;
} sanitizer_libraries[] = {
	{ "libasan.so", "AddressSanitizer" },
	{ "libtsan.so", "ThreadSanitizer" },
	{ "liblsan.so", "LeakSanitizer" },
	{ "libhwasan.so", "HWAddressSanitizer" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static void note_symbol(struct elf_facts *f, const char *name)
{
	if (!strcmp(name, "malloc"))
		f->defines_malloc = true;
	for (size_t i = 0; i < COUNT(tell_tales); i++) {
		if (strcmp(name, tell_tales[i].symbol))
			continue;
		if (tell_tales[i].sanitizer)
			f->sanitizer = tell_tales[i].sanitizer;
		else
			f->heap = tell_tales[i].heap;
	}
}

static void read_symbols(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct elf_facts *f)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t entry = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
	GElf_Sym symbol;

	if (!data || !entry)
		return;
	for (int i = 0; i < (int)(data->d_size / entry); i++) {
		unsigned type;
		const char *name;

		if (!gelf_getsym(data, i, &symbol) || symbol.st_shndx == SHN_UNDEF)
			continue;
		type = GELF_ST_TYPE(symbol.st_info);
		if ((type != STT_FUNC && type != STT_GNU_IFUNC) ||
		    GELF_ST_BIND(symbol.st_info) == STB_LOCAL)
			continue;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (name)
			note_symbol(f, name);
	}
}

static void read_dynamic(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct elf_facts *f)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t entry = gelf_fsize(elf, ELF_T_DYN, 1, EV_CURRENT);
	GElf_Dyn dyn;

	if (!data || !entry)
		return;
	for (int i = 0; i < (int)(data->d_size / entry); i++) {
		const char *name;

		if (!gelf_getdyn(data, i, &dyn) || dyn.d_tag == DT_NULL)
			break;
		if (dyn.d_tag != DT_NEEDED && dyn.d_tag != DT_SONAME)
			continue;
		name = elf_strptr(elf, header->sh_link, dyn.d_un.d_val);
		if (!name)
			continue;
		/* ld.so PROGRAM: it has no interpreter, being one, and does preload. */
		if (dyn.d_tag == DT_SONAME)
			f->is_linker = starts_with(name, "ld-linux");
		for (size_t k = 0; k < COUNT(sanitizer_libraries); k++)
			if (starts_with(name, sanitizer_libraries[k].library))
				f->sanitizer = sanitizer_libraries[k].sanitizer;
	}
}

static void read_sections(Elf *elf, struct elf_facts *f)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (name && (!strcmp(name, ".note.go.buildid") || !strcmp(name, ".go.buildinfo")))
			f->is_go = true;
		if (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM)
			read_symbols(elf, section, &header, f);
		else if (header.sh_type == SHT_DYNAMIC)
			read_dynamic(elf, section, &header, f);
	}
}

static void read_segments(Elf *elf, struct elf_facts *f)
{
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return;
	for (size_t i = 0; i < count && i < INT_MAX; i++) {
		GElf_Phdr header;
		Elf_Data *data;

		if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_INTERP)
			continue;
		f->has_interp = true;
		if (header.p_filesz >= sizeof(f->interp))
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)header.p_offset, header.p_filesz,
					    ELF_T_BYTE);
		if (data && data->d_buf)
			memcpy(f->interp, data->d_buf, data->d_size);
	}
}

__attribute__((format(printf, 2, 3))) static void refuse(struct elfcheck *r, const char *format,
							 ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->reason, sizeof(r->reason), format, ap);
	va_end(ap);
	r->verdict = ELFCHECK_REFUSED;
}

/* True when it is for another machine. */
static bool check_machine(Elf *elf, struct elfcheck *r)
{
	const char *name = NULL;
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return false;
	if (header.e_machine == EM_X86_64) {
		if (gelf_getclass(elf) == ELFCLASS64)
			return false;
		refuse(r, "is an x32 program, the recorder is for 64-bit x86-64 ones");
		return true;
	}
	for (size_t i = 0; i < COUNT(machines); i++)
		if (machines[i].machine == header.e_machine)
			name = machines[i].name;
	if (name)
		refuse(r, "is a program for %s, the recorder is for x86-64", name);
	else
		refuse(r, "is a program for machine type %u, the recorder is for x86-64",
		       header.e_machine);
	return true;
}

static void judge(const struct elf_facts *f, struct elfcheck *r)
{
	const char *linker = basename(f->interp);

	if (!f->has_interp && !f->is_linker) {
		refuse(r, "is statically linked%s, so nothing can be loaded into it",
		       f->is_go ? " (a Go program)" : "");
	} else if (f->has_interp && !starts_with(linker, "ld-linux-x86-64")) {
		refuse(r, "does not run on the GNU C library (its linker is %s)", f->interp);
	} else if (f->sanitizer) {
		refuse(r, "is built with %s, which takes the place that the recorder needs",
		       f->sanitizer);
	} else if (f->defines_malloc) {
		r->verdict = ELFCHECK_HEAP_HIDDEN;
		snprintf(r->reason, sizeof(r->reason),
			 "has an allocator linked into the executable, so its heap cannot be seen; "
			 "--record io,locks,threads records the rest");
	} else if (f->is_go) {
		snprintf(r->warning, sizeof(r->warning),
			 "is a Go program: only what its C parts do is recorded");
	} else if (f->heap) {
		snprintf(r->warning, sizeof(r->warning),
			 "has %s inside under names of its own: what that allocates is not seen",
			 f->heap);
	}
}

/*
 * Privileges gained on exec make the linker ignore LD_PRELOAD (AT_SECURE). As the kernel sees it:
 * set-ids count when they change the real ids, file capabilities when the real user is not root.
 */
static void check_privileges(const char *path, int fd, struct elfcheck *r)
{
	struct statvfs vfs;
	struct stat st;

	if (fstat(fd, &st) || (!fstatvfs(fd, &vfs) && vfs.f_flag & ST_NOSUID))
		return;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		refuse(r, "is set-user-ID, so the system loads nothing into it");
	else if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid())
		refuse(r, "is set-group-ID, so the system loads nothing into it");
	else if (getuid() && getxattr(path, "security.capability", NULL, 0) > 0)
		refuse(r, "has file capabilities, so the system loads nothing into it");
}

static void check_elf(const char *path, int fd, Elf *elf, struct elfcheck *r)
{
	struct elf_facts *f;

	if (check_machine(elf, r))
		return;
	check_privileges(path, fd, r);
	if (r->verdict != ELFCHECK_FINE)
		return;
	f = calloc(1, sizeof(*f));
	if (!f)
		return;
	read_segments(elf, f);
	read_sections(elf, f);
	judge(f, r);
	free(f);
}

/*
 * What `env` would run: the first word of its argument that is neither option nor assignment.
 * Cuts the word off in place; NULL = cannot tell.
 */
static char *env_command(char *argument)
{
	char *save = NULL;

	for (char *word = strtok_r(argument, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		if (!strcmp(word, "-u") || !strcmp(word, "-C"))
			strtok_r(NULL, " \t", &save);
		else if (*word != '-' && !strchr(word, '='))
			return word;
		else if (starts_with(word, "-S") && word[2])
			return word + 2;
	}
	return NULL;
}

static int check_file(const char *path, int nesting, struct elfcheck *r);

/* A "#!" line: its interpreter is what runs, and for env what env runs. */
static int check_script(char *line, int nesting, struct elfcheck *r)
{
	char *interpreter = line + strspn(line, " \t"), *argument, *command, *path, *base;
	char inner[sizeof(r->reason)];
	int err = 0;

	interpreter[strcspn(interpreter, "\r\n")] = '\0';
	argument = interpreter + strcspn(interpreter, " \t");
	if (*argument)
		*argument++ = '\0';
	if (!*interpreter || nesting <= 0)
		return 0;
	err = check_file(interpreter, nesting - 1, r);
	base = strrchr(interpreter, '/');
	command = base && !strcmp(base, "/env") ? env_command(argument) : NULL;
	if (command && r->verdict == ELFCHECK_FINE) {
		if (!findcmd_path(command, &path))
			err = check_file(path, nesting - 1, r);
		free(path);
		interpreter = command;
	}
	if (r->verdict != ELFCHECK_FINE) {
		snprintf(inner, sizeof(inner), "%s", r->reason);
		snprintf(r->reason, sizeof(r->reason), "its interpreter %.150s %.300s", interpreter,
			 inner);
	}
	return err;
}

static int check_file(const char *path, int nesting, struct elfcheck *r)
{
	char line[SCRIPT_LINE_MAX + 1] = "";
	int err = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	Elf *elf;

	if (fd < 0)
		return -errno;
	if (pread(fd, line, SCRIPT_LINE_MAX, 0) < 0) {
		err = -errno;
	} else if (line[0] == '#' && line[1] == '!') {
		err = check_script(line + 2, nesting, r);
	} else if (!memcmp(line, ELFMAG, SELFMAG)) {
		elf_version(EV_CURRENT);
		elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
		if (elf && elf_kind(elf) == ELF_K_ELF)
			check_elf(path, fd, elf, r);
		elf_end(elf);
	}
	close(fd);
	return err;
}

int elfcheck_file(const char *path, struct elfcheck *result)
{
	memset(result, 0, sizeof(*result));
	return check_file(path, SCRIPT_NESTING, result);
}
