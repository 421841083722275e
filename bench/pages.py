"""The full page of a style and of an object: `hfi demo --purpose weights --attack` on each, with what each stage takes,
and the pages copied to one place.

    python bench/pages.py [--concepts openmoji blood] [--studies studies] [--to docs/reports]

The clicks are simulated, one in twenty of them wrong; the independent judge counts, in the evaluation and under attack.
A study that is there goes on where it stopped."""
import argparse
import shutil
from pathlib import Path

from hfi_nb.core import make_folder
from hfi_nb.worlds.emoji.demo import demo_study


def main(concepts, studies, to):
    for concept in concepts:
        print(concept, flush=True)
        study, _ = demo_study(
            studies/f'page-{concept}', concept, 'weights', attacks=True, log=lambda line: print(line, flush=True))
        shutil.copy(study.folder/'report.html', make_folder(to)/f'{concept}.html')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*', default=['openmoji', 'blood'])
    parser.add_argument('--studies', type=Path, default=Path('studies'))
    parser.add_argument('--to', type=Path, default=Path('docs/reports'))
    main(**vars(parser.parse_args()))
