"""The panels in a real JupyterLab and on the page of `hfi label`, by keys, mouse and touch; skipped without
Chromium."""
import http.client
import importlib.util
import os
import random
import shutil
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from PIL import Image

selenium = pytest.importorskip('selenium', reason='needs selenium')

from browser import (  # noqa: E402
    BACKSPACE, CHROME, DRIVER, ENTER, ESCAPE, KERNEL, RIGHT, ROOT, TAB, Page, end_kernels, serve_lab, serve_page,
    start_driver, stop, write_notebook,
)

from hfi_nb.core import append_jsonl  # noqa: E402
from hfi_nb.feedback.store import Event, FeedbackStore  # noqa: E402
from hfi_nb.worlds.emoji.world import sample_study  # noqa: E402
from hfi_nb.study import Study  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (CHROME and DRIVER), reason='needs chromium and chromedriver')]
HOSTILE = '<script>document.title="owned"</script>"\u202e<img src=x onerror=document.title="owned">'
TUTORIAL = ROOT/'nbs/05_panels.ipynb'
LOST = 'does not answer'
CONTRAST = """
const rgba = s => { const v = s.match(/[\\d.]+/g).map(Number); return [v[0], v[1], v[2], v.length > 3 ? v[3] : 1]; };
const over = (top, under) => [0, 1, 2].map(i => top[3]*top[i] + (1-top[3])*under[i]).concat(1);
const ground = e => {
  const c = rgba(getComputedStyle(e).backgroundColor);
  return c[3] === 1 || !e.parentElement ? c : over(c, ground(e.parentElement));
};
const part = v => (v /= 255) <= .04045 ? v/12.92 : ((v+.055)/1.055)**2.4;
const light = ([r, g, b]) => .2126*part(r) + .7152*part(g) + .0722*part(b);
const ratio = e => {
  const under = ground(e);
  const [a, b] = [light(over(rgba(getComputedStyle(e).color), under)), light(under)].sort((x, y) => y-x);
  return (a+.05)/(b+.05);
};
const seen = [...document.querySelectorAll('.hfi-panel *')].filter(e =>
  e.checkVisibility({visibilityProperty: true}) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
return seen.map(e => [e.className || e.tagName, ratio(e)]).filter(([_, r]) => r < 4.5);
"""


def make_study(folder, n=160, size=None):
    "The artists' images with hostile prompts, enlarged if a size is given."
    rows = [r | dict(prompt=HOSTILE + 'x'*10_000*(r['seed'] % 2)) for r in sample_study(folder, n)]
    (folder/'images.jsonl').unlink()
    append_jsonl(folder/'images.jsonl', rows)
    for r in rows if size else []: Image.open(folder/r['file']).resize((size, size)).save(folder/r['file'])
    return folder


@pytest.fixture(scope='module')
def lab(tmp_path_factory):
    "A real JupyterLab on a fresh study."
    root = make_study(tmp_path_factory.mktemp('lab')/'study')
    server, url = serve_lab(root)
    yield url, root
    stop(server)


@pytest.fixture(scope='module')
def driver(tmp_path_factory):
    browser = start_driver(tmp_path_factory.mktemp('chrome'))
    yield browser
    browser.quit()


@pytest.fixture(autouse=True)
def mouse(driver):
    "Whatever a test did to the window, the next one has a desk and a mouse."
    yield
    Page(driver).desk()


def cells(path): return [(c.cell_type, c.source) for c in nbformat.read(path, 4).cells]


def settled(page, done, total=160): page.says('.hfi-status', f'{done} of {total}')


