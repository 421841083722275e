"""What each part of the default erasing is worth: one thing changed at a time, same token, prompts and judge.

    python bench/ablation.py [--concept openmoji] [--n 40] [--out bench/results/ablation.jsonl]

Runs that are in --out already are not done again."""
import argparse
from pathlib import Path

from methods import sweep

CHANGES = {'default': {}, 'constant learning rate': dict(decay=False), 'nothing kept on purpose': dict(retain=0.), 'bare token, no contexts': dict(contexts=()),
           'student ships (no average)': dict(ema=0.), 'bank filled once': dict(refresh=90, every=90), 'bank filled every 5': dict(refresh=5),
           '6 steps a trajectory': dict(steps=6), '24 steps a trajectory': dict(steps=24), 'batch 4': dict(batch=4)}


def main(concept, n, out):
    sweep(concept, n, out, [('sdd', dict(change=change), settings) for change, settings in CHANGES.items()])


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/ablation.jsonl'))
    main(**vars(parser.parse_args()))
