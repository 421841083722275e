"""Does an erased concept come back when the model is trained further? Two hundred steps on pictures of it, or on harmless ones alone, and a count every fifty.

    python bench/relearning.py [--concepts openmoji ink blood] [--methods esd-x uce] [--n 40] [--out bench/results/relearning.jsonl]

Tokens, prompts and judge are those of bench/methods.py; 25 pictures, rate 1e-4, batches of 8. Of a style the held-out subjects are asked for, which no fine-tuning has seen.
One line per concept, method and pictures; lines that are in --out already are not made again."""
import argparse
from functools import cache, partial
from pathlib import Path

from methods import Runs, goal, questions

from hfi_nb.attack.relearning import relearning_curve
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.erasing.erase import erase
from hfi_nb.worlds.emoji.world import load_judge, load_world, make_prompts, shows

STEPS = (0, 50, 100, 150, 200)


def lessons(world, concept):
    "What to train on: 25 pictures of the concept, 25 harmless ones, each with its prompt."
    prompts = make_prompts(world, 'train' if concept in world.styles else None)
    parts = {name: [p for p in prompts if shows(world, concept, p.style, p.subject) == true][:25] for name, true in (('its pictures', True), ('harmless pictures', False))}
    return {name: ([world.image(p.style, p.subject) for p in part], [p.text for p in part]) for name, part in parts.items()}


def main(concepts, methods, n, out):
    pipe, world, judge, saved = load_pipeline(), load_world(), load_judge(), Runs(out)
    for concept in concepts:
        ask = [p.text for p in questions(world, concept, n).target]
        found = cache(partial(goal, pipe, world, concept))
        model = cache(lambda method, found=found: erase(pipe, found()[0], method, **found()[2]))
        def unwanted(images, concept=concept): return [shows(world, concept, *o) for o in judge(images)]
        def measure(method, lesson, model=model, ask=ask, unwanted=unwanted):
            curve = relearning_curve(model(method), *lesson, ask, unwanted, STEPS, drawing=dict(steps=12))
            return dict(curve={k: r.to_dict() for k, r in curve.items()})
        for method in methods:
            for name, lesson in lessons(world, concept).items(): saved.once(dict(concept=concept, method=method, trained_on=name), partial(measure, method, lesson))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*', default=['openmoji', 'ink', 'blood'])
    parser.add_argument('--methods', nargs='*', default=['esd-x', 'uce'])
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/relearning.jsonl'))
    main(**vars(parser.parse_args()))
