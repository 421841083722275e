"""Every method on every concept, from the soft token and from the word: what is gone, what is kept, how long it took.

    python bench/methods.py [--concepts openmoji blood …] [--methods sdd uce …] [--n 40] [--out bench/results/methods.jsonl]

The pictures to invert are the artists' own (no feedback is simulated here, this is about erasing alone); held-out prompts where the concept has held-out
subjects; the independent judge counts. One line per run goes to --out; runs that are there already are not done again. A set of subjects has no word."""
import argparse
import time
from functools import partial
from pathlib import Path

from hfi_nb.core import Rate, append_jsonl, make_folder, read_jsonl
from hfi_nb.emoji import load_judge, load_world, make_prompts, shows
from hfi_nb.erase import erase
from hfi_nb.evaluate import held_out
from hfi_nb.guards import guard
from hfi_nb.inversion import invert, templates_for
from hfi_nb.models import draw, load_pipeline
from hfi_nb.reward import image_features, load_clip
from hfi_nb.selection import modes

TRAINED, GUARDS = ('sdd', 'esd-x', 'esd-u', 'ca', 'uce', 'rece'), ('negative', 'sld')


def goal(pipe, world, concept):
    "Phrase, contexts, tokens (one per mode), word and safe pictures of a concept."
    train = [s for s in world.subjects if world.split[s] == 'train']
    if concept in world.styles: phrase, contexts, word, wanted = 'in the style of {}', [world.names[s] for s in train], concept, [(concept, s) for s in train[:40]]
    else:
        phrase, contexts, word = '{}', [f'{{}} in the style of {a}' for a in world.styles], None
        wanted = [(a, s) for a in world.styles for s in world.concepts[concept]]
    images = [world.image(*o) for o in wanted]
    mode = modes(image_features(images, load_clip()))[0] if word is None else [0]*len(images)
    init = 'style' if word else 'picture'
    tokens = [invert(pipe, [im for im, m in zip(images, mode, strict=True) if m == k], name=f'<unwanted-{k}>', templates=templates_for(phrase), init=init) for k in sorted(set(mode))]
    safe = [p for p in make_prompts(world, 'train') if not shows(world, concept, p.style, p.subject)][:96]
    what = dict(phrase=phrase, contexts=contexts, safe=[p.text for p in safe], safe_images=[world.image(p.style, p.subject) for p in safe])
    return tokens, word, what


def count(paint, prompts, concept, world, judge):
    "Rates of the concept where it was asked for, and of style and subject elsewhere."
    seen = judge(paint([p.text for p in prompts], range(60_000, 60_000+len(prompts))))
    asked = [shows(world, concept, p.style, p.subject) for p in prompts]
    other = [(p, v) for p, v, a in zip(prompts, seen, asked, strict=True) if not a]
    return dict(left=Rate.of(shows(world, concept, *v) for v, a in zip(seen, asked, strict=True) if a), style=Rate.of(p.style == v[0] for p, v in other), subject=Rate.of(p.subject == v[1] for p, v in other))


def run(pipe, method, tokens, what, concept, prompts, world, judge):
    "Counts and seconds of one method; none is the base model."
    begun, paint = time.time(), partial(draw, pipe, steps=12)
    if method in TRAINED: paint = partial(draw, erase(pipe, tokens, method, **what), steps=12)
    took = time.time()-begun
    if method in GUARDS:
        with guard(pipe, tokens, method, what['phrase']): return count(paint, prompts, concept, world, judge), took
    return count(paint, prompts, concept, world, judge), took


def sweep(concept, n, out, runs):
    "One line for each (method, names that tell it from others, settings); those that are in `out` already are not done again."
    pipe, world, judge = load_pipeline(), load_world(), load_judge()
    make_folder(out.parent)
    done = read_jsonl(out) if out.exists() else []
    tokens, _, what = goal(pipe, world, concept)
    prompts = held_out(concept, n, split='heldout' if concept in world.styles else None)
    for method, names, settings in runs:
        if any(all(r[k] == v for k, v in names.items()) for r in done if r['concept'] == concept): continue
        rates, took = run(pipe, method, tokens, what | settings, concept, prompts, world, judge)
        append_jsonl(out, [dict(concept=concept, **names, settings=settings, seconds=round(took, 1), **{k: r.to_dict() for k, r in rates.items()})])
        print(f'{concept:12} {names} {took:6.1f} s   left {rates["left"]}   else style {rates["style"]}   subject {rates["subject"]}', flush=True)


def main(concepts, methods, n, out):
    pipe, world, judge = load_pipeline(), load_world(), load_judge()
    make_folder(out.parent)
    done = {(r['concept'], r['method'], r['by']) for r in read_jsonl(out)} if out.exists() else set()
    for concept in concepts or [*world.styles, *world.concepts]:
        split = 'heldout' if concept in world.styles else None
        prompts, (tokens, word, what) = held_out(concept, n, split=split), goal(pipe, world, concept)
        for by, given in [('token', tokens)]+[('word', [word])]*bool(word):
            for method in ['none', *methods]:
                if (concept, method, by) in done: continue
                rates, took = run(pipe, method, given, what, concept, prompts, world, judge)
                append_jsonl(out, [dict(concept=concept, method=method, by=by, seconds=round(took, 1), **{k: r.to_dict() for k, r in rates.items()})])
                print(f'{concept:12} {by:6} {method:9} {took:6.1f} s   left {rates["left"]}   else style {rates["style"]}   subject {rates["subject"]}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*')
    parser.add_argument('--methods', nargs='*', default=[*TRAINED, *GUARDS])
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/methods.jsonl'))
    main(**vars(parser.parse_args()))
