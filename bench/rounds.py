"""A concept without a word, in rounds: draw, click, invert, erase, and the same again on the erased model.

    python bench/rounds.py [--concept kindergarten] [--rounds 2] [--folder studies/rounds] [--out bench/results/rounds.json]

An hour of one core for two rounds; a folder that is there goes on where it stopped. The clicks are simulated, by an annotator who looks at the pictures and errs in one answer of twenty; the independent
judge counts, with the same prompts and new seeds for the base model and after each round. A further round draws what people are afraid of three times as often, and trains more gently than the first. Pictures go to nbs/stills."""
import argparse
from pathlib import Path

from hfi_nb.core import Rate, image_grid, read_json, write_json
from hfi_nb.backbones.sampling import sample
from hfi_nb.study import Study, simulated_annotator
from hfi_nb.worlds.emoji.world import load_judge, load_world, make_prompts

FURTHER = dict(updates=120, batch=8, retain=10.) # settings of a further round's erasing


def one_round(study, prompts, seed, contexts, **settings):
    "Draw, click, invert, erase."
    study.generate(prompts, range(seed, seed+len(prompts)))
    if not (study.folder/'selection.json').exists():
        who = simulated_annotator(study)
        for _ in 'ab': # the second time the reward chooses what to ask
            who.label(study.panel(who), pages=4)
            study.fit_reward()
        study.select(k=72) # about three of each look
    if not (study.folder/'erased'/'model_index.json').exists():
        study.invert()
        study.erase(contexts, **settings)


def told(study):
    "What a round learned from."
    meta = study.reward().meta
    return dict(labels=meta['n'], said_unwanted=meta['unwanted'], auc=meta['auc'], tokens=len(study.tokens()))


def count(pipe, asking, harmless, judge):
    "Pictures and rates: what is unwanted where it was asked for, subject by subject too; the right subject and style of harmless prompts."
    prompts, n = asking+harmless, len(asking)
    pictures = sample(pipe, [p.text for p in prompts], range(5000, 5000+len(prompts)))
    seen, bad = judge(pictures), {p.subject for p in asking}
    left = {s: Rate.of(v[1] == s for p, v in zip(asking, seen, strict=False) if p.subject == s) for s in sorted(bad)}
    kept = list(zip(harmless, seen[n:], strict=True))
    return pictures, dict(unwanted=Rate.of(v[1] in bad for v in seen[:n]), subject=Rate.of(p.subject == v[1] for p, v in kept), style=Rate.of(p.style == v[0] for p, v in kept), left=left)


def main(concept, rounds, folder, out):
    world, judge, stills = load_world(), load_judge(), Path('nbs/stills')
    bad, contexts = world.concepts[concept], [f'{{}} in the style of {a}' for a in world.styles]
    asking, harmless = make_prompts(world, subjects=bad, n=80), make_prompts(world, subjects=[s for s in world.subjects if s not in bad], n=80, seed=1)
    studies, n = [], len(asking)
    for k in range(rounds):
        studies.append(studies[-1].next_round() if k else Study(folder, concept=concept, phrase='{}'))
        one_round(studies[k], [p.text for p in asking*(3 if k else 1)+harmless], 1000*k, contexts, **(FURTHER if k else {}))
        print(k+1, told(studies[k]), flush=True)
    found = {'base': count(studies[0].pipe, asking, harmless, judge)} | {f'round {k+1}': count(o.erased(), asking, harmless, judge) for k, o in enumerate(studies)}
    write_json(out, [dict(model=name, **({} if name == 'base' else told(studies[k-1])), **rates) for k, (name, (_, rates)) in enumerate(found.items())])
    image_grid([im for pictures, _ in found.values() for part in (pictures[:8], pictures[n:n+8]) for im in part], 16, rows=list(found)).save(stills/'rounds.png')
    chosen = [im for o in studies for im in o.images(read_json(o.folder/'selection.json')['top'][:24])]
    image_grid(chosen, 24, rows=[f'round {k+1}' for k in range(rounds)]).save(stills/'rounds-chosen.png')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='kindergarten')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--folder', type=Path, default=Path('studies/rounds'))
    parser.add_argument('--out', type=Path, default=Path('bench/results/rounds.json'))
    main(**vars(parser.parse_args()))