def test_tutorial_notebook(lab, driver):
    url, root = lab
    shutil.copy(TUTORIAL, root/'tutorial.ipynb')
    page, store, place = Page(driver), FeedbackStore.open(root/'studies/tutorial'), '1234qwerasdfzxcv'.index
    def said(): return [(e.item, e.label) for e in store.events() if e.kind != 'undo']
    page.run_all(url+'/lab/tree/tutorial.ipynb')
    assert page.style('.hfi-tile img', 'filter') == 'none'  # small images, nothing hidden
    assert page.style('.hfi-tile img', 'imageRendering') == 'pixelated'
    page.all('.hfi-tile')[2].click()
    page.until(said, what='a click in the store')
    page.press('a', 'b', 'd', 'd', 'x', 'z', '9')  # outside the panel they would insert, delete and cut cells
    page.until(lambda: len(said()) == 6, what='keys in the store')
    first = store.events()[0].shown
    marks = ((2, 1), (place('a'), 1), (place('d'), 1), (place('d'), 0), (place('x'), 1), (place('z'), 1))
    pressed = [(first[n], y) for n, y in marks]
    assert said() == pressed
    assert driver.execute_script(CONTRAST) == [] and all(img.get_attribute('alt') for img in page.all('.hfi-tile img'))
    page.press(ENTER)
    page.says('.hfi-notice', '12 fine, 4 unwanted stored.')
    settled(page, 16)
    pressed += [(i, 0) for n, i in enumerate(first) if n not in (2, place('a'), place('x'), place('z'))]
    assert said() == pressed
    page.ready()
    page.all('.hfi-panel input')[0].click()
    page.press('dd xz', ENTER)  # typing a comment labels nothing
    page.says('.hfi-notice', 'Comment on image 1 stored: “dd xz”')
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
    restart_and_undo(page, store, pressed, second, on)
    page.command('docmanager:save')
    saved = root/'tutorial.ipynb'
    def is_saved(): return (text := saved.read_text()) != TUTORIAL.read_text() and text.endswith('}\n')
    page.until(is_saved, what='the saved notebook')
    assert cells(saved) == cells(TUTORIAL)  # no cell came, went or changed
    outputs = [out for c in nbformat.read(saved, 4).cells for out in c.get('outputs', [])]
    assert not [out for out in outputs if out.output_type == 'error']
    end_kernels(url)


def restart_and_undo(page, store, pressed, shown, on):
    "A restarted kernel brings back the page that was begun, with its marks, and takes back the last click."
    page.js("document.querySelectorAll('.hfi-panel').forEach(e => e.dataset.old = 1)")
    page.command('notebook:restart-run-all')
    page.until(lambda: page.all('.jp-Dialog .jp-mod-accept'), what='the question')[0].click()
    page.drawn()
    settled(page, 16)
    assert len(page.all('.hfi-tile[aria-pressed=true]')) == len(on)
    page.focus()
    page.press(BACKSPACE)
    page.until(lambda: store.events(kind='undo'), what='undo after the restart')
    undone = store.events(kind='undo')[0].value
    assert [(e.item, e.label) for e in store.events() if e.batch == undone] == pressed[-1:]
    assert store.events(kind='undo')[0].shown == shown


def test_large_images_are_hidden_until_they_are_looked_at(lab, driver):
    url, root = lab
    page, image = Page(driver), '.hfi-tile:nth-child({}) img'.format
    write_notebook(make_study(root/'large', 9, size=256), 'grid', 'ana', per_page=4, repeats=0)
    store = FeedbackStore.open(root/'large')
    page.run_all(url+'/lab/tree/large/grid.ipynb')
    hidden = 'blur(14px) grayscale(1)'
    def shown(n, look): page.until(lambda: page.style(image(n), 'filter') == look, what=f'{look} on image {n}')
    page.hover('.hfi-panel h3')
    shown(1, hidden)
    page.hover(image(1))
    shown(1, 'none')
    shown(2, hidden)
    page.hover('.hfi-panel h3')
    shown(1, hidden)
    page.focus()
    page.press(TAB)  # whoever has no mouse sees the image that has the focus, and the focus itself
    shown(1, 'none')
    assert page.style('.hfi-tile', 'outlineStyle') == 'solid' and page.style(image(2), 'filter') == hidden
    page.press(ENTER)  # two images have never been shown
    page.says('.hfi-error', '3 images have not been shown yet')
    page.press(RIGHT)
    shown(2, 'none')
    page.press('q')  # the first press shows the image, the second marks it
    shown(3, 'none')
    assert store.events() == []
    page.press('q')
    page.until(lambda: len(store.events()) == 1, what='a mark')
    page.press(ENTER)
    page.says('.hfi-error', '1 image has not been shown yet')
    page.press('h')
    shown(4, 'none')
    page.until(lambda: not page.text('.hfi-error'), what='the refusal gone once everything was seen')
    assert page.text('.hfi-do-show span') == 'Blur'
    page.press('+')
    page.until(lambda: page.js("return document.querySelector('.hfi-magnifier').open"), what='a large image')
    before = page.style('.hfi-magnifier img', 'transform')
    page.press('+')
    assert page.style('.hfi-magnifier img', 'transform') != before
    page.press(ESCAPE, ENTER)
    page.says('.hfi-notice', '3 fine, 1 unwanted stored.')
    assert [e.label for e in store.events()] == [1, 0, 0, 0]
    page.press('h')
    page.js("document.querySelector('.hfi-panel').dataset.conceal = 'grey'")
    shown(2, 'grayscale(1)')
    end_kernels(url)


