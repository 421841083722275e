"""Does a token mean what its pictures show? The token check for every style and for every mode of every concept.

    python bench/tokens.py [--concepts openmoji blood …] [--vectors 1] [--n 16] [--out bench/results/tokens.jsonl]

The pictures are the artists' own (no feedback is simulated here), the modes are those of `selection.modes`, the independent judge answers: of a style, whether a picture has it; of a mode,
whether it shows one of the mode's subjects. Tokens that are in --out already are not made again."""
import argparse
import time
from functools import partial
from pathlib import Path

from methods import Runs, looks

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.tokens.inversion import check_token, invert, templates_for
from hfi_nb.worlds.emoji.world import load_judge, load_world


def measure(pipe, world, judge, concept, pairs, phrase, init, vectors, contexts):
    "The token of one mode, checked."
    begun, images, shown = time.time(), [world.image(*o) for o in pairs], {s for _, s in pairs}
    token = invert(pipe, images, templates=templates_for(phrase), init=init, vectors=vectors)
    def unwanted(pictures): return [a == concept if concept in world.styles else s in shown for a, s in judge(pictures)]
    check = check_token(pipe, token, unwanted, images, contexts, phrase)
    return dict(pictures=len(images), subjects=sorted(shown) if len(shown) < 9 else len(shown), steps=token.meta['steps'], seconds=round(time.time()-begun, 1),
                **{k: getattr(check, k).to_dict() for k in ('top', 'alone', 'modifier')}, passed=check.passed)


def main(concepts, vectors, n, out):
    pipe, world, judge, saved = load_pipeline(), load_world(), load_judge(), Runs(out)
    for concept in concepts or [*world.styles, *world.concepts]:
        phrase, parts = looks(pipe, world, concept)
        held = [world.names[s] for s in world.subjects if world.split[s] == 'heldout']
        contexts = held if concept in world.styles else [f'{{}} in the style of {a}' for a in world.styles]*4
        for mode, (init, pairs) in enumerate(parts): saved.once(dict(concept=concept, mode=mode, start=init, vectors=vectors), partial(measure, pipe, world, judge, concept, pairs, phrase, init, vectors, contexts[:n]))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*')
    parser.add_argument('--vectors', type=int, default=1)
    parser.add_argument('--n', type=int, default=16)
    parser.add_argument('--out', type=Path, default=Path('bench/results/tokens.jsonl'))
    main(**vars(parser.parse_args()))
