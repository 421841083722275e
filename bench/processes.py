"""One process and two on the same work: are the files the same, how far apart are the weights, how long does it take?

    python bench/processes.py [--pictures 32] [--updates 20]

Every process computes with one thread, so two of them need two free cores. Pictures and features are compared by the hash of their folder, the weights that
self-distillation learned by their largest difference, beside the largest change that learning made."""
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
from hfi_nb.erasing.distill import distill, make_targets, trained_weights
from hfi_nb.candidates.generate import generate
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.training.processes import main_only
from hfi_nb.reward.features import image_features
stage, folder, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
pipe = load_pipeline()
if stage == 'draw':
    rows = generate(pipe, ['cat face', 'house']*(n//2), range(n), folder, batch=8, steps=10)
    image_features([folder/r['file'] for r in rows], cache=folder, batch=8)
else:
    safe = dict(contexts=['cat face', 'house'], safe=['house', 'cat face'], safe_images=sample(pipe, ['house', 'cat face'], [0, 1], steps=4))
    erased = distill(pipe, make_targets(pipe, ['ink'], **safe), updates=n)
    main_only(lambda: [save_file(trained_weights(o.unet), folder/f'{name}.safetensors') for name, o in dict(base=pipe, erased=erased).items()])
'''


def timed(processes, script, *args):
    "Seconds of a launch, start of the processes included."
    start = [sys.executable] if processes == 1 else ['accelerate', 'launch', '--multi_gpu', '--num_processes', str(processes)]
    begun = time.perf_counter()
    subprocess.run([*start, script, *map(str, args)], check=True, stderr=subprocess.DEVNULL, env=os.environ | dict(OMP_NUM_THREADS='1'))
    return time.perf_counter()-begun


def main(pictures, updates):
    with tempfile.TemporaryDirectory() as d:
        d = Path(d)
        (d/'work.py').write_text(WORK)
        for n in (1, 2): [(d/f'{o}{n}').mkdir() for o in ('draw', 'erase')]
        spent = {(stage, n): timed(n, d/'work.py', stage, d/f'{stage}{n}', k) for stage, k in dict(draw=pictures, erase=updates).items() for n in (1, 2)}
        print(f'{pictures} pictures and their features: {spent["draw", 1]:.0f} s in one process, {spent["draw", 2]:.0f} s in two; folders equal by hash: {file_hash(d/"draw1") == file_hash(d/"draw2")}')
        base, one, two = (load_file(d/o) for o in ('erase1/base.safetensors', 'erase1/erased.safetensors', 'erase2/erased.safetensors'))
        far, moved = (max((a[k]-b[k]).abs().max().item() for k in a) for a, b in ((one, two), (one, base)))
        print(f'{updates} updates of a batch of 16: {spent["erase", 1]:.0f} s in one process, {spent["erase", 2]:.0f} s in two; largest difference of a weight {far:.1e}, largest change {moved:.1e}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pictures', type=int, default=32)
    parser.add_argument('--updates', type=int, default=20)
    main(**vars(parser.parse_args()))
