"""Folders that `bench/chaos.py` opens: what a stranger may have put into a study, and numbers that are not finite.

Each case gets a whole study, spoils it, uses it as anybody would, and asserts that no harm was done."""
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.choices import status_of
from hfi_nb.core import HfiError, append_jsonl, file_hash, read_json, read_jsonl, write_json
from hfi_nb.feedback.exchange import export_events, import_events
from hfi_nb.feedback.store import Event
from hfi_nb.measure.evaluate import Evaluation
from hfi_nb.report import commands, history, stale_results, write_card, write_report
from hfi_nb.study import Study, token_clusters
from hfi_nb.study_erasing import read_selection, safe_of
from hfi_nb.worlds.emoji.suite import emoji_suite

SCRIPT, FORMULA = '<img src=x onerror=alert(1)>', '=HYPERLINK("http://example.org")'
TINY = dict(steps=2, batch=2)


def small_suite(seed=0): return replace(emoji_suite('openmoji', 2, seed=seed), works=(), clip=None)


def secret(study):
    "A private image beside the study."
    file = study.folder.parent/'secret.png'
    Image.effect_noise((64, 64), 90).save(file)
    return file


def edit(file, change):
    "Change what a JSON file holds."
    data = read_json(file)
    change(data)
    write_json(file, data)


def traversal(study):
    "Paths and links that lead out of the folder, in the manifest."
    private = secret(study)
    (study.folder/'images'/'link.png').symlink_to(private)
    (study.folder/'images'/'up').symlink_to(study.folder.parent)
    files = ['../secret.png', str(private), 'images/link.png', 'images/../../secret.png', 'images/up/secret.png']
    rows = [dict(id=f'x{n}', file=file, prompt='a') for n, file in enumerate(files)]
    append_jsonl(study.folder/'images.jsonl', [*rows, dict(id='../secret', prompt='a'), 'no object', dict(id=7)])
    assert not [i for i in study.records if str(i).startswith(('x', '..'))], 'records name a file outside'
    try: shown = study.panel('me').page
    except HfiError: shown = []
    assert not [i for i in shown if str(i).startswith(('x', '..'))], 'the panel shows a file outside'


def report_traversal(study):
    "Paths out of the folder in the evaluation: the report embeds what they name."
    secret(study)
    def point(data):
        for row in data['rows']: row['before']['file'] = '../secret.png'
    edit(study.folder/'evaluation.json', point)
    write_report(study.folder)


def feedback_ids(study):
    "Answers about paths, in a file to be imported."
    good = asdict(next(study.store.log()))
    wrongs = dict(item='../secret'), dict(item='/etc/passwd'), dict(panel='\r=1+1'), dict(shown=['../a'])
    for n, wrong in enumerate(wrongs):
        file = study.folder/f'import-{n}.jsonl'
        append_jsonl(file, [good | dict(uid=f'new{n}') | wrong])
        try: import_events(study.store, file)
        except HfiError: continue
        raise AssertionError(f'answers with {wrong} were taken')


def linked(study, name, use):
    "A link in place of one of the study's files leads to a stranger's; a stage that writes it must not follow."
    place = study.folder.parent/'outside'
    place.mkdir()
    (place/'kept.txt').write_text('mine')
    own = study.folder/name
    target = place if own.is_dir() or not own.exists() else place/own.name
    shutil.copy(own, target) if own.is_file() else None
    shutil.rmtree(own) if own.is_dir() else own.unlink(missing_ok=True)
    own.symlink_to(target)
    before = file_hash(place)
    try: use(study)
    except HfiError: pass
    assert file_hash(place) == before, f'something was written through the link {name}'


def more_images(study): study.generate(['a house', 'a cat face'], [900, 901], **TINY)
def more_answers(study): study.store.append([Event('label', next(iter(study.records)), 'eve', study.name, label=1)])
def erase_again(study): study.erase(['house'], method='uce', quick_check=False)
def evaluate_again(study): study.evaluate(small_suite(seed=1), **TINY)
def fit_again(study): study.fit_reward() and study.select(k=6, safe=4)
def go_on(study): study.next_round().keep()


LINKED = { # file → what writes it
    'images': more_images, 'images.jsonl': more_images, 'feedback.db': more_answers, 'stages.json': fit_again,
    'reward.safetensors': fit_again, 'selection.json': fit_again, 'erased': erase_again,
    'next': go_on, 'pictures': evaluate_again, 'evaluation.json': evaluate_again, '.hfi.lock': more_images,
    '.stages.lock': fit_again}


def locks(study):
    "Folders in place of the files that runs hold: it is said, and nothing waits for ever."
    for name, use in {'.hfi.lock': more_images, '.stages.lock': fit_again}.items():
        (study.folder/name).unlink(missing_ok=True)
        (study.folder/name).mkdir()
        try: use(study)
        except HfiError as error: assert name in str(error), error
        else: raise AssertionError(f'a run began without {name}')


