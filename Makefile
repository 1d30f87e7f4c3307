# SPDX-License-Identifier: MIT
#
# Builds liblariat.so (preload/) and lariat (analyzer/), tests and installs them.
#
#	make deps	install the missing Debian packages (root or sudo)
#	make		build
#	make demo	deps, build, record a real program and show its report
#	make check	deps, build, every test; the last line counts them
#	make bench	compare with the peers that are installed (BENCH=--quick for less)
#	make install	PREFIX=/usr/local DESTDIR=
#
# WERROR=1 makes warnings errors. BUILD= names another build folder, SANITIZE=address,undefined
# builds the analyzer and the unit tests with sanitizers (use a BUILD= of its own).

# make's own default is cc; a CC= of the environment or the command line wins.
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0

# Quiet by default, V=1 shows the commands.
Q = $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' '$(1)' '$(2)')

OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CXXWARN := -Wall -Wextra
ifeq ($(WERROR),1)
WARN += -Werror
endif
STD := -std=gnu11 -D_GNU_SOURCE

# The recorder lives inside other programs. No builtin may turn one of its calls into a function
# that it wraps (malloc + memset become calloc at -O2), its thread-local data must need no call to
# find (initial-exec), stacks are walked through it (unwind tables, frame pointers), and a
# cancelled thread unwinds through it (exceptions).
PRELOAD_CFLAGS := $(STD) $(OPT) -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
	-ftls-model=initial-exec -fno-builtin -fno-builtin-malloc -fno-builtin-calloc \
	-fno-builtin-realloc -fno-builtin-free -fexceptions -fasynchronous-unwind-tables \
	-fno-stack-protector -fcf-protection=none -fno-tree-slp-vectorize -ffunction-sections -fdata-sections $(WARN)
# Bound at start (no lazy lookup on the hot path), never unmapped (its code is on stacks).
PRELOAD_LDFLAGS := -shared -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,-z,defs -Wl,--gc-sections \
	-Wl,-soname,liblariat.so -Wl,--exclude-libs,ALL -Wl,--as-needed -Wl,--build-id

SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined)
# Pairs of sums in one register, read back from halves just written, cost more than they save.
ANALYZER_CFLAGS := $(STD) $(OPT) -fno-tree-slp-vectorize $(WARN) $(SANFLAGS)
ANALYZER_LIBS := -lzstd -ldeflate -ldw -lelf -liberty -ljansson -lsmartcols -lncursesw -ltinfo -lm -pthread

PRELOAD_SRC := $(wildcard preload/*.c preload/format/*.c)
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(BUILD)/%.o)
ANALYZER_SRC := $(wildcard analyzer/*.c)
ANALYZER_OBJ := $(ANALYZER_SRC:%.c=$(BUILD)/%.o) $(BUILD)/analyzer/decode.o $(BUILD)/analyzer/encode.o $(BUILD)/analyzer/weight.o
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
VICTIM_SRC := $(wildcard tests/victims/*.c tests/victims/*.cc)
VICTIM_BIN := $(patsubst tests/victims/%,$(BUILD)/victims/%,$(basename $(VICTIM_SRC)))
VICTIM_BIN := $(foreach v,$(VICTIM_BIN),$(v)$(if $(filter lib%,$(notdir $(v))),.so))

LIB := $(BUILD)/liblariat.so
BIN := $(BUILD)/lariat
# make check and demo build on all cores unless told how (-j).
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

OUTPUTS := $(if $(PRELOAD_SRC),$(LIB)) $(if $(wildcard analyzer/main.c),$(BIN))

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all packages deps demo check unit tests bench install uninstall clean lint FORCE

all: $(OUTPUTS)

# Names what is missing instead of failing on a header; installs nothing.
packages:
	@scripts/deps --check build

deps:
	@scripts/deps

# A change of the flags rebuilds, a change of nothing does not.
$(BUILD)/flags: FORCE | packages
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(CC) $(PRELOAD_CFLAGS) $(PRELOAD_LDFLAGS)' '$(ANALYZER_CFLAGS)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# pthread_cleanup_push with exceptions would bring in libgcc_s, which the program may not have.
$(BUILD)/preload/hook_thread.o: PRELOAD_CFLAGS += -fno-exceptions

# Callers without an ABI's respect for the stack's alignment come through libc, and through wrappers,
# which keep none of the values that need it; what these call aligns it anew, or where stack is dear
# has no such values. Not the wrappers: some would have a second frame, and a stack is walked from
# theirs. Nor what only others call that have done it.
GENERAL := unwind unwind_walk cfi rules nodes
ALIGNED_BEFORE := format/%
$(GENERAL:%=$(BUILD)/preload/%.o): PRELOAD_CFLAGS += -mgeneral-regs-only
$(filter-out $(BUILD)/preload/hook_% $(patsubst %,$(BUILD)/preload/%.o,$(GENERAL) $(ALIGNED_BEFORE)),\
	$(PRELOAD_OBJ)): PRELOAD_CFLAGS += -mstackrealign

$(BUILD)/preload/%.o: preload/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/analyzer/%.o: analyzer/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ANALYZER_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/analyzer/weight.o $(BUILD)/analyzer/decode.o $(BUILD)/analyzer/encode.o: $(BUILD)/analyzer/%.o: preload/format/%.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ANALYZER_CFLAGS) -MMD -MP -c -o $@ $<

# zstd's own heap calls go to functions of the recorder that refuse: it must be given its memory.
$(BUILD)/libzstd-preload.a: $(BUILD)/flags
	$(call say,OBJCOPY,$@)
	$(Q)objcopy --redefine-sym malloc=lar_no_malloc --redefine-sym calloc=lar_no_calloc \
		--redefine-sym free=lar_no_free "$$($(CC) -print-file-name=libzstd.a)" $@

$(BUILD)/exports.map: preload/format/calls.def scripts/exports $(BUILD)/flags
	$(call say,GEN,$@)
	$(Q)scripts/exports --map $< >$@

$(LIB): $(PRELOAD_OBJ) $(BUILD)/libzstd-preload.a $(BUILD)/exports.map
	$(call say,LD,$@)
	$(Q)$(CC) $(OPT) $(PRELOAD_LDFLAGS) -Wl,--version-script=$(BUILD)/exports.map \
		-o $@ $(PRELOAD_OBJ) $(BUILD)/libzstd-preload.a

$(BIN): $(ANALYZER_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(OPT) $(SANFLAGS) -o $@ $^ $(ANALYZER_LIBS)

# A unit test is linked with the whole analyzer but main, or, where one of its first lines is
# /* link: preload/pool.o preload/sys.o */, with those objects of the build folder instead.
# /* build: FLAGS */ adds compiler flags, to unit tests and victims alike.
line_of = $$(sed -n '1,6s,^[/* ]*$(1): \(.*[^ ]\) *\*/ *$$,\1,p' $<)

$(BUILD)/tests/%: tests/unit/%.c $(ANALYZER_OBJ) $(PRELOAD_OBJ)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)objs="$(call line_of,link)"; \
	if [ -n "$$objs" ]; then set -- $$(printf '$(BUILD)/%s ' $$objs); \
	else set -- $(filter-out $(BUILD)/analyzer/main.o,$(ANALYZER_OBJ)); fi; \
	$(CC) $(ANALYZER_CFLAGS) -MMD -MP -MF $@.d $(call line_of,build) \
		-o $@ $< "$$@" $(ANALYZER_LIBS) -lcmocka

