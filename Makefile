# Two commands do all the set-up: `make demo` and `make test`. Both want root, or sudo.

PYTHON  := /usr/bin/python3
VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
LOG     := $(VENV)/install.log
SCRIPTS  = farswitch/image/guest/init $(shell find bench farswitch tests -name '*.sh')
PIP     := $(BIN)/pip install --disable-pip-version-check

.PHONY: help install demo test soak trial-house trial-field trial-speed trial-sight trial-switch trial-study trial-disturb trial-freeze check picture bench bench-full packages down clean

help:
	@echo "make demo     install what is missing, raise the lab, build a cluster, verify it"
	@echo "make down     tear the demo's cluster and its lab down"
	@echo "make test     install what is missing, run every test that this machine can run"
	@echo "make soak     kill the controller at 100 moments, stop it, let it race: two hours"
	@echo "make trial-house  this code against an earlier commit's cluster and demo: half an hour"
	@echo "make trial-field  real guests on hardened servers, of a stock image, broken, beside four busy loops: an hour"
	@echo "make trial-sight  a user's way by the docs: plan, faults that trace names, capture, report: half an hour"
	@echo "make trial-switch  each kind of switch in the path of real guests: half an hour"
	@echo "make trial-study  a study of switches on guests, killed ten times, planted effects, two clusters, an application compiled: two hours"
	@echo "make trial-disturb  switches alone side by side, impairments, what is counted at real guests' ports: an hour and a half"
	@echo "make trial-freeze  snapshots of real guests: restored ten times, killed at twenty moments; how many boot at once: an hour"
	@echo "make check    format, lint, types, imports, shell scripts: seconds"
	@echo "make trial-speed  make bench, then a controller killed on the way: three quarters of an hour"
	@echo "make bench    what guests, networks, builds, proofs and packets cost: half an hour"
	@echo "make bench-full  the same with medians, and their table in docs/performance.md: two hours"
	@echo "make picture  the picture of the README, by farswitch graph"
	@echo "make install  packages and .venv, nothing else: for servers of your own"
	@echo "make clean    remove .venv"

packages:
	@farswitch/lab/install.sh

$(READY): requirements/build.txt requirements/constraints.txt pyproject.toml | packages
	@echo "Installing Python's packages into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@{ $(PIP) --require-hashes --requirement requirements/build.txt && \
	   $(PIP) --require-hashes --no-build-isolation --requirement requirements/constraints.txt && \
	   $(PIP) --no-deps --no-build-isolation --editable .; } >$(LOG) 2>&1 || \
	 { tail -n 5 $(LOG) >&2; echo "pip failed; all that it printed is in $(LOG)." >&2; exit 1; }
	@touch $@

install: packages $(READY)

demo: packages $(READY)
	$(BIN)/farswitch build
	$(BIN)/farswitch verify --attack --control
	@echo
	@echo "The cluster stands."
	@echo "Get in:        ssh -F $${XDG_STATE_HOME:-$$HOME/.local/state}/farswitch/clusters/lab/ssh_config node1"
	@echo "Remove it:     make down"

test: packages $(READY)  # a test without guests computes for less than half of its time
	$(BIN)/python -m pytest --numprocesses 3 --no-loadscope-reorder --durations 40

soak: packages $(READY)
	$(BIN)/python -m pytest -m soak tests/soak

trial-house: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_house.py

trial-field: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_field.py tests/trials/test_field_load.py \
	    tests/lab/test_cluster_foreign_image.py tests/lab/test_cluster_broken_guest.py \
	    tests/lab/test_cluster_reboot.py tests/lab/test_faults_guests.py \
	    tests/lab/test_image_boot.py tests/lab/test_cluster_build.py tests/lab/test_control.py \
	    tests/lab_containers/test_console_flood.py \
	    tests/lab_containers/test_lab_least_privilege.py \
	    tests/lab_containers/test_cycles.py tests/libvirt

trial-sight: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_sight.py \
	    tests/lab/test_docs_commands.py tests/lab/test_cluster_cut_off.py \
	    tests/lab_containers/test_many_guests.py

trial-switch: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_switch.py tests/netns/test_switch_use.py \
	    tests/netns/test_switch_use_openvswitch.py tests/netns/test_switch_container.py

trial-study: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_app.py tests/trials/test_study.py \
	    tests/trials/test_study_neighbour.py tests/trials/test_study_two_clusters.py \
	    tests/netns/test_study.py

trial-disturb: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_switch_bench.py tests/lab/test_cluster_matrix.py \
	    tests/trials/test_disturb_matrix.py tests/trials/test_disturb.py

trial-freeze: packages $(READY)
	$(BIN)/python -m pytest -m trial tests/trials/test_freeze.py tests/trials/test_boots.py

check: packages $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck $(SCRIPTS)

picture: $(READY)
	$(BIN)/farswitch graph --site inventory/lab --no-state --output docs/picture.svg

bench: packages $(READY)
	$(BIN)/python -m bench

bench-full: packages $(READY)
	$(BIN)/python -m bench --full; status=$$?; $(BIN)/python -m bench.table && exit $$status

trial-speed: packages $(READY)
	-$(BIN)/python -m bench
	$(BIN)/python -m pytest -m root tests/soak/test_crash_short.py

down: $(READY)
	$(BIN)/farswitch teardown
	$(BIN)/farswitch lab down

clean:
	rm -rf $(VENV) build ./*.egg-info
