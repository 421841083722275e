"""Does a token mean what its images show? The token check for every style and for every cluster of every concept; and
what cleaner tokens gain.

    python bench/tokens.py [--concepts openmoji blood …] [--vectors 1] [--n 16] [--out bench/results/tokens.jsonl]
    python bench/tokens.py --clean [--concepts openmoji ink] [--seeds 1] [--out bench/results/clean_tokens.jsonl]

The images are the artists' own (no feedback is simulated here), the clusters are those of `reward.select`, the
independent judge answers: of a style, whether an image has it; of a cluster, whether it shows one of its subjects.

With --clean the 24 images of a style show four subjects alone, so that a token can learn the subjects along with the
style. Ways to keep them out are compared: an image's own prompt as template, counter-examples, the direction alone.
`subject` is how often the subject that a held-out prompt asks for is drawn beside the token; `auc` is the check without
sampling, on held-out subjects. Lines that are in --out already are not made again."""
import argparse
import time
from functools import partial
from pathlib import Path

from methods import Runs, clusters_of

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.concept import Concept
from hfi_nb.core import Rate
from hfi_nb.tokens.inversion import check_token, invert, separation
from hfi_nb.worlds.emoji.world import load_judge, load_world

WAYS = dict(plain=(), own_prompt=('prompts',), counter=('safe_images', 'safe_prompts'), direction=('direction',),
            own_and_counter=('prompts', 'safe_images', 'safe_prompts'),
            all_three=('prompts', 'safe_images', 'safe_prompts', 'direction'))


def measure(pipe, world, judge, concept, pairs, start, vectors, contexts):
    "The token of one cluster, checked."
    begun, images, shown = time.time(), [world.image(*pair) for pair in pairs], {s for _, s in pairs}
    style = concept in world.styles
    said = Concept(concept, 'style' if style else 'object')
    token = invert(pipe, images, concept=said, start=start, vectors=vectors)
    def unwanted(images): return [a == concept if style else s in shown for a, s in judge(images)]
    check = check_token(pipe, token, unwanted, images, contexts, said)
    facts = dict(pictures=len(images), subjects=sorted(shown) if len(shown) < 9 else len(shown),
                 steps=token.meta['steps'])
    rates = {k: getattr(check, k).to_dict() for k in ('top', 'alone', 'modifier')}
    return facts | dict(seconds=round(time.time()-begun, 1)) | rates | dict(passed=check.passed)


def main(concepts, vectors, n, out):
    pipe, world, judge, saved = load_pipeline(), load_world(), load_judge(), Runs(out)
    held = [world.names[s] for s in world.subjects if world.split[s] == 'heldout']
    for concept in concepts or [*world.styles, *world.concepts]:
        contexts = held if concept in world.styles else [f'{{}} in the style of {a}' for a in world.styles]*4
        for mode, (start, pairs) in enumerate(clusters_of(pipe, world, concept)):
            names = dict(concept=concept, mode=mode, start=start, vectors=vectors)
            saved.once(names, partial(measure, pipe, world, judge, concept, pairs, start, vectors, contexts[:n]))


class Narrow:
    "A style shown by four subjects, and what a token of it does to other subjects."
    def __init__(self, style, n):
        self.pipe, self.judge, self.style = load_pipeline(), load_judge(), style
        self.world = world = load_world()
        train, self.held = ([s for s in world.subjects if world.split[s] == part] for part in ('train', 'heldout'))
        few, others = train[:4], [a for a in world.styles if a != style]
        self.images = [world.image(style, s) for s in few]*6
        self.given = dict(prompts=[world.names[s] for s in few]*6, direction=True,
                          safe_images=[world.image(a, s) for a in others for s in few+train[4:8]],
                          safe_prompts=[f'{world.names[s]} in the style of {a}'
                                        for a in others for s in few+train[4:8]])
        self.n, self.others = n, others

    def measure(self, way, seed):
        "One way of inverting: style and subject beside held-out subjects, and the separation of held-out images."
        world, begun = self.world, time.process_time()
        token = invert(self.pipe, self.images, seed=seed, **{k: self.given[k] for k in WAYS[way]})
        took, some = time.process_time()-begun, self.held[:self.n]
        prompts = [f'{world.names[s]} in the style of {token.name}' for s in some]
        seen = self.judge(sample(self.pipe, prompts, range(50_000, 50_000+len(some)), tokens=[token], steps=12))
        names = [world.names[s] for s in some]
        safe = [(self.others[i % len(self.others)], s) for i, s in enumerate(some)]
        apart = separation(self.pipe, token, [world.image(self.style, s) for s in some], names,
                           [world.image(*pair) for pair in safe], names)
        rates = dict(style=Rate.of(a == self.style for a, _ in seen),
                     subject=Rate.of(v == s for s, (_, v) in zip(some, seen, strict=True)))
        facts = dict(auc=round(apart.auc, 3), interval=[round(x, 3) for x in apart.interval], steps=token.meta['steps'])
        return facts | dict(seconds=round(took, 1)) | {k: r.to_dict() for k, r in rates.items()}


def clean(concepts, seeds, n, out):
    saved = Runs(out)
    for style in concepts or ['openmoji', 'ink']:
        bench = Narrow(style, n)
        for seed in range(seeds):
            for way in WAYS: saved.once(dict(style=style, way=way, seed=seed), partial(bench.measure, way, seed))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*')
    parser.add_argument('--vectors', type=int, default=1)
    parser.add_argument('--n', type=int, default=16)
    parser.add_argument(
        '--clean', action='store_true', help='compare ways to keep subjects out of the token of a style')
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    results = Path('bench/results')
    if args.clean: clean(args.concepts, args.seeds, args.n, args.out or results/'clean_tokens.jsonl')
    else: main(args.concepts, args.vectors, args.n, args.out or results/'tokens.jsonl')
