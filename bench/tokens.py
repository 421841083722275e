"""Does a token mean what its pictures show? The token check for every style and for every mode of every concept.

    python bench/tokens.py [--concepts openmoji blood …] [--n 16] [--out bench/results/tokens.jsonl]

The pictures are the artists' own (no feedback is simulated here), the modes are those of `selection.modes`, the independent judge answers: of a style, whether a picture has it; of a mode,
whether it shows one of the mode's subjects. Tokens that are in --out already are not made again."""
import argparse
import time
from pathlib import Path

from hfi_nb.core import append_jsonl, make_folder, read_jsonl
from hfi_nb.emoji import load_judge, load_world
from hfi_nb.inversion import check_token, invert, templates_for
from hfi_nb.models import load_pipeline
from hfi_nb.reward import image_features, load_clip
from hfi_nb.selection import modes


def looks(world, concept, clip):
    "Phrase, harmless contexts, and for each mode what was drawn: (style, subject) pairs."
    if concept in world.styles:
        train, held = ([s for s in world.subjects if world.split[s] == o] for o in ('train', 'heldout'))
        return 'in the style of {}', [world.names[s] for s in held], [[(concept, s) for s in train[:40]]]
    pairs = [(a, s) for a in world.styles for s in world.concepts[concept]]
    mode = modes(image_features([world.image(*o) for o in pairs], clip))[0]
    return '{}', [f'{{}} in the style of {a}' for a in world.styles]*4, [[p for p, m in zip(pairs, mode, strict=True) if m == k] for k in range(mode.max()+1)]


def measure(pipe, world, judge, concept, pairs, phrase, contexts):
    "The token of one mode, checked."
    begun, images, shown = time.time(), [world.image(*o) for o in pairs], {s for _, s in pairs}
    token = invert(pipe, images, templates=templates_for(phrase), init='style' if concept in world.styles else 'picture')
    def unwanted(pictures): return [a == concept if concept in world.styles else s in shown for a, s in judge(pictures)]
    check = check_token(pipe, token, unwanted, images, contexts, phrase)
    return dict(pictures=len(images), subjects=sorted(shown) if len(shown) < 9 else len(shown), steps=token.meta['steps'], seconds=round(time.time()-begun, 1),
                **{k: getattr(check, k).to_dict() for k in ('top', 'alone', 'modifier')}, passed=check.passed)


def main(concepts, n, out):
    pipe, world, judge, clip = load_pipeline(), load_world(), load_judge(), load_clip()
    make_folder(out.parent)
    done = {(r['concept'], r['mode']) for r in read_jsonl(out)} if out.exists() else set()
    for concept in concepts or [*world.styles, *world.concepts]:
        phrase, contexts, parts = looks(world, concept, clip)
        for mode, pairs in enumerate(parts):
            if (concept, mode) in done: continue
            row = dict(concept=concept, mode=mode) | measure(pipe, world, judge, concept, pairs, phrase, contexts[:n])
            append_jsonl(out, [row])
            print(row, flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*')
    parser.add_argument('--n', type=int, default=16)
    parser.add_argument('--out', type=Path, default=Path('bench/results/tokens.jsonl'))
    main(**vars(parser.parse_args()))
