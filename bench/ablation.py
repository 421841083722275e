"""What each part of the default erasing is worth: one thing changed at a time, same token, prompts and judge.

    python bench/ablation.py [--concept openmoji] [--n 40] [--out bench/results/ablation.jsonl]

Runs that are in --out already are not done again."""
import argparse
from pathlib import Path

from methods import goal, run

from hfi_nb.core import append_jsonl, make_folder, read_jsonl
from hfi_nb.emoji import load_judge, load_world
from hfi_nb.evaluate import held_out
from hfi_nb.models import load_pipeline

CHANGES = {'default': {}, 'constant learning rate': dict(decay=False), 'nothing kept on purpose': dict(retain=0.), 'bare token, no contexts': dict(contexts=()),
           'student ships (no average)': dict(ema=0.), 'bank filled once': dict(refresh=90, every=90), 'bank filled every 5': dict(refresh=5),
           '6 steps a trajectory': dict(steps=6), '24 steps a trajectory': dict(steps=24), 'batch 4': dict(batch=4)}


def main(concept, n, out):
    pipe, world, judge = load_pipeline(), load_world(), load_judge()
    make_folder(out.parent)
    done = [(r['concept'], r['change']) for r in read_jsonl(out)] if out.exists() else []
    tokens, _, what = goal(pipe, world, concept)
    prompts = held_out(concept, n, split='heldout' if concept in world.styles else None)
    for change, settings in CHANGES.items():
        if (concept, change) in done: continue
        rates, took = run(pipe, 'sdd', tokens, what | settings, concept, prompts, world, judge)
        append_jsonl(out, [dict(concept=concept, change=change, settings=settings, seconds=round(took, 1), **{k: r.to_dict() for k, r in rates.items()})])
        print(f'{concept:12} {change:28} {took:6.1f} s   concept {rates["concept"]}   else style {rates["style"]}   subject {rates["subject"]}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/ablation.jsonl'))
    main(**vars(parser.parse_args()))
