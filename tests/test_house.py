"""The house rules that no single notebook can test: layers, sizes, docstrings, notebooks as committed."""
import ast
import json
import re
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PICKLES = {'pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'shelve'}
MAY_PICKLE = {'21_train'} # reads back only the checkpoints it wrote itself
LOCAL_PATH = re.compile(r'(?<![\w.+/=-])(?:/(?:work|home|root|tmp|Users|mnt)/|[A-Z]:\\Users\\)')


def text(source): return source if isinstance(source, str) else ''.join(source)


def code_cells(nb): return [c for c in nb['cells'] if c['cell_type'] == 'code']


def exports(nb):
    found = [re.search(r'^#\|\s*default_exp\s+(\S+)', text(c['source']), re.M) for c in code_cells(nb)]
    return next((m[1] for m in found if m), None)


def plain(source): return re.sub(r'^\s*[%!].*$', '', source, flags=re.M) # without magics, so that it parses


NOTEBOOKS = {p.stem: json.loads(p.read_text(encoding='utf-8')) for p in sorted((ROOT/'nbs').glob('*.ipynb'))}
LESSONS = {p.stem: json.loads(p.read_text(encoding='utf-8')) for p in sorted((ROOT/'nbs'/'course').glob('*.ipynb'))}
ORDER = [m for nb in NOTEBOOKS.values() if (m := exports(nb))]
PACKAGE = ROOT/'hfi_nb'
MODULES = {'.'.join(p.relative_to(PACKAGE).with_suffix('').parts): p
           for p in sorted(PACKAGE.rglob('*.py')) if not p.stem.startswith('_')}
TREES = {name: ast.parse(p.read_text(encoding='utf-8')) for name, p in MODULES.items()}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def siblings(name, tree):
    "Names of the package's own modules that a module imports, wherever the import stands."
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or '').startswith('hfi_nb')):
            room = name.split('.')[:-node.level] if node.level else []
            base = '.'.join([*room, *(node.module or '').removeprefix('hfi_nb').split('.')]).strip('.')
            yield from [base] if base in MODULES else ('.'.join(filter(None, [base, a.name])) for a in node.names)
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix('hfi_nb.') for a in node.names if a.name.startswith('hfi_nb.'))


def unpickles(tree):
    "Lines that can run code hidden in a data file."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and PICKLES & {a.name.split('.')[0] for a in node.names}: yield node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or '').split('.')[0] in PICKLES: yield node.lineno
        elif isinstance(node, ast.Call):
            flags = {k.arg: getattr(k.value, 'value', None) for k in node.keywords}
            if flags.get('allow_pickle'): yield node.lineno
            if ast.unparse(node.func) == 'torch.load' and flags.get('weights_only') is not True: yield node.lineno


def test_every_module_has_its_notebook():
    assert sorted(ORDER) == sorted(MODULES) and len(set(ORDER)) == len(ORDER)


@pytest.mark.parametrize('name', MODULES)
def test_a_module_imports_only_lower_numbered_ones(name):
    lower = ORDER[:ORDER.index(name)]
    assert [s for s in siblings(name, TREES[name]) if s not in lower] == []


@pytest.mark.parametrize('name', MODULES)
def test_sizes(name):
    assert len(MODULES[name].read_text(encoding='utf-8').splitlines()) <= 400
    long = [n.name for n in ast.walk(TREES[name]) if isinstance(n, FUNCTIONS) and n.end_lineno - n.lineno + 1 > 40]
    assert long == []


@pytest.mark.parametrize('name', MODULES)
def test_lines_are_at_most_120_characters_but_those_that_nbdev_writes(name):
    text = re.sub(r'^__all__ = \[.*?\]$', '', MODULES[name].read_text(encoding='utf-8'), flags=re.M | re.S)
    assert [line for line in text.splitlines() if len(line) > 120] == []


@pytest.mark.parametrize('name', MODULES)
def test_public_functions_have_docstrings(name):
    public = [n for n in TREES[name].body if isinstance(n, (*FUNCTIONS, ast.ClassDef)) and not n.name.startswith('_')]
    assert [n.name for n in public if not ast.get_docstring(n)] == []


def test_import_is_light():
    code = "import sys, hfi_nb; print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    assert subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip() == '[]'


def same(name): return re.sub(r'[-_.]+', '-', name).lower()


def settings_ini():
    settings = ConfigParser(delimiters=['='])
    settings.read(ROOT/'settings.ini', encoding='utf-8')
    return settings['DEFAULT']


