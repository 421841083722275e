"""Every method on every concept, from the soft token and from the word: what is gone, what is kept, how long it took.

    python bench/methods.py [--concepts openmoji blood …] [--methods sdd uce …] [--by token word prompt] [--n 40]
                            [--model emoji] [--steps 12] [--out bench/results/methods.jsonl]
    python bench/methods.py --model emoji-flow --concepts openmoji ink blood weapons --methods esd-x sdd uce uce-near

The images to invert are the artists' own (no feedback is simulated here, this is about erasing alone); a style is asked
for with held-out subjects, a set of objects with all of its own; the independent judge counts. One line a run goes to
--out; runs that are there already are not done again. The word of a style is its name; the words of a set are its
subjects' names, all but the wordless concept's; its prompts are those of the training split that ask for it, as if
people had rejected each of their images and no other. 'uce + 10' is ten small updates of esd-x from where uce ends;
'uce, paper' is the preset 'paper'. Seconds are the processor's, so that a busy machine counts alike; --table prints
what is there."""
import argparse
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.concept import Concept
from hfi_nb.core import HfiError, Rate, append_jsonl, make_folder, read_jsonl
from hfi_nb.erasing.erase import erase
from hfi_nb.erasing.guards import guard
from hfi_nb.measure.evaluate import count_right
from hfi_nb.reward.features import image_features, load_clip
from hfi_nb.reward.select import OBJECT_THRESHOLD, clusters, nearest_words
from hfi_nb.tokens.inversion import invert
from hfi_nb.worlds.emoji.suite import emoji_suite
from hfi_nb.worlds.emoji.world import clip_folder, load_world, make_prompts, shows

SHORT = dict( # ten small updates from where the closed form ends
    start='uce', updates=10, lr=1e-3, batch=8, retain=5., ema=.8, trajectories=8, steps=8)
PLAIN = ('sdd', 'esd-x', 'esd-u', 'ca', 'uce', 'uce-near', 'rece')
ERASERS = {name: (name, {}) for name in PLAIN} # name → method and settings
ERASERS |= {'uce + 10': ('esd-x', SHORT)} | {f'{name}, paper': (name, dict(preset='paper')) for name in ('uce', 'rece')}
GUARDS = ('negative', 'sld')
SOURCES = ('token', 'word', 'prompt') # of what to erase
OUT = {'emoji': 'bench/results/methods.jsonl', 'emoji-flow': 'bench/results/methods_flow.jsonl'}


class Runs:
    "What was measured, one line a run; what is there already is not measured again."
    def __init__(self, out):
        self.out = make_folder(out.parent)/out.name
        self.rows = read_jsonl(out) if out.exists() else []

    def once(self, names, measure):
        for row in self.rows:
            if all(row.get(k) == v for k, v in names.items()): return row
        row = names | measure()
        append_jsonl(self.out, [row])
        self.rows.append(row)
        print(row, flush=True)
        return row


def clusters_of(pipe, world, concept):
    "For each cluster the word that its token starts at and what was drawn: (style, subject) pairs."
    if concept in world.styles:
        return [('style', [(concept, s) for s in world.subjects if world.split[s] == 'train'][:40])]
    pairs = [(a, s) for a in world.styles for s in world.concepts[concept]]
    clip = load_clip(clip_folder())
    features = image_features([world.image(*pair) for pair in pairs], clip)
    number = clusters(features, threshold=OBJECT_THRESHOLD)[0]
    parts = [[p for p, m in zip(pairs, number, strict=True) if m == k] for k in range(max(number)+1)]
    return list(zip(nearest_words(pipe, features, number, clip), parts, strict=True))


def goal(pipe, world, concept, seed=0, inverting=True):
    "What to erase: tokens (one a cluster, none without `inverting`), what each was made of, and how to erase them."
    style = concept in world.styles
    said, parts = Concept(concept, 'style' if style else 'object'), clusters_of(pipe, world, concept)
    subjects = [world.names[s] for s in world.subjects if world.split[s] == 'train']
    contexts = subjects if style else [f'{{}} in the style of {a}' for a in world.styles]
    def token(k, start, pairs):
        images = [world.image(*pair) for pair in pairs]
        return invert(pipe, images, concept=said, name=f'<unwanted-{k}>', start=start, seed=seed)
    tokens = [token(k, *part) for k, part in enumerate(parts)] if inverting else []
    safe = [p for p in make_prompts(world, 'train') if not shows(world, concept, p.style, p.subject)]
    images = [world.image(p.style, p.subject) for p in safe]
    what = dict(concept=said, contexts=contexts, safe=[p.text for p in safe], safe_images=images)
    return tokens, [pairs for _, pairs in parts], what


