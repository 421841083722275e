"""The benches and tools stand outside the package, so a name that moved would break them unnoticed."""
import ast
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted([*(ROOT/'bench').glob('*.py'), *(ROOT/'tools').glob('*.py')])


@pytest.mark.parametrize('file', PROGRAMS, ids=lambda f: f'{f.parent.name}-{f.stem}')
def test_every_name_that_a_program_takes_from_the_package_is_there(file):
    "Wherever the import stands: those within functions fail only when they run."
    tree = ast.parse(file.read_text(encoding='utf-8'))
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or (node.module or '').split('.')[0] != 'hfi_nb': continue
        module = importlib.import_module(node.module)
        gone = [a.name for a in node.names if not hasattr(module, a.name)]
        for name in gone: importlib.import_module(f'{node.module}.{name}') # raises for what is no module, either


@pytest.mark.parametrize('file', [f for f in PROGRAMS if '__main__' in f.read_text(encoding='utf-8')],
                         ids=lambda f: f'{f.parent.name}-{f.stem}')
def test_a_program_can_be_imported_and_does_nothing_then(file, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(file.parent), *sys.path])
    monkeypatch.setattr(sys, 'argv', [str(file)])
    importlib.import_module(file.stem)
