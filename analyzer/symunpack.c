/* SPDX-License-Identifier: MIT */
/* Debug sections unpacked: see symunpack.h. */
#include "symunpack.h"

#include <gelf.h>
#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define METHOD_ZLIB 1 /* ELFCOMPRESS_ZLIB */
#define METHOD_ZSTD 2 /* ELFCOMPRESS_ZSTD, which older headers do not have */

/* More than this many bytes from one is a damaged header: no method here packs debug data so far.
 */
#define MOST_RATIO 2048

struct symunpacked {
	struct symunpacked *next;
	char bytes[];
};

static const char *const wanted[] = { ".debug_info",	 ".debug_types",      ".debug_abbrev",
				      ".debug_aranges",	 ".debug_addr",	      ".debug_line",
				      ".debug_line_str", ".debug_ranges",     ".debug_rnglists",
				      ".debug_str",	 ".debug_str_offsets" };

/* Where values are while a program runs is a large part of the rest, and nobody asks for it. */
static const char *const unwanted[] = { ".debug_loc",	".debug_loclists", ".debug_frame",
					".debug_macro", ".debug_macinfo",  ".debug_pubnames" };

static bool is_among(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool inflate_into(void *to, size_t size, const void *from, size_t packed)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	bool done = d && libdeflate_zlib_decompress(d, from, packed, to, size, NULL) ==
				 LIBDEFLATE_SUCCESS;

	libdeflate_free_decompressor(d);
	return done;
}

/* All of `size` bytes, or nothing. */
static bool unpack_into(unsigned method, void *to, size_t size, const void *from, size_t packed)
{
	switch (method) {
	case METHOD_ZLIB:
		return inflate_into(to, size, from, packed);
	case METHOD_ZSTD:
		return ZSTD_decompress(to, size, from, packed) == size;
	default:
		return false;
	}
}

/* NULL when the bytes cannot be had. */
static struct symunpacked *unpack(const GElf_Chdr *header, const Elf_Data *raw, size_t header_size)
{
	size_t packed = raw->d_size - header_size;
	struct symunpacked *u;

	if (header->ch_size == 0 || header->ch_size / MOST_RATIO > packed)
		return NULL;
	u = malloc(sizeof(*u) + header->ch_size);
	if (u && !unpack_into(header->ch_type, u->bytes, header->ch_size,
			      (const char *)raw->d_buf + header_size, packed)) {
		free(u);
		u = NULL;
	}
	return u;
}

/* libdw reads a section by the one or by the other. */
static void replace(Elf_Data *data, void *bytes, const GElf_Chdr *header)
{
	data->d_buf = bytes;
	data->d_size = header->ch_size;
	data->d_align = header->ch_addralign;
	data->d_type = ELF_T_BYTE;
}

static struct symunpacked *unpack_section(Elf *elf, Elf_Scn *section, GElf_Shdr *header)
{
	size_t header_size =
		gelf_getclass(elf) == ELFCLASS32 ? sizeof(Elf32_Chdr) : sizeof(Elf64_Chdr);
	Elf_Data *data = elf_getdata(section, NULL), *raw = elf_rawdata(section, NULL);
	struct symunpacked *u;
	GElf_Chdr packed;

	if (!data || !raw || !raw->d_buf || raw->d_size <= header_size ||
	    !gelf_getchdr(section, &packed))
		return NULL;
	u = unpack(&packed, raw, header_size);
	if (!u)
		return NULL;
	header->sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
	header->sh_size = packed.ch_size;
	header->sh_addralign = packed.ch_addralign;
	if (!gelf_update_shdr(section, header)) {
		free(u);
		return NULL;
	}
	replace(data, u->bytes, &packed);
	replace(raw, u->bytes, &packed);
	return u;
}

struct symunpacked *symunpack(Elf *elf)
{
	struct symunpacked *all = NULL;
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		struct symunpacked *u = NULL;
		const char *name;

		if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_COMPRESSED))
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		if (!name)
			continue;
		if (is_among(unwanted, sizeof(unwanted) / sizeof(*unwanted), name)) {
			header.sh_type = SHT_NOBITS;
			gelf_update_shdr(section, &header);
		} else if (is_among(wanted, sizeof(wanted) / sizeof(*wanted), name)) {
			u = unpack_section(elf, section, &header);
		}
		if (u) {
			u->next = all;
			all = u;
		}
	}
	return all;
}

void symunpack_free(struct symunpacked *u)
{
	while (u) {
		struct symunpacked *next = u->next;

		free(u);
		u = next;
	}
}
