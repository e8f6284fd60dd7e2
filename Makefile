# hoopgw: each target prepares what it needs; nothing outside this directory changes.

.PHONY: help prepare demo test lint bench fuzz regress compiled deb lock clean
.DEFAULT_GOAL := help

unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV

PREPARE = sh packaging/python3.sh && /usr/bin/python3 -B packaging/prepare.py

help:
	@echo 'make demo     a PostgreSQL, an issuer and the gateway on loopback, and an agent that uses them'
	@echo 'make test     lint, types, and all tests: compiled, and plain what needs no server'
	@echo 'make bench    the same work through gateway, peers and direct, in alternation; BENCH="--rounds 3 --seconds 3"'
	@echo 'make fuzz     each decoder against inputs nobody wrote; SECONDS=60 a target, TARGET=pg-relay for one, JOBS=2'
	@echo "make regress  PostgreSQL's own regression scripts, through the gateway and direct; REGRESS='boolean copy'"
	@echo 'make lint     ruff and mypy alone'
	@echo 'make deb      dist/hoopgw_VERSION_amd64.deb; DEB=--twice builds it again and compares'
	@echo 'make lock     write requirements/*.txt from requirements/*.in'
	@echo 'make clean    remove what the others made'

demo:
	@$(PREPARE) demo
	@.venv/bin/hoopgw demo

test:
	@$(PREPARE) test
	@.venv/bin/python packaging/check.py lint tests

lint:
	@$(PREPARE) test
	@.venv/bin/python packaging/check.py lint

bench:
	@$(PREPARE) bench
	@.venv/bin/python -P -m bench --results bench/results.json $(BENCH)

fuzz:
	@$(PREPARE) fuzz
	@.venv/bin/python packaging/fuzz.py --seconds $(or $(SECONDS),60) --jobs $(or $(JOBS),2) $(TARGET)

regress:
	@$(PREPARE) regress
	@.venv/bin/python -P -m tests.regress $(REGRESS)

compiled:
	@$(PREPARE) test

deb:
	@sh packaging/python3.sh && /usr/bin/python3 -B packaging/build_deb.py --lacking
	@$(PREPARE) deb
	@.venv/bin/python packaging/build_deb.py $(DEB)

lock:
	@$(PREPARE) test
	@.venv/bin/python packaging/lock.py

clean:
	rm -rf .venv .cache dist _trial_temp* .mypy_cache .ruff_cache .hypothesis
