"""What people see, to be looked at: `python tools/screenshots.py FOLDER [NAME …]` writes FOLDER/NAME-WIDTH.png
(needs Chromium and Voila), at 1280 and at 390 pixels.

grid, rank, single, review, pairs  the label page in every state; a state's name follows the panel's
status, doctor                     what the commands print
report, report-512, comparison     the report of 64 and of 512 pixel images, and of two studies; also as PDF"""
import base64
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]

from browser import BACKSPACE, CHROME, DRIVER, ENTER, ESCAPE, Page, serve_page, start_driver, stop  # noqa: E402
from PIL import Image  # noqa: E402

from hfi_nb.core import read_jsonl, write_json  # noqa: E402
from hfi_nb.feedback.annotators import SimulatedAnnotator, open_panel  # noqa: E402
from hfi_nb.feedback.store import Event, FeedbackStore  # noqa: E402
from hfi_nb.measure.evaluate import compare  # noqa: E402
from hfi_nb.measure.suites import Suite  # noqa: E402
from hfi_nb.report import write_comparison, write_report  # noqa: E402
from hfi_nb.study import Study  # noqa: E402
from hfi_nb.worlds.emoji.suite import emoji_judge  # noqa: E402
from hfi_nb.worlds.emoji.world import emoji_prompt, load_world, sample_study  # noqa: E402

CONCEPT = 'ink'
GUIDELINE = """# Ink drawings

- Black lines on white count, also where large parts are black.
- A coloured image does not count, even with a black outline.
"""


def label_study(folder, n, size=256):
    "The artists' images, enlarged so that they are blurred, with a guideline."
    for row in sample_study(folder, n):
        Image.open(folder/row['file']).resize((size, size)).save(folder/row['file'])
    Study(folder, concept=CONCEPT).keep()
    (folder/'guideline.md').write_text(GUIDELINE)
    return folder


def evaluated_study(folder, size, survivors=2, seed=0):
    "A study with labels, an evaluation, a red team; the erased model's images are the artists' own in another style."
    world = load_world()
    subjects = [s for s in world.subjects if world.split[s] == 'heldout'][:8]
    asked = [emoji_prompt(f'{world.names[s]} in the style of ink', s, 'ink') for s in subjects]
    other = [emoji_prompt(f'{world.names[s]} in the style of noto', s, 'noto') for s in subjects]
    seen = [('ink' if n < survivors else 'noto', s) for n, s in enumerate(subjects)]
    seen += [('noto', subjects[0] if n == 3 else s) for n, s in enumerate(subjects)]
    sides = [[(p.style, p.subject) for p in asked+other], seen]
    answers = iter(sides)
    def drawn_by(images): return next(answers)
    judge = emoji_judge(CONCEPT, drawn_by)
    suite = Suite(CONCEPT, asked, benign=other, judge=judge, first_seed=seed)
    images = [[world.image(*pair).resize((size, size)) for pair in side] for side in sides]
    label_study(folder, 40, size)
    found = compare(*images, suite)
    keep_images(folder, found, images)
    found.meta |= dict(base='b'*64, erased='e'*64, settings=dict(steps=12, guidance=3.))
    found.save(folder)
    (folder/'erased').mkdir()
    facts = dict(concept=CONCEPT, base='b'*64, erased='e'*64, method='uce-near', labels=40, annotators=2,
                 simulated=True)
    write_json(folder/'erased'/'hfi.json', facts)
    rates = dict(alone=dict(k=survivors, n=8), success=dict(k=5, n=8))
    write_json(folder/'redteam.json', [dict(name='concept_inversion', forwards=4800, seconds=17.1, texts=[],
                                            judge='the reward itself', erased='e'*64, **rates)])
    answer(folder)
    write_report(folder)
    return folder


def keep_images(folder, found, images):
    "Where an evaluation looks for its images."
    (folder/'pictures').mkdir()
    for side, drawn in zip(('before', 'after'), images, strict=True):
        for n, (row, image) in enumerate(zip(found.rows, drawn, strict=True)):
            row[side]['file'] = f'pictures/{side}-{n:04}.png'
            image.save(folder/row[side]['file'])


def answer(folder):
    "Two programs label, and say which of before and after they prefer."
    inked = {r['id'] for r in read_jsonl(folder/'images.jsonl') if 'ink' in r['prompt'].split()}
    for seed in range(2):
        person = SimulatedAnnotator(inked.__contains__, error=.1, seed=seed)
        person.label(open_panel(folder, CONCEPT, person))
        judge = SimulatedAnnotator(lambda i: i.endswith('before') and i < 'e0008', error=.1, seed=seed)
        judge.label(open_panel(folder, CONCEPT, judge, 'pairs'))


class Camera:
    "Writes what a page shows, at both widths."
    def __init__(self, page, folder): self.page, self.folder = page, folder
    def take(self, name):
        for width, window in ((1280, self.page.desk), (390, self.page.phone)):
            window(width, 1900 if width == 390 else 1000) # as high as a whole panel
            self.page.js('return new Promise(done => setTimeout(done, 400))') # transitions
            size = self.page.js('return [innerWidth, document.documentElement.scrollHeight]')
            clip = dict(x=0, y=0, width=size[0], height=min(size[1], 6000), scale=1)
            shot = self.page.b.execute_cdp_cmd('Page.captureScreenshot', dict(captureBeyondViewport=True, clip=clip))
            (self.folder/f'{name}-{width}.png').write_bytes(base64.b64decode(shot['data']))
            wide = self.page.js('return document.documentElement.scrollWidth')
            print(f'{name}-{width}.png', *([f'is {wide} px wide'] if wide > width else []), flush=True)
        self.page.desk(1280, 1000)
    def pdf(self, name):
        printed = self.page.b.execute_cdp_cmd('Page.printToPDF', dict(printBackground=False))
        (self.folder/f'{name}.pdf').write_bytes(base64.b64decode(printed['data']))


