# SPDX-License-Identifier: BSD-3-Clause
#
#   make                        release build: ./dnsflow, ./dnsflow_read and, with libzstd and SQLite, ./dnsflow_collect;
#                               make V=1 shows the commands
#   make check                  all tests; make check-asan, check-tsan under sanitizers
#   make check-msan             uninitialized memory, without libpcap
#   make check-cross            other machines; make check-abi the library's interface
#   make check-kafka            tests with a real Kafka cluster, which Maven fetches
#   make check-clickhouse URL=http://HOST:8123   tests with a ClickHouse of one's own
#   make check-long             scripts/check in a system with nothing but git, by debootstrap; takes long
#   make bench                  measured figures; make bench-live, bench-collect
#   make soak S=1800            everything for long, through one fault after the other; make soak-sensor S=600
#   make fuzz T=message S=60    make fuzz-smoke
#   make lint fmt clean
#   make install uninstall      DESTDIR= PREFIX=/usr/local LIBDIR=PREFIX/lib
#   make install-service        systemd units, service scripts, /etc/default and /etc/dnsflow, for what is in PREFIX
#   make deb, rpm               packages, in build/deb and build/rpm; installs what that needs
#   make help                   this
#
# Variables: CC, CFLAGS, LDFLAGS, WERROR=1 (warnings are errors), BUILD (directory below build/).

BUILD    ?= release
PREFIX   ?= /usr/local
O        := build/$(BUILD)
PYTHON   ?= /usr/bin/python3
PACKAGES := libpcap libarchive libevent_core libcap-ng libseccomp
# The collector and what only it needs, where its libraries are found.
COLLECT  := $(shell pkg-config --exists 'libzstd >= 1.4' 'sqlite3 >= 3.38' 2>/dev/null && echo yes)
ROOMS    := base guard http net dns flow capture sink receive record print $(if $(COLLECT),journal store feed query watch) sensor reader \
            $(if $(COLLECT),annotate serve collect)
# Found or not; --version tells.
OPTIONAL := $(shell for p in libcrypto ncurses libpsl libidn2; do pkg-config --exists $$p 2>/dev/null && echo $$p; done)
# What the collector's stores beside the embedded one need, as far as it is found.
FEEDS        := $(if $(COLLECT),$(shell for p in libcurl rdkafka; do pkg-config --exists $$p 2>/dev/null && echo $$p; done))
ifeq ($(origin CC),default)
CC       := gcc
endif

HAVE_libcrypto := -DHAVE_LIBCRYPTO
HAVE_ncurses   := -DHAVE_NCURSES
HAVE_libpsl    := -DHAVE_LIBPSL
HAVE_libidn2   := -DHAVE_LIBIDN2

# These builds have no libpcap and no libarchive of their own kind: the folders that need neither, and their tests.
ifneq ($(filter msan cross-%,$(BUILD)),)
PACKAGES :=
OPTIONAL :=
COLLECT  :=
FEEDS    :=
ROOMS    := base net dns flow receive record print
endif

# What the programs are made of. Release builds are hardened; scripts/lint/hardening looks at the result.
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wformat=2 \
            -Wimplicit-fallthrough $(if $(WERROR),-Werror)
FORTIFY  := $(shell echo 'int x;' | $(CC) -O2 -D_FORTIFY_SOURCE=3 -Werror -xc -c -o /dev/null - 2>/dev/null && echo 3 || echo 2)
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=$(FORTIFY)
ifneq ($(filter x86_64 i%86,$(shell $(CC) -dumpmachine | cut -d- -f1)),)
HARDEN   += -fcf-protection=full
endif
CFLAGS   ?= -O2 -g
LINK     := -pie -Wl,-z,relro,-z,now,-z,noexecstack -pthread

ifeq ($(BUILD),asan)
CFLAGS   := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN   := -fPIE
endif
ifeq ($(BUILD),tsan)
CFLAGS   := -O1 -g -fsanitize=thread
HARDEN   := -fPIE
endif

