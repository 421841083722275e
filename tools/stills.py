"""Pictures of the panels: `python tools/stills.py [NAME …]` writes nbs/stills/NAME.png (needs Chromium).

grid, rank, single, review  the panels in JupyterLab, answered as the images say
page                        the page of `hfi label`
dial, compare, attack       the playgrounds"""
import os
import signal
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT/'tests')]

from browser import (  # noqa: E402
    CHROME,
    DRIVER,
    ENTER,
    KERNEL,
    Page,
    end_kernels,
    serve_lab,
    serve_page,
    start_driver,
    stop,
    write_notebook,
)
from made import record  # noqa: E402

from hfi_nb.core import read_jsonl  # noqa: E402
from hfi_nb.feedback.store import Event, FeedbackStore  # noqa: E402
from hfi_nb.study import Study  # noqa: E402
from hfi_nb.worlds.emoji.world import sample_study  # noqa: E402

CONCEPT = 'ink drawings'
OPTIONS = dict(grid=dict(repeats=0), rank=dict(repeats=0, order=['p000', 'p001', 'p004', 'p010', 'p008']),
               single=dict(repeats=0), review={})
GUIDELINE = """# Ink drawings

- Black lines on white count, also where large parts are black.
- A coloured image does not count, even with a black outline.
"""
PLAYGROUND = """import torch
from hfi_nb.attack.red_team import ThreatModel
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.erasing.erase import erase
from hfi_nb.playground import AttackPlayground, Compare, StrengthDial
from hfi_nb.tokens.inversion import SoftToken
from hfi_nb.worlds.emoji.world import load_judge, load_world
world, pipe = load_world(), load_pipeline()
harmless = [world.names[s] for s in world.subjects if world.split[s] == 'train']
erased = erase(pipe, ['openmoji'], 'uce', contexts=harmless)
"""
PLAY = dict(
    dial="""asked = [f'{subject} in the style of openmoji' for subject in ('crab', 'rocket', 'castle')]
StrengthDial(pipe, erased, [*asked, 'crab in the style of noto', 'rocket in the style of ink'], steps=12)""",
    compare="""rece = erase(pipe, ['openmoji'], 'rece', contexts=harmless)
Compare(dict(base=pipe, uce=erased, rece=rece), 'house in the style of openmoji', steps=12)""",
    attack="""images = [world.image('openmoji', 'house')]
threat = ThreatModel(pipe, harmless[:6], 'openmoji', SoftToken('<u>', torch.zeros(1, 192)), images)
AttackPlayground(erased, threat, lambda images: [a == 'openmoji' for a, _ in load_judge()(images)], steps=12)""")


def inked(study):
    "The ids of the ink drawings."
    return {row['id'] for row in read_jsonl(study/'images.jsonl') if 'ink' in row['prompt'].split()}


def mark(page, study, name, kind):
    "Open a panel and click the ink drawings on its page."
    page.ready()
    shown = shown_ids(study, name, kind)
    for n, i in enumerate(shown):
        if i in inked(study): page.all('.hfi-tile')[n].click()
    wanted = len(inked(study) & set(shown))
    page.until(lambda: len(page.all('.hfi-tile[aria-pressed=true]')) == wanted, what='the marks')
    page.hover('.hfi-panel h3')


def shown_ids(study, annotator, kind):
    "What a panel with the same options shows first: the order depends on annotator and concept alone."
    from hfi_nb.feedback.annotators import open_panel
    return open_panel(study, CONCEPT, annotator, kind, **OPTIONS[kind]).page


def panel(page, url, root, kind):
    "One panel in JupyterLab, answered."
    study = root/kind
    sample_study(study, 160)
    if kind == 'review':
        votes = dict(ana={'p000': 1, 'p005': 1}, ben={'p000': 1, 'p005': 0}, cleo={'p000': 0, 'p005': 0})
        FeedbackStore.open(study).append([Event('label', i, who, CONCEPT, label=y)
                                          for who, said in votes.items() for i, y in said.items()])
    order = dict(order=sorted(inked(study))) if kind == 'single' else {}
    write_notebook(study, kind, 'ana', CONCEPT, **OPTIONS[kind], **order)
    page.run_all(f'{url}/lab/tree/{kind}/{kind}.ipynb')
    if kind in ('grid', 'rank'): mark(page, study, 'ana', kind)
    page.focus()
    picture = page.picture()
    end_kernels(url)
    return picture


def label_page(page, root):
    "The page that annotators see, with one page answered."
    study = root/'page'
    sample_study(study, 160)
    Study(study, concept=CONCEPT).keep()
    (root/'guideline.md').write_text(GUIDELINE)
    server, address = serve_page(study, '--annotator', 'ana', '--repeats', '0', '--guideline', str(root/'guideline.md'))
    try:
        page.b.get(address)
        page.until(lambda: page.all('.hfi-do-read'), what='the guideline')
        page.press(ENTER)
        mark(page, study, 'ana', 'grid')
        page.press(ENTER)
        page.says('.hfi-notice', 'stored')
        page.ready()
        return page.picture('body', 0)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        stop(server)


def playground(page, url, root, name):
    "A playground as it opens; the attack after words of one's own."
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PLAYGROUND+PLAY[name])],
                                  metadata=dict(kernelspec=KERNEL))
    nbformat.write(nb, root/f'{name}.ipynb')
    page.desk(1500) # wide enough for six images
    page.open(f'{url}/lab/tree/{name}.ipynb')
    page.command('notebook:run-all-cells')
    drawn = "const i = document.querySelector('.hfi-playground img'); return i && i.naturalWidth ? i.src : ''"
    before = page.until(lambda: page.js(drawn), 400, what='an image')
    if name == 'attack':
        page.all('.hfi-playground input[type=text]')[0].click()
        page.press('with a thick black outline', ENTER)
        page.all('.hfi-playground button')[0].click()
        page.until(lambda: page.js(drawn) not in ('', before), 400, what='other images')
    picture = page.picture('.hfi-playground')
    page.desk()
    end_kernels(url)
    return picture


def main(names):
    if not (CHROME and DRIVER): sys.exit('needs chromium and chromedriver')
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        server, url = serve_lab(root)
        driver = start_driver(root/'chrome')
        page = Page(driver)
        page.desk()
        try:
            for name in names or [*OPTIONS, 'page', *PLAY]:
                if name == 'page': picture = label_page(page, root)
                else: picture = (playground if name in PLAY else panel)(page, url, root, name)
                picture.save(ROOT/'nbs/stills'/f'{name}.png', optimize=True)
                record([name])
                print('wrote', f'nbs/stills/{name}.png', picture.size, flush=True)
        finally:
            driver.quit()
            stop(server)


if __name__ == '__main__': main(sys.argv[1:])
