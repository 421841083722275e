"""What removal costs: every method at several settings of its one dial, from nothing kept on purpose to nearly nothing removed.

    python bench/frontier.py [--concept openmoji] [--n 40] [--out bench/results/frontier.jsonl]

The dial is λ, the weight of what must stay (`retain`, for UCE `lam`). Tokens, prompts and judge are those of bench/methods.py; runs that are in --out already are not done again."""
import argparse
from pathlib import Path

from methods import goal, run

from hfi_nb.core import append_jsonl, make_folder, read_jsonl
from hfi_nb.emoji import load_judge, load_world
from hfi_nb.evaluate import held_out
from hfi_nb.models import load_pipeline

DIALS = {'sdd': [dict(retain=o) for o in (0., .3, 1., 3., 10.)], 'esd-x': [dict(retain=o) for o in (0., .3, 1., 3., 10.)], 'uce': [dict(lam=o) for o in (.01, .1, 1., 10., 100.)]}


def main(concept, n, out):
    pipe, world, judge = load_pipeline(), load_world(), load_judge()
    make_folder(out.parent)
    done = [(r['concept'], r['method'], r['dial']) for r in read_jsonl(out)] if out.exists() else []
    tokens, _, what = goal(pipe, world, concept)
    prompts = held_out(concept, n, split='heldout' if concept in world.styles else None)
    for method, dials in {'none': [{}], **DIALS}.items():
        for dial in dials:
            if (concept, method, dial) in done: continue
            rates, took = run(pipe, method, tokens, what | dial, concept, prompts, world, judge)
            append_jsonl(out, [dict(concept=concept, method=method, dial=dial, seconds=round(took, 1), **{k: r.to_dict() for k, r in rates.items()})])
            print(f'{concept:12} {method:6} {dial}   concept {rates["concept"]}   else style {rates["style"]}   subject {rates["subject"]}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji')
    parser.add_argument('--n', type=int, default=40)
    parser.add_argument('--out', type=Path, default=Path('bench/results/frontier.jsonl'))
    main(**vars(parser.parse_args()))