ifeq ($(BUILD),msan)
CFLAGS   := -O1 -g -fsanitize=memory -fsanitize-memory-track-origins -fno-sanitize-recover=all -fno-omit-frame-pointer \
            -U_FILE_OFFSET_BITS # clang knows what stat writes, not what stat64 writes
HARDEN   := -fPIE
endif

ifeq ($(BUILD),fuzz)
CFLAGS   := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN   := -fPIE
endif

CPPFLAGS_ALL := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Isrc -Iinclude -I. -MMD -MP $(foreach p,$(OPTIONAL),$(HAVE_$p)) \
                $(if $(COLLECT),-DHAVE_COLLECT) $(if $(filter libcurl,$(FEEDS)),-DHAVE_LIBCURL) \
                $(if $(filter rdkafka,$(FEEDS)),-DHAVE_RDKAFKA) $(if $(filter 2,$(words $(FEEDS))),-DHAVE_FROM_KAFKA) \
                $(if $(PACKAGES),$(shell pkg-config --cflags $(PACKAGES) $(OPTIONAL) 2>/dev/null))
CFLAGS_ALL   := -std=c11 $(WARNINGS) $(HARDEN) -pthread $(CFLAGS)
LIBS         := $(if $(PACKAGES),$(shell pkg-config --libs $(PACKAGES) $(filter libcrypto,$(OPTIONAL)) 2>/dev/null),-lcmocka -lm)
KEEP_LIBS    := $(if $(COLLECT),$(shell pkg-config --libs libzstd sqlite3))
KEEP_LIBS    += $(if $(FEEDS),$(shell pkg-config --libs $(FEEDS)))
VIEW_LIBS    := $(if $(PACKAGES),$(shell pkg-config --libs $(filter ncurses libpsl libidn2,$(OPTIONAL)) 2>/dev/null) -lm)

# What is missing is said in one line, to those who would use it.
ALONE    := clean help fmt uninstall install-service deb rpm check-long
MISSING  := $(shell for p in $(PACKAGES); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)
# What draws the page's lines: Debian's, or what a source archive brings (scripts/build-rpm).
DYGRAPHS := $(or $(wildcard page/vendor),/usr/share/javascript/dygraphs)
MISSING  += $(if $(COLLECT),$(if $(wildcard $(DYGRAPHS)/dygraph.min.js),,libjs-dygraphs))
ifneq ($(if $(MAKECMDGOALS),$(filter-out $(ALONE),$(MAKECMDGOALS)),all),)
$(if $(strip $(MISSING)),$(error not found: $(strip $(MISSING)); scripts/install-deps build installs it))
endif
ifneq ($(and $(PACKAGES),$(filter tests check,$(MAKECMDGOALS))),)
$(if $(shell pkg-config --exists cmocka 2>/dev/null || echo no),$(error not found: cmocka; scripts/install-deps test installs it))
endif

LEFT_OUT := $(if $(filter libcurl,$(FEEDS)),,clickhouse ch_client ch_server ch_source ch_fill ch_load_answers ch_load_lookups) $(if $(filter rdkafka,$(FEEDS)),,kafka kafka_conf) \
            $(if $(filter 2,$(words $(FEEDS))),,kafka_in kafka_part)
