# "make demo" and "make test" set up a bare machine, so they must work where
# nothing of PostgreSQL is installed yet, and leave everything to scripts.
SCRIPTS_ONLY = demo test test-faults test-clients test-versions test-upgrade test-memory \
	fuzz lint coverage setup bench
DEMO_DATA := $(DATA)

.PHONY: $(SCRIPTS_ONLY)

all:

ifneq ($(filter-out $(SCRIPTS_ONLY),$(or $(MAKECMDGOALS),all)),)

EXTENSION = hierarchy
MODULE_big = hierarchy
DATA = sql/hierarchy--1.0.sql

GRAPH_OBJS = \
	src/graph/between.o \
	src/graph/cycle.o \
	src/graph/dag.o \
	src/graph/dict.o \
	src/graph/distinct.o \
	src/graph/fold.o \
	src/graph/image.o \
	src/graph/link.o \
	src/graph/masks.o \
	src/graph/neighbours.o \
	src/graph/overlay.o \
	src/graph/paths.o \
	src/graph/preorder.o \
	src/graph/rollup.o \
	src/graph/scc.o \
	src/graph/share.o \
	src/graph/stage.o \
	src/graph/stats.o \
	src/graph/trunk.o \
	src/graph/view.o \
	src/graph/walk.o \
	src/graph/weighted.o

OBJS = \
	src/hierarchy.o \
	src/beside.o \
	src/guc.o \
	src/library.o \
	$(GRAPH_OBJS) \
	src/am/append.o \
	src/am/build.o \
	src/am/handler.o \
	src/am/insert.o \
	src/am/options.o \
	src/am/page.o \
	src/am/tuple.o \
	src/am/vacuum.o \
	src/am/validate.o \
	src/types/depend.o \
	src/types/hgraph.o \
	src/types/hrollup.o \
	src/types/hrollup_amount.o \
	src/types/hrollup_cells.o \
	src/types/hrollup_check.o \
	src/types/hrollup_in.o \
	src/types/hrollup_in_rows.o \
	src/types/hrollup_merge.o \
	src/types/hrollup_names.o \
	src/types/hrollup_node.o \
	src/types/hrollup_out.o \
	src/types/hrollup_read.o \
	src/types/hrollup_rows.o \
	src/types/hrollup_wire.o \
	src/cache/auth.o \
	src/cache/cache.o \
	src/cache/load.o \
	src/cache/private.o \
	src/cache/query.o \
	src/visibility/acyclic.o \
	src/visibility/probe.o \
	src/visibility/rows.o \
	src/visibility/vm.o \
	src/functions/args.o \
	src/functions/closure.o \
	src/functions/closure_up.o \
	src/functions/common.o \
	src/functions/estimate.o \
	src/functions/key_nodes.o \
	src/functions/keys.o \
	src/functions/neighbours.o \
	src/functions/paths.o \
	src/functions/preorder.o \
	src/functions/reach.o \
	src/functions/roots.o \
	src/functions/rows.o \
	src/functions/srf.o \
	src/functions/stats.o \
	src/functions/tree.o \
	src/functions/verify.o \
	src/functions/verify_entries.o \
	src/functions/within.o \
	src/rollup/aggregate.o \
	src/rollup/ahead.o \
	src/rollup/collect.o \
	src/rollup/collect_add.o \
	src/rollup/collect_kind.o \
	src/rollup/collect_merge.o \
	src/rollup/collect_range.o \
	src/rollup/collect_read.o \
	src/rollup/collect_share.o \
	src/rollup/collect_table.o \
	src/rollup/collect_wire.o \
	src/rollup/columns.o \
	src/rollup/columns_int.o \
	src/rollup/columns_plan.o \
	src/rollup/columns_read.o \
	src/rollup/decimal.o \
	src/rollup/drilldown.o \
	src/rollup/explain.o \
	src/rollup/facts.o \
	src/rollup/finish.o \
	src/rollup/mode.o \
	src/rollup/order.o \
	src/rollup/passes.o \
	src/rollup/result.o \
	src/rollup/table.o \
	src/rollup/view.o \
	src/rollup/view_sql.o \
	src/rollup/wide.o \
	src/planner/exec.o \
	src/planner/keys.o \
	src/planner/count.o \
	src/planner/scan.o \
	src/planner/support.o \
	src/directory/audit.o \
	src/directory/bi.o \
	src/directory/bi_values.o \
	src/directory/change_log.o \
	src/directory/days.o \
	src/directory/deferred.o \
	src/directory/directory.o \
	src/directory/directory_entities.o \
	src/directory/directory_rows.o \
	src/directory/graph_column.o \
	src/directory/horizon.o \
	src/directory/identifiers.o \
	src/directory/known.o \
	src/directory/label.o \
	src/directory/load_check.o \
	src/directory/load_cycle.o \
	src/directory/load_group.o \
	src/directory/load_progress.o \
	src/directory/load_scan.o \
	src/directory/load_values.o \
	src/directory/locks.o \
	src/directory/match_name.o \
	src/directory/months.o \
	src/directory/notify.o \
	src/directory/related.o \
	src/directory/restore.o \
	src/directory/restore_keys.o \
	src/directory/row_json.o \
	src/directory/rules.o \
	src/directory/rules_check.o \
	src/directory/rules_entity.o \
	src/directory/rules_identifier.o \
	src/directory/rules_list.o \
	src/directory/rules_settings.o \
	src/directory/rules_text.o

SOURCE_HEADERS = $(filter-out $(srcdir)/src/client/%, \
	$(wildcard $(srcdir)/src/*.h $(srcdir)/src/*/*.h))

