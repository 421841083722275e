"""The wheel, built from a copy of the sources without the network, and looked at away from the repository."""
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
SOURCES = ('settings.ini', 'setup.py', 'pyproject.toml', 'README.md', 'MANIFEST.in', 'LICENSE', 'CHANGELOG.md',
           'constraints.txt', 'hfi_nb', 'data', 'nbs', 'bench')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    source, out = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    for name in SOURCES:
        if (ROOT/name).is_dir():
            shutil.copytree(ROOT/name, source/name, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
        else: shutil.copy(ROOT/name, source/name)
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index', '-w',
               str(out), '.']
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob('*.whl'))


def test_wheel_holds_the_mini_world_and_the_course_and_stays_small(wheel):
    assert wheel.stat().st_size <= 72*2**20
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f'hfi_nb/data/{p.relative_to(ROOT/"data").as_posix()}'
              for p in (ROOT/'data/emoji').rglob('*') if p.is_file()}
    assert wanted and wanted <= names
    course = [ROOT/'nbs'/'index.ipynb', *(ROOT/'nbs'/'course').glob('*.ipynb'), *(ROOT/'nbs'/'stills').glob('*.png')]
    assert {f'hfi_nb/notebooks/{p.relative_to(ROOT/"nbs").as_posix()}' for p in course} <= names
    assert {'hfi_nb/py.typed', 'hfi_nb/core.py', 'hfi_nb/worlds/emoji/world.py'} <= names


def test_what_the_package_index_shows_leads_somewhere(wheel):
    [metadata] = [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith('.dist-info/METADATA')]
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    links = re.findall(r'\]\(([^)]+)\)', text)
    assert links and all(link.startswith('https://') for link in links)


def test_unpacked_wheel_finds_its_data(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path/'site')
    code = ("import sys; sys.path.insert(0, 'site'); import hfi_nb.worlds.emoji.world as e; "
            "print(e.__file__); print(len(e.load_world().subjects))")
    done = subprocess.run([sys.executable, '-I', '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, subjects = done.stdout.split()[-2:]
    assert (tmp_path/where).resolve().is_relative_to(tmp_path.resolve()) and int(subjects) >= 150


def test_unpacked_wheel_copies_its_notebooks(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path/'site')
    code = "import sys; sys.path.insert(0, 'site'); from hfi_nb.cli import run; run()"
    def hfi(*args):
        done = subprocess.run([sys.executable, '-I', '-c', code, *args], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout
    assert 'they are copied there if it is new' in ' '.join(hfi('lab', '--help').split())
    assert 'new: ' in hfi('lab', 'mine', '--no-open') and (tmp_path/'mine'/'stills'/'grid.png').exists()
    for nb in (tmp_path/'mine').rglob('*.ipynb'):
        links = re.findall(r'\]\((?!https?:)([^)#\s]+\.(?:ipynb|md|png))', nb.read_text(encoding='utf-8'))
        assert [link for link in links if not (nb.parent/link).is_file()] == [], nb.name
    (tmp_path/'mine'/'index.ipynb').write_text('my own')
    assert hfi('lab', 'mine', '--no-open') == '1 kept: index.ipynb\n'
    assert (tmp_path/'mine'/'index.ipynb').read_text() == 'my own'


def test_an_unpacked_wheel_has_every_measurement_that_the_course_reads(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path/'site')
    code = "import sys; sys.path.insert(0, 'site'); from hfi_nb.places import results_dir; print(results_dir())"
    done = subprocess.run([sys.executable, '-I', '-c', code], cwd=tmp_path, capture_output=True, text=True)
    there = {f.stem for f in (tmp_path/done.stdout.strip()).glob('*.jsonl')}
    lessons = ''.join(f.read_text(encoding='utf-8') for f in (ROOT/'nbs'/'course').glob('*.ipynb'))
    read = set(re.findall(r"results_dir\(\)/'(\w+)\.jsonl", lessons))
    assert 'bench/results' not in ''.join(re.findall(r'read_jsonl.*', lessons))
    assert len(read) > 4 and read | {'methods', 'methods_flow'} == there


def test_the_citation_is_of_this_version_and_copies_lead_to_the_repository():
    from configparser import ConfigParser

    from hfi_nb.lab import HOME
    settings = ConfigParser(delimiters=['='])
    settings.read(ROOT/'settings.ini', encoding='utf-8')
    assert HOME == settings['DEFAULT']['git_url']+'/blob/main'
    assert f'\nversion: {settings["DEFAULT"]["version"]}\n' in (ROOT/'CITATION.cff').read_text(encoding='utf-8')
