"""What removal costs: every method at several settings of its one dial, from nothing kept on purpose to nearly nothing
removed.

    python bench/frontier.py [--concept openmoji] [--n 40] [--out bench/results/frontier.jsonl]

The dial is λ, the weight of what must stay (`retain`). `uce` aims beyond the prompt without the concept by η; with η =
0 it is aimed as its authors aim it. Tokens, prompts and judge are those of bench/methods.py, the preset is 'hfi_nb';
runs that are in --out already are not done again."""
import argparse
from pathlib import Path

from methods import sweep

TRAINED = [dict(retain=retain) for retain in (0., 1., 3., 10.)]
FORMULA = [dict(retain=retain, eta=eta) for eta in (0., .5, 1.) for retain in (.5, 2., 8., 32.)]
DIALS = {'none': [{}], 'esd-x': TRAINED, 'uce': FORMULA, 'sdd': TRAINED}


def main(concept, n, out):
    runs = [(method, dict(method=method, dial=dial), dial) for method, dials in DIALS.items() for dial in dials]
    sweep(concept, n, out, runs)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/frontier.jsonl'))
    main(**vars(parser.parse_args()))
