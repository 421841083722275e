"""Time to erasure: SDD as the paper samples it, this project's training, its closed form and a few updates from there, in one run.

    python bench/erasing.py [--concepts openmoji fluent blood] [--seeds 3] [--n 40] [--out bench/results/erasing.jsonl]

All erase the same tokens in the same contexts. `esd-x` and `uce + 10` (ten small updates from where `uce` ends) run to the end of their training; `uce` is a formula, the same for every seed. The reference (one trajectory of up to 50 guided steps for
one gradient, no retain term) is looked at every 25 updates and stops as soon as a tenth is left of the concept; looking is not timed. It runs at the learning rate that was fastest on the
first concept and seed. Held-out prompts, independent judge. What one evaluation of the network takes is measured once, for the floor of all. Runs that are in --out already are not done again."""
import argparse
import time
from functools import partial
from pathlib import Path

import torch
from methods import SHORT, Runs, count, goal, questions

from hfi_nb.erasing.closed_form import uce
from hfi_nb.erasing.distill import PAPER, distill, make_targets, updates_for
from hfi_nb.backbones.loading import backbone_of, load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.worlds.emoji.world import load_world

RATES, MOST = (3e-4, 1e-3), 400


def evaluation():
    "Seconds that one evaluation of the network takes of a batch of 16, for one of them; the best of ten."
    pipe = load_pipeline()
    z, t, c = torch.randn(16, *backbone_of(pipe).latent_shape), torch.full((16,), 500), backbone_of(pipe).encode(['house']).expand(16, -1, -1)
    def once():
        begun = time.perf_counter()
        with torch.no_grad(): backbone_of(pipe).output(z, t, c)
        return (time.perf_counter()-begun)/16
    return dict(seconds=round(min(once() for _ in range(10)), 5))


def short(pipe, task, seed): return distill(pipe, task, **SHORT | dict(start=uce(pipe, task), seed=seed))


def whole(make, updates, look):
    "Seconds and rates of what is looked at once, when it is done."
    begun = time.perf_counter()
    model = make()
    return dict(updates=updates, seconds=round(time.perf_counter()-begun, 2)) | {k: r.to_dict() for k, r in look(model).items()}


def train(pipe, task, look, settings):
    "Updates, seconds and rates where a tenth was left, looked for every 25 updates, or at the end."
    seconds, begun, last = 0., time.perf_counter(), None
    def watch(loop):
        nonlocal seconds, begun, last
        seconds += time.perf_counter()-begun
        last = dict(updates=loop.step, seconds=round(seconds, 1)) | {k: r.to_dict() for k, r in look(loop.pipeline()).items()}
        begun = time.perf_counter()
        return last['left']['value'] <= .1
    distill(pipe, task, callback=watch, every=25, **settings)
    return last


def compare(runs, concept, seeds, n, best):
    "All on one concept and all seeds; gives the reference's learning rate, found here if `best` is None."
    pipe, world = load_pipeline(), load_world()
    tokens, _, what = goal(pipe, world, concept)
    task, suite = make_targets(pipe, tokens, **what), questions(world, concept, n)
    def look(model): return count(partial(sample, model, steps=12), suite)
    def measure(name, seed, how): return runs.once(dict(concept=concept, name=name, seed=seed, threads=torch.get_num_threads()), how)
    def slow(lr, seed): return measure(f'reference, lr {lr:g}', seed, partial(train, pipe, task, look, PAPER | dict(updates=MOST, lr=lr, ema=.97 if lr < 3e-4 else .9, refresh=25, seed=seed)))
    best = best or min(RATES, key=lambda lr: ((row := slow(lr, 0))['left']['value'] > .1, row['seconds']))
    for seed in range(seeds):
        make = {'uce': partial(uce, pipe, task), 'uce + 10': partial(short, pipe, task, seed), 'esd-x': partial(distill, pipe, task, seed=seed)}
        updates = {'uce': 0, 'uce + 10': SHORT['updates'], 'esd-x': updates_for(len(tokens))}
        ours = {o: measure(o, seed, partial(whole, make[o], updates[o], look)) for o in make}
        theirs = slow(best, seed)['seconds']
        print(concept, seed, 'times as long takes the reference:', {name: round(theirs/o['seconds'], 1) for name, o in ours.items()}, flush=True)
    return best


def main(concepts, seeds, n, out):
    runs, best = Runs(out), None
    runs.once(dict(concept='', name='one evaluation', threads=torch.get_num_threads()), evaluation)
    for concept in concepts: best = compare(runs, concept, seeds, n, best)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*', default=['openmoji', 'fluent', 'blood'])
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/erasing.jsonl'))
    main(**vars(parser.parse_args()))