def attack(name): # what redteam.json holds about one
    rate = dict(k=1, n=2)
    return dict(name=name, alone=rate, success=rate, forwards=1, seconds=1., judge=name, texts=[name])


def begins_formula(cell):
    "Whether a spreadsheet would compute a cell: a number with its sign is none."
    if cell[:1] not in tuple('=+-@\t\r'): return False
    try: return cell.strip() != cell or float(cell) != float(cell)
    except ValueError: return True


def scripts(study):
    "HTML in everything that a file may name: it must be shown, not run."
    def spoil(data):
        data |= dict(concept=SCRIPT, distances={SCRIPT: dict(value=1., n=1)})
        data['meta'] |= dict(judge=SCRIPT)
        for r in data['rows']: r['text'] = SCRIPT
    edit(study.folder/'evaluation.json', spoil)
    write_json(study.folder/'redteam.json', [attack(SCRIPT)])
    token, reward = study.tokens()[0], study.reward()
    token.meta |= dict(init=SCRIPT, pictures=SCRIPT, steps=SCRIPT)
    token.name = SCRIPT
    reward.meta |= dict(clip=SCRIPT, kernel=SCRIPT)
    study.store.append([Event('comment', next(iter(study.records)), SCRIPT, SCRIPT, value=SCRIPT)])
    shown = dict(evaluation=Evaluation.load(study.folder), token=token, reward=reward, feedback=study.store)
    pages = {name: part._repr_html_() for name, part in shown.items()}
    pages |= {write.__name__: write(study.folder).read_text() for write in (write_report, write_card)}
    found = [name for name, page in pages.items() if SCRIPT in page]
    assert not found, f'script in: {", ".join(found)}'


def formulas(study):
    "Spreadsheet formulas in names, comments and prompts: no cell of a CSV may begin one."
    write_json(study.folder/'redteam.json', [attack(FORMULA)])
    edit(study.folder/'evaluation.json', lambda data: data['distances'].update({FORMULA: dict(value=1., n=1)}))
    study.store.append([Event('comment', next(iter(study.records)), FORMULA, study.name, value=FORMULA, panel=FORMULA)])
    export_events(study.store, study.folder/'events.csv')
    write_report(study.folder)
    for name in ('events.csv', 'report.csv'):
        with open(study.folder/name, newline='') as file: cells = [cell for cells in csv.reader(file) for cell in cells]
        risky = [cell for cell in cells if begins_formula(cell)]
        assert not risky, f'{name} holds the formula {risky[0]}'


def commands_of(study):
    "Shell text where a setting's name stands: the report shows the study as commands, and somebody may run them."
    marker = study.folder.parent/'ran'
    words = f'; touch {marker}; $(touch {marker})'
    file = study.folder/'images.jsonl'
    row = read_jsonl(file)[0]
    file.write_text('')
    append_jsonl(file, [row | dict(settings={words: words})])
    edit(study.folder/'study.json', lambda data: data['concept'].update(start=words))
    edit(study.folder/'erased'/'hfi.json', lambda data: data.update(method=words))
    subprocess.run(['bash', '-c', f'hfi() {{ :; }}\n{commands(study.folder)}'], check=True)
    assert not marker.exists(), 'a command of the report runs what a setting is called'


def pickles(study):
    "Pickles in the place of every file of numbers: none of them may be opened."
    marker = study.folder.parent/'ran'
    pickle = f"cos\nsystem\n(S'touch {marker}'\ntR.".encode()
    for file in study.folder.glob('*.safetensors'): file.write_bytes(pickle)
    for file in (study.folder/'erased').rglob('*.safetensors'):
        file.unlink()
        for name in ('diffusion_pytorch_model.bin', 'pytorch_model.bin'): (file.parent/name).write_bytes(pickle)
    for use in (study.reward, study.tokens, study.erased, study.features, fit_again, partial(study.invert, **TINY)):
        try: use(study) if use is fit_again else use()
        except HfiError: continue
    assert not marker.exists(), 'a pickle was run'


def shown_page(folder): # → its HTML
    "What `hfi label` shows to somebody who started it inside a study."
    command = [sys.executable, '-Pc', 'from hfi_nb.cli import run; run()', 'label', '.', '--no-browser']
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as page:
        try:
            address = next(line.split()[1] for line in page.stdout if line.startswith('Open '))
            for _ in range(100): # it prints its address before it listens
                with suppress(OSError): return urlopen(address).read().decode()
                time.sleep(.1)
        finally: page.terminate()


def modules(study):
    "Python modules and settings in a study: neither the page nor its kernel nor its server runs them."
    marker = study.folder.parent/'ran'
    for name in ('voila', 'anywidget', 'hfi_nb', 'ipykernel_launcher', 'ipython_config', 'jupyter_server_config'):
        (study.folder/f'{name}.py').write_text(f'open({str(marker)!r}, "w")')
    assert 'widget-view' in shown_page(study.folder), 'the page shows no panel'
    assert not marker.exists(), 'a module of the study was run'


