"""A concept without a word, in rounds: draw, click, invert, erase, and the same again on the erased model.

    python bench/rounds.py [--concept kindergarten] [--rounds 2] [--folder studies/rounds]
                           [--out bench/results/rounds.json]

An hour of one core for two rounds; a folder that is there goes on where it stopped. The clicks are simulated, by an
annotator who looks at the pictures and errs in one answer of twenty; the independent judge counts, with the same
prompts and new seeds for the base model and after each round. A further round draws what people are afraid of three
times as often, and trains more gently than the first. Pictures go to nbs/stills."""
import argparse
from pathlib import Path

from hfi_nb.backbones.sampling import sample
from hfi_nb.concept import Concept
from hfi_nb.core import image_grid, read_json, write_json
from hfi_nb.measure.evaluate import count_right
from hfi_nb.study import Study
from hfi_nb.worlds.emoji.demo import simulated_annotator
from hfi_nb.worlds.emoji.suite import emoji_judge
from hfi_nb.worlds.emoji.world import load_world, make_prompts

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
    """Images and rates: what is unwanted where asked for, subject by subject too; right subject and style of the
    harmless."""
    prompts, n = asking+harmless, len(asking)
    images = sample(pipe, [p.text for p in prompts], range(5000, 5000+len(prompts)))
    kept = count_right(images[n:], harmless, judge)
    def right(subject):
        at = [i for i, p in enumerate(asking) if p.subject == subject]
        return count_right([images[i] for i in at], [asking[i] for i in at], judge)['subject']
    left = {s: right(s) for s in sorted({p.subject for p in asking})}
    unwanted = count_right(images[:n], asking, judge)['shown']
    return images, dict(unwanted=unwanted, subject=kept['subject'], style=kept['style'], left=left)


def main(concept, rounds, folder, out):
    world, judge, stills = load_world(), emoji_judge(concept), Path('nbs/stills')
    bad, contexts = world.concepts[concept], [f'{{}} in the style of {a}' for a in world.styles]
    asking = make_prompts(world, subjects=bad, n=80)
    harmless = make_prompts(world, subjects=[s for s in world.subjects if s not in bad], n=80, seed=1)
    studies, n = [], len(asking)
    for k in range(rounds):
        studies.append(studies[-1].next_round() if k else Study(folder, concept=Concept(concept, 'object')))
        one_round(studies[k], [p.text for p in asking*(3 if k else 1)+harmless], 1000*k, contexts,
                  **(FURTHER if k else {}))
        print(k+1, told(studies[k]), flush=True)
    found = ({'base': count(studies[0].pipe, asking, harmless, judge)}
             | {f'round {k+1}': count(o.erased(), asking, harmless, judge) for k, o in enumerate(studies)})
    write_json(out, [dict(model=name, **({} if name == 'base' else told(studies[k-1])), **rates)
                     for k, (name, (_, rates)) in enumerate(found.items())])
    image_grid([im for pictures, _ in found.values() for part in (pictures[:8], pictures[n:n+8]) for im in part], 16,
               rows=list(found)).save(stills/'rounds.png')
    chosen = [im for o in studies for im in o.images(read_json(o.folder/'selection.json')['top'][:24])]
    image_grid(chosen, 24, rows=[f'round {k+1}' for k in range(rounds)]).save(stills/'rounds-chosen.png')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='kindergarten')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--folder', type=Path, default=Path('studies/rounds'))
    parser.add_argument('--out', type=Path, default=Path('bench/results/rounds.json'))
    main(**vars(parser.parse_args()))
