"""The panels in a real JupyterLab and in Voila, driven through headless Chromium; skipped where there is none."""
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from hfi_nb.core import append_jsonl
from hfi_nb.feedback.store import Event, FeedbackStore
from hfi_nb.feedback.panels import sample_study
from hfi_nb.study import Study

CHROME, DRIVER = shutil.which('chromium') or shutil.which('google-chrome'), shutil.which('chromedriver')
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (CHROME and DRIVER), reason='needs chromium and chromedriver')]
selenium = pytest.importorskip('selenium', reason='needs selenium')
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--force-device-scale-factor=1', '--window-size=1200,1250']
HOSTILE = '<script>document.title="owned"</script>"\u202e<img src=x onerror=document.title="owned">'
TUTORIAL = Path(__file__).parent.parent/'nbs/05_panels.ipynb'
ENTER, BACKSPACE, TAB = '\ue007', '\ue003', '\ue004'
CONTRAST = """
const rgba = s => { const v = s.match(/[\\d.]+/g).map(Number); return [v[0], v[1], v[2], v.length > 3 ? v[3] : 1]; };
const over = (top, under) => [0, 1, 2].map(i => top[3]*top[i] + (1-top[3])*under[i]).concat(1);
const ground = e => { const c = rgba(getComputedStyle(e).backgroundColor); return c[3] === 1 || !e.parentElement ? c : over(c, ground(e.parentElement)); };
const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b; };
const ratio = e => { const under = ground(e), [a, b] = [light(over(rgba(getComputedStyle(e).color), under)), light(under)].sort((x, y) => y-x); return (a+.05)/(b+.05); };
const seen = [...document.querySelectorAll('.hfi-panel *')].filter(e => e.checkVisibility({visibilityProperty: true}) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
return seen.map(e => [e.className || e.tagName, ratio(e)]).filter(o => o[1] < 4.5);
"""


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def make_study(folder, n=160, size=None):
    "The artists' pictures with hostile prompts, enlarged if a size is given."
    rows = [r | dict(prompt=HOSTILE + 'x'*10_000*(r['seed'] % 2)) for r in sample_study(folder, n)]
    (folder/'images.jsonl').unlink()
    append_jsonl(folder/'images.jsonl', rows)
    for r in rows if size else []: Image.open(folder/r['file']).resize((size, size)).save(folder/r['file'])
    return folder


def write_notebook(study, panel, annotator, concept='ink drawings', **options):
    "A notebook of three cells that opens a panel."
    code = f'from hfi_nb.feedback.annotators import open_panel\np = open_panel({str(study)!r}, {concept!r}, {annotator!r}, {panel!r}, **{options!r})\np'
    cells = [nbformat.v4.new_code_cell(o) for o in ('1 + 1', code, '"the end"')]
    nb = nbformat.v4.new_notebook(cells=cells, metadata=dict(kernelspec=dict(name='python3', display_name='Python 3', language='python')))
    nbformat.write(nb, study/f'{panel}.ipynb')


def serve(command, url, env):
    "A server process that answers at url."
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(240):
        try: return urllib.request.urlopen(url) and process
        except OSError: time.sleep(.25)
    process.kill()
    raise TimeoutError(f'no server at {url}')


def stop(process):
    process.terminate()
    try: process.wait(10)
    except subprocess.TimeoutExpired: process.kill()