def test_fast_keys_answer_only_for_what_was_seen(lab, driver):
    url, root = lab
    page, store = Page(driver), FeedbackStore.open(root)
    write_notebook(root, 'single', 'ben', repeats=0, prompts=True)
    page.run_all(url+'/lab/tree/single.ipynb')
    page.focus()
    page.press('y', 'y', 'n', 'y')  # three of them before the second image can have been seen
    settled(page, 1)
    page.ready()
    assert [e.label for e in store.events(annotator='ben')] == [1]
    keys = 'ynnyn'*2
    for n, key in enumerate(keys):
        page.press(key)
        settled(page, n+2)
        page.ready()
    assert [e.label for e in store.events(annotator='ben')] == [1] + [float(k == 'y') for k in keys]
    page.press('u')
    page.says('.hfi-notice', '1 unsure stored.')
    page.press('p')
    page.says('.hfi-panel h3', 'your answers, 12 of 12')
    page.press('y')  # the last earlier page; then back to labelling
    page.says('.hfi-panel h3', 'Does this show')
    assert store.events(annotator='ben')[-1].label == 1 and len(store.labels('ink drawings', 'ben')) == 12
    assert driver.title != 'owned' and len(page.all('.hfi-panel script, .hfi-panel img[src=x]')) == 0
    assert page.js("return document.querySelector('.hfi-panel').offsetHeight") < 900
    assert len(page.all('.jp-Notebook .jp-Cell')) == 3
    end_kernels(url)


def test_a_finger_in_jupyterlab_marks_and_confirms(lab, driver):
    url, root = lab
    page, study = Page(driver), make_study(root/'touched', 9, size=256)
    write_notebook(study, 'grid', 'ida', per_page=4, repeats=0)
    page.run_all(url+'/lab/tree/touched/grid.ipynb')
    store = FeedbackStore.open(study)
    page.hover('.jp-MainAreaWidget .jp-NotebookPanel-toolbar')
    driver.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', dict(enabled=True))
    page.tap('.hfi-do-confirm')
    page.says('.hfi-error', '4 images have not been shown yet')
    seen = page.js("const e = document.querySelector('.hfi-error').getBoundingClientRect(); return [e.top, e.bottom]")
    assert 0 < seen[0] and seen[1] <= page.js('return innerHeight')  # a refusal is never below the edge
    for n in range(4): page.tap('.hfi-tile', n)
    page.tap('.hfi-tile', 1)
    page.until(lambda: len(store.events()) == 1, what='a mark')
    page.tap('.hfi-do-confirm')
    page.says('.hfi-notice', '3 fine, 1 unwanted stored.')
    end_kernels(url)


def test_rank_and_review_in_jupyterlab(lab, driver):
    url, root = lab
    page, store = Page(driver), FeedbackStore.open(root)
    write_notebook(root, 'rank', 'ana')
    page.run_all(url+'/lab/tree/rank.ipynb')
    page.focus()
    page.press('3', '1', '5')
    page.until(lambda: len(page.all('.hfi-tile[aria-pressed=true]')) == 3, what='three places')
    page.press(ENTER)
    ranking = page.until(lambda: store.rankings('ink drawings'), what='a ranking')[0]
    shown = store.events(kind='rank')[0].shown
    assert ranking.order == (shown[2], shown[0], shown[4]) and set(ranking.rest) == {shown[1], shown[3]}
    end_kernels(url)
    votes = (('ana', 1), ('ben', 0), ('<b>cleo</b>', 1))
    store.append([Event('label', 'p000', who, 'ink drawings', label=y) for who, y in votes])
    write_notebook(root, 'review', 'eve')
    page.run_all(url+'/lab/tree/review.ipynb')
    page.says('.hfi-caption', '2 said unwanted, 1 fine')
    page.focus()
    page.press('n')
    page.until(lambda: store.events(kind='review'), what='the review')
    page.says('.hfi-panel h3', 'All done')
    left = [b.get_attribute('data-action') for b in page.all('.hfi-tools:not(.hfi-reasons) .hfi-tool')]
    assert left == ['answers', 'back', 'undo']
    assert not page.all('.hfi-panel input')[0].is_displayed() and '1 images: 1 fine' in page.text('.hfi-summary')
    end_kernels(url)


