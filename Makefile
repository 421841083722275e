# Two commands for a fresh machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test install lab notebooks export clean

$(BIN)/hfi: settings.ini setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	touch $@

install: $(BIN)/hfi ## a virtual environment with everything in it

demo: install       ## remove one artist's style from the embedded model, start to finish
	$(BIN)/hfi demo

test: install       ## everything the continuous integration checks
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/check.py

lab: install        ## the notebooks in JupyterLab
	$(BIN)/jupyter lab nbs

export: install     ## notebooks -> package, tests, README
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/check.py --write

clean:
	rm -rf $(VENV) build dist *.egg-info
