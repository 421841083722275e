"""What a study survives: kills, two processes at once, a full disk, a stranger's folder, numbers that are not finite.

    python bench/chaos.py [--short] [--seed 0] [--kills 20] [--only kill two …] [--out bench/results/chaos.jsonl]

A small study of the embedded model is made undisturbed. Each trial works on a copy, in a process of its own. In the end
the files must be those of the undisturbed study, bit for bit.

kill     SIGKILL at a random moment of a stage; then the stage is run again
two      two processes run one stage in one folder at the same time
full     the disk has too little room (a small tmpfs for root, else a limit for a file's size); then there is room
hostile  a stranger made the folder: paths and links that lead out of it, scripts, formulas, pickles
nan      a file holds a number that is not finite: it must be refused by name

Lost labels: answers that were confirmed and are gone. Lost finished work: images and updates that were finished and are
gone or made again. Half files: unreadable under their own name, and scratch files that stay. Feedback is simulated."""
import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from chaos_folders import HOSTILE, NAN, small_suite
from safetensors import safe_open

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.candidates.generate import load_images
from hfi_nb.core import HfiError, append_jsonl, make_folder, open_image, read_json, write_json
from hfi_nb.feedback.store import Event, FeedbackStore
from hfi_nb.reward.features import load_clip
from hfi_nb.study import Study
from hfi_nb.training.loop import read_state
from hfi_nb.worlds.emoji.world import clip_folder, load_judge, load_world, make_prompts

CONCEPT, SAMPLING, TRAINING = 'openmoji', dict(steps=2, batch=2), dict(every=1, batch=2)


pipeline = cache(load_pipeline) # once, before the processes part
prompts = cache(lambda: [p.text for p in make_prompts(load_world(), 'train', styles=[CONCEPT, 'ink'], n=24)])


def note(study, line):
    "What a process has finished, in a file beside the study, which survives the process."
    with open(study.folder.with_suffix('.notes'), 'a') as file: file.write(f'{line}\n')


def noted(folder, kind): # the second words of a process's notes of a kind; an unfinished line does not count
    file = folder.with_suffix('.notes')
    lines = file.read_text().split('\n')[:-1] if file.exists() else []
    return [line.split()[1] for line in lines if line.startswith(kind)]


def label(study):
    "Four annotators answer about each image, one transaction an answer."
    store = study.store
    for annotator in ('ann', 'ben', 'cleo', 'dan'):
        for name, record in study.records.items():
            unwanted = int(CONCEPT in record['prompt'])
            [event] = store.append([Event('label', name, annotator, CONCEPT, label=unwanted, simulated=True)])
            note(study, f'label {event.uid}')


def generate(study): study.generate(prompts()[16:], range(16, 24), **SAMPLING)
def invert(study): study.invert(steps=4, callback=lambda loop: note(study, f'update {loop.step}'), **TRAINING)
def evaluate(study): study.evaluate(small_suite(), **SAMPLING)


def reward(study):
    "The selected images are dealt out to two clusters, so that there are two tokens."
    study.fit_reward()
    chosen = study.select(k=6, safe=4)
    write_json(study.folder/'selection.json', chosen | dict(clusters=[n % 2 for n in range(len(chosen['top']))]))
    study.stages.done('selection')


def erase(study):
    study.erase(['house', 'cat face'], updates=4, refresh=1, trajectories=2, steps=2, quick_check=False,
                callback=lambda loop: note(study, f'update {loop.step}'), **TRAINING)


class Stage(NamedTuple):
    "One stage of a study."
    do:object # function of a study
    files:tuple # patterns of what it writes
    goes_on:str = '' # folder of images, or checkpoint, that a further run goes on from
    @property
    def name(self): return self.do.__name__


STAGES = (
    Stage(label, ('feedback.db',)), Stage(generate, ('images.jsonl', 'images/*'), '.'),
    Stage(reward, ('reward.safetensors', 'selection.json')), Stage(invert, ('token-*',), 'inversion.safetensors'),
    Stage(erase, ('erased/**/*',), 'erasing.safetensors'),
    Stage(evaluate, ('evaluation.json', 'pictures/**/*'), 'pictures'))


