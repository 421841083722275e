"""Every path that depends on the device, in half precision: on the CPU in every run, on CUDA with `-m gpu`.

One walk through the library a device and type: what is made must be finite, must have moved, and must lie where the
model lies. Numbers are compared with float32 on the CPU only where half precision can hold them."""
from functools import cache

import numpy as np
import pytest
import torch

from hfi_nb.attack.probes import finish
from hfi_nb.attack.red_team import ThreatModel, concept_inversion, rece_embedding, unlearn_diff_atk
from hfi_nb.attack.relearning import relearning_curve
from hfi_nb.backbones.loading import backbone_of, load_pipeline, model_hash
from hfi_nb.backbones.sampling import sample
from hfi_nb.erasing.erase import erase
from hfi_nb.erasing.export import load_delta, save_delta, save_lora, save_pipeline
from hfi_nb.erasing.guards import guard
from hfi_nb.reward.features import image_features, load_clip
from hfi_nb.tokens.inversion import invert
from hfi_nb.worlds.emoji.world import load_world

CUDA = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')]
WHERE = [('cpu', 'float16'), ('cpu', 'bfloat16'), pytest.param('cuda', 'float16', marks=CUDA),
         pytest.param('cuda', 'bfloat16', marks=CUDA), pytest.param('cuda', 'float32', marks=CUDA)]
SAID = ['house in the style of ink', 'fox']
FEW = dict(updates=2, trajectories=2, steps=2, batch=2, quick_check=False)

pytestmark = [pytest.mark.slow, pytest.mark.parametrize('name', ['emoji', 'emoji-flow']),
              pytest.mark.parametrize('device, dtype', WHERE)]


@cache
def loaded(name, device, dtype): return load_pipeline(name, device, dtype)


def inked(n=3): return [load_world().image('ink', s) for s in load_world().subjects[:n]]


def pixels(images): return np.stack([np.asarray(im, float) for im in images])


def moved(before, after, scope='cross-attention'):
    "Whether a pipeline's weights differ, all being finite and where and of the type that they were."
    old, new = (dict(backbone_of(pipe).denoiser.named_parameters()) for pipe in (before, after))
    assert all(w.isfinite().all() and (w.device, w.dtype) == (old[k].device, old[k].dtype) for k, w in new.items())
    return any(not torch.equal(w, old[k]) for k, w in new.items())


def test_images_and_features_are_those_of_float32(name, device, dtype):
    pipe = loaded(name, device, dtype)
    net = backbone_of(pipe)
    assert net.device.type == device and str(net.dtype) == f'torch.{dtype}'
    images, exact = (pixels(sample(p, SAID, [0, 1], steps=4)) for p in (pipe, loaded(name, 'cpu', 'float32')))
    assert abs(images-exact).mean() < 8 # of 255; bfloat16 has eight bits
    seen, known = (image_features(inked(), load_clip(net.recipe.clip, where)) for where in (device, 'cpu'))
    assert np.allclose(seen, known, atol=1e-3)


def test_a_token_is_learned_and_a_stopped_inversion_goes_on(name, device, dtype, tmp_path):
    pipe, settings = loaded(name, device, dtype), dict(steps=2, every=1, patience=9, batch=2)
    whole = invert(pipe, inked(), **settings)
    halted = dict(path=tmp_path/'run.safetensors', **settings)
    invert(pipe, inked(), callback=lambda loop: loop.step >= 1, **halted)
    assert whole.vectors.isfinite().all() and whole.vectors.device.type == 'cpu'
    assert torch.allclose(invert(pipe, inked(), **halted).vectors, whole.vectors, atol=1e-5)


def test_every_kind_of_erasing_moves_finite_weights_and_every_file_gives_them_back(name, device, dtype, tmp_path):
    pipe = loaded(name, device, dtype)
    before = model_hash(pipe)
    for method in ('esd-x', 'sdd'): assert moved(pipe, erase(pipe, ['ink'], method, contexts=['house'], **FEW)), method
    erased = erase(pipe, ['ink'], 'uce', contexts=['house', 'fox'], quick_check=False)
    assert moved(pipe, erased) and model_hash(pipe) == before
    save_delta(pipe, erased, tmp_path/'delta.safetensors')
    again = load_delta(pipe, tmp_path/'delta.safetensors')
    apart = abs(pixels(sample(again, SAID, [0, 1], steps=2))-pixels(sample(erased, SAID, [0, 1], steps=2)))
    assert apart.mean() < 1 # of 255; a difference of weights in bfloat16 is rounded once more than the weights
    save_pipeline(erased, tmp_path/'safe')
    assert model_hash(load_pipeline(tmp_path/'safe', device, dtype)) == model_hash(erased)
    assert 0 <= save_lora(pipe, erased, tmp_path/'lora', 999) < .1


@pytest.mark.parametrize('method', ['negative', 'sld', 'nag'])
def test_a_guard_steers(name, device, dtype, method):
    pipe = loaded(name, device, dtype)
    more = dict(max_sequence_length=32) if name == 'emoji-flow' else {}
    def drawn():
        made = pipe(SAID[0], num_inference_steps=3, generator=torch.Generator().manual_seed(0), output_type='np',
                    guidance_scale=1. if method == 'nag' else 3., **more).images
        assert np.isfinite(made).all()
        return made
    plain = drawn()
    eager = dict(preset='max') if method == 'sld' else {} # the usual one waits ten steps
    with guard(pipe, ['ink'], method, **eager): steered = drawn()
    assert abs(steered-plain).max() > 0 and np.array_equal(drawn(), plain)


def test_attacks_probes_and_relearning_search_with_gradients_that_arrive(name, device, dtype):
    pipe = loaded(name, device, dtype)
    token = invert(pipe, inked(), steps=1, every=1, batch=2)
    threat = ThreatModel(pipe, ['house', 'fox'], 'ink', token, inked())
    few = dict(steps=1, batch=2)
    for attack, settings in (concept_inversion, few), (unlearn_diff_atk, few), (rece_embedding, {}):
        found = attack(pipe, threat, **settings).found
        assert all(x.isfinite().all() for x in found.tensors()), attack.__name__
    images, _ = finish(pipe, inked(2), SAID, steps=4)
    assert len(images) == 2 and pixels(images).std() > 0
    def judge(made): return [True]*len(made)
    curve = relearning_curve(pipe, inked(2), SAID, SAID, judge, at=(0, 1), sampling=dict(steps=1))
    assert [rate.k for rate in curve.values()] == [2, 2]
