"""Time to erasure: SDD as its paper samples it, this project's training, its closed form and a few updates from there.

    python bench/erasing.py [--concepts openmoji fluent blood] [--seeds 3] [--n 40] [--out bench/results/erasing.jsonl]

All erase the same tokens in the same contexts, in one run. `esd-x` and `uce + 10` (ten small updates from where `uce`
ends) run to the end of their training; `uce` is a closed form, the same for every seed. The reference (preset 'paper':
one trajectory of up to 50 guided steps for one gradient, no retain term) is evaluated every 25 updates and stops as
soon as a tenth of the concept is left; evaluating is not timed. It runs at the learning rate that was fastest on the
first concept and seed. Held-out prompts, independent judge. What one evaluation of the network takes is measured once,
for the floor of all. Runs that are in --out already are not done again."""
import argparse
import time
from functools import partial
from pathlib import Path

import torch
from methods import SHORT, Runs, count, goal, questions

from hfi_nb.backbones.loading import backbone_of, load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.erasing.closed_form import uce
from hfi_nb.erasing.distill import distill
from hfi_nb.erasing.erase import PAPER
from hfi_nb.erasing.targets import make_targets
from hfi_nb.worlds.emoji.world import load_world

RATES, MOST = (3e-4, 1e-3), 400


def evaluation():
    "Seconds that one evaluation of the network takes of a batch of 16, for one of them; the best of ten."
    pipe = load_pipeline()
    net = backbone_of(pipe)
    z, t, c = torch.randn(16, *net.latent_shape), torch.full((16,), 500), net.encode(['house']).expand(16)
    def once():
        begun = time.perf_counter()
        with torch.no_grad(): net.output(z, t, c)
        return (time.perf_counter()-begun)/16
    return dict(seconds=round(min(once() for _ in range(10)), 5))


def short(pipe, targets, seed): return distill(pipe, targets, **SHORT | dict(start=uce(pipe, targets), seed=seed))


def whole(make, updates, look):
    "Seconds and rates of a method that is evaluated once, at its end."
    begun = time.perf_counter()
    model = make()
    return (dict(updates=updates, seconds=round(time.perf_counter()-begun, 2))
            | {k: r.to_dict() for k, r in look(model).items()})


def train(pipe, targets, look, settings):
    "Updates, seconds and rates when a tenth was left, evaluated every 25 updates, or at the end."
    seconds, begun, last = 0., time.perf_counter(), None
    def watch(loop):
        nonlocal seconds, begun, last
        seconds += time.perf_counter()-begun
        last = (dict(updates=loop.step, seconds=round(seconds, 1))
                | {k: r.to_dict() for k, r in look(loop.pipeline()).items()})
        begun = time.perf_counter()
        return last['left']['value'] <= .1
    distill(pipe, targets, callback=watch, every=25, **settings)
    return last


def compare(runs, concept, seeds, n, best):
    "All on one concept and all seeds; gives the reference's learning rate, found here if `best` is None."
    pipe, world = load_pipeline(), load_world()
    tokens, _, what = goal(pipe, world, concept)
    targets, suite = make_targets(pipe, tokens, **what), questions(world, concept, n)
    def look(model): return count(partial(sample, model, steps=12), suite)
    def measure(name, seed, how):
        return runs.once(dict(concept=concept, name=name, seed=seed, threads=torch.get_num_threads()), how)
    def slow(lr, seed):
        # HFI's times, a rate for this model
        faster = dict(updates=MOST, lr=lr, ema=.9, refresh=25, times='beta', seed=seed)
        return measure(f'reference, lr {lr:g}', seed, partial(train, pipe, targets, look, PAPER['sdd'] | faster))
    best = best or min(RATES, key=lambda lr: ((row := slow(lr, 0))['left']['value'] > .1, row['seconds']))
    for seed in range(seeds):
        make = {'uce': partial(uce, pipe, targets), 'uce + 10': partial(short, pipe, targets, seed),
                'esd-x': partial(distill, pipe, targets, seed=seed)}
        updates = {'uce': 0, 'uce + 10': SHORT['updates'], 'esd-x': backbone_of(pipe).recipe.updates_for(len(tokens))}
        ours = {name: measure(name, seed, partial(whole, make[name], updates[name], look)) for name in make}
        theirs = slow(best, seed)['seconds']
        ratios = {name: round(theirs/row['seconds'], 1) for name, row in ours.items()}
        print(concept, seed, 'times as long takes the reference:', ratios, flush=True)
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