def environment(root): return {**os.environ, 'JUPYTER_CONFIG_DIR': str(root/'.cfg'), 'JUPYTERLAB_SETTINGS_DIR': str(root/'.settings'),
                               'JUPYTERLAB_WORKSPACES_DIR': str(root/'.ws'), 'PYTHONPATH': str(Path(__file__).parent.parent)}


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "A real JupyterLab on a fresh study."
    root = make_study(tmp_path_factory.mktemp('lab')/'study')
    quiet = root/'.settings/@jupyterlab/apputils-extension'
    quiet.mkdir(parents=True)
    (quiet/'notification.jupyterlab-settings').write_text('{"fetchNews":"false","checkForUpdates":false}')
    port = free_port()
    command = [sys.executable, '-m', 'jupyterlab', '--allow-root', '--no-browser', '--ip=127.0.0.1', f'--port={port}', '--ServerApp.port_retries=0',
               '--IdentityProvider.token=', '--ServerApp.password=', '--ServerApp.disable_check_xsrf=True', f'--ServerApp.root_dir={root}', '--LabApp.news_url=None']
    server = serve(command, f'http://127.0.0.1:{port}/api/status', environment(root))
    yield f'http://127.0.0.1:{port}', root
    stop(server)


@pytest.fixture(scope='module')
def driver(tmp_path_factory):
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = CHROME
    for flag in [*FLAGS, f'--user-data-dir={tmp_path_factory.mktemp("chrome")}']: options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield browser
    browser.quit()


class Page:
    "What a person can see and do."
    def __init__(self, browser): self.b = browser
    def all(self, css): return self.b.find_elements('css selector', css)
    def text(self, css): return self.b.execute_script('return (document.querySelector(arguments[0])||{}).textContent||""', css)
    def until(self, condition, seconds=180, what='condition'):
        end = time.time()+seconds
        while not (found := condition()):
            if time.time() > end: raise TimeoutError(f'waited {seconds} s for {what}; panel says {self.text(".hfi-panel")[:300]!r}')
            time.sleep(.02)
        return found
    def press(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.b, duration=0).send_keys(*keys).perform()
    def focus(self): self.b.execute_script("document.querySelector('.hfi-panel').focus()")
    def menu(self, head, item):
        next(e for e in self.all('.lm-MenuBar-itemLabel') if e.text == head).click()
        self.until(lambda: [e for e in self.all('.lm-Menu-itemLabel') if e.text == item], what=item)[0].click()
    def run_all(self, url):
        "Open a notebook (as a fresh kernel), run all, wait for the panel."
        self.b.get(url+'?reset')  # close what an earlier test left open
        self.until(lambda: self.all('.jp-Notebook-ExecutionIndicator[data-status="idle"]'), what='an idle kernel')
        self.menu('Run', 'Run All Cells')
        self.ready()
    def ready(self):
        self.until(lambda: self.b.execute_script("return [...document.querySelectorAll('.hfi-tile img')].some(i => i.naturalWidth)"), what='pictures')
    def drawn(self):
        "A panel that was not there before, since the page was last marked."
        self.until(lambda: self.all('.hfi-panel:not([data-old])'), what='a new panel')
        self.ready()
    def style(self, css, name): return self.b.execute_script('return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]', css, name)
    def hover(self, css):
        from selenium.webdriver.common.action_chains import ActionChains
        ActionChains(self.b, duration=0).move_to_element(self.all(css)[0]).perform()
    def hold(self, key, times=10):
        "A key held down, as the operating system repeats it."
        for i in range(times): self.b.execute_cdp_cmd('Input.dispatchKeyEvent', dict(type='keyDown', key=key, text=key, autoRepeat=i > 0))
        self.b.execute_cdp_cmd('Input.dispatchKeyEvent', dict(type='keyUp', key=key))
    def still(self, name, margin=5, css='.hfi-panel'):
        if folder := os.environ.get('HFI_STILLS'):
            self.b.execute_script("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", css)
            time.sleep(.4)
            x, y, w, h = self.b.execute_script("const r = document.querySelector(arguments[0]).getBoundingClientRect(); return [r.x, r.y, r.width, r.height]", css)
            shot = Image.open(BytesIO(self.b.get_screenshot_as_png())).convert('RGB')
            shot.crop((x-margin, y-margin, x+w+margin, y+h+margin)).save(f'{folder}/{name}.png', optimize=True)


def cells(path): return [(c.cell_type, c.source) for c in nbformat.read(path, 4).cells]