def questions(world, concept, n, seed=0):
    "The suite to count on: a style is asked for with held-out subjects, a set of subjects with all of its own."
    split = 'heldout' if concept in world.styles else None
    return emoji_suite(concept, n, split, seed, first_seed=60_000)


def count(paint, suite):
    """How often the concept shows where asked for, and the label that does not carry it is right; elsewhere, both
    labels."""
    images = paint([p.text for p in suite.prompts], suite.seeds)
    k, prompts, judge = len(suite.target), suite.prompts, suite.judge
    target, other = count_right(images[:k], prompts[:k], judge), count_right(images[k:], prompts[k:], judge)
    rest = 'subject' if judge.about == 'style' else 'style'
    return dict(left=target['shown'], rest=target[rest], style=other['style'], subject=other['subject'])


def run(pipe, method, tokens, what, suite, steps=12):
    "Preset, seconds and rates of one method; none is the base model."
    begun, paint = time.process_time(), partial(sample, pipe, steps=steps)
    name, settings = ERASERS.get(method, (method, {}))
    if method in ERASERS:
        paint = partial(sample, erase(pipe, tokens, name, quick_check=False, **settings, **what), steps=steps)
    took = time.process_time()-begun
    guarded = guard(pipe, tokens, method, what['concept']) if method in GUARDS else nullcontext()
    with guarded: rates = count(paint, suite)
    return dict(preset=settings.get('preset', 'hfi_nb'), seconds=round(took, 1),
                **{k: r.to_dict() for k, r in rates.items()})


def sweep(concept, n, out, runs):
    "One line for each (method, names that tell it from others, settings)."
    pipe, world = load_pipeline(), load_world()
    saved, (tokens, _, what) = Runs(out), goal(pipe, world, concept)
    suite = questions(world, concept, n)
    def measure(method, settings): return dict(settings=settings) | run(pipe, method, tokens, what | settings, suite)
    for method, names, settings in runs: saved.once(dict(concept=concept, **names), partial(measure, method, settings))


def rejected_prompts(world, concept):
    "Prompts of the training split that ask for the concept, as rejected with certainty."
    split = 'train' if concept in world.styles else None
    return [(p.text, 1.) for p in make_prompts(world, split) if shows(world, concept, p.style, p.subject)]


def main(concepts, methods, by, n, out, model, steps):
    pipe, world = load_pipeline(model), load_world()
    saved = Runs(out or Path(OUT[model]))
    for concept in concepts or [*world.styles, *world.concepts]:
        suite, (tokens, _, what) = questions(world, concept, n), goal(pipe, world, concept, inverting='token' in by)
        words = [concept] if concept in world.styles else [world.names[s] for s in world.concepts[concept]]
        given = dict(token=(tokens, {}), word=(words, {}), prompt=([], dict(rejected=rejected_prompts(world, concept))))
        def measure(method, source, what=what, suite=suite, given=given):
            targets, more = given[source]
            return partial(run, pipe, method, targets, what | more, suite, steps)
        saved.once(dict(concept=concept, method='none', by=''), measure('none', 'token'))
        wanted = [one for one in by if not (one == 'word' and concept == 'kindergarten')]
        for one in wanted:
            for method in methods:
                names = dict(concept=concept, method=method, by=one)
                try: saved.once(names, measure(method, one))
                except HfiError as error: # a guard's prompt does not hold any number of tokens
                    if method not in GUARDS: raise
                    print(concept, method, one, error)


def table(out):
    "Methods by concepts: the concept's share that is left, and of everything else the right style and subject."
    rows = read_jsonl(out)
    for concept in dict.fromkeys(r['concept'] for r in rows):
        heads = 'by | preset | left | else: style | else: subject | asked for it: the rest | seconds'
        print(f'\n| {concept} | {heads} |\n|'+'---|'*8)
        for r in (r for r in rows if r['concept'] == concept):
            rates = ' | '.join(str(Rate.from_dict(r[k])) for k in ('left', 'style', 'subject', 'rest'))
            print(f'| {r["method"]} | {r["by"]} | {r.get("preset", "hfi_nb")} | {rates} | {r["seconds"]} |')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*')
    parser.add_argument('--methods', nargs='*', default=[*ERASERS, *GUARDS])
    parser.add_argument('--by', nargs='*', default=['token', 'word'], choices=SOURCES)
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--model', default='emoji', choices=list(OUT))
    parser.add_argument('--steps', type=int, default=12, help='of sampling')
    parser.add_argument('--out', type=Path, help=f'default: {" or ".join(OUT.values())}')
    parser.add_argument('--table', action='store_true', help='print what is there')
    args = vars(parser.parse_args())
    if args.pop('table'): table(args['out'] or Path(OUT[args['model']]))
    else: main(**args)
