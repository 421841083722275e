"""Two processes on one machine: the files and weights of one process, and a clear end when one of them is killed."""
import multiprocessing
import os
import socket
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from hfi_nb.core import file_hash, read_json, read_jsonl

DRAW = '''
import os, sys
from hfi_nb.candidates.generate import generate
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.training.processes import rank
turns = []
def watch(rows):
    turns.append(rows)
    if len(turns) == kill and rank() == 1: os._exit(9)
prompts = [f'{name} face' for name in ('cat', 'dog', 'fox', 'bear', 'cow')][:n]
rows = generate(load_pipeline(), prompts, range(n), folder, batch=2, steps=2, callback=watch)
'''
FEATURES = DRAW + '''
from hfi_nb.reward.features import image_features
from hfi_nb.worlds.emoji.world import clip_folder
assert len(image_features([f'{folder}/{r["file"]}' for r in rows], clip_folder(), cache=folder, batch=2)) == n
'''
ERASE = '''
import os
import torch
from safetensors.torch import save_file
from hfi_nb.backbones.loading import backbone_of, load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.erasing.distill import distill
from hfi_nb.erasing.targets import make_targets
from hfi_nb.training.processes import main_only, rank
torch.use_deterministic_algorithms(True)
pipe = load_pipeline()
images = sample(pipe, ['house', 'cat face'], [0, 1], steps=2)
targets = make_targets(pipe, ['ink'], contexts=['cat face', 'house'], safe=['house', 'cat face'], safe_images=images)
def watch(loop):
    if loop.step == kill and rank() == 1: os._exit(9)
small = dict(updates=4, every=2, refresh=2, trajectories=3, steps=2, batch=batch)
erased = distill(pipe, targets, path=f'{folder}/erasing.safetensors', callback=watch, **small)
weights = backbone_of(erased).trainable('cross-attention')
main_only(lambda: save_file(weights, f'{folder}/weights.safetensors'))
'''
EVALUATE = '''
from hfi_nb.measure.evaluate import evaluate
from hfi_nb.worlds.emoji.suite import emoji_suite
from hfi_nb.backbones.loading import load_pipeline
evaluate(load_pipeline(), load_pipeline(), emoji_suite('ink', 3), folder, steps=2, batch=2)
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


SERVER = multiprocessing.get_context('forkserver') # imports what is heavy once, for all processes
SERVER.set_forkserver_preload(['hfi_nb.erasing.distill', 'hfi_nb.measure.evaluate'])


def worker(script, env, file):
    "One process of a run: what it says goes to the file."
    with open(file, 'wb') as out:
        for stream in (1, 2): os.dup2(out.fileno(), stream)
    os.environ.update(env)
    torch.set_num_threads(1) # torch read OMP_NUM_THREADS when the server started; accelerate would set another number
    exec(script, {})


def launch(script, processes, **values):
    "Run a script as `accelerate launch` would; gives each process's exit code and what it said."
    script = ''.join(f'{k} = {(str(v) if isinstance(v, Path) else v)!r}\n' for k, v in values.items()) + script
    port, started = str(free_port()), []
    with tempfile.TemporaryDirectory() as said:
        for i in range(processes):
            env = dict(RANK=str(i), LOCAL_RANK=str(i), WORLD_SIZE=str(processes), LOCAL_WORLD_SIZE=str(processes),
                       MASTER_ADDR='127.0.0.1', MASTER_PORT=port, OMP_NUM_THREADS='1', ACCELERATE_USE_CPU='true')
            started.append(SERVER.Process(target=worker, args=(script, env, f'{said}/{i}')))
            started[-1].start()
        for p in started: p.join(300)
        assert all(p.exitcode is not None for p in started), 'still running after five minutes'
        return [p.exitcode for p in started], [(Path(said)/str(i)).read_text() for i in range(processes)]


def fine(*args, **values):
    codes, said = launch(*args, **values)
    assert not any(codes), said


def test_images_and_features_are_the_same_files_and_a_killed_worker_leaves_a_state_to_go_on_from(tmp_path):
    for name, processes in dict(one=1, two=2).items(): # three chunks: uneven, the second worker's last turn is empty
        fine(FEATURES, processes, folder=tmp_path/name, n=5, kill=0)
    assert len(read_jsonl(tmp_path/'one'/'images.jsonl')) == 5
    assert file_hash(tmp_path/'one') == file_hash(tmp_path/'two')
    codes, said = launch(DRAW, 2, folder=tmp_path/'killed', n=5, kill=1)
    assert codes == [1, 9] and 'another process of this run has stopped' in said[0]
    assert 'start the same command again' in said[0]
    assert len(read_jsonl(tmp_path/'killed'/'images.jsonl')) == 4
    fine(FEATURES, 2, folder=tmp_path/'killed', n=5, kill=0)
    assert file_hash(tmp_path/'killed') == file_hash(tmp_path/'one')


def test_an_empty_share_is_no_trouble(tmp_path):
    fine(FEATURES, 2, folder=tmp_path, n=1, kill=0)
    assert len(read_jsonl(tmp_path/'images.jsonl')) == 1


def test_two_processes_erase_as_one_with_the_whole_batch(tmp_path):
    for name, processes, kill in [('one', 1, 0), ('two', 2, 0), ('killed', 2, 2)]:
        (tmp_path/name).mkdir()
        codes, said = launch(ERASE, processes, folder=tmp_path/name, batch=8, kill=kill)
        assert codes == ([1, 9] if kill else [0]*processes), said
    assert 'another process of this run has stopped' in said[0]
    assert not (tmp_path/'killed'/'weights.safetensors').exists()
    fine(ERASE, 2, folder=tmp_path/'killed', batch=8, kill=0)
    one, two, again = (load_file(tmp_path/name/'weights.safetensors') for name in ('one', 'two', 'killed'))
    assert all(torch.equal(two[k], again[k]) for k in two) # resumed to the bit
    gap = torch.cat([(one[k]-two[k]).abs().flatten() for k in one])
    # AdamW divides by a gradient's size: where that is next to nothing, rounding shows; a step is 2e-3
    assert gap.mean() < 1e-7 and gap.max() < 1e-4, (gap.mean(), gap.max())
    codes, said = launch(ERASE, 2, folder=tmp_path/'two', batch=7, kill=0)
    assert codes == [1, 1] and 'a batch of 7 has no 2 equal shares' in said[0]


def test_an_evaluation_is_the_same(tmp_path):
    for name, processes in dict(one=1, two=2).items(): fine(EVALUATE, processes, folder=tmp_path/name)
    assert read_json(tmp_path/'one'/'evaluation.json') == read_json(tmp_path/'two'/'evaluation.json')
    hashes = [sorted(file_hash(f) for f in (tmp_path/name).rglob('*.png')) for name in ('one', 'two')]
    assert hashes[0] == hashes[1] != []