SOURCES  := $(filter-out $(LEFT_OUT:%=src/feed/%.c),$(wildcard $(ROOMS:%=src/%/*.c)))
OBJECTS  := $(SOURCES:%.c=$(O)/obj/%.o)
MAINS    := $(O)/obj/src/sensor/main.o $(O)/obj/src/reader/main.o $(O)/obj/src/collect/main.o
LIBRARY  := $(O)/libdnsflow.a
SO_NAME  := libdnsflow.so.1
VERSION  := $(shell sed -n 's/.*DNSFLOW_PROGRAM_VERSION "\(.*\)"/\1/p' src/base/version.h)
of       = $(filter $(1:%=$(O)/obj/src/%/%),$(OBJECTS))
SENSOR   := $(call of,base guard http net dns flow capture sink sensor)
READER   := $(call of,base guard net flow capture receive record print journal reader)
COLLECTOR := $(call of,base guard http net flow capture receive record print journal store feed query watch annotate serve collect)
TESTS    := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c tests/prop/test_*.c))
FUZZERS  := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
BENCHES  := $(patsubst %.c,$(O)/%,$(wildcard bench/*.c))
# What stands in for Kafka in tests, and asks it, where librdkafka is found.
KAFKA    := $(if $(PACKAGES),$(shell pkg-config --exists 'rdkafka >= 2.0' 2>/dev/null && echo yes))
PEERS    := $(if $(KAFKA),$(patsubst %.c,$(O)/%,$(wildcard tests/e2e/kafka_*.c)))
# Without the collector its tests are left out.
ifneq ($(COLLECT),yes)
ITS      := $(shell grep -lE '"((journal|store|feed|query|watch|annotate|serve|collect)/|journals.h)' tests/unit/test_*.c tests/fuzz/fuzz_*.c)
TESTS    := $(filter-out $(ITS:%.c=$(O)/%) $(O)/tests/unit/test_journal%,$(TESTS))
FUZZERS  := $(filter-out $(ITS:%.c=$(O)/%),$(FUZZERS))
BENCHES  := $(filter-out $(O)/bench/upserts $(O)/bench/gencollect $(O)/bench/matching,$(BENCHES))
endif
# Of these, what includes no other folder and no other library.
OTHERS   := src/(guard|http|capture|sink|sensor|reader|journal|store|feed|query|watch|annotate|serve|collect)/|[ /](pcap|archive|ldns)[/.]
CORE     := $(if $(PACKAGES),,$(shell for test in tests/unit/test_*.c tests/prop/test_*.c tests/fuzz/fuzz_*.c; do \
              $(CC) -M -MG -Isrc -Iinclude -I. $$test 2>/dev/null | grep -qE '$(OTHERS)' || echo $$test; done))
CORE     := $(CORE:%.c=$(O)/%)

# What the page is made of.
PAGE     := page/index.html page/page.js page/page.css docs/openapi.json $(DYGRAPHS)/dygraph.min.js \
            $(DYGRAPHS)/dygraph.min.css

Q := $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)  $(2)")

.PHONY: bench-live bench-collect soak soak-sensor all programs tests check check-asan check-tsan bench fuzz fuzz-smoke smoke-programs lint fmt clean install uninstall \
        core check-core check-msan check-cross check-abi check-kafka check-clickhouse check-long deb rpm install-service help
.DELETE_ON_ERROR:
.SECONDARY:

# The release build also stands at the top, where its users look for it.
PROGRAMS := dnsflow dnsflow_read $(if $(COLLECT),dnsflow_collect)
all: programs $(if $(filter release,$(BUILD)),$(PROGRAMS))
programs: $(PROGRAMS:%=$(O)/%)
	$(if $(or $(COLLECT),$(if $(PACKAGES),,none)),,@echo "dnsflow_collect is left out: it takes libzstd 1.4 and sqlite3 3.38; scripts/install-deps build installs them")

$(PROGRAMS): %: $(O)/%
	$(Q)cp $< $@

$(O)/obj/src/serve/assets.o: CPPFLAGS_ALL += -I$(O)/page
$(O)/obj/src/serve/assets.o: $(O)/page/page_files.inc
$(O)/page/page_files.inc: scripts/embed $(PAGE)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed $(PAGE) >$@.new && mv $@.new $@

$(O)/obj/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

# libdnsflow: the wire codec, without the rest
$(LIBRARY): $(filter $(O)/obj/src/flow/%,$(OBJECTS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(O)/pic/%.o: %.c
	$(call say,CC,$< (PIC))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(filter-out -fPIE,$(CFLAGS_ALL)) -fPIC -c $< -o $@

$(O)/$(SO_NAME): $(patsubst %.c,$(O)/pic/%.o,$(wildcard src/flow/*.c)) src/flow/libdnsflow.map
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -shared -Wl,-soname,$(SO_NAME) -Wl,--version-script=src/flow/libdnsflow.map \
	    -Wl,-z,relro,-z,now,-z,noexecstack $(filter %.o,$^) -o $@

$(O)/dnsflow: $(SENSOR)
$(O)/dnsflow_read: $(READER)
$(O)/dnsflow_read: LIBS += $(VIEW_LIBS) $(if $(COLLECT),$(shell pkg-config --libs libzstd))
$(O)/dnsflow_collect: $(COLLECTOR)
$(O)/dnsflow_collect: LIBS += $(KEEP_LIBS) $(VIEW_LIBS)
$(PROGRAMS:%=$(O)/%):
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(LINK) $^ -o $@ $(LIBS)

# A test or a benchmark is one file, linked with everything but the mains.
$(O)/tests/% $(O)/bench/%: LIBS += $(shell pkg-config --libs cmocka 2>/dev/null) $(VIEW_LIBS) $(KEEP_LIBS)
# The oracle, in tests of their own. Without ldns they are left out.
ifeq ($(shell pkg-config --exists ldns 2>/dev/null && echo yes),yes)
$(O)/tests/prop/test_ld%: LIBS += $(shell pkg-config --libs ldns)
else
TESTS := $(filter-out $(O)/tests/prop/test_ld%,$(TESTS))
endif
$(O)/tests/%: $(O)/obj/tests/%.o $(filter-out $(MAINS),$(OBJECTS))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(LINK) $^ -o $@ $(LIBS)
$(O)/bench/%: $(O)/obj/bench/%.o $(filter-out $(MAINS),$(OBJECTS))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(LINK) $^ -o $@ $(LIBS)

# A fuzz target is one file too; without a fuzzer it replays the corpus.
$(O)/tests/fuzz/fuzz_%: $(O)/obj/tests/fuzz/fuzz_%.o $(filter-out $(MAINS),$(OBJECTS)) \
    $(if $(filter fuzz,$(BUILD)),,$(O)/obj/tests/fuzz/replay.o)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(LINK) $(if $(filter fuzz,$(BUILD)),-fsanitize=fuzzer) $^ -o $@ $(LIBS)

$(PEERS): $(O)/%: $(O)/obj/%.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) $(LINK) $^ -o $@ $(shell pkg-config --libs rdkafka)

tests: programs $(if $(filter release,$(BUILD)),$(O)/$(SO_NAME)) $(TESTS) $(BENCHES) $(FUZZERS) $(PEERS)

check: tests $(if $(filter release,$(BUILD)),all)
	$(Q)scripts/run-tests $(O) $(TESTS) $(FUZZERS)

# What waits on the clock, or on a browser, runs once, on the release build: under a sanitizer it shows nothing more.
ON_CLOCK := $(wildcard $(addprefix tests/e2e/test_,$(addsuffix .py,why heal recipes annotate_accuracy collect_backup collect_demo \
              collect_clickhouse_faults collect_file collect_forget collect_kafka collect_observe collect_page collect_proxy collect_replay collect_roles kafka_mock soak python*)) tests/golden/test_conform.py)
THREADED := $(wildcard $(addprefix tests/e2e/test_,$(addsuffix .py,bad_day collect collect_http collect_http_limits collect_threads dnstap live live_traffic \
              metrics overload service streams udp)))
check-asan: export DNSFLOW_TEST_FILES = $(filter-out $(ON_CLOCK),$(wildcard tests/e2e/test_*.py tests/golden/test_*.py))
check-tsan: export DNSFLOW_TEST_FILES = $(THREADED)
check-asan check-tsan: check-%:
	$(Q)$(MAKE) BUILD=$* check

core: $(CORE)

# Left out, as libpcap and libarchive are not instrumented and what they write would count as never written: the tests
# of capture, sink, sensor and reader, fuzz_capture, fuzz_reader. cmocka is not instrumented either; that shows only
# where it measures the message of a failed test, hence the option.
check-msan:
	$(Q)MSAN_OPTIONS=intercept_strlen=0 $(MAKE) BUILD=msan CC=clang check-core

check-core: core
	@echo "left out: $(notdir $(filter-out $(CORE),$(TESTS) $(FUZZERS)))"
	$(Q)PYTHON=true scripts/run-tests $(O) $(CORE)

# s390x is big-endian, i386 has 32 bits
check-cross:
	$(Q)scripts/check-cross s390x i386

check-abi: $(O)/$(SO_NAME)
	$(Q)scripts/check-abi $<

# One after the other, as each has a cluster of its own. Kafka is fetched first: the tests have loopback only, and are
# skipped where it is not there.
check-kafka: all $(PEERS)
	-$(Q)scripts/fetch-kafka >/dev/null
	$(Q)DNSFLOW_TEST_KAFKA=1 DNSFLOW_TEST_JOBS=1 DNSFLOW_TEST_FILES="$$(grep -lw needs_cluster tests/e2e/test_*.py | xargs)" scripts/run-tests $(O)

# In a database of its own there, which is dropped at the end. KEYS=user=NAME,password-file=FILE: to be let in.
check-clickhouse: all
	$(if $(URL),,$(error check-clickhouse: expected URL=http://HOST:8123))
	$(Q)DNSFLOW_BUILD=$(abspath $(O)) DNSFLOW_CLICKHOUSE=$(URL) DNSFLOW_CLICKHOUSE_KEYS=$(KEYS) $(PYTHON) -B -m pytest -q -rs \
	    -p no:cacheprovider -k own tests/e2e/test_collect_clickhouse.py

# make fuzz T=frame|input|message|dnstap|datagram|capture|reader|http|journal|config|ask|serve|annotate|watch|feed S=seconds
fuzz:
	$(Q)$(MAKE) BUILD=fuzz CC=clang build/fuzz/tests/fuzz/fuzz_$(T)
	$(Q)scripts/fuzz build/fuzz/tests/fuzz/fuzz_$(T) $(or $(S),60)

# All targets, 5 s each; with -j some at once.
SMOKE := $(FUZZERS:$(O)/tests/fuzz/fuzz_%=smoke-%)
fuzz-smoke: $(SMOKE)
smoke-programs:
	$(Q)$(MAKE) BUILD=fuzz CC=clang $(SMOKE:smoke-%=build/fuzz/tests/fuzz/fuzz_%)
$(SMOKE): smoke-%: smoke-programs
	$(Q)scripts/fuzz build/fuzz/tests/fuzz/fuzz_$* 5

bench-live: all $(BENCHES)
	$(Q)bench/live $(O)

soak: all
	$(Q)$(PYTHON) -B tests/soak/run $(O) $(if $(S),--seconds $(S))

soak-sensor: all
	$(Q)$(PYTHON) bench/soak $(O) $(if $(S),--seconds $(S))

bench-collect: all $(BENCHES)
	$(Q)$(PYTHON) bench/collect $(O) $(if $(QUICK),--quick,$(if $(S),--seconds $(S)))

bench: all $(BENCHES)
	$(Q)bench/run $(O)

lint: all
	$(Q)scripts/lint/run

fmt:
	$(Q)clang-format -i $(shell git ls-files 'src/**/*.[ch]' 'include/*.h' 'tests/**/*.[ch]' 'bench/*.[ch]')

LIBDIR    ?= $(PREFIX)/lib
PACKAGE   := $(wildcard python/dnsflow/*.py) python/dnsflow/py.typed
INSTALLED := $(addprefix $(PREFIX)/,sbin/dnsflow bin/dnsflow_read bin/dnsflow_read.py bin/dnsflow_collect \
               include/dnsflow.h $(foreach page,$(notdir $(wildcard docs/man/*.[1-8])),share/man/man$(subst .,,$(suffix $(page)))/$(page)) \
               $(PACKAGE:%=share/dnsflow/%) \
               $(foreach p,dnsflow dnsflow_read dnsflow_collect,share/bash-completion/completions/$(p) share/zsh/vendor-completions/_$(p) \
                 share/fish/vendor_completions.d/$(p).fish)) \
             $(addprefix $(LIBDIR)/,libdnsflow.a $(SO_NAME) libdnsflow.so pkgconfig/libdnsflow.pc)
# systemd looks below /usr and /usr/local only.
UNITDIR   ?= $(if $(filter /usr /usr/local,$(PREFIX)),$(PREFIX)/lib,/etc)/systemd/system
SERVICE   := $(foreach s,dnsflow dnsflow-collect,$(PREFIX)/libexec/$(s)-service $(UNITDIR)/$(s).service /etc/init.d/$(s) \
               /etc/default/$(s)) /etc/dnsflow/collect.conf
SCRIPTED  := DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' UNITDIR='$(UNITDIR)'

install: all $(LIBRARY) $(O)/$(SO_NAME)
	install -d $(sort $(dir $(addprefix $(DESTDIR),$(INSTALLED))))
	install -m 755 dnsflow $(DESTDIR)$(PREFIX)/sbin/dnsflow
	install -m 755 $(filter-out dnsflow,$(PROGRAMS)) dnsflow_read.py $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(LIBRARY) $(DESTDIR)$(LIBDIR)/libdnsflow.a
	install -m 644 $(O)/$(SO_NAME) $(DESTDIR)$(LIBDIR)/$(SO_NAME)
	ln -sf $(SO_NAME) $(DESTDIR)$(LIBDIR)/libdnsflow.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' packaging/libdnsflow.pc.in \
	    >$(DESTDIR)$(LIBDIR)/pkgconfig/libdnsflow.pc
	install -m 644 include/dnsflow.h $(DESTDIR)$(PREFIX)/include/dnsflow.h
	install -m 644 $(PACKAGE) $(DESTDIR)$(PREFIX)/share/dnsflow/python/dnsflow
	for page in docs/man/*.[1-8]; do \
	    install -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/ || exit 1; done
	for p in $(PROGRAMS); do scripts/make-completions ./$$p $(O)/completions || exit 1; \
	    install -m 644 $(O)/completions/$$p.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$p; \
	    install -m 644 $(O)/completions/$$p.zsh $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_$$p; \
	    install -m 644 $(O)/completions/$$p.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$p.fish; done

install-service:
	$(Q)$(SCRIPTED) scripts/install-service install

uninstall:
	$(Q)$(SCRIPTED) scripts/install-service remove
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	rm -rf $(DESTDIR)$(PREFIX)/share/dnsflow
	$(Q)DESTDIR='$(DESTDIR)' scripts/remove-folders $(sort $(patsubst %/,%,$(dir $(INSTALLED) $(SERVICE))))

deb rpm: %:
	$(Q)scripts/build-$*

check-long:
	$(Q)scripts/check-bare
	$(Q)scripts/check-bare --plain

help:
	@sed -n '3,/^$$/s/^# \{0,3\}//p' Makefile

clean:
	rm -rf build dnsflow dnsflow_read dnsflow_collect

-include $(OBJECTS:.o=.d) $(patsubst %.c,$(O)/pic/%.d,$(wildcard src/flow/*.c)) \
    $(patsubst %,$(O)/obj/%.d,$(basename $(wildcard tests/*/*.c bench/*.c)))