# One source of the version
HIERARCHY_VERSION := $(shell sed -n "s/^default_version *= *'\([^']*\)'.*/\1/p" $(dir $(firstword $(MAKEFILE_LIST)))hierarchy.control)

PG_CPPFLAGS = -I$(srcdir)/src -DHIERARCHY_VERSION='"$(HIERARCHY_VERSION)"'
# PostgreSQL's own headers have parameters that they do not use, as have our
# functions, which follow its interfaces (fcinfo, callbacks).  -Wclobbered is
# about variables around PG_TRY, and wrong about those that nobody changes in it.
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-clobbered $(PTHREAD_CFLAGS)
# src/beside.c has a thread.
SHLIB_LINK = $(PTHREAD_LIBS)

REGRESS = am hgraph_type hrollup functions arguments cycle planner closure_scan rollup rollup_order rollup_views directory verbs directory_rights audit rules history ownership load load_modes load_duplicates match nasty_names bi_views
# Some expected results have characters beyond ASCII
REGRESS_OPTS = --inputdir=$(srcdir)/test --load-extension=hierarchy \
	--encoding=UTF8 --no-locale

ISOLATION = \
	cycle_concurrently \
	cycle_conflict \
	cycle_delete \
	cycle_insert \
	cycle_savepoint \
	cycle_three \
	cycle_update \
	cycle_validity \
	feed_months \
	feed_order \
	hierarchy_scan \
	match_decide \
	readers \
	rollup_snapshot \
	rules_children \
	rules_entities \
	rules_escalation \
	rules_settings \
	rules_shares \
	verbs_many \
	verbs_merge \
	verbs_reassign \
	serializable
ISOLATION_OPTS = --inputdir=$(srcdir)/test --outputdir=. \
	--load-extension=hierarchy --encoding=UTF8 --no-locale

TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
# Started before the others, for all to end at the same time
SLOW_TESTS = test/t/045_threads.pl test/t/001_oracle.pl test/t/003_badinput.pl test/t/014_directory_hospitals.pl \
	test/t/020_rollup_parallel.pl test/t/025_client_load.pl test/t/008_rollup_faults.pl \
	test/t/013_rollup_properties.pl test/t/002_realdata.pl test/t/007_rollup_data.pl \
	test/t/024_match_hospitals.pl test/t/023_load.pl test/t/017_directory_dump.pl \
	test/t/029_replication.pl test/t/026_client_tools.pl test/t/027_bi_views.pl
# Those with a long form, which "make test-faults" runs
PAREN = (
FAULT_TESTS = $(shell grep -lE '\<long\$(PAREN)|HIERARCHY_LONG' $(wildcard $(PROVE_TESTS)))

# Programs that test src/graph, and what the client reads, without a server
UNIT_TESTS = test/unit/build/graph_test test/unit/build/rollup_test test/unit/build/client_test

EXTRA_CLEAN = test/unit/build

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error pg_config is not there: run "make setup", or set PG_CONFIG)
endif
include $(PGXS)

PROVE_FLAGS += -I test/t

$(OBJS) $(OBJS:.o=.bc): $(SOURCE_HEADERS)
src/hierarchy.o src/hierarchy.bc: $(srcdir)/hierarchy.control

# Elsewhere than in the source tree, there are no folders for objects yet.  A
# rule would find those of the sources through VPATH.
ifneq ($(VPATH),)
$(shell mkdir -p $(sort $(dir $(OBJS))))
endif

# The client has a makefile of its own and is built beside the extension.
CLIENT_TARGETS = client-all client-install client-uninstall client-clean
.PHONY: $(CLIENT_TARGETS)

all: client-all
install: client-install
uninstall: client-uninstall
clean: client-clean
client-install: client-all

$(CLIENT_TARGETS): CLIENT_VPATH = $(if $(VPATH),$(abspath $(srcdir))/src/client)
$(CLIENT_TARGETS):
	@mkdir -p src/client
	$(MAKE) -C src/client -f '$(abspath $(srcdir))/src/client/Makefile' \
		VPATH='$(CLIENT_VPATH)' USE_VPATH='$(CLIENT_VPATH)' $(@:client-%=%)

.PHONY: unit
unit: $(UNIT_TESTS)

test/unit/build/%: test/unit/%.c $(GRAPH_OBJS:.o=.c) $(SOURCE_HEADERS) $(wildcard $(srcdir)/test/unit/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu99 -g -O1 -Wall -Wextra $(COPT) -I$(srcdir)/src -o $@ $< $(GRAPH_OBJS:%.o=$(srcdir)/%.c) -lm

CLIENT_READER = $(addprefix $(srcdir)/src/client/, csv.c decode.c memory.c message.c term.c)

test/unit/build/client_test: test/unit/client_test.c $(CLIENT_READER) $(wildcard $(srcdir)/src/client/*.h)
	@mkdir -p $(@D)
	$(CC) -std=gnu99 -D_GNU_SOURCE -g -O1 -Wall -Wextra $(COPT) -I$(srcdir)/src/client -o $@ $< $(CLIENT_READER)

endif

demo test test-clients test-versions test-upgrade test-memory fuzz lint coverage setup:
	@DATA='$(DEMO_DATA)' $(dir $(firstword $(MAKEFILE_LIST)))scripts/$@

test-faults:
	@$(dir $(firstword $(MAKEFILE_LIST)))scripts/test faults

bench:
	@$(dir $(firstword $(MAKEFILE_LIST)))bench/run $(BENCH_OPTIONS)
