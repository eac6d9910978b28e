# runfs. `make help` says what there is.
#
# SAN=1 builds with AddressSanitizer and UndefinedBehaviorSanitizer, SAN=thread with ThreadSanitizer, each in a
# build directory of its own. V=1 shows the commands.

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif

# Everything that building, running and testing needs, by Debian's names: the one place that says so.
PACKAGES := gcc make pkg-config libfuse3-dev fuse3 libsqlite3-dev libyaml-dev libjansson-dev libssl-dev libglib2.0-dev tzdata libpcre2-dev \
            libarchive-dev libcmark-dev libmicrohttpd-dev libcurl4-openssl-dev libjwt-dev libssh2-1-dev libseccomp-dev libsodium-dev liblz4-dev \
            libcmocka-dev git bash ca-certificates slirp4netns nftables
TEST_PACKAGES := bubblewrap busybox chromium curl docker-registry e2fsprogs fish gh graphviz iproute2 jq kmod libcap2-bin mandoc munge \
                 openssh-client openssh-server openssl procps python3-github python3-minimal qemu-system-x86 redis-tools rsync skopeo slurm-client \
                 slurmctld slurmd sqlite3 strace tcsh uidmap unzip vim-tiny zip zsh zstd \
                 $(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm)
CHECK_PACKAGES := valgrind clang clang-format
LIBS := fuse3 sqlite3 yaml-0.1 jansson glib-2.0 libpcre2-8 libsodium liblz4
# Loaded when first used, for what they bring with them: include/runfs/late.h.
LATE_LIBS := libarchive libcmark libcrypto libcurl libjwt libmicrohttpd libssh2

BUILD := build
SANFLAGS :=
ifeq ($(SAN),1)
BUILD := build-san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
BUILD := build-tsan
SANFLAGS := -fsanitize=thread -fno-omit-frame-pointer
endif

Q := $(if $(V),,@)
# One name for what is built there, whoever gave it: what depends on what is noted by names.
override BUILD := $(patsubst $(CURDIR)/%,%,$(BUILD))
# What a target builds before it runs it: as many files at once as there are processors, unless make was told how many.
BUILD_FIRST = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
# The same where packages come beside that: one more, as those are waited for.
BUILD_BESIDE = $(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell expr $$(nproc) + 1))
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
        -Wwrite-strings -Wpointer-arith -Wimplicit-fallthrough -Wno-missing-field-initializers
# Lines for backtraces; OPT='-Og -g3' is for a debugger.
OPT ?= -O2 -g1
CPPFLAGS_ALL = -I. -Iinclude -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 -DRUNFS_VERSION='"$(VERSION)"' \
               $(CPPFLAGS)
CFLAGS_ALL = -std=gnu17 $(WARN) $(OPT) -pthread -fstack-protector-strong $(SANFLAGS) $(CFLAGS) -include runfs/banned.h