def required(*keys):
    return {same(re.match(r'[\w.-]+', word)[0]) for key in keys for word in settings_ini()[key].split()}


SOLD_AS = packages_distributions() # import name → distributions; half a second, so once


def imported(tree):
    "Top-level names of what a module imports from outside the package and the standard library."
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
            [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        yield from (n for name in names if (n := name.split('.')[0]) not in sys.stdlib_module_names | {'hfi_nb'})


@pytest.mark.parametrize('name', MODULES)
def test_what_is_imported_is_required(name):
    allowed = required('requirements', 'world_requirements', 'postgres_requirements', 'page_requirements',
                       'crowd_requirements', 'nudenet_requirements')
    assert [n for n in imported(TREES[name]) if not {same(d) for d in SOLD_AS.get(n, [n])} & allowed] == []


def test_constraints_are_exact_and_cover_the_requirements():
    lines = (ROOT/'constraints.txt').read_text(encoding='utf-8').split('\n')[:-1]
    assert [x for x in lines if not re.fullmatch(r"[\w.-]+==[\w.]+(; python_full_version (<|>=) '[\d.]+')?", x)] == []
    assert required(
        *(k for k in settings_ini() if k.endswith('requirements'))) <= {same(x.split('==')[0]) for x in lines}


def test_pyproject_equals_settings():
    settings = settings_ini()
    pyproject = tomllib.loads((ROOT/'pyproject.toml').read_text(encoding='utf-8'))
    assert set(pyproject) == {'build-system', 'tool'} and set(pyproject['tool']) == {'nbdev', 'basedpyright'}
    for key, value in pyproject['tool']['nbdev'].items():
        assert settings.get(key, '') == (' '.join(value) if isinstance(value, list) else str(value)), key


@pytest.mark.parametrize('nb', [*NOTEBOOKS.values(), *LESSONS.values()], ids=[*NOTEBOOKS, *LESSONS])
def test_notebooks_as_committed(nb):
    cells = code_cells(nb)
    outputs = [o for c in cells for o in c['outputs']]
    assert outputs or not cells, 'no outputs: run it from top to bottom and save'
    assert [o['ename'] for o in outputs if o['output_type'] == 'error'] == []
    assert 'widgets' not in nb['metadata']
    assert not any('application/vnd.jupyter.widget-view+json' in o.get('data', {}) for o in outputs)


@pytest.mark.parametrize('path', sorted((ROOT/'nbs').glob('*.ipynb')), ids=lambda path: path.stem)
def test_a_notebook_is_at_most_a_megabyte(path):
    assert path.stat().st_size <= 1_000_000, f'python tools/shrink.py nbs/{path.name}, and look at its pictures'


ALLOWED = {n: nb for n, nb in (NOTEBOOKS | LESSONS).items() if n not in MAY_PICKLE}


@pytest.mark.parametrize('nb', ALLOWED.values(), ids=ALLOWED)
def test_nothing_unpickles(nb):
    for cell in code_cells(nb):
        source = text(cell['source'])
        if not source.startswith('%%'): assert list(unpickles(ast.parse(plain(source)))) == []


def test_the_pickle_rule_bites():
    bad = ['import pickle', 'from joblib import load', 'torch.load(f)', 'torch.load(f, weights_only=False)',
           'np.load(f, allow_pickle=True)']
    assert all(list(unpickles(ast.parse(s))) for s in bad)
    assert not any(list(unpickles(ast.parse(s)))
                   for s in ['torch.load(f, weights_only=True)', 'np.load(f)', 'json.load(f)'])


def test_no_local_paths():
    folders = [ROOT/f for f in ('nbs', 'docs', 'hfi_nb', 'tests', 'tools', 'data', '.ci', '.githooks')]
    files = [p for f in folders for p in f.rglob('*') if p.suffix in {
        '.ipynb', '.py', '.json', '.jsonl', '.md', ''} and p.is_file()]
    files += [p for p in ROOT.iterdir() if p.suffix in {'.md', '.toml', '.ini', '.txt', '.yml'} or p.name == 'Makefile']
    files = [p for p in files if p != Path(__file__).resolve() and '.ipynb_checkpoints' not in p.parts]
    found = {p: LOCAL_PATH.search(p.read_text(encoding='utf-8')) for p in files}
    hits = [f'{p.relative_to(ROOT)}: {m[0]}' for p, m in found.items() if m]
    assert hits == []