def made(study): return history(study.folder), commands(study.folder)
def status(study): return status_of(Study(study.folder, study.pipe))
def stages(study): return study.stages.next_command(), stale_results(study.folder)


def report(study):
    write_report(study.folder)
    write_card(study.folder)


def look(study): return study.panel('me').page
def prepare(study): return safe_of(study), token_clusters(study, read_selection(study.folder), [0, 1])


def spoilt(text): # of a JSON file → texts
    "Files that were cut off, that hold something else than JSON, or JSON that no stage writes."
    yield from ('', text[:len(text)//2], '\0', 10**5*'[', 5000*'1', 'NaN', 'null', '"x"', '[]', '[null]', '[[1]]', '{}')
    yield text.encode('utf-16').decode('latin1')
    data = json.loads(text.splitlines()[0] if '}\n{' in text else text)
    for part in dicts(data):
        for key, kept in list(part.items()):
            for wrong in (None, 7, 'x', [None], {'a': {}}):
                part[key] = wrong
                yield json.dumps(data)
            part[key] = kept


def dicts(data, depth=3):
    "The objects in JSON data; of each list, the first entry stands for all."
    if isinstance(data, dict): yield data
    inside = data.values() if isinstance(data, dict) else data[:1] if isinstance(data, list) else ()
    for part in inside if depth else (): yield from dicts(part, depth-1)


def malformed(study, name, uses):
    "Spoilt text, a folder and a pipe in place of a file: it is used or refused in words."
    file = study.folder/name
    if name == 'redteam.json': write_json(file, [attack('replay') | dict(hits=[dict(file='a.png', text='a', seed=1)])])
    whole = file.read_text()
    def used():
        for use in uses:
            with suppress(HfiError): use(study)
    texts = list(spoilt(whole))
    for text in texts[:13]+texts[13::len(texts)//40+1]: # an evaluation has a thousand
        file.write_text(text)
        used()
    for make in (Path.mkdir, os.mkfifo):
        file.unlink() if file.is_file() else file.rmdir()
        make(file)
        used()


MALFORMED = { # file → what reads it
    'study.json': [status, made], 'stages.json': [stages], 'images.jsonl': [look, made],
    'selection.json': [prepare], 'evaluation.json': [report], 'redteam.json': [report], 'erased/hfi.json': [made]}


HOSTILE = dict(traversal=traversal, feedback=feedback_ids, scripts=scripts, formulas=formulas, commands=commands_of,
               pickles=pickles, locks=locks, modules=modules)
HOSTILE |= {f'link {name}': partial(linked, name=name, use=use) for name, use in LINKED.items()}
HOSTILE |= {f'malformed {name}': partial(malformed, name=name, uses=uses) for name, uses in MALFORMED.items()}
HOSTILE = {name: (case, '') for name, case in HOSTILE.items()} | dict(report=(report_traversal, 'outside'))


def spoil(file, name=''):
    "NaN in one tensor of a file; the name of another tensor may be asked for."
    tensors = load_file(file)
    with safe_open(file, 'pt') as f: facts = f.metadata()
    key = next(k for k, v in tensors.items() if v.is_floating_point() and name in k)
    tensors[key].view(-1)[0] = torch.nan
    save_file(tensors, file, metadata=facts)


def nan_token(study):
    spoil(study.folder/'token-1.safetensors')
    study.stages.done('tokens')
    erase_again(study)


def nan_reward(study):
    spoil(study.folder/'reward.safetensors', 'w')
    study.select()


def nan_features(study):
    [file] = study.folder.glob('features-*.safetensors')
    spoil(file)
    study.fit_reward()


def nan_weights(study):
    "Weights of the selected images."
    edit(study.folder/'selection.json', lambda data: data['weights'].__setitem__(0, float('nan')))
    study.invert(**TINY)


def nan_checkpoint(study):
    spoil(study.folder/'inversion.safetensors', 'extra')
    study.invert(steps=4, every=1, batch=2)


def nan_erased(study):
    "The erased model that was saved."
    spoil(next((study.folder/'erased'/'unet').glob('*.safetensors')), 'attn2')
    evaluate_again(study)


def nan_model(study):
    "A base model that somebody made."
    spoil(next((study.folder/'erased'/'unet').glob('*.safetensors')), 'attn2')
    load_pipeline(study.folder/'erased')


def nan_answer(study): study.store.append([Event('label', 'a', 'eve', study.name, label=float('nan'))])


NAN = dict( # what holds it → how it is used, and what the error must name
    token=(nan_token, 'token'), reward=(nan_reward, 'reward'), features=(nan_features, 'feature'),
    weights=(nan_weights, 'weight'), checkpoint=(nan_checkpoint, 'checkpoint'), erased=(nan_erased, 'not finite'),
    model=(nan_model, 'not finite'), answer=(nan_answer, 'label'))
