"""AUC on new images, and purity of the rejected prompts, against clicks; paired differences over seeds.

    python bench/reward_curves.py [--seeds 10] [--share 0.5] [--clip FOLDER_OR_ID] [--concepts kindergarten …]

Ten clicks a page. `random`: all pages at random; `asked`: a random page, then the reward asks; `words`: a page that
favours the concept's coarse word, then the reward asks.
--share of the images show the concept; an image's subject and artist are its prompt. Simulated people err in 5 % of
their answers."""
import argparse

import numpy as np

from hfi_nb.core import bootstrap_interval
from hfi_nb.reward.ask import acquisition_order, first_page
from hfi_nb.reward.features import image_features, load_clip, text_features
from hfi_nb.reward.head import auc
from hfi_nb.reward.model import fit_reward
from hfi_nb.reward.select import rejected_prompts
from hfi_nb.worlds.emoji.world import clip_folder, load_world, stand_ins

STEPS = (10, 20, 50, 100)
WORDS = dict(kindergarten='weapon', weapons='weapon', blood='blood') # coarse words; of a style, its name
WAYS = ('random', 'asked', 'words')


def page_one(way, features, text, rng, seed):
    "Rows of the first ten images."
    if way in ('random', 'asked'): return rng.permutation(len(features))[:10].tolist()
    return first_page(features, text, 10, seed)


def click_curve(way, features, answers, text, kernel, steps=STEPS, seed=0):
    "(clicks, reward) at each step; None for a reward while a class has fewer than two answers."
    rng = np.random.default_rng(1000+seed) # not the one that dealt the images
    got, model = page_one(way, features, text, rng, seed), None
    for n in range(10, max(steps)+1, 10):
        y = np.full(len(answers), np.nan)
        y[got] = answers[got]
        yes, asks = np.nansum(y), way != 'random'
        if 2 <= yes <= len(got)-2 and (asks or n in steps): model = fit_reward(features, y, kernel=kernel, seed=seed)
        if n in steps: yield got[:], model
        rest = rng.permutation(np.setdiff1d(np.arange(len(answers)), got))
        if model and asks: rest = rest[acquisition_order(model, features[rest])]
        got = got+rest[:10].tolist()


def prompt_purity(model, features, answers, got, prompts, truth):
    "Purity and recall of the rejected prompts."
    records = {i: dict(prompt=prompt) for i, prompt in enumerate(prompts)}
    fair = model.probability(features, range(len(features)))
    chosen = {p for p, _ in rejected_prompts(records, fair, {i: answers[i] for i in got})}
    unwanted = {p for p, t in zip(prompts, truth, strict=True) if t}
    return len(chosen & unwanted)/max(1, len(chosen)), len(chosen & unwanted)/len(unwanted)


def one_seed(concept, seed, share, clip, steps):
    "(way, step, [AUC, purity, recall]) of one simulated annotator."
    images, ids, truth = stand_ins(concept, 400, share, seed)
    new, _, new_truth = stand_ins(concept, 300, share, seed, half=1)
    f, g = image_features(images, clip), image_features(new, clip)
    wrong = np.random.default_rng(seed).random(len(truth)) < .05
    answers, prompts = np.where(wrong, 1-truth, truth), [i.split('-', 1)[1] for i in ids]
    style = concept in load_world().styles
    text = text_features([WORDS.get(concept, concept)], clip)
    out = []
    for way in WAYS:
        rewards = click_curve(way, f, answers, text, 'linear' if style else 'rbf', steps, seed)
        rows = [[auc(new_truth, m.score(g)), *prompt_purity(m, f, answers, got, prompts, truth)] if m else [.5, 0, 0]
                for got, m in rewards]
        out.append(rows)
    return out


def report(concept, runs, steps):
    "One line a way and a step: means, and the AUC's difference from `asked` with its 95 % interval."
    for k, n in enumerate(steps):
        for w, way in enumerate(WAYS):
            area, purity, recall = runs[:, w, k].mean(0)
            gain = runs[:, w, k, 0]-runs[:, WAYS.index('asked'), k, 0]
            lo, hi = bootstrap_interval(np.mean, gain)
            print(f'{concept:13} {n:4} clicks {way:8} AUC {area:.3f}, to asked {gain.mean():+.3f} [{lo:+.3f}, '
                  f'{hi:+.3f}]; rejected prompts: purity {purity:.2f}, recall {recall:.2f} (n = {len(runs)})',
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seeds', type=int, default=10)
    parser.add_argument('--share', type=float, default=.5)
    parser.add_argument('--clip', default=clip_folder())
    parser.add_argument('--steps', type=int, nargs='*', default=STEPS)
    parser.add_argument('--concepts', nargs='*', default=('openmoji', 'weapons', 'kindergarten', 'blood'))
    args = parser.parse_args()
    clip = load_clip(args.clip)
    for concept in args.concepts:
        runs = np.array([one_seed(concept, seed, args.share, clip, args.steps) for seed in range(args.seeds)])
        report(concept, runs, args.steps)


if __name__ == '__main__': main()
