"""What removal costs: every method at several settings of its one dial, from nothing kept on purpose to nearly nothing removed.

    python bench/frontier.py [--concept openmoji] [--n 40] [--out bench/results/frontier.jsonl]

The dial is λ, the weight of what must stay (`retain`). `uce` aims beyond the prompt without the concept by η; with η = 0 it is the one of its authors. Tokens, prompts and judge are those of bench/methods.py; runs that are in --out already are not done again."""
import argparse
from pathlib import Path

from methods import sweep

DIALS = {'esd-x': [dict(retain=o) for o in (0., 1., 3., 10.)], 'uce': [dict(retain=o, eta=eta) for eta in (0., .5, 1.) for o in (.5, 2., 8., 32.)], 'sdd': [dict(retain=o) for o in (0., 1., 3., 10.)]}


def main(concept, n, out):
    sweep(concept, n, out, [(method, dict(method=method, dial=dial), dial) for method, dials in {'none': [{}], **DIALS}.items() for dial in dials])


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/frontier.jsonl'))
    main(**vars(parser.parse_args()))
