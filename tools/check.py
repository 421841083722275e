"""Everything the continuous integration checks, in one command: `python tools/check.py`.
The last step, pytest, also builds the site strictly (tests/test_site.py).

--all     also execute the notebooks that say `slow: true`: long measurements; tests and course run their code, too
--static  only that package, tests and README match the notebooks, and ruff (seconds; the git hook)
--write   bring package, tests and README up to date with the notebooks, check nothing"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbtests import export_tests
from readme import export_readme

ROOT = Path(__file__).resolve().parent.parent


WORKERS = min(4, os.cpu_count())


def run(*command, workers=1):
    "One command; beside others like it, each may use its share of the cores."
    print('$', *command, flush=True)
    env = os.environ | ({'OMP_NUM_THREADS': str(os.cpu_count()//workers)} if workers > 1 else {})
    if subprocess.run(command, cwd=ROOT, env=env).returncode: sys.exit(f'failed: {" ".join(command)}')


def stale_modules():
    "Modules that differ from what the notebooks export, found by exporting into a scratch folder."
    from nbdev.export import nb_export
    with tempfile.TemporaryDirectory() as scratch:
        for nb in sorted((ROOT/'nbs').glob('*.ipynb')): nb_export(nb, lib_path=Path(scratch)/'hfi_nb')
        made = Path(scratch)/'hfi_nb'
        names = sorted(f.relative_to(made) for f in made.rglob('*.py') if not f.name.startswith('_'))
        return [ROOT/'hfi_nb'/name for name in names if without_paths(made/name) != without_paths(ROOT/'hfi_nb'/name)]


def without_paths(module):
    "A module's text without the notebook paths in its comments, which depend on where it was exported to."
    return re.sub(r'^(# .*?)\S*(nbs/)', r'\1\2', module.read_text(), flags=re.M) if module.exists() else None


def not_executed(*keys):
    "Patterns of the notebooks whose first cell says one of the keys; nbdev-test reads them only from a raw cell."
    first = {p: nbformat.read(p, 4).cells[0].source for p in sorted((ROOT/'nbs').rglob('*.ipynb'))}
    said = re.compile(rf'\A---\n(?:.*\n)*?(?:{"|".join(keys)}): true\n')
    return [f'^{re.escape(p.name)}$' for p, source in first.items() if said.search(source)]


@contextmanager
def pictures_kept():
    "Notebooks draw their stills again, and another processor rounds differently: a check leaves the committed ones."
    kept = {path: path.read_bytes() for path in (ROOT/'nbs'/'stills').iterdir()}
    try: yield
    finally:
        for path, data in kept.items(): path.write_bytes(data)


def static():
    stale = stale_modules() + export_tests(ROOT, check=True) + export_readme(ROOT, check=True)
    if stale: sys.exit('stale, run `make export`: ' + ', '.join(str(f.relative_to(ROOT)) for f in stale))
    if (ROOT/'nbs'/'stills'/'erased.txt').read_text() not in (ROOT/'README.md').read_text():
        sys.exit('README.md has other numbers than its picture: execute nbs/index.ipynb, then `make export`')
    run('ruff', 'check', '.')


def write():
    run('nbdev-export')
    for f in export_tests(ROOT) + export_readme(ROOT): print('wrote', f.relative_to(ROOT))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--static', action='store_true')
    parser.add_argument('--write', action='store_true')
    args = parser.parse_args()
    if args.write: sys.exit(write())
    static()
    if args.static: sys.exit()
    types = subprocess.Popen('basedpyright', cwd=ROOT, stdout=subprocess.PIPE, text=True) # a minute, beside the rest
    # tst_flags in settings.ini leaves out the test cells: they are pytest's
    left_out = not_executed('skip_exec') if args.all else not_executed('skip_exec', 'slow')
    with pictures_kept():
        run('nbdev-test', '--n-workers', str(WORKERS), '--do-print', '--timing', '--cell-timeout', '1800',
            '--skip-file-re', '|'.join([r'^[_.]', *left_out]), workers=WORKERS)
    print('$ basedpyright', types.communicate()[0], sep='\n')
    if types.returncode: sys.exit('failed: basedpyright')
    # by name: xdist would begin with the files of many tests, and end with one long test while the other workers idle
    run('pytest', '-q', '-n', str(WORKERS), '--dist', 'loadfile', '--no-loadscope-reorder', '--durations', '40',
        workers=WORKERS)
