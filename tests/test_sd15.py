"""The notebooks for Stable Diffusion 1.5, every code cell of them, with the embedded model in its place; and their
bills, as committed."""
import ast
from pathlib import Path

import nbformat
import pytest
from transformers import CLIPTextConfig, CLIPTextModel

from hfi_nb.feedback.annotators import SimulatedAnnotator
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.worlds.emoji.world import clip_folder

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT/'nbs').glob('3*_sd15_*.ipynb'))
SMALL = dict(BLUR=True, DRAW=dict(steps=2, guidance=3., batch=16), INVERT=dict(steps=2, every=1, batch=2),
             ATTACKED=dict(n=2, attacks=('replay', 'rece_embedding')),
             ERASE=dict(updates=2, batch=2, trajectories=2, steps=2, refresh=2, every=2, checkpointing=True))
WORDS = {'31_sd15_style': dict(ARTIST='ink', NEAR='noto', OTHERS=('fluent',)), '32_sd15_bleeding': dict(SEEDS=1)}


def code(path): return [c for c in nbformat.read(path, 4).cells if c.cell_type == 'code']


def run(source, names):
    "Run a cell and give what it ends in, as a kernel does."
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, 'cell', 'exec'), names)
    return eval(compile(ast.Expression(last.value), 'cell', 'eval'), names) if last else None


@pytest.fixture(scope='module')
def small_model(tmp_path_factory):
    "The embedded model with a text encoder that reads 77 tokens, as Stable Diffusion's does."
    pipe, folder = load_pipeline(), tmp_path_factory.mktemp('model')
    old = pipe.text_encoder
    pipe.text_encoder = CLIPTextModel(CLIPTextConfig(**old.config.to_dict() | dict(max_position_embeddings=77)))
    weights = old.state_dict()
    name = next(k for k in weights if k.endswith('position_embedding.weight'))
    weights[name] = weights[name].repeat(3, 1)[:77]
    pipe.text_encoder.load_state_dict(weights)
    pipe.tokenizer.model_max_length = 77
    pipe.save_pretrained(folder)
    return str(folder)


def answer(study, prompts):
    "Two simulated annotators, in place of people at the panel, who dislike what was asked for with the concept."
    wanted = {p.text for p in prompts if study.name in (p.style, p.subject)}
    for seed in (0, 1):
        person = SimulatedAnnotator(lambda i: study.records[i]['prompt'] in wanted, error=.05*seed, seed=seed)
        person.label(study.panel(person))


def thinned(prompts, most=16): return prompts[::max(1, len(prompts)//most)]


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_runs(path, small_model, tmp_path):
    names, seen = {}, []
    for cell in code(path):
        seen.append(run(cell.source, names))
        if cell.source.startswith('# what to change'):
            unknown = (SMALL | WORDS[path.stem]).keys()-names.keys()
            assert not unknown
            names |= (SMALL | WORDS[path.stem]
                      | dict(MODEL=small_model, CLIP=clip_folder(), JUDGE=clip_folder(), FOLDER=tmp_path/'study'))
        if 'bill' in names and 'study' not in names:
            names |= {k: thinned(names[k]) for k in ('candidates', 'asked', 'train', 'heldout')}
        if 'study.panel(' in cell.source: answer(names['study'], names['candidates'])
    study, evaluation = names['study'], names['evaluation']
    assert study.simulated and evaluation.measures['concept'].n
    assert evaluation.measures['related subject' if 'bleed' in path.stem else 'related style'].n
    assert (study.folder/'report.html').exists() and (study.folder/'erased'/'README.md').exists()
    assert (study.folder/'delta.safetensors').exists()
    assert all(o is not None for o in seen[-3:])


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_only_the_bill_was_run_and_it_still_holds(path):
    cells, names = code(path), {}
    at = next(i for i, c in enumerate(cells) if c.source.rstrip().endswith('\nbill'))
    [output] = [o for c in cells for o in c.outputs]
    assert cells[at].outputs == [output] and [c.execution_count for c in cells[at+1:]] == [None]*len(cells[at+1:])
    for c in cells[:at]: run(c.source, names)
    assert ast.literal_eval(output['data']['text/plain']) == run(cells[at].source, names)
