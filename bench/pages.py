"""The full page of a study, for a style and for a thing: candidates, simulated clicks, tokens, erasing, evaluation, five attacks, report; and what each stage takes.

    python bench/pages.py [--concepts openmoji blood] [--n 60] [--attacked 40] [--studies studies] [--to docs/reports]

The clicks are simulated, one in twenty of them wrong; the independent judge counts, in the evaluation and under attack. A style is asked for with held-out subjects;
a thing has its subjects in training and evaluation, with other seeds. A study that is there goes on where it stopped."""
import argparse
import shutil
import time
from itertools import cycle, islice
from pathlib import Path

from hfi_nb.core import make_folder
from hfi_nb.emoji import load_judge, load_world, make_prompts, shows
from hfi_nb.evaluate import held_out
from hfi_nb.study import Study, simulated_annotator

DONE = dict(click='reward.safetensors', select='selection.json', erase='erased/hfi.json', evaluate='evaluation.json', redteam='redteam.json') # the others resume by themselves


def candidates(world, concept):
    "Prompts to look at and contexts to erase in: half of a thing's prompts ask for it, each four times."
    if concept in world.styles: return make_prompts(world, 'train', n=160), [world.names[s] for s in world.subjects if world.split[s] == 'train']
    asked = make_prompts(world, subjects=world.concepts[concept])*4
    return asked+[p for p in make_prompts(world, 'train') if not shows(world, concept, p.style, p.subject)][:320-len(asked)], [f'{{}} in the style of {a}' for a in world.styles]


def work(world, concept, folder, n, attacked):
    "The stages in their order: name → function of the study so far."
    style = concept in world.styles
    (prompts, contexts), how = candidates(world, concept), {} if style else dict(phrase='{}', init=None)
    asked = held_out(concept, n, split='heldout' if style else None)
    study = Study(folder, concept=concept, **how)
    places = [world.names[p.subject] for p in asked] if style else contexts*attacked
    def click():
        person = simulated_annotator(study, prompts)
        for _ in 'ab':
            person.label(study.panel(person), pages=4)
            study.fit_reward()
    def unwanted(images): return [shows(world, concept, *o) for o in load_judge()(images)]
    def attack(): study.redteam(list(islice(cycle(places), attacked)), unwanted=unwanted, word=concept if style else world.names[world.concepts[concept][0]])
    return study, dict(generate=lambda: study.generate([p.text for p in prompts]), click=click, select=study.select, invert=study.invert,
                       erase=lambda: study.erase(contexts), evaluate=lambda: study.evaluate(asked), redteam=attack, report=study.report)


def main(concepts, n, attacked, studies, to):
    world = load_world()
    for concept in concepts:
        study, stages = work(world, concept, studies/f'page-{concept}', n, attacked)
        for name, stage in stages.items():
            if name in DONE and (study.folder/DONE[name]).exists(): continue
            begun, busy = time.perf_counter(), time.process_time()
            stage()
            print(f'{concept:12} {name:9} {time.perf_counter()-begun:6.0f} s, of the processor {time.process_time()-busy:6.0f} s', flush=True)
        shutil.copy(study.folder/'report.html', make_folder(to)/f'{concept}.html')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concepts', nargs='*', default=['openmoji', 'blood'])
    parser.add_argument('--n', type=int, default=60)
    parser.add_argument('--attacked', type=int, default=40)
    parser.add_argument('--studies', type=Path, default=Path('studies'))
    parser.add_argument('--to', type=Path, default=Path('docs/reports'))
    main(**vars(parser.parse_args()))