def test_a_dead_kernel_is_noticed(lab, driver):
    url, root = lab
    page, store = Page(driver), FeedbackStore.open(root)
    write_notebook(root, 'grid', 'dan')
    page.run_all(url+'/lab/tree/grid.ipynb')
    page.answered()
    os.kill(kernel_process(root), signal.SIGSTOP)
    start = time.time()
    try:
        page.says('.hfi-error', LOST)
        assert time.time()-start < 4  # three seconds, and what a busy machine adds
        page.focus()
        page.press('q', lost=True)
    finally: os.kill(kernel_process(root), signal.SIGCONT)
    page.until(lambda: not page.all('.hfi-lost') and LOST not in page.text('.hfi-error'), what='the kernel again')
    assert store.events(annotator='dan') == []  # nothing was accepted meanwhile
    page.press('q')
    page.until(lambda: len(store.events(annotator='dan')) == 1, what='a mark')
    end_kernels(url)
    page.says('.hfi-error', LOST)


def kernel_process(root):
    "The process of the one kernel that runs in a folder."
    found = [int(p.name) for p in Path('/proc').iterdir() if p.name.isdigit() and is_kernel(p, root)]
    assert len(found) == 1
    return found[0]


def is_kernel(process, root):
    try:
        return b'ipykernel_launcher' in (process/'cmdline').read_bytes() and (process/'cwd').resolve() == root.resolve()
    except OSError: return False


DIAL = """from hfi_nb.worlds.emoji.world import load_world
from hfi_nb.erasing.erase import erase
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.playground import StrengthDial
world, pipe = load_world(), load_pipeline()
harmless = [world.names[s] for s in world.subjects if world.split[s] == 'train']
erased = erase(pipe, ['openmoji'], 'uce', contexts=harmless)
StrengthDial(pipe, erased, ['crab in the style of openmoji', 'crab in the style of noto'], steps=4)"""


def test_playground(lab, driver):
    url, root = lab
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(DIAL)], metadata=dict(kernelspec=KERNEL))
    nbformat.write(nb, root/'dial.ipynb')
    page = Page(driver)
    page.open(f'{url}/lab/tree/dial.ipynb')
    page.command('notebook:run-all-cells')
    drawn = "const i = document.querySelector('.hfi-playground img'); return i && i.naturalWidth ? i.src : ''"
    before = page.until(lambda: page.js(drawn), 120, what='an image')
    assert page.style('.hfi-playground img', 'filter') == 'none'  # small images, nothing hidden
    page.js("document.querySelector('.hfi-playground .noUi-handle').focus()")
    page.press(RIGHT)  # a quarter more
    page.until(lambda: page.js(drawn) not in ('', before), 150, what='other images')
    end_kernels(url)


def status(address, path='/', host=None):
    "What the server answers to somebody without a cookie."
    at = urlsplit(address)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=60)
    connection.request('GET', path, headers=dict(Host=host or at.netloc))
    return connection.getresponse().status


