"""A LoRA that learns instead of whole matrices: what is gone, what is kept, by rank and learning rate.

    python bench/adapters.py [--models emoji emoji-flow] [--ranks 0 32 4] [--rates 2e-3 6e-3] [--concept openmoji]
                             [--n 40] [--out bench/results/adapters.jsonl]

'esd-x' with our settings erases the prompts that ask for the concept, as if people had rejected each of their images
and no other; rank 0 stands for whole matrices. Prompts, judge and counts are those of bench/methods.py. Without --rates
each run has the recipe's rate. Seconds are the processor's. One line a run; runs that are there already are not done
again."""
import argparse
from functools import partial
from pathlib import Path

from methods import Runs, goal, questions, rejected_prompts, run

from hfi_nb.backbones.loading import backbone_of, load_pipeline
from hfi_nb.worlds.emoji.world import load_world


def main(models, ranks, rates, concept, n, out):
    world, saved = load_world(), Runs(out)
    for model in models:
        pipe = load_pipeline(model)
        recipe, suite = backbone_of(pipe).recipe, questions(world, concept, n)
        what = goal(pipe, world, concept, inverting=False)[2] | dict(rejected=rejected_prompts(world, concept))
        for rank in ranks:
            for lr in rates or [recipe.lora_lr if rank else recipe.lr]:
                key = dict(model=model, concept=concept, rank=rank, lr=lr, n=n)
                saved.once(key, partial(run, pipe, 'esd-x', [], what | dict(rank=rank, lr=lr), suite))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--models', nargs='*', default=['emoji', 'emoji-flow'])
    parser.add_argument('--ranks', nargs='*', type=int, default=[0, 32, 4])
    parser.add_argument('--rates', nargs='*', type=float, help='default: as the recipe says')
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/adapters.jsonl'))
    main(**vars(parser.parse_args()))