CORE_SRC := $(sort $(wildcard core/base/*.c core/store/*.c core/lang/*.c core/image/*.c core/machine/*.c \
                              core/knowledge/*.c core/git/*.c core/job/*.c core/worker/*.c core/run/*.c core/net/*.c) core/agent/proto.c core/agent/fds.c)
AGENT_SRC := $(sort $(wildcard core/agent/*.c)) $(addprefix core/base/,buf.c err.c io.c peer.c remove.c str.c)
FS_SRC := $(sort $(wildcard fs/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))

CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/%.o)
FS_OBJ := $(FS_SRC:%.c=$(BUILD)/%.o)
# The agent is one static program; of core/base it has only what it calls.
AGENT_OBJ := $(AGENT_SRC:%.c=$(BUILD)/agent/%.o)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)

# Asked once, when first used: deps may just have installed them.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(LIBS) $(LATE_LIBS) 2>/dev/null))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lm)$(PKG_LIBS)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help deps test unit scenarios demo install uninstall fmt fmt-check bench fuzz valgrind clean

MANUAL := $(BUILD)/man/runfs.1 $(BUILD)/man/runfs.5

all: $(BUILD)/runfs $(BUILD)/runfs-agent $(MANUAL) ## build runfs, its agent and its manual into build/

help: ## this list
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "  SAN=1 make test   the same tests under AddressSanitizer and UndefinedBehaviorSanitizer"

deps: ## install what building, running and testing needs (Debian; through sudo unless root)
	$(Q)tests/install-packages $(PACKAGES) $(TEST_PACKAGES)

$(BUILD)/librunfs.a: $(CORE_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/runfs: $(FS_OBJ) $(BUILD)/librunfs.a
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(FS_OBJ) $(BUILD)/librunfs.a $(PKG_LIBS)

$(BUILD)/runfs-agent: $(AGENT_OBJ)
	@echo "  LD    $@"
	$(Q)$(CC) -std=gnu17 $(OPT) -static -Wl,--gc-sections -o $@ $(AGENT_OBJ) -lseccomp

# What runfs says of itself, in the form of a manual. NATIVE_RUNFS: one that runs here, where another is being built.
NATIVE_RUNFS ?= $(BUILD)/runfs
$(BUILD)/man/runfs.%: fs/man/build fs/man/runfs.%.in $(wildcard fs/man/*.awk) $(BUILD)/runfs
	@mkdir -p $(@D)
	$(Q)fs/man/build $(NATIVE_RUNFS) $* >$@

$(BUILD)/agent/%.o: %.c
	@echo "  CC    $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=gnu17 $(WARN) $(OPT) -fstack-protector-strong -ffunction-sections $(CFLAGS) \
	    -include runfs/banned.h -MMD -MP -c -o $@ $<

# These run once for each time that they are compiled.
$(BUILD)/tests/unit/%.o: OPT := $(if $(filter file,$(origin OPT)),-O0 -g1,$(OPT))

$(BUILD)/%.o: %.c
	@echo "  CC    $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

# The live page is in the binary as its sources are (.incbin).
$(BUILD)/core/net/page.o build-fuzz/core/net/page.o: $(wildcard core/net/page/*)

# libfoo: -DLATE_FOO_SO="libfoo.so.N"
late_so = -DLATE_$(shell echo $(1:lib%=%) | tr a-z A-Z)_SO='"$(shell readelf -d $$(pkg-config --variable=libdir $1)/$1.so | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')"'
$(BUILD)/core/base/late.o build-fuzz/core/base/late.o: CPPFLAGS_ALL += $(foreach lib,$(LATE_LIBS),$(call late_so,$(lib)))

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/librunfs.a | $(BUILD)/runfs-agent
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(PKG_LIBS)

# Walking the tree needs no libfuse, and is tested without it.
$(BUILD)/unit/test_node: $(filter-out %/main.o %/fuse.o %/fuse_change.o %/park.o %/session.o $(BUILD)/fs/cmd_%.o,$(FS_OBJ))

$(BUILD)/tests/guard: $(BUILD)/tests/guard.o
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^

$(BUILD)/tests/servers/results: $(BUILD)/tests/servers/results.o $(BUILD)/librunfs.a
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/librunfs.a | $(BUILD)/runfs-agent
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

# What only the tests need comes while runfs is compiled.
test: ## install, build and run every test
	$(Q)tests/install-packages --before "$(TEST_PACKAGES)" $(PACKAGES)
	+$(Q)$(BUILD_BESIDE) test-packages test-programs
	$(Q)BUILD=$(BUILD) tests/run

.PHONY: test-packages test-programs
test-packages:
	$(Q)tests/install-packages --then $(TEST_PACKAGES)
test-programs: all $(UNIT_BIN) $(BUILD)/tests/guard $(BUILD)/tests/servers/results $(BUILD)/bench/passthrough

unit: $(UNIT_BIN) $(BUILD)/tests/guard ## build and run the unit tests only
	$(Q)BUILD=$(BUILD) tests/run unit

scenarios: all $(BUILD)/tests/guard $(BUILD)/tests/servers/results $(BUILD)/bench/passthrough ## run the scenarios only
	$(Q)BUILD=$(BUILD) tests/run scenarios

demo: deps ## build, mount, run some of the examples and show what comes of it
	+$(Q)$(BUILD_FIRST) all
	$(Q)BUILD=$(BUILD) examples/demo

BENCH_BIN := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
bench: all $(BENCH_BIN) ## print the figures, each beside its yardstick
	$(Q)BUILD=$(BUILD) tests/bench/run

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -std=gnu17
build-fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(CPPFLAGS_ALL) $(PKG_CFLAGS) -include runfs/banned.h -c -o $@ $<
build-fuzz/librunfs.a: $(CORE_SRC:%.c=build-fuzz/%.o)
	$(Q)rm -f $@ && ar rcs $@ $^
build-fuzz/fuzz_%: build-fuzz/tests/fuzz/fuzz_%.o build-fuzz/librunfs.a
	$(Q)clang $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS) -lm -lpthread

fuzz: $(FUZZERS:%=build-fuzz/fuzz_%) ## run every fuzzer for FUZZ_SECONDS (60) under AddressSanitizer and UndefinedBehaviorSanitizer (clang)
	$(Q)set -e; for f in $(FUZZERS); do \
	    echo "  FUZZ  $$f"; mkdir -p build-fuzz/corpus/$$f; seeds=; [ ! -d tests/fuzz/corpus/$$f ] || seeds=tests/fuzz/corpus/$$f; \
	    build-fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=20 -print_final_stats=0 -verbosity=0 \
	        -artifact_prefix=build-fuzz/ build-fuzz/corpus/$$f $$seeds; done

valgrind: deps ## the unit tests and a scenario under valgrind
	$(Q)tests/install-packages $(CHECK_PACKAGES)
	+$(Q)$(BUILD_FIRST) all $(UNIT_BIN)
	$(Q)BUILD=$(BUILD) tests/valgrind

SHARE := $(PREFIX)/share
INSTALLED := $(PREFIX)/bin/runfs $(PREFIX)/libexec/runfs/runfs-agent $(SHARE)/man/man1/runfs.1 \
             $(SHARE)/man/man5/runfs.5 $(SHARE)/bash-completion/completions/runfs $(SHARE)/zsh/site-functions/_runfs \
             $(SHARE)/fish/vendor_completions.d/runfs.fish

install: all ## install under PREFIX (/usr/local)
	install -D -m 755 $(BUILD)/runfs $(DESTDIR)$(PREFIX)/bin/runfs
	install -D -m 755 $(BUILD)/runfs-agent $(DESTDIR)$(PREFIX)/libexec/runfs/runfs-agent
	install -D -m 644 $(BUILD)/man/runfs.1 $(DESTDIR)$(SHARE)/man/man1/runfs.1
	install -D -m 644 $(BUILD)/man/runfs.5 $(DESTDIR)$(SHARE)/man/man5/runfs.5
	install -D -m 644 fs/completion/runfs.bash $(DESTDIR)$(SHARE)/bash-completion/completions/runfs
	install -D -m 644 fs/completion/_runfs $(DESTDIR)$(SHARE)/zsh/site-functions/_runfs
	install -D -m 644 fs/completion/runfs.fish $(DESTDIR)$(SHARE)/fish/vendor_completions.d/runfs.fish

uninstall: ## remove what install put there
	rm -f $(INSTALLED:%=$(DESTDIR)%)

FORMATTED = $(shell git ls-files '*.c' '*.h')
fmt: ## format the C sources (clang-format)
	clang-format -i $(FORMATTED)
fmt-check: ## say which C sources are not formatted
	clang-format --dry-run -Werror $(FORMATTED)

clean: ## remove everything built
	rm -rf build build-san build-tsan build-fuzz

-include $(CORE_OBJ:.o=.d) $(FS_OBJ:.o=.d) $(AGENT_OBJ:.o=.d) $(UNIT_SRC:%.c=$(BUILD)/%.d) $(wildcard $(BUILD)/tests/*.d $(BUILD)/tests/servers/*.d $(BUILD)/tests/bench/*.d)