def end_kernels(url):
    for kernel in json.load(urllib.request.urlopen(url+'/api/kernels')):
        urllib.request.urlopen(urllib.request.Request(f'{url}/api/kernels/{kernel["id"]}', method='DELETE'))


def test_tutorial_notebook(lab, driver):
    url, root = lab
    shutil.copy(TUTORIAL, root/'tutorial.ipynb')
    page, store, place = Page(driver), FeedbackStore.open(root/'studies/tutorial'), '1234qwerasdfzxcv'.index
    said = lambda: [(e.item, e.label) for e in store.events() if e.kind != 'undo']
    page.run_all(url+'/lab/tree/tutorial.ipynb')
    assert page.style('.hfi-tile img', 'filter') == 'none' and page.style('.hfi-tile img', 'imageRendering') == 'pixelated'  # small pictures, nothing hidden
    page.all('.hfi-tile')[2].click()
    page.until(said, what='a click in the store')
    page.press('a', 'b', 'd', 'd', 'x', 'z', '9')  # outside the panel they would insert, delete and cut cells; b and 9 name no picture
    page.until(lambda: len(said()) == 6, what='keys in the store')
    first = store.events()[0].shown
    pressed = [(first[n], y) for n, y in ((2, 1), (place('a'), 1), (place('d'), 1), (place('d'), 0), (place('x'), 1), (place('z'), 1))]
    assert said() == pressed
    assert driver.execute_script(CONTRAST) == [] and all(img.get_attribute('alt') for img in page.all('.hfi-tile img'))
    page.still('grid')
    page.press(ENTER)
    page.until(lambda: page.text('.hfi-status').startswith('16 of 160'), what='the next page')
    pressed += [(i, 0) for n, i in enumerate(first) if n not in (2, place('a'), place('x'), place('z'))]
    assert said() == pressed
    page.all('.hfi-panel input')[0].click()
    page.press('dd xz', ENTER)  # typing a comment labels nothing
    page.until(lambda: store.events(kind='comment'), what='the comment')
    second = store.events(kind='comment')[0].shown
    pressed.append((second[0], None))
    page.hold('d')
    keys, on = random.Random(0).choices('1234qwerasdfzxcv', k=40), set()
    page.press(*keys)
    for key in ['d', *keys]:
        on ^= {place(key)}
        pressed.append((second[place(key)], float(place(key) in on)))
    page.until(lambda: len(said()) >= len(pressed), what='a held key and forty fast ones')
    assert said() == pressed and store.events(kind='comment')[0].value == 'dd xz'
    restart_and_undo(page, store, pressed)
    page.menu('File', 'Save Notebook')
    page.until(lambda: (text := (root/'tutorial.ipynb').read_text()) != TUTORIAL.read_text() and text.endswith('}\n'), what='the saved notebook')
    assert cells(root/'tutorial.ipynb') == cells(TUTORIAL)  # no cell came, went or changed
    assert not [o for c in nbformat.read(root/'tutorial.ipynb', 4).cells for o in c.get('outputs', []) if o.output_type == 'error']
    end_kernels(url)


def restart_and_undo(page, store, pressed):
    "A restarted kernel goes on where this annotator stopped, and takes back their last click."
    before = page.text('.hfi-status').split(' ·')[0]
    page.b.execute_script("document.querySelectorAll('.hfi-panel').forEach(e => e.dataset.old = 1)")
    page.menu('Kernel', 'Restart Kernel and Run All Cells…')
    page.until(lambda: page.all('.jp-Dialog .jp-mod-accept'), what='the question')[0].click()
    page.drawn()
    page.until(lambda: page.text('.hfi-status') == before, what='resuming')
    page.focus()
    page.press(BACKSPACE)
    page.until(lambda: store.events(kind='undo'), what='undo after the restart')
    undone = store.events(kind='undo')[0].value
    assert [(e.item, e.label) for e in store.events() if e.batch == undone] == pressed[-1:]