def start(folder, do, largest=None): # → process id; largest: bytes that a file may have
    "`do(study)` in a process of its own; it exits with 0, with 3 after an `HfiError`, with 1 after any other error."
    if pid := os.fork(): return pid
    code = 1
    try:
        log = os.open(folder.with_suffix('.log'), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2): os.dup2(log, stream)
        if largest: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        do(Study(folder, pipeline(), CONCEPT))
        code = 0
    except HfiError as error:
        code = 3
        print(f'HfiError: {error}', flush=True)
    except BaseException: traceback.print_exc()
    finally: os._exit(code)


def wait(pid): return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) # negative: killed
def last_words(folder): # the last error that a process of this folder printed
    lines = folder.with_suffix('.log').read_text().splitlines()
    return next((line for line in lines[::-1] if re.match(r'[\w.]*Error', line)), '')
def uids(folder): return {event.uid for event in FeedbackStore.open(folder).events()} # of all answers


def contents(folder, stage): # → name → bytes; of the database, who says what
    "What a stage has written."
    files = {f for pattern in stage.files for f in folder.glob(pattern) if f.is_file() and not is_scratch(f)}
    def content(f): return FeedbackStore(f).by_annotator(CONCEPT) if f.suffix == '.db' else f.read_bytes()
    return {str(f.relative_to(folder)): content(f) for f in files}


def finished(folder, stage): # → set
    "The images, each with the time when it was written, or the updates that the checkpoint holds."
    place = folder/stage.goes_on
    if stage.goes_on and place.is_dir():
        return {(name, (place/record['file']).stat().st_mtime_ns) for name, record in load_images(place).items()}
    if not place.is_file(): return set()
    with safe_open(place, 'pt') as file: key = file.metadata()['key']
    return {str(n+1) for n in range(len(read_state(place, key)['losses']))}


def is_scratch(file): return any('.part' in part for part in file.parts)
def is_whole(file):
    "Whether a file can be read to its end."
    kinds = {'.png': open_image, '.json': read_json, '.safetensors': lambda f: safe_open(f, 'pt')}
    try: kinds.get(file.suffix, Path.stat)(file)
    except Exception: return False
    return True


def halves(folder, scratch): # → names of half files, scratch files with them or not
    return [f.name for f in folder.rglob('*') if f.is_file() and (scratch if is_scratch(f) else not is_whole(f))]


class Home:
    "The undisturbed study: copies from before each stage, what the stages wrote, and how long they took."
    def __init__(self, place):
        self.place, self.written, self.seconds, base = place, {}, {}, place/'base'
        wait(start(base, lambda study: study.generate(prompts()[:16], range(16), **SAMPLING)))
        for stage in STAGES:
            shutil.copytree(base, place/'before'/stage.name)
            begun = time.perf_counter()
            if wait(start(base, stage.do)): sys.exit(f'{stage.name} failed undisturbed: {last_words(base)}')
            self.seconds[stage.name], self.written[stage.name] = time.perf_counter()-begun, contents(base, stage)

    def before(self, stage): return self.place/'before'/stage.name
    def fresh(self, source, place=None): # → a copy of a study, in an empty place
        place = place or self.place/'run'
        shutil.rmtree(place, ignore_errors=True)
        return Path(shutil.copytree(source, make_folder(place)/'study'))

    def compare(self, folder, stage, confirmed): # → a result
        "What is there in the end, beside what was confirmed and the undisturbed study."
        broke = [] if contents(folder, stage) == self.written[stage.name] else ['other files']
        return dict(labels=confirmed-uids(folder), work=set(), half=halves(folder, True), broke=broke)

    def rerun(self, folder, stage): # → a result
        "Run a stage again after a disturbance, and compare."
        torn, done = halves(folder, False), finished(folder, stage)
        confirmed = uids(self.before(stage)) | set(noted(folder, 'label'))
        folder.with_suffix('.notes').unlink(missing_ok=True)
        code = wait(start(folder, stage.do))
        found = self.compare(folder, stage, confirmed)
        found['work'] = (done-finished(folder, stage)) | (done & set(noted(folder, 'update')))
        found['half'] += torn
        if code: found['broke'].append(f'the further run failed: {last_words(folder)}')
        return found


def kill(home, stage, rng):
    "SIGKILL at a random moment; an earlier one if the stage was faster."
    moment, code = 2*rng.uniform(0, home.seconds[stage.name]), 0
    while code >= 0:
        folder, moment = home.fresh(home.before(stage)), moment/2
        pid = start(folder, stage.do)
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        code = wait(pid)
    return home.rerun(folder, stage)


