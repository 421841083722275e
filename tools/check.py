"""Everything the continuous integration checks, in one command: `python tools/check.py`.

--static  only that package, tests and README match the notebooks, and ruff (seconds; the git hook)
--write   bring package, tests and README up to date with the notebooks, check nothing"""
import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

from nbtests import export_tests
from readme import export_readme

ROOT = Path(__file__).resolve().parent.parent


def run(*command):
    print('$', *command, flush=True)
    if subprocess.run(command, cwd=ROOT).returncode: sys.exit(f'failed: {" ".join(command)}')


def stale_modules():
    "Modules that differ from what the notebooks export, found by exporting into a scratch folder."
    from nbdev.export import nb_export
    with tempfile.TemporaryDirectory() as scratch:
        for nb in sorted((ROOT/'nbs').glob('*.ipynb')): nb_export(nb, lib_path=Path(scratch))
        fresh = sorted(Path(scratch).rglob('*.py'))
        return [ROOT/'hfi_nb'/f.name for f in fresh if f.name != '_modidx.py' and not (
            (ROOT/'hfi_nb'/f.name).exists() and filecmp.cmp(f, ROOT/'hfi_nb'/f.name, shallow=False))]


def static():
    stale = stale_modules() + export_tests(ROOT, check=True) + export_readme(ROOT, check=True)
    if stale: sys.exit('stale, run `make export`: ' + ', '.join(str(f.relative_to(ROOT)) for f in stale))
    run('ruff', 'check', '.')


def write():
    run('nbdev-export')
    for f in export_tests(ROOT) + export_readme(ROOT): print('wrote', f.relative_to(ROOT))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--static', action='store_true')
    parser.add_argument('--write', action='store_true')
    args = parser.parse_args()
    if args.write: sys.exit(write())
    static()
    if args.static: sys.exit()
    run('nbdev-test', '--n_workers', '1', '--do_print')
    run('pytest', '-q')
