"""AUC on unseen pictures against clicks: questions chosen by the model, and at random. Paired differences over seeds.

    python bench/reward_curves.py [--seeds 10] [--share 0.5] [--clip FOLDER_OR_ID | --names] [--concepts kindergarten …]

--share of the pictures show the concept. Without --clip the network-free pixel features are used;
--names sees no picture but the names of its subject and artist, as perfect sight would. Simulated people err in 5 % of their answers."""
import argparse

import numpy as np

from hfi_nb.core import bootstrap_interval
from hfi_nb.reward.model import click_curve, image_features, load_clip, pixel_features, stand_ins
from hfi_nb.worlds.emoji.world import load_world

STEPS, CONCEPTS = (10, 20, 50, 100, 200), ('openmoji', 'weapons', 'kindergarten', 'blood')


def one_seed(concept, seed, share, embed):
    "(asked, random) curves of one simulated annotator."
    images, ids, truth = stand_ins(concept, 400, share, seed)
    new, new_ids, new_truth = stand_ins(concept, 300, share, seed, half=1)
    wrong = np.random.default_rng(seed).random(len(truth)) < .05
    answers, f, g = np.where(wrong, 1-truth, truth), embed(images, ids), embed(new, new_ids)
    view = 'line' if concept in load_world().styles else 'likeness'
    return [click_curve(f, answers, g, new_truth, STEPS, active, seed, view) for active in (True, False)]


def names(_, ids):
    "One-hot names of subject and artist; the artist counts a third."
    world, parts = load_world(), [i.split('-', 2)[1:] for i in ids]
    return np.array([[*(s == o for o in world.subjects), *(.3*(a == o) for o in world.styles)] for a, s in parts], float)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=10)
    parser.add_argument('--share', type=float, default=.5)
    parser.add_argument('--clip')
    parser.add_argument('--names', action='store_true')
    parser.add_argument('--concepts', nargs='*', default=CONCEPTS)
    args = parser.parse_args()
    clip = load_clip(args.clip) if args.clip else None
    embed = names if args.names else (lambda images, _: image_features(images, clip)) if clip else (lambda images, _: pixel_features(images))
    for concept in args.concepts:
        runs = np.array([one_seed(concept, seed, args.share, embed) for seed in range(args.seeds)])
        for i, n in enumerate(STEPS):
            asked, random = runs[:, 0, i], runs[:, 1, i]
            lo, hi = bootstrap_interval(np.mean, asked-random)
            print(f'{concept:13} {n:4} clicks: asked {asked.mean():.3f}  random {random.mean():.3f}  difference {(asked-random).mean():+.3f} [{lo:+.3f}, {hi:+.3f}] (n = {args.seeds})', flush=True)


if __name__ == '__main__': main()
