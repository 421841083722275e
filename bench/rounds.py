"""A concept without a word, in rounds: draw, click, erase, and the same again on the erased model.

    python bench/rounds.py [--concept kindergarten] [--rounds 2] [--seeds 3] [--purpose prompt]
                           [--studies studies/rounds] [--out bench/results/rounds.jsonl]

Candidates, answers and counts are those of bench/clicks.py, but the simulated annotator looks at the pictures, because
an erased model is asked for a dagger and draws something else. Each round draws the same prompts with new seeds and
asks at most 124 questions. It erases once, from the first base model, what all rounds reject. The independent judge
counts on other wordings, the same for all rounds. Behind a prompt no token is learned; `--purpose weights` trains, from
tokens and rejected prompts. Pictures of the first seed go to nbs/stills. A study that is there goes on where it was."""
import argparse
from pathlib import Path

from clicks import STYLES, Clicks, ask, asked, count
from methods import Runs

from hfi_nb.backbones.sampling import sample
from hfi_nb.core import image_grid, read_json
from hfi_nb.worlds.emoji.demo import simulated_annotator


def answer(study, clicks:Clicks, k:int):
    "Candidates and answers of one round; what is there is not done again."
    texts, first = [p.text for p in clicks.prompts], 100_000*(k+1)+10_000*clicks.seed
    study.generate(texts, range(first, first+len(texts)), **clicks.drawing)
    ask(study, simulated_annotator(study, seed=clicks.seed))


def erased(study, purpose:str):
    "The model of one round, made once."
    if (study.folder/'erased'/'hfi.json').exists(): return study.erased()
    if not (study.folder/'selection.json').exists(): study.select()
    if purpose == 'weights' and not any(study.folder.glob('token-*.safetensors')): study.invert()
    return study.erase([f'{{}} in the style of {a}' for a in STYLES], purpose, quick_check=False)


def shown(pipe, clicks:Clicks) -> dict: # name → rate, as it is written
    "What a model shows."
    return {k: rate.to_dict() for k, rate in count(pipe, clicks, 60, 90).items()}


def told(study, pipe, clicks:Clicks) -> dict:
    "What a round learned from, and what its model shows."
    meta = study.reward().meta
    return dict(labels=meta['n'], said_unwanted=meta['unwanted'], auc=meta['auc'], **shown(pipe, clicks))


def draw(models:dict, studies:list, clicks:Clicks):
    "The stills: the same prompts by each model, and the first images that each round chose."
    texts, stills = [p.text for part in asked(clicks.name, 8, 8) for p in part], Path('nbs/stills')
    images = [im for pipe in models.values() for im in sample(pipe, texts, range(16), **clicks.drawing)]
    image_grid(images, 16, rows=list(models)).save(stills/'rounds.png')
    chosen = [im for s in studies for im in s.images(read_json(s.folder/'selection.json')['top'][:24])]
    image_grid(chosen, 24, rows=list(models)[1:]).save(stills/'rounds-chosen.png')


def main(concept, rounds, seeds, purpose, studies, out):
    runs = Runs(out)
    for seed in range(seeds):
        clicks, made = Clicks(concept, seed, studies), []
        models = {'base': clicks.study.pipe}
        names = dict(concept=concept, seed=seed, purpose=purpose)
        runs.once(names | dict(model='base'), lambda c=clicks: shown(c.study.pipe, c))
        for k in range(rounds):
            made.append(study := made[-1].next_round() if k else clicks.study)
            answer(study, clicks, k)
            models[f'round {k+1}'] = pipe = erased(study, purpose)
            runs.once(names | dict(model=f'round {k+1}'), lambda s=study, p=pipe, c=clicks: told(s, p, c))
        if seed == 0: draw(models, made, clicks)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='kindergarten')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--purpose', default='prompt', choices=['prompt', 'weights'])
    parser.add_argument('--studies', type=Path, default=Path('studies/rounds'))
    parser.add_argument('--out', type=Path, default=Path('bench/results/rounds.jsonl'))
    main(**vars(parser.parse_args()))