@pytest.mark.skipif(not importlib.util.find_spec('voila'), reason='needs voila')
def test_annotators_page(tmp_path, driver):
    root = make_study(tmp_path/'study')
    Image.new('RGB', (8, 8)).save(root/'private.png')
    (tmp_path/'text.md').write_text('# What counts\n\n- Black lines on white.\n')
    Study(root, concept='ink drawings').keep()
    options = ['--annotator', HOSTILE, '--per-page', '9', '--size', '96', '--repeats', '0']
    options += ['--guideline', str(tmp_path/'text.md')]
    server, address = serve_page(root, *options)
    page, store = Page(driver), FeedbackStore.open(root)
    try:
        token = urlsplit(address).query
        assert status(address, '/') == 302  # no token
        assert status(address, f'/?{token}', 'evil.example') == 403
        assert status(address, f'/voila/files/private.png?{token}') == 403  # no files, not even with the token
        assert status(address, f'/voila/files/images/p000.png?{token}') == 403
        page.phone()
        driver.get(address)
        page.says('.hfi-guideline', 'Black lines on white.')
        page.press(ENTER)  # without a click: the page has the keys
        page.until(lambda: page.all('.hfi-panel[data-ready]'), what='the first page')
        assert driver.title == 'ink drawings' and len(page.all('.hfi-tile')) == 9
        assert page.js('return document.documentElement.scrollWidth') <= 390
        right = ('const parts = [...document.querySelectorAll(".hfi-panel *")]; '
                 'return Math.max(...parts.map(e => e.getBoundingClientRect().right))')
        assert page.js(right) <= 390
        page.desk()
        box = page.js("return document.querySelector('.hfi-panel').getBoundingClientRect().toJSON()")
        left, right = box['left'], page.js('return innerWidth')-box['right']
        assert abs(left-right) < 20  # in the middle
        page.press('w', ENTER)
        page.says('.hfi-notice', '8 fine, 1 unwanted stored.')
        start = time.time()
        for n in range(2, 5):
            page.ready()
            page.press('q', 'x', ENTER)
            settled(page, 9*n)
        print(f'grid: {27*60/(time.time()-start):.0f} labels a minute by a script that waits half a second')
        assert {e.value['guideline'] for e in store.events()} and driver.title != 'owned'
        assert 'open_panel' not in driver.find_element('css selector', 'body').text
        page.press(' ')
        page.says('.hfi-reasons', 'Why?')
        page.press('1')
        page.says('.hfi-notice', '9 skipped stored.')
        moved_and_gone(page, store, root)
    finally:
        page.desk()
        os.killpg(server.pid, signal.SIGTERM) # the command and the kernels it started
        stop(server)
    page.says('.hfi-error', LOST)


def moved_and_gone(page, store, root):
    "A study that moves under an open panel takes no answer until it is back."
    page.ready()
    before = len(store.events())
    root.rename(root.parent/'elsewhere')
    start = time.time()
    page.says('.hfi-error', 'moved or deleted')
    assert time.time()-start < 4
    page.press('q', lost=True)
    (root.parent/'elsewhere').rename(root)
    page.until(lambda: not page.all('.hfi-lost'), what='the study again')
    assert len(store.events()) == before
    page.press('q')
    page.until(lambda: len(store.events()) == before+1, what='a mark')


@pytest.mark.skipif(not importlib.util.find_spec('voila'), reason='needs voila')
def test_a_finger_shows_first_and_marks_second(tmp_path, driver):
    root = make_study(tmp_path/'study', 9, size=256)
    Study(root, concept='ink drawings').keep()
    server, address = serve_page(root, '--per-page', '4', '--repeats', '0')
    try:
        driver.get(address)
        page = Page(driver)
        page.until(lambda: page.all('.hfi-tile img[src]'), what='images')
        fingers(page, FeedbackStore.open(root))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        stop(server)


def fingers(page, store):
    "Show, mark, doubt, confirm and take back, all by touch."
    page.hover('.hfi-panel h3')
    page.b.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', dict(enabled=True))
    page.tap('.hfi-tile', 2)
    page.until(lambda: page.style('.hfi-tile:nth-child(3) img', 'filter') == 'none', what='the third image')
    assert store.events() == [] and not page.all('.hfi-tile[aria-pressed=true]')
    page.tap('.hfi-tile', 2)
    page.until(lambda: len(store.events()) == 1, what='a mark')
    page.tap('.hfi-do-confirm')
    page.says('.hfi-error', '3 images have not been shown yet')
    page.tap('.hfi-do-show')
    page.until(lambda: page.all('.hfi-panel[data-ready]'), what='a page that was seen')
    page.tap('.hfi-tile', 0)
    page.until(lambda: len(store.events()) == 2, what='a mark with one tap on a shown image')
    page.tap('.hfi-do-unsure')  # of the image that was tapped last
    page.until(lambda: len(store.events()) == 3, what='an unsure one')
    page.tap('.hfi-do-confirm')
    page.says('.hfi-notice', '2 fine, 1 unwanted, 1 unsure stored.')
    page.tap('.hfi-undo-link')
    page.says('.hfi-notice', '2 answers taken back.')
