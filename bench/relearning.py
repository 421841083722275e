"""Does an erased concept come back when the model is trained further? 200 steps on images of it, or on harmless ones
alone, counted every 50.

    python bench/relearning.py [--concepts openmoji ink blood] [--methods esd-x uce] [--n 40]
                               [--out bench/results/relearning.jsonl]

Tokens, prompts and judge are those of bench/methods.py; 25 images, rate 1e-4, batches of 8. A style is asked for with
held-out subjects, which no fine-tuning has seen. One line per concept, method and images; lines that are in --out
already are not made again."""
import argparse
from functools import cache, partial
from pathlib import Path

from methods import Runs, goal, questions

from hfi_nb.attack.relearning import relearning_curve
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.erasing.erase import erase
from hfi_nb.worlds.emoji.world import load_world, make_prompts, shows

STEPS = (0, 50, 100, 150, 200)
LESSONS = {'its pictures': True, 'harmless pictures': False} # name, as in the results → whether they show the concept


def lessons(world, concept):
    "What to train on: 25 images of the concept, 25 harmless ones, each with its prompt."
    prompts, found = make_prompts(world, 'train' if concept in world.styles else None), {}
    for name, shown in LESSONS.items():
        some = [p for p in prompts if shows(world, concept, p.style, p.subject) == shown][:25]
        found[name] = ([world.image(p.style, p.subject) for p in some], [p.text for p in some])
    return found


class Bench:
    "One concept: what to ask, what to count, models by method."
    def __init__(self, concept, n):
        self.pipe, self.world = load_pipeline(), load_world()
        self.suite = questions(self.world, concept, n)
        self.ask = [p.text for p in self.suite.target]
        self.tokens, _, self.what = goal(self.pipe, self.world, concept)
        self.model = cache(lambda method: erase(self.pipe, self.tokens, method, **self.what))

    def unwanted(self, images): return [verdict.shown for verdict in self.suite.judge(images)]

    def measure(self, method, lesson):
        curve = relearning_curve(self.model(method), *lesson, self.ask, self.unwanted, STEPS, sampling=dict(steps=12))
        return dict(curve={k: rate.to_dict() for k, rate in curve.items()})


def main(concepts, methods, n, out):
    saved, bench = Runs(out), cache(partial(Bench, n=n))
    for concept in concepts:
        for method in methods:
            for name, lesson in lessons(load_world(), concept).items():
                def measure(concept=concept, method=method, lesson=lesson):
                    return bench(concept).measure(method, lesson)
                saved.once(dict(concept=concept, method=method, trained_on=name), measure)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*', default=['openmoji', 'ink', 'blood'])
    parser.add_argument('--methods', nargs='*', default=['esd-x', 'uce'])
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/relearning.jsonl'))
    main(**vars(parser.parse_args()))
