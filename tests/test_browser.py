"""The panels in a real JupyterLab and in Voila, driven through headless Chromium; skipped where there is none."""
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from hfi_nb.annotators import label_command, label_notebook
from hfi_nb.core import append_jsonl
from hfi_nb.feedback import FeedbackStore

CHROME, DRIVER = shutil.which('chromium') or shutil.which('google-chrome'), shutil.which('chromedriver')
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (CHROME and DRIVER), reason='needs chromium and chromedriver')]
selenium = pytest.importorskip('selenium', reason='needs selenium')
FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--force-device-scale-factor=1', '--window-size=1200,1250']
HOSTILE = '<script>document.title="owned"</script>"\u202e<img src=x onerror=document.title="owned">'
SHEETS = Path(__file__).parent.parent/'data/emoji'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def make_study(folder, n=160):
    "n pictures cut from the artists' sheets, every fourth an ink drawing."
    (folder/'images').mkdir(parents=True)
    sheets = [Image.open(SHEETS/f'{style}.png') for style in ('ink', 'noto', 'fluent', 'twemoji')]
    for i in range(n):
        x, y = i*7 % 16*64, i*7 % 160//16*64
        sheets[i % 4].crop((x, y, x+64, y+64)).save(folder/f'images/p{i:03}.png')
    append_jsonl(folder/'images.jsonl', [dict(id=f'p{i:03}', file=f'images/p{i:03}.png', prompt=HOSTILE, seed=i) for i in range(n)])
    return folder


def write_notebook(study, panel, annotator, concept='ink drawings', **options):
    "A notebook of three cells that opens a panel."
    code = f'from hfi_nb.annotators import open_panel\np = open_panel({str(study)!r}, {concept!r}, {annotator!r}, {panel!r}, **{options!r})\np'
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
    def until(self, condition, seconds=60, what='condition'):
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
        self.until(lambda: '| Idle' in self.text('#jp-main-statusbar'), what='an idle kernel')
        self.menu('Run', 'Run All Cells')
        self.ready()
    def ready(self):
        self.until(lambda: self.b.execute_script("return [...document.querySelectorAll('.hfi-tile img')].some(i => i.naturalWidth)"), what='pictures')
    def still(self, name):
        if folder := os.environ.get('HFI_STILLS'):
            time.sleep(.4)
            self.all('.hfi-panel')[0].screenshot(f'{folder}/{name}.png')


def end_kernels(url):
    import json
    for kernel in json.load(urllib.request.urlopen(url+'/api/kernels')):
        urllib.request.urlopen(urllib.request.Request(f'{url}/api/kernels/{kernel["id"]}', method='DELETE'))


def test_grid_in_jupyterlab(lab, driver):
    url, root = lab
    page, store = Page(driver), FeedbackStore.open(root)
    write_notebook(root, 'grid', 'ana', repeats=0, prompts=False)
    page.run_all(url+'/lab/tree/grid.ipynb')
    said = lambda: store.events(annotator='ana')
    page.all('.hfi-tile')[2].click()
    page.until(lambda: len(said()) == 1, what='a click in the store')
    page.press('a', 'z', 'x', '9', 'b', 'd', 'd', 'x')  # a, z, d are pictures; x twice is on and off; b and 9 mean nothing
    page.until(lambda: len(said()) == 7, what='keys in the store')
    first = said()[0].shown
    assert [first.index(e.item) for e in said()] == [2, 8, 12, 13, 10, 10, 13]
    assert [e.label for e in said()] == [1, 1, 1, 1, 1, 0, 0]
    page.still('grid')
    page.press('\ue007')
    page.until(lambda: page.text('.hfi-status').startswith('16 of'), what='the next page')
    assert {i for i, y in store.labels('ink drawings', 'ana').items() if y} == {first[n] for n in (2, 8, 12)}
    page.all('.hfi-panel input')[0].click()
    page.press('dd xz', '\ue007')  # typing a comment labels nothing
    page.until(lambda: store.events(kind='comment'), what='the comment')
    assert store.events(kind='comment')[0].value == 'dd xz' and len(store.labels('ink drawings', 'ana')) == 16
    driver.execute_script("""const p = document.querySelector('.hfi-panel'); p.focus();
        for (let i = 0; i < 10; i++) p.dispatchEvent(new KeyboardEvent('keydown', {key: 'q', repeat: i > 0, bubbles: true, cancelable: true}))""")
    page.until(lambda: len(store.labels('ink drawings', 'ana')) == 17, what='one event of a held key')
    assert len(page.all('.jp-Notebook .jp-Cell')) == 3 and driver.title != 'owned'
    end_kernels(url)
    page.run_all(url+'/lab/tree/grid.ipynb')  # a new kernel resumes and undoes
    page.until(lambda: page.text('.hfi-status').startswith('17 of'), what='resuming')
    page.focus()
    page.press('\ue003')
    page.until(lambda: page.text('.hfi-status').startswith('16 of'), what='undo of the held key')
    page.press('\ue003')
    page.until(lambda: page.text('.hfi-status').startswith('3 of') or page.text('.hfi-status').startswith('5 of'), what='undo of the page')
    assert len(page.all('.jp-Notebook .jp-Cell')) == 3
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
    page.press('\ue007')
    ranking = page.until(lambda: store.rankings('ink drawings'), what='a ranking')[0]
    shown = store.events(kind='rank')[0].shown
    assert ranking.order == (shown[2], shown[0], shown[4]) and set(ranking.rest) == {shown[1], shown[3]}
    end_kernels(url)
    from hfi_nb.feedback import Event
    store.append([Event('label', 'p000', who, 'ink drawings', label=y) for who, y in (('ana', 1), ('ben', 0), ('<b>cleo</b>', 1))])
    write_notebook(root, 'review', 'eve')
    page.run_all(url+'/lab/tree/review.ipynb')
    page.until(lambda: 'ana' in page.text('.hfi-caption'), what='the votes')
    page.still('review')
    page.focus()
    page.press('n')
    page.until(lambda: store.events(kind='review'), what='the review')
    end_kernels(url)


@pytest.mark.skipif(not importlib.util.find_spec('voila'), reason='needs voila')
def test_annotators_page(tmp_path, driver):
    root, port = make_study(tmp_path/'study'), free_port()
    notebook = label_notebook(root, 'ink drawings', HOSTILE, 'grid')
    server = subprocess.Popen(label_command(notebook, port=port, browser=False), env=environment(root), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    page, store = Page(driver), FeedbackStore.open(root)
    try:
        for _ in range(120):
            try: socket.create_connection(('127.0.0.1', port), 1).close()
            except OSError: time.sleep(.25)
            else: break
        driver.get(f'http://127.0.0.1:{port}/')
        page.ready()
        page.focus()
        page.press('q', '\ue007')
        page.until(lambda: len(store.labels('ink drawings')) == 16, what='a page of labels')
        start = time.time()
        for n in range(2, 7):
            page.press('q', 'x', '\ue007')
            page.until(lambda n=n: len(store.events()) >= 16*n, what='the next page')
        print(f'grid: {80*60/(time.time()-start):.0f} labels a minute by a script that never hesitates')
        if folder := os.environ.get('HFI_STILLS'): driver.save_screenshot(f'{folder}/page.png')
        assert driver.title != 'owned' and 'open_panel' not in driver.find_element('css selector', 'body').text
    finally: stop(server)
