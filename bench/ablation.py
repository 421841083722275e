"""What each part of the default erasing is worth: one thing changed at a time, same token, prompts and judge.

    python bench/ablation.py [--concept openmoji] [--n 40] [--out bench/results/ablation.jsonl]

Runs that are in --out already are not done again."""
import argparse
from pathlib import Path

from methods import sweep

CHANGES = {
    'default': {}, 'target without the concept (η = 0)': dict(eta=0.), 'target of the ESD paper (η = 1)': dict(eta=1.),
    'constant learning rate': dict(decay=False), 'nothing kept on purpose (λ = 0)': dict(retain=0.),
    'bare token, no contexts': dict(contexts=()), 'student ships, no average': dict(ema=0.),
    'buffer filled once': dict(refresh=90), '6 steps a trajectory': dict(steps=6), 'batch of 4': dict(batch=4)}


def main(concept, n, out):
    sweep(concept, n, out, [('esd-x', dict(change=change), settings) for change, settings in CHANGES.items()])


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/ablation.jsonl'))
    main(**vars(parser.parse_args()))
