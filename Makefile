# Two commands for a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test install lab export site clean

$(READY): settings.ini setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-input -c constraints.txt -e '.[dev,site]'
	touch $@

install: $(READY)   ## a virtual environment with everything in it

demo: install       ## remove one artist's style from the embedded model, start to finish
	$(BIN)/hfi demo

test: install       ## everything the continuous integration checks
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/check.py

lab: install        ## the notebooks in JupyterLab
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/jupyter lab nbs

export: install     ## notebooks -> package, tests, README
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/check.py --write

site: install       ## the documentation, in site/
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site build dist *.egg-info
