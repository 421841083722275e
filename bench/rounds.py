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

from clicks import ANSWERS, STYLES, Clicks, asked, count
from methods import Runs

from hfi_nb.backbones.sampling import sample
from hfi_nb.core import image_grid, read_json, write_json
from hfi_nb.worlds.emoji.demo import simulated_annotator


def answer(study, clicks:Clicks, k:int):
    "Candidates and answers of one round, a reward after each part of them; what is there is not done again."
    texts, file = [p.text for p in clicks.prompts], study.folder/'rounds.json'
    study.generate(texts, range(100_000*(k+1)+10_000*clicks.seed, 100_000*(k+1)+10_000*clicks.seed+len(texts)),
                   **clicks.drawing)
    someone, done = simulated_annotator(study, seed=clicks.seed), read_json(file) if file.exists() else 0
    for n in ANSWERS[done:]:
        someone.label(study.panel(someone, per_page=4), pages=n//4)
        study.fit_reward()
        write_json(file, done := done+1)


def erased(study, purpose:str):
    "The model of one round, made once."
    if (study.folder/'erased'/'hfi.json').exists(): return study.erased()
    if not (study.folder/'selection.json').exists(): study.select()
    if purpose == 'weights' and not any(study.folder.glob('token-*.safetensors')): study.invert()
    return study.erase([f'{{}} in the style of {a}' for a in STYLES], purpose, quick_check=False)


def told(study, pipe, clicks:Clicks) -> dict:
    "What a round learned from, and what its model shows."
    meta = study.reward().meta
    rates = {k: rate.to_dict() for k, rate in count(pipe, clicks, 60, 90).items()}
    return dict(labels=meta['n'], said_unwanted=meta['unwanted'], auc=meta['auc'], **rates)


def draw(models:dict, studies:list, clicks:Clicks):
    "The stills: the same prompts by each model, and the first images that each round chose."
    shown, stills = [p for part in asked(clicks.name, 8, 8) for p in part], Path('nbs/stills')
    texts = [p.text for p in shown]
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
        runs.once(names | dict(model='base'), lambda c=clicks: {k: r.to_dict() for k, r in
                                                                count(c.study.pipe, c, 60, 90).items()})
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