# Programs to be recorded. A lib*.c or lib*.cc becomes a shared library for tests of dlopen.
$(BUILD)/victims/lib%.so: tests/victims/lib%.c $(BUILD)/flags
	$(call say,VICTIM,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -O2 -g -Wall -shared -fPIC -MMD -MP -MF $@.d $(call line_of,build) -o $@ $<

$(BUILD)/victims/lib%.so: tests/victims/lib%.cc $(BUILD)/flags
	$(call say,VICTIM,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -O2 -g $(CXXWARN) -shared -fPIC -MMD -MP -MF $@.d $(call line_of,build) -o $@ $<

$(BUILD)/victims/%: tests/victims/%.c $(BUILD)/flags
	$(call say,VICTIM,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(STD) -O2 -g -Wall -pthread -MMD -MP -MF $@.d -o $@ $< $(call line_of,build)

$(BUILD)/victims/%: tests/victims/%.cc $(BUILD)/flags
	$(call say,VICTIM,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -O2 -g $(CXXWARN) -pthread -MMD -MP -MF $@.d -o $@ $< $(call line_of,build)

unit: $(UNIT_BIN)

tests: all unit $(VICTIM_BIN)

# The steps are makes of their own so that they come in order under -j, too.
check:
	@scripts/deps
	@$(MAKE) --no-print-directory $(JOBS) tests
	@BUILD=$(BUILD) WERROR=$(WERROR) MAKE_OVERRIDES='$(subst ','\'',$(MAKEOVERRIDES))' tests/run $(TESTS)

demo:
	@scripts/deps build demo
	@$(MAKE) --no-print-directory $(JOBS) all
	@BUILD=$(BUILD) scripts/demo

bench: all
	@BUILD=$(BUILD) tests/bench/run $(BENCH)

lint:
	@scripts/deps
	@$(MAKE) --no-print-directory $(JOBS) all
	@BUILD=$(BUILD) tests/run scripts/check-*

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/lariat \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man7 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/lariat
	install -m 644 $(LIB) $(DESTDIR)$(PREFIX)/lib/lariat/liblariat.so
	install -m 644 analyzer/lariat.1 $(DESTDIR)$(PREFIX)/share/man/man1/lariat.1
	install -m 644 preload/liblariat.7 $(DESTDIR)$(PREFIX)/share/man/man7/liblariat.7
	install -m 644 scripts/lariat.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lariat

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/lariat $(DESTDIR)$(PREFIX)/lib/lariat/liblariat.so \
		$(DESTDIR)$(PREFIX)/share/man/man1/lariat.1 \
		$(DESTDIR)$(PREFIX)/share/man/man7/liblariat.7 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/lariat
	-rmdir $(DESTDIR)$(PREFIX)/lib/lariat

clean:
	rm -rf $(BUILD)

-include $(PRELOAD_OBJ:.o=.d) $(ANALYZER_OBJ:.o=.d) $(UNIT_BIN:=.d) $(VICTIM_BIN:=.d)
