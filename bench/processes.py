"""One process and two on the same work: are the files the same, how far apart are the weights, how long does it take?

    python bench/processes.py [--images 32] [--updates 20]

Every process computes with one thread, so two of them need two free cores. Images and features are compared by the hash
of their folder, the weights that self-distillation learned by their largest difference, beside the largest change that
learning made."""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from safetensors.torch import load_file

from hfi_nb.core import file_hash

WORK = '''
import sys
from pathlib import Path
from safetensors.torch import save_file
from hfi_nb.backbones.loading import backbone_of, load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.candidates.generate import generate
from hfi_nb.erasing.distill import distill
from hfi_nb.erasing.targets import make_targets
from hfi_nb.reward.features import image_features
from hfi_nb.worlds.emoji.world import clip_folder
from hfi_nb.training.processes import main_only
stage, folder, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
pipe = load_pipeline()
if stage == 'generate':
    rows = generate(pipe, ['cat face', 'house']*(n//2), range(n), folder, batch=8, steps=10)
    image_features([folder/r['file'] for r in rows], clip_folder(), cache=folder, batch=8)
else:
    images = sample(pipe, ['house', 'cat face'], [0, 1], steps=4)
    targets = make_targets(pipe, ['ink'], contexts=['cat face', 'house'], safe=['house', 'cat face'],
                           safe_images=images)
    erased = distill(pipe, targets, updates=n)
    def save(name, model): save_file(backbone_of(model).trainable('cross-attention'), folder/f'{name}.safetensors')
    main_only(lambda: save('base', pipe) or save('erased', erased))
'''


def timed(processes, script, *args):
    "Seconds of a launch, start of the processes included."
    start = (['accelerate', 'launch', '--multi_gpu', '--num_processes', str(processes)] if processes > 1
             else [sys.executable])
    begun, env = time.perf_counter(), os.environ | dict(OMP_NUM_THREADS='1')
    subprocess.run([*start, script, *map(str, args)], check=True, stderr=subprocess.DEVNULL, env=env)
    return time.perf_counter()-begun


def farthest(a, b): return max((a[k]-b[k]).abs().max().item() for k in a)


def main(images, updates):
    with tempfile.TemporaryDirectory() as d:
        d, spent = Path(d), {}
        (d/'work.py').write_text(WORK)
        for stage, k in dict(generate=images, erase=updates).items():
            for n in (1, 2):
                (d/f'{stage}{n}').mkdir()
                spent[stage, n] = timed(n, d/'work.py', stage, d/f'{stage}{n}', k)
        same = file_hash(d/'generate1') == file_hash(d/'generate2')
        print(f'{images} images and their features: {spent["generate", 1]:.0f} s in one process, '
              f'{spent["generate", 2]:.0f} s in two; folders equal by hash: {same}')
        base, one, two = (
            load_file(d/name)
            for name in ('erase1/base.safetensors', 'erase1/erased.safetensors', 'erase2/erased.safetensors'))
        print(f'{updates} updates of a batch of 16: '
              f'{spent["erase", 1]:.0f} s in one process, {spent["erase", 2]:.0f} s in two; '
              f'largest difference of a weight {farthest(one, two):.1e}, largest change {farthest(one, base):.1e}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=32)
    parser.add_argument('--updates', type=int, default=20)
    main(**vars(parser.parse_args()))
