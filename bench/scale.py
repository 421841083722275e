"""How a study of many images holds up: processor seconds and memory of each step, in a process of its own.

    python bench/scale.py [--images 30000] [--labels 100000] [--folder studies/scale] [--out bench/results/scale.jsonl]

The images are the artists' own, nudged, so no model draws; programs answer. The CLIP's features are
computed once and kept, as in any study. Imports and the loading of the CLIP are not counted. One line a step goes to
--out; a study that is there is measured as it is."""
import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path

from hfi_nb.core import append_jsonl, versions

STEPS = ('make', 'features', 'questions', 'panel', 'reward', 'select', 'status')
CONCEPT = 'openmoji'


def make(folder, n, labels):
    "A study of n images, some of them labelled."
    import numpy as np

    from hfi_nb.feedback.store import Event
    from hfi_nb.study import Study
    from hfi_nb.worlds.emoji.world import load_world, nudge
    world, rng, rows = load_world(), np.random.default_rng(0), []
    (folder/'images').mkdir(parents=True)
    pairs = rng.permutation(world.pairs()).tolist()
    for i in range(n):
        style, subject = pairs[i % len(pairs)]
        file = f'images/p{i:05}.png'
        nudge(world.image(style, subject), rng).save(folder/file)
        rows.append(dict(id=f'p{i:05}', file=file, prompt=f'{world.names[subject]} in the style of {style}', seed=i))
    append_jsonl(folder/'images.jsonl', rows)
    asked = rng.permutation(n)
    said = [Event('label', rows[i]['id'], f'program {k//n}', CONCEPT, label=float(pairs[i % len(pairs)][0] == CONCEPT))
            for k, i in zip(range(labels), cycle(asked))]
    Study(folder, concept=CONCEPT).store.append(said)


def step(name, folder, n, labels):
    "One step, timed."
    start = time.process_time()
    if name == 'make': make(folder, n, labels)
    else:
        from hfi_nb.choices import status_of
        from hfi_nb.feedback.annotators import open_panel  # noqa: F401  what opening one imports
        from hfi_nb.reward.features import load_clip
        from hfi_nb.study import Study
        study = Study(folder)
        load_clip(study.clip)
        start = time.process_time()
        actions = dict(features=study.features, questions=study.questions, panel=study.panel, reward=study.fit_reward,
                       select=study.select, status=lambda: status_of(study))
        actions[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/(1024 if sys.platform == 'linux' else 2**20)
    return dict(step=name, images=n, labels=labels, seconds=round(time.process_time()-start, 2), megabytes=round(peak))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=30_000)
    parser.add_argument('--labels', type=int, default=100_000, help='answers; each program answers each image once')
    parser.add_argument('--folder', type=Path, default=Path('studies/scale'))
    parser.add_argument('--out', type=Path, default=Path('bench/results/scale.jsonl'))
    parser.add_argument('--step', choices=STEPS, help='only this one, here; what the command calls for each')
    args = parser.parse_args()
    if args.step: return print(json.dumps(step(args.step, args.folder, args.images, args.labels)))
    for name in STEPS:
        if name == 'make' and args.folder.exists(): continue
        given = dict(images=args.images, labels=args.labels, folder=args.folder, step=name)
        command = [sys.executable, __file__, *(str(x) for k, v in given.items() for x in (f'--{k}', v))]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode: sys.exit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        print(found, flush=True)
        append_jsonl(args.out, [found | dict(versions=versions())])


if __name__ == '__main__': main()