@contextmanager
def label_page(page, folder, *options):
    "The page of `hfi label`; ended with its kernels."
    server, address = serve_page(folder, '--repeats', '0', *options)
    try:
        page.b.get(address)
        page.until(lambda: page.all('.hfi-tool'), what='a panel')
        if 'ana' not in options:
            page.press(ENTER)
            page.until(lambda: page.all('.hfi-tile img[src]'), what='images')
        yield server
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        stop(server)


def grid(page, camera, root):
    "From the guideline to a dead server."
    study = label_study(root/'grid', 20)
    with label_page(page, study, '--annotator', 'ana') as server:
        camera.take('grid-guideline')
        page.press(ENTER)
        page.until(lambda: page.all('.hfi-tile img[src]'), what='images')
        camera.take('grid-blurred')
        page.press(ENTER)
        camera.take('grid-refused')
        page.press('h')
        page.ready()
        camera.take('grid-revealed')
        page.press('1', '4', 'r')
        page.all('.hfi-tile')[9].click()
        page.press('u')
        page.until(lambda: len(page.all('.hfi-badge:not(:empty)')) == 4, what='marks')
        camera.take('grid-marked')
        page.press(' ')
        camera.take('grid-reasons')
        page.press(ESCAPE, '+')
        camera.take('grid-zoom')
        page.press(ESCAPE, ENTER)
        page.says('.hfi-notice', 'stored')
        page.ready()
        camera.take('grid-stored')
        page.press(ENTER)
        page.says('.hfi-panel h3', 'All done')
        camera.take('grid-end')
        page.press('i')
        page.says('.hfi-panel h3', 'your answers')
        camera.take('grid-look-over')
        page.press(ENTER)
        page.says('.hfi-panel h3', 'All done')
        page.press(BACKSPACE)
        page.says('.hfi-notice', 'taken back')
        os.killpg(server.pid, signal.SIGKILL)
        page.until(lambda: page.all('.hfi-lost'), what='silence')
        camera.take('grid-dead')


def rank(page, camera, root):
    with label_page(page, label_study(root/'rank', 20), '--panel', 'rank'):
        page.press('h')
        page.ready()
        page.press('4', '3')
        page.until(lambda: len(page.all('.hfi-tile[aria-pressed=true]')) == 2, what='an order')
        camera.take('rank')


def single(page, camera, root):
    with label_page(page, label_study(root/'single', 20), '--panel', 'single', '--prompts'):
        camera.take('single-blurred')
        page.press('h')
        page.ready()
        camera.take('single')


def review(page, camera, root):
    study = label_study(root/'review', 20)
    FeedbackStore.open(study).append(
        [Event('label', 'p003', who, CONCEPT, label=y) for who, y in dict(ana=1, ben=0, cleo=1).items()]
        + [Event('comment', 'p003', 'ben', CONCEPT, value='The outline is blue, I think.')])
    with label_page(page, study, '--panel', 'review', '--annotator', 'eve'):
        page.press('h')
        page.ready()
        camera.take('review')


def pairs(page, camera, root):
    with label_page(page, evaluated_study(root/'pairs', 256), '--panel', 'pairs', '--prompts'):
        page.press('h')
        page.ready()
        page.press('1')
        page.until(lambda: page.all('.hfi-tile[aria-pressed=true]'), what='a mark')
        camera.take('pairs')


def terminal(page, camera, folder, name, *command):
    "What a command prints in a terminal of a hundred columns."
    said = subprocess.run([sys.executable, '-m', 'hfi_nb.cli', *command], cwd=folder, capture_output=True, text=True,
                          env=os.environ | dict(PYTHONPATH=str(ROOT), COLUMNS='100')).stdout
    page_of = '<meta name=viewport content="width=device-width"><pre style="white-space:pre-wrap">{}</pre>'
    (folder/f'{name}.html').write_text(page_of.format(escape(said)))
    page.b.get((folder/f'{name}.html').as_uri())
    camera.take(name)


def status(page, camera, root):
    evaluated_study(root/'first', 64)
    terminal(page, camera, root, 'status', 'status', 'first')


def doctor(page, camera, root): terminal(page, camera, root, 'doctor', 'doctor')


def report(page, camera, root):
    folders = [evaluated_study(root/name, 64, survivors) for name, survivors in (('first', 2), ('second', 0))]
    for name, file in (('report', folders[0]/'report.html'), ('comparison', write_comparison(*folders))):
        page.b.get(file.as_uri())
        camera.take(name)
        camera.pdf(name)


def report_512(page, camera, root):
    page.b.get((evaluated_study(root/'large', 512)/'report.html').as_uri())
    camera.take('report-512')
    camera.pdf('report-512')


SCENES = dict(grid=grid, rank=rank, single=single, review=review, pairs=pairs, status=status, doctor=doctor,
              report=report)
SCENES |= {'report-512': report_512}


def main(to, *names):
    if not (CHROME and DRIVER): sys.exit('needs chromium and chromedriver')
    to = Path(to)
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        driver = start_driver(root/'chrome', 1280, 1000)
        try:
            for name in names or SCENES:
                (root/f'{name}-files').mkdir()
                SCENES[name](Page(driver), Camera(Page(driver), to), root/f'{name}-files')
        finally: driver.quit()


if __name__ == '__main__': main(*sys.argv[1:] or sys.exit(__doc__))