def test_large_pictures_are_hidden_until_pointed_at(lab, driver):
    url, root = lab
    page, image = Page(driver), '.hfi-tile:nth-child({}) img'.format
    write_notebook(make_study(root/'large', 4, size=256), 'grid', 'ana', per_page=4)
    page.run_all(url+'/lab/tree/large/grid.ipynb')
    hidden = 'blur(14px) grayscale(1)'
    shown = lambda n, look: page.until(lambda: page.style(image(n), 'filter') == look, what=f'{look} on picture {n}')
    page.hover('.hfi-panel h3')
    shown(1, hidden)
    page.hover(image(1))
    shown(1, 'none')
    shown(2, hidden)
    page.hover('.hfi-panel h3')
    shown(1, hidden)
    page.focus()
    page.press(TAB)  # whoever has no mouse sees the picture that has the focus, and the focus itself
    shown(1, 'none')
    assert page.style('.hfi-tile', 'outlineStyle') == 'solid' and page.style(image(2), 'filter') == hidden
    page.press('h')
    shown(2, 'none')
    page.press('h')
    driver.execute_script("document.querySelector('.hfi-panel').dataset.conceal = 'grey'")
    shown(2, 'grayscale(1)')
    end_kernels(url)


def test_forty_fast_keys(lab, driver):
    url, root = lab
    page, store = Page(driver), FeedbackStore.open(root)
    write_notebook(root, 'single', 'ben', repeats=0, prompts=True)
    page.run_all(url+'/lab/tree/single.ipynb')
    page.still('single')
    page.focus()
    keys = 'ynnyn'*8
    page.press(*keys)
    page.until(lambda: page.text('.hfi-status').startswith('40 of'), what='forty answers')
    assert [e.label for e in store.events(annotator='ben')] == [float(k == 'y') for k in keys]
    assert driver.title != 'owned' and len(page.all('.hfi-panel script, .hfi-panel img[src=x]')) == 0
    assert {len(e.shown) for e in store.events(annotator='ben')} == {1} and driver.execute_script("return document.querySelector('.hfi-panel').offsetHeight") < 800
    assert len(page.all('.jp-Notebook .jp-Cell')) == 3
    end_kernels(url)


def test_rank_and_review_in_jupyterlab(lab, driver):
    url, root = lab
    page, store = Page(driver), FeedbackStore.open(root)
    write_notebook(root, 'rank', 'ana')
    page.run_all(url+'/lab/tree/rank.ipynb')
    page.focus()
    page.press('3', '1', '5')
    page.until(lambda: len(page.all('.hfi-tile[aria-pressed=true]')) == 3, what='three places')
    page.still('rank')
    page.press(ENTER)
    ranking = page.until(lambda: store.rankings('ink drawings'), what='a ranking')[0]
    shown = store.events(kind='rank')[0].shown
    assert ranking.order == (shown[2], shown[0], shown[4]) and set(ranking.rest) == {shown[1], shown[3]}
    end_kernels(url)
    store.append([Event('label', 'p000', who, 'ink drawings', label=y) for who, y in (('ana', 1), ('ben', 0), ('<b>cleo</b>', 1))])
    write_notebook(root, 'review', 'eve')
    page.run_all(url+'/lab/tree/review.ipynb')
    page.until(lambda: 'ana' in page.text('.hfi-caption'), what='the votes')
    page.still('review')
    page.focus()
    page.press('n')
    page.until(lambda: store.events(kind='review'), what='the review')
    end_kernels(url)


