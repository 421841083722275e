"""Folders that this environment writes load and draw the same in another one, and the other way round.

The other one has stock diffusers and transformers of other versions, and nothing of this library; CONTRIBUTING.md says
how to make it. `HFI_OTHER_PYTHON` names its interpreter; without it the tests are skipped."""
import os
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.core import data_dir
from hfi_nb.erasing.erase import erase
from hfi_nb.erasing.export import save_pipeline

OTHER = os.environ.get('HFI_OTHER_PYTHON', '')
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not OTHER, reason='HFI_OTHER_PYTHON names no other environment')]
FOLDERS = dict(emoji='model', **{'emoji-flow': 'flow'})
PLAIN = '''
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DiffusionPipeline

def drawn(pipe, file):
    "The same image in any environment: noise of one seed, few steps."
    pipe.set_progress_bar_config(disable=True)
    more = dict(max_sequence_length=32) if hasattr(pipe, 'transformer') else {}
    noise = torch.Generator().manual_seed(7)
    images = pipe('fox in the style of ink', num_inference_steps=6, guidance_scale=3., generator=noise, **more).images
    images[0].save(file)

if __name__ == '__main__':
    folder, file, again = sys.argv[1:]
    told = dict(text_encoder_3=None, tokenizer_3=None) if 'flow' in folder else {}
    if not (Path(folder)/'vae').exists(): # the embedded models share one
        told['vae'] = AutoencoderKL.from_pretrained(Path(folder).parent/'model', subfolder='vae')
    pipe = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, **told)
    drawn(pipe, file)
    pipe.save_pretrained(again)
'''


def drawn_here(pipe, file):
    scope = {'__name__': 'plain'}
    exec(PLAIN, scope)
    scope['drawn'](pipe, file)
    return np.asarray(Image.open(file)).astype(int)


def drawn_there(folder, tmp_path):
    "The image that the other environment draws with a folder, and the folder that it writes then."
    script, file, again = tmp_path/'plain.py', tmp_path/'there.png', tmp_path/f'again-{folder.name}'
    script.write_text(PLAIN)
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run([OTHER, script, folder, file, again], capture_output=True, text=True, cwd=tmp_path,
                          env=environment)
    assert done.returncode == 0, done.stderr
    assert 'newly initialized' not in done.stderr, done.stderr
    return np.asarray(Image.open(file)).astype(int), again


@pytest.mark.parametrize('name', FOLDERS)
def test_an_erased_model_draws_the_same_elsewhere_and_comes_back_whole(name, tmp_path):
    erased = erase(load_pipeline(name), ['ink'], 'uce', contexts=['house', 'fox'], quick_check=False)
    save_pipeline(erased, tmp_path/f'safe-{name}')
    here = drawn_here(erased, tmp_path/'here.png')
    there, again = drawn_there(tmp_path/f'safe-{name}', tmp_path)
    assert abs(here-there).max() <= 2
    back = drawn_here(load_pipeline(again), tmp_path/'back.png')
    assert abs(here-back).max() <= 2


@pytest.mark.parametrize('name', FOLDERS)
def test_an_embedded_model_loads_elsewhere_as_it_lies_in_the_package(name, tmp_path):
    folder = data_dir()/'emoji'/FOLDERS[name]
    here = drawn_here(load_pipeline(name, dtype=torch.float32), tmp_path/'here.png')
    there, _ = drawn_there(folder, tmp_path)
    assert abs(here-there).max() <= 2