def two(home, stage, rng):
    "Two processes at once; one of them may be told to wait or to come again."
    folder = home.fresh(home.before(stage))
    codes = [wait(pid) for pid in [start(folder, stage.do) for _ in range(2)]]
    found = home.compare(folder, stage, uids(home.before(stage)) | set(noted(folder, 'label')))
    if 1 in codes: found['broke'].append(f'a traceback: {last_words(folder)}')
    return found


def mount(options, place): # → whether it worked
    return not subprocess.run(['mount', '-ttmpfs', '-o', options, 'tmpfs', place], capture_output=True).returncode


@contextmanager
def cramped(home, stage, share): # → folder, bytes that a file may have, a function that gives room
    "A copy from before a stage, where there is room for a share of what the stage writes."
    sizes = [len(data) if isinstance(data, bytes) else 2**16 for data in home.written[stage.name].values()]
    place = make_folder(home.place/'disk')
    if os.geteuid() or not mount('size=2g', place):
        yield home.fresh(home.before(stage), place/'in'), max(int(share*max(sizes)), 1), lambda: None
        return
    try:
        folder = home.fresh(home.before(stage), place/'in')
        mount(f'remount,size={shutil.disk_usage(place).used+int(share*sum(sizes))}', place)
        yield folder, None, lambda: mount('remount,size=2g', place)
    finally: subprocess.run(['umount', '--lazy', place]) # a process that was killed may still hold it


def full(home, stage, rng):
    "The disk is full before the stage has ended; then there is room."
    with cramped(home, stage, rng.uniform(0, .9)) as (folder, largest, give_room):
        code, words = wait(start(folder, stage.do, largest)), last_words(folder)
        give_room()
        found = home.rerun(folder, stage)
    if code not in (0, 3): found['broke'].append(f'a traceback: {words}')
    return found


def open_folder(home, case, refused): # → a result
    "A case in a copy of the whole study; `refused`: what the error must name, or '' where there must be none."
    folder = home.fresh(home.place/'base')
    code, words = wait(start(folder, case)), last_words(folder)
    good = code == 3 and refused in words if refused else code == 0
    return dict(labels=(), work=(), half=(), broke=[] if good else [words if code else 'it went on without a word'])


TRIALS, FOLDERS = dict(kill=kill, two=two, full=full), dict(hostile=HOSTILE, nan=NAN) # of a stage, of a folder


def row(trial, found, seed): # found: results
    "What all runs of a trial add up to."
    labels, work, half = (sum(len(one[k]) for one in found) for k in ('labels', 'work', 'half'))
    why = sorted({what for one in found for k in ('broke', 'half') for what in one[k]})
    return dict(trial=trial, runs=len(found), lost_labels=labels, lost_work=work, half_files=half,
                verdict='broke' if why or labels or work else 'held', why=why, seed=seed)


def trials(home, kills, seed, only):
    "All trials, one row each; with a single kill, the costly ones on three stages alone."
    runs = dict(kill=kills, two=max(kills//10, 1), full=max(kills//4, 1))
    for name, trial in TRIALS.items():
        for stage in (STAGES if name == 'kill' or kills > 1 else STAGES[:2]+STAGES[4:5]) if name in only else ():
            rng = random.Random(f'{seed} {name} {stage.name}')
            yield row(f'{name} {stage.name}', [trial(home, stage, rng) for _ in range(runs[name])], seed)
    for name, cases in FOLDERS.items():
        for what, case in cases.items() if name in only else ():
            yield row(f'{name} {what}', [open_folder(home, *case)], seed)


def main(short, seed, kills, only, out): # → exit code
    torch.set_num_threads(1)
    pipeline(), prompts(), load_judge(), load_clip(clip_folder())
    verdicts = []
    with tempfile.TemporaryDirectory() as place:
        home = Home(Path(place))
        print('| trial | runs | lost labels | lost finished work | half files | verdict |\n'+6*'|---'+'|', flush=True)
        for one in trials(home, 1 if short else kills, seed, only or [*TRIALS, *FOLDERS]):
            print('|', ' | '.join(map(str, list(one.values())[:6])), '|', '; '.join(one['why']), flush=True)
            append_jsonl(make_folder(out.parent)/out.name, [one])
            verdicts.append(one['verdict'])
    return int('broke' in verdicts)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--short', action='store_true', help='one run of each trial, in less than a minute')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--only', nargs='*', choices=[*TRIALS, *FOLDERS])
    parser.add_argument('--out', type=Path, default=Path('bench/results/chaos.jsonl'))
    sys.exit(main(**vars(parser.parse_args())))
