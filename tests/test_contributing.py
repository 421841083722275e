"""The code blocks of CONTRIBUTING.md and of the how-to pages, run in the order in which they stand."""
import re
from pathlib import Path

import numpy as np
import pytest

from hfi_nb.erasing.distill import METHODS
from hfi_nb.erasing.targets import make_targets
from hfi_nb.erasing.erase import CLOSED
from hfi_nb.backbones.loading import backbone_of, model_hash
from hfi_nb.backbones.sampling import sample
from hfi_nb.backbones.unet import EMBEDDED_RECIPE
from hfi_nb.attack.red_team import ATTACKS

ROOT = Path(__file__).resolve().parent.parent
HOWTOS = sorted(p for p in (ROOT/'docs'/'howto').glob('*.md') if '```python' in p.read_text(encoding='utf-8'))


@pytest.fixture
def run_page(tmp_path, monkeypatch):
    """Runs a page's blocks in an empty folder and gives the names they leave behind; what they register is taken back.
    The model draws in few steps: how good an image is does not matter here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(vars(EMBEDDED_RECIPE), 'steps', 4)
    registries = METHODS, CLOSED, ATTACKS
    kept = [dict(r) for r in registries]
    def run(page):
        names, blocks = {}, re.findall(r'^```python\n(.*?)^```', page.read_text(encoding='utf-8'), re.S | re.M)
        assert blocks
        for at, block in enumerate(blocks): exec(compile(block, f'{page.name}, block {at+1}', 'exec'), names)
        return names
    yield run
    for registry, old in zip(registries, kept, strict=True):
        registry.clear()
        registry.update(old)


@pytest.mark.parametrize('page', HOWTOS, ids=lambda p: p.stem)
def test_the_blocks_of_a_how_to_page_run(page, run_page): run_page(page)


def test_the_new_eraser_attack_metric_and_concept_do_what_they_say(run_page):
    got = run_page(ROOT/'CONTRIBUTING.md')
    pipe, text = got['pipe'], ['house in the style of ink']
    task = make_targets(pipe, ['ink'], contexts=['house'])
    assert model_hash(got['project'](pipe, task, share=0.)) == model_hash(pipe)
    d = (task.c_s-task.c_0).tokens.double().mean((0, 1))
    old = backbone_of(pipe).kv_projections()
    for name, W in backbone_of(got['erased']).kv_projections().items():
        assert (W@d).abs().max() < 1e-5*(old[name]@d).abs().max(), name
    pictures = [sample(m, text, [0], steps=2)[0].tobytes() for m in (pipe, got['erased'], got['trained'])]
    assert len(set(pictures)) == 3
    assert len(got['found'].attack.texts) == got['found'].success.n == 2
    assert not any(t.endswith(' ink') for t in got['found'].attack.texts)
    colours = got['result'].distances['saturation']
    before = np.mean([np.asarray(im.convert('HSV'))[..., 1].mean()/255 for im in got['before']])
    assert np.isclose(colours['value'], -before) and colours['n'] == len(got['before'])
    assert colours['interval'][0] <= colours['value'] <= colours['interval'][1] < 0
    assert 'saturation' in got['result']._repr_html_()
    assert got['fruit'].measures['concept'].n == 6 and got['fruit'].measures['concept'].lost == 0
    assert {p.subject for p in got['asked'].target} <= set(got['own'].concepts['fruit'])
    assert 'fruit' not in got['load_world']().concepts


def test_what_a_page_registers_is_gone_afterwards():
    assert not {'project', 'base', 'misspell'} & {*METHODS, *CLOSED, *ATTACKS}
