"""The pictures in nbs/stills are as old as the script or cell that makes them (tools/made.py)."""
import json
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))

import made

from hfi_nb.backbones.loading import load_pipeline, model_hash
from hfi_nb.erasing.export import load_delta
from hfi_nb.tokens.token import SoftToken

NAMES = sorted(path.stem for path in made.STILLS.glob('*.png'))


@pytest.mark.parametrize('name', NAMES)
def test_a_still_is_as_old_as_what_makes_it(name):
    assert made.recorded().get(name) == made.state(name), f'make it with {made.recipe(name)[0]}, look at it, and ' \
        f'record it with python tools/made.py {name}'


def test_the_record_holds_no_other(): assert sorted(made.recorded()) == NAMES


@pytest.fixture
def house(tmp_path, monkeypatch):
    "A house with one picture of each kind, recorded."
    for part in ('nbs/stills', 'tools', 'data/panel'): (tmp_path/part).mkdir(parents=True)
    for name in ('attack', 'grid', 'landscape'): shutil.copy(made.STILLS/f'{name}.png', tmp_path/'nbs/stills')
    for file in ('tools/stills.py', *made.FRONT): shutil.copy(ROOT/file, tmp_path/file)
    cell = dict(cell_type='code', source=["plt.plot(x)\n", "plt.savefig('stills/landscape.png', dpi=80)"])
    (tmp_path/'nbs/a.ipynb').write_text(json.dumps(dict(cells=[cell])))
    for name, value in dict(ROOT=tmp_path, STILLS=tmp_path/'nbs/stills',
                            RECORD=tmp_path/'nbs/stills/made.json').items(): monkeypatch.setattr(made, name, value)
    made.record(['attack', 'grid', 'landscape'])
    return tmp_path


@pytest.mark.parametrize('file, before, after, older', [
    ('tools/stills.py', 'with a thick black outline', 'in ink', ['attack']),
    ('tools/stills.py', "CONCEPT = 'ink drawings'", "CONCEPT = 'ink'", ['grid']),
    ('tools/stills.py', 'def panel(', '# said\n\ndef panel(', []),
    ('data/panel/panel.css', 'color', 'colour', ['grid']),
    ('nbs/a.ipynb', 'plt.plot(x)', 'plt.plot(y)', ['landscape'])])
def test_what_makes_a_picture_changed(house, file, before, after, older):
    assert made.stale() == []
    source = (house/file).read_text()
    assert before in source
    (house/file).write_text(source.replace(before, after))
    assert made.stale() == older


def test_a_picture_changed_without_its_record(house):
    shutil.copy(house/'nbs/stills/grid.png', house/'nbs/stills/landscape.png')
    assert made.stale() == ['landscape']
    made.record(['landscape'])
    assert made.stale() == []


def test_a_picture_that_two_cells_save_or_none_is_refused(house):
    nb = json.loads((house/'nbs/a.ipynb').read_text())
    for cells in ([], nb['cells']*2):
        (house/'nbs/a.ipynb').write_text(json.dumps(dict(cells=cells)))
        with pytest.raises(SystemExit, match='exactly one'): made.recipe('landscape')


def test_what_notebooks_take_from_an_earlier_one_can_be_loaded():
    base = load_pipeline()
    assert model_hash(load_delta(base, made.STILLS/'openmoji-erased.safetensors')) != model_hash(base)
    assert SoftToken.load(made.STILLS/'openmoji-token.safetensors').vectors.isfinite().all()
