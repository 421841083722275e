"""Time to erasure: SDD as the paper samples it, and this project's default, in one run.

    python bench/erasing.py [--concept openmoji] [--seeds 1] [--n 24]

Both erase the same token in the same contexts; at some numbers of updates the clock is stopped and held-out prompts are drawn and judged. The reference
(one trajectory of up to 50 guided steps for one gradient, no retain term) is given several learning rates; its best is what counts. With --context off it
erases the bare token, as in the paper."""
import argparse
import time

import torch

from hfi_nb.core import Rate
from hfi_nb.distill import PAPER, distill, make_task
from hfi_nb.emoji import load_judge, load_world, make_prompts
from hfi_nb.inversion import invert
from hfi_nb.models import draw, load_pipeline


def measure(pipe, concept, n, world, judge):
    "Artist ratio, and of other styles the style and the subject accuracy."
    held = [s for s in world.subjects if world.split[s] == 'heldout']
    asked = make_prompts(world, 'heldout', styles=[concept], n=min(n, len(held)))
    other = make_prompts(world, 'heldout', styles=[a for a in world.styles if a != concept], n=2*n)
    seen = judge(draw(pipe, [p.text for p in asked+other], range(50_000, 50_000+len(asked)+len(other)), steps=12))
    pairs = list(zip(other, seen[len(asked):], strict=True))
    return Rate.of(a == concept for a, _ in seen[:len(asked)]), Rate.of(a == p.style for p, (a, _) in pairs), Rate.of(s == p.subject for p, (_, s) in pairs)


def trace(pipe, task, at, look, **settings):
    "(updates, seconds, rates) along one erasing; looking is not timed, and it stops once the concept is down to a twentieth."
    out, clock = [], [time.perf_counter(), 0.]
    def watch(loop):
        clock[1] += time.perf_counter()-clock[0]
        if loop.step in at: out.append((loop.step, clock[1], *look(loop.pipeline())))
        clock[0] = time.perf_counter()
        return bool(out) and out[-1][2].value <= .05
    distill(pipe, task, updates=max(at), every=10, callback=watch, **settings)
    return out


def show(name, rows):
    for updates, seconds, gone, style, subject in rows: print(f'{name:34} {updates:5} updates {seconds:7.1f} s   concept {gone}   other styles {style}   subjects {subject}', flush=True)


def main(concept, seeds, n, context):
    pipe, world, judge = load_pipeline(), load_world(), load_judge()
    train = [s for s in world.subjects if world.split[s] == 'train']
    safe = make_prompts(world, 'train', styles=[a for a in world.styles if a != concept], n=48)
    token = invert(pipe, [world.image(concept, s) for s in train[:40]])
    task = make_task(pipe, [token], contexts=[world.names[s] for s in train], safe=[p.text for p in safe], safe_images=[world.image(p.style, p.subject) for p in safe])
    plain = task if context == 'on' else make_task(pipe, [token])
    def look(model): return measure(model, concept, n, world, judge)
    print(f'{concept}, {torch.get_num_threads()} threads; held-out prompts, 12 steps, independent judge')
    show('base', [(0, 0., *look(pipe))])
    for seed in range(seeds):
        show(f'default, seed {seed}', trace(pipe, task, (10, 20, 30, 40, 60), look, seed=seed))
        for lr in (1e-4, 3e-4, 1e-3):
            show(f'reference, lr {lr:g}, seed {seed}', trace(pipe, plain, (50, 100, 200, 400), look, **PAPER | dict(lr=lr, ema=.9 if lr > 1e-4 else .97), seed=seed))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--n', type=int, default=24)
    parser.add_argument('--context', choices=('on', 'off'), default='on')
    args = parser.parse_args()
    main(args.concept, args.seeds, args.n, args.context)
