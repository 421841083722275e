"""Every method on every concept, from the soft token and from the word: what is gone, what is kept, how long it took.

    python bench/methods.py [--concepts openmoji blood …] [--methods sdd uce …] [--by token word] [--n 40] [--out bench/results/methods.jsonl]

The pictures to invert are the artists' own (no feedback is simulated here, this is about erasing alone); a style is asked for with
held-out subjects, a set of things with all of its own; the independent judge counts. One line per run goes to --out; runs that are there already are not done again. The word of a style is its name; the words of a set are
its subjects' names, all but the wordless concept's. 'uce + 10' is ten small updates of esd-x from where uce ends. Seconds are the processor's, so that a busy machine counts alike; --table prints what is there."""
import argparse
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from hfi_nb.core import HfiError, Rate, append_jsonl, make_folder, read_jsonl
from hfi_nb.erasing.erase import erase
from hfi_nb.erasing.guards import guard
from hfi_nb.measure.evaluate import count_right
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.reward.features import image_features, load_clip
from hfi_nb.reward.select import OBJECT_THRESHOLD, clusters, nearest_words
from hfi_nb.tokens.inversion import invert, templates_for
from hfi_nb.worlds.emoji.suite import emoji_suite
from hfi_nb.worlds.emoji.world import load_world, make_prompts, shows

SHORT = dict(start='uce', updates=10, lr=1e-3, batch=8, retain=5., ema=.8, paths=8, steps=8) # ten small updates from where the closed form ends
ERASERS = {o: (o, {}) for o in ('sdd', 'esd-x', 'esd-u', 'ca', 'uce', 'uce-near', 'rece')} | {'uce + 10': ('esd-x', SHORT)} # name → method and settings
GUARDS = ('negative', 'sld')


class Runs:
    "What was measured, one line a run; what is there already is not measured again."
    def __init__(self, out): self.out, self.rows = make_folder(out.parent)/out.name, read_jsonl(out) if out.exists() else []
    def once(self, names, measure):
        for row in self.rows:
            if all(row[k] == v for k, v in names.items()): return row
        row = names | measure()
        append_jsonl(self.out, [row])
        self.rows.append(row)
        print(row, flush=True)
        return row


def looks(pipe, world, concept):
    "Phrase, and for each mode the word that its token starts at and what was drawn: (style, subject) pairs."
    if concept in world.styles: return 'in the style of {}', [('style', [(concept, s) for s in world.subjects if world.split[s] == 'train'][:40])]
    pairs = [(a, s) for a in world.styles for s in world.concepts[concept]]
    features = image_features([world.image(*o) for o in pairs], load_clip())
    mode = clusters(features, least=OBJECT_THRESHOLD)[0]
    return '{}', [(word, [p for p, m in zip(pairs, mode, strict=True) if m == k]) for k, word in enumerate(nearest_words(pipe, features, mode))]


def goal(pipe, world, concept, seed=0, inverting=True):
    "What to erase: tokens (one per mode, none without `inverting`), what each was made of, and phrase, contexts and safe pictures."
    phrase, parts = looks(pipe, world, concept)
    contexts = [world.names[s] for s in world.subjects if world.split[s] == 'train'] if concept in world.styles else [f'{{}} in the style of {a}' for a in world.styles]
    tokens = [invert(pipe, [world.image(*o) for o in pairs], name=f'<unwanted-{k}>', templates=templates_for(phrase), init=init, seed=seed) for k, (init, pairs) in enumerate(parts)] if inverting else []
    safe = [p for p in make_prompts(world, 'train') if not shows(world, concept, p.style, p.subject)]
    what = dict(phrase=phrase, contexts=contexts, safe=[p.text for p in safe], safe_images=[world.image(p.style, p.subject) for p in safe])
    return tokens, [pairs for _, pairs in parts], what


def questions(world, concept, n, seed=0):
    "The suite to count on: a style is asked for with held-out subjects, a set of subjects with all of its own."
    split = 'heldout' if concept in world.styles else None
    return emoji_suite(concept, n, split, seed, first_seed=60_000)


def count(paint, suite):
    "How often the concept shows where asked for, and the label that does not carry it is right; elsewhere, both labels."
    images = paint([p.text for p in suite.prompts], suite.seeds)
    k, prompts, judge = len(suite.target), suite.prompts, suite.judge
    target, other = count_right(images[:k], prompts[:k], judge), count_right(images[k:], prompts[k:], judge)
    rest = 'subject' if judge.about == 'style' else 'style'
    return dict(left=target['shown'], rest=target[rest], style=other['style'], subject=other['subject'])


def run(pipe, method, tokens, what, suite):
    "Seconds and rates of one method; none is the base model."
    begun, paint = time.process_time(), partial(sample, pipe, steps=12)
    if method in ERASERS:
        name, settings = ERASERS[method]
        paint = partial(sample, erase(pipe, tokens, name, **settings, **what), steps=12)
    took = time.process_time()-begun
    with guard(pipe, tokens, method, what['phrase']) if method in GUARDS else nullcontext(): rates = count(paint, suite)
    return dict(seconds=round(took, 1), **{k: r.to_dict() for k, r in rates.items()})


def sweep(concept, n, out, runs):
    "One line for each (method, names that tell it from others, settings); those that are in `out` already are not done again."
    pipe, world = load_pipeline(), load_world()
    saved, (tokens, _, what) = Runs(out), goal(pipe, world, concept)
    suite = questions(world, concept, n)
    def measure(method, settings): return dict(settings=settings) | run(pipe, method, tokens, what | settings, suite)
    for method, names, settings in runs: saved.once(dict(concept=concept, **names), partial(measure, method, settings))


def main(concepts, methods, by, n, out):
    pipe, world = load_pipeline(), load_world()
    saved = Runs(out)
    for concept in concepts or [*world.styles, *world.concepts]:
        style = concept in world.styles
        suite, (tokens, _, what) = questions(world, concept, n), goal(pipe, world, concept, inverting='token' in by)
        words = [concept] if style else [world.names[s] for s in world.concepts[concept]]
        saved.once(dict(concept=concept, method='none', by=''), partial(run, pipe, 'none', tokens, what, suite))
        for one in by:
            if one == 'word' and concept == 'kindergarten': continue
            for method in methods:
                try: saved.once(dict(concept=concept, method=method, by=one), partial(run, pipe, method, dict(token=tokens, word=words)[one], what, suite))
                except HfiError as error: # a guard's prompt does not hold any number of tokens
                    if method not in GUARDS: raise
                    print(concept, method, one, error)


def table(out):
    "Methods by concepts: the concept's share that is left, and of everything else the right style and the right subject."
    rows = read_jsonl(out)
    for concept in dict.fromkeys(r['concept'] for r in rows):
        print(f'\n| {concept} | by | left | else: style | else: subject | asked for it: the rest | seconds |\n|'+'---|'*7)
        for r in rows:
            if r['concept'] == concept: print(f'| {r["method"]} | {r["by"]} | '+' | '.join(str(Rate.from_dict(r[k])) for k in ('left', 'style', 'subject', 'rest'))+f' | {r["seconds"]} |')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*')
    parser.add_argument('--methods', nargs='*', default=[*ERASERS, *GUARDS])
    parser.add_argument('--by', nargs='*', default=['token', 'word'], choices=['token', 'word'])
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/methods.jsonl'))
    parser.add_argument('--table', action='store_true', help='print what is there')
    args = vars(parser.parse_args())
    if args.pop('table'): table(args['out'])
    else: main(**args)