PLAYGROUND = """import torch
from hfi_nb.worlds.emoji.world import load_judge, load_world
from hfi_nb.erasing.erase import erase
from hfi_nb.tokens.inversion import SoftToken
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.playground import AttackPlayground, Compare, StrengthDial
from hfi_nb.attack.red_team import Goal
world, pipe = load_world(), load_pipeline()
harmless = [world.names[s] for s in world.subjects if world.split[s] == 'train']
erased = erase(pipe, ['openmoji'], 'uce', contexts=harmless)
goal = Goal(pipe, harmless[:6], 'openmoji', SoftToken('<u>', torch.zeros(1, 192)), [world.image('openmoji', 'house')])"""
ROOMS = dict(dial="StrengthDial(pipe, erased, ['crab in the style of openmoji', 'rocket in the style of openmoji', 'castle in the style of openmoji', 'crab in the style of noto', 'rocket in the style of ink'], steps=12)",
             compare="d = StrengthDial(pipe, erased, ['house'], steps=2)\nCompare(dict(base=pipe, half=d.at(.5), erased=erased), 'house in the style of openmoji', steps=12)",
             attack="AttackPlayground(erased, goal, lambda images: [a == 'openmoji' for a, _ in load_judge()(images)], steps=12)")


@pytest.mark.parametrize('name', ROOMS if os.environ.get('HFI_STILLS') else ['dial'])  # the others are driven in test_playground.py
def test_playground(lab, driver, name):
    url, root = lab
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(o) for o in (PLAYGROUND, ROOMS[name])], metadata=dict(kernelspec=dict(name='python3', display_name='Python 3', language='python')))
    nbformat.write(nb, root/f'{name}.ipynb')
    page, room = Page(driver), '.hfi-playground '
    driver.get(f'{url}/lab/tree/{name}.ipynb?reset')
    page.until(lambda: page.all('.jp-Notebook-ExecutionIndicator[data-status="idle"]'), what='an idle kernel')
    page.menu('Run', 'Run All Cells')
    picture = lambda: driver.execute_script("const i = document.querySelector('.hfi-playground img'); return i && i.naturalWidth ? i.src : ''")
    before = page.until(picture, 120, what='a picture')
    assert page.style(room+'img', 'filter') == 'none'  # small pictures, nothing hidden
    if name == 'dial':
        driver.execute_script("document.querySelector('.hfi-playground .noUi-handle').focus()")
        page.press('\ue014')  # arrow to the right: a quarter more
    else:
        page.all(room+'input[type=text]')[0].click()
        page.press(*['\ue010', *[BACKSPACE]*60, 'with a thick black outline' if name == 'attack' else 'crab in the style of openmoji', ENTER])
        if name == 'attack': page.all(room+'button')[0].click()
    page.until(lambda: picture() not in ('', before), 150, what='other pictures')
    if name == 'attack': assert 'your own words: shown' in page.text('.hfi-playground')
    page.still(name, css='.hfi-playground')
    end_kernels(url)


@pytest.mark.skipif(not importlib.util.find_spec('voila'), reason='needs voila')
def test_annotators_page(tmp_path, driver):
    root, port = make_study(tmp_path/'study'), free_port()
    Study(root, concept='ink drawings')
    command = [sys.executable, '-c', 'from hfi_nb.cli import run; run()', 'label', str(root), '--annotator', HOSTILE, '--port', str(port), '--no-browser']
    server = subprocess.Popen(command, env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    page, store = Page(driver), FeedbackStore.open(root)
    try:
        for _ in range(480): # two minutes: a busy machine takes one to import everything
            try: socket.create_connection(('127.0.0.1', port), 1).close()
            except OSError: time.sleep(.25)
            else: break
        driver.get(f'http://127.0.0.1:{port}/')
        page.ready()
        page.focus()
        page.press('q', ENTER)
        page.until(lambda: len(store.labels('ink drawings')) == 16, what='a page of labels')
        start = time.time()
        for n in range(2, 7):
            page.press('q', 'x', ENTER)
            page.until(lambda n=n: len(store.events()) >= 16*n, what='the next page')
        print(f'grid: {80*60/(time.time()-start):.0f} labels a minute by a script that never hesitates')
        if folder := os.environ.get('HFI_STILLS'): driver.save_screenshot(f'{folder}/page.png')
        assert driver.title != 'owned' and 'open_panel' not in driver.find_element('css selector', 'body').text
    finally:
        os.killpg(server.pid, signal.SIGTERM) # the command and the server it started
        stop(server)
