# make demo   the whole chain on a small foam phantom, then results/demo/report/index.html
# make test   everything that is checked: ruff, snakefmt, mypy, snakemake --lint, pytest
# make mutants    small wrong changes of the library, and whether the tests notice: an hour or so
# make test-gpu   what only a machine with a GPU can check
# All set up .venv by themselves, with the versions of constraints.txt.

PYTHON ?= python3
CORES ?= all
WORKERS ?= 4
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-gpu mutants lint clean
SEED ?= 1

demo: $(READY)
	$(BIN)/snakemake --cores $(CORES)

# Without NVIDIA's GPU, where there is one: what is equal bit for bit is so on a CPU.
test: $(READY) lint
	CUDA_VISIBLE_DEVICES= $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

test-gpu: $(READY)
	$(BIN)/python -m pytest tests/gpu

# Goes on where it was stopped; another draw with SEED=3. The tables: benchmarks/mutants.
mutants: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[mutants]'
	$(BIN)/python benchmarks/mutants.py --seed $(SEED)
	$(BIN)/python benchmarks/mutants.py --summary

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/snakemake --lint

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,slurm,storage]'
	touch $(READY)

# After a change of constraints.txt: the same pins for `snakemake --sdm conda`.
envs/acuity.yaml: constraints.txt
	sed -i '/==/d' $@
	sed -n '/==/s/^/      - /p' constraints.txt >> $@

clean:
	rm -rf .venv .snakemake results logs
