"""The documentation, built strictly: every notebook and module has its page, formulas are formulas, links lead
somewhere, and nothing comes from another host."""
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.slow
for package in ('mkdocs', 'material', 'mkdocs_jupyter', 'mkdocstrings', 'latex2mathml'):
    pytest.importorskip(package, reason=f'needs {package}: pip install -e ".[site]"')
ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted('.'.join(p.relative_to(ROOT/'hfi_nb').with_suffix('').parts)
                 for p in (ROOT/'hfi_nb').rglob('*.py') if not p.stem.startswith('_'))
LOADS = {('script', 'src'), ('img', 'src'), ('img', 'srcset'), ('source', 'src'), ('source', 'srcset'),
         ('iframe', 'src'), ('video', 'src'), ('audio', 'src'), ('embed', 'src'), ('object', 'data'), ('link', 'href')}
STYLE = re.compile(r'url\(\s*["\']?(?:https?:)?//|@import\s+(?:url\()?["\']?(?:https?:)?//')
SCRIPT = re.compile(r'''(?:import\s*[("'][^"']*|\bfrom\s*["']|\.src\s*=\s*["'])(?:https?:)?//''')


REFERENCE = [p for p in sorted((ROOT/'nbs').glob('*.ipynb')) if p.stem != 'index']
NOTEBOOKS = {f'reference/{p.stem}.html': p for p in REFERENCE} # page → notebook
NOTEBOOKS |= {f'course/{p.stem}.html': p for p in sorted((ROOT/'nbs'/'course').glob('*.ipynb'))}


class Reader(HTMLParser):
    "What a page loads, links to and names; the text of its scripts, styles and formulas."
    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids, self.within, self.text = [], [], set(), None, dict(
            script=[], style=[], math=[])
        self.feed(text)
    def handle_starttag(self, tag, attrs):
        attrs = {k: v or '' for k, v in attrs}
        self.loads += [v for k, v in attrs.items() if (tag, k) in LOADS and not (
            tag == 'link' and attrs.get('rel') in ('next', 'prev', 'canonical'))]
        self.links += [attrs['href']] if tag == 'a' and 'href' in attrs else []
        self.ids |= {v for k, v in attrs.items() if k in ('id', 'name')}
        self.text['style'] += [attrs['style']] if 'style' in attrs else []
        if tag in self.text: self.within = tag
        if tag == 'math': self.text['math'].append('')
    def handle_endtag(self, tag):
        if tag == self.within: self.within = None
    def handle_data(self, data):
        if self.within == 'math': self.text['math'][-1] += data
        elif self.within: self.text[self.within].append(data)


def from_outside(page:Reader) -> list:
    "What a page fetches from another host when it is opened."
    return ([o for o in page.loads if re.match(r'(?:https?:)?//', o)]
            + [o[:80] for o in page.text['style'] if STYLE.search(o)]
            + [o[:80] for o in page.text['script'] if SCRIPT.search(o)])


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp('site')
    done = subprocess.run([sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(out)], cwd=ROOT,
                          capture_output=True, text=True, env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'})
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope='module')
def pages(site):
    return {p.relative_to(site).as_posix(): Reader(p.read_text(encoding='utf-8')) for p in site.rglob('*.html')}


def test_nothing_comes_from_another_host(site, pages):
    assert {name: found for name, page in pages.items() if (found := from_outside(page))} == {}
    assert [p.name for p in site.rglob('*.css') if STYLE.search(p.read_text(encoding='utf-8'))] == []
    assert 'fonts.googleapis' not in ''.join(p.read_text(encoding='utf-8') for p in site.rglob('*.html'))


@pytest.mark.parametrize('bad',
                         ['<script src="https://a.org/x.js"></script>', '<img src="//a.org/x.png">',
                                 '<link rel="stylesheet" href="http://a.org/x.css">',
                                 '<style>@import "https://a.org/x.css"</style>',
                                 '<p style="background: url(//a.org/x.png)">',
                                 '<script type="module">import mermaid from "https://a.org/x.mjs";</script>'])
def test_the_rule_bites(bad):
    assert from_outside(Reader(bad))
    assert not from_outside(
        Reader('<a href="https://a.org">paper</a><img src="data:image/png;base64,x"><script src="x.js"></script>'))


def test_every_notebook_and_every_module_has_a_page(pages):
    assert set(NOTEBOOKS) == {p for p in pages if p.startswith(('course/', 'reference/'))}
    assert {'api/index.html', *(f'api/{m}.html' for m in MODULES)} == {p for p in pages if p.startswith('api/')}
    assert {f'{p.relative_to(ROOT/"docs").with_suffix(".html").as_posix()}'
            for p in (ROOT/'docs').rglob('*.md')} | {'contributing.html'} <= set(pages)


@pytest.mark.parametrize('module', MODULES)
def test_the_reference_names_everything_public_with_its_methods(module, pages):
    "Also methods that are given to a class afterwards; compared with what Python itself finds."
    m = importlib.import_module(f'hfi_nb.{module}')
    wanted = {f'hfi_nb.{module}.{name}' for name in m.__all__ if callable(getattr(m, name))}
    classes = [c for name in m.__all__ if inspect.isclass(c := getattr(m, name))]
    wanted |= {f'hfi_nb.{module}.{c.__name__}.{k}' for c in classes for k, f in vars(c).items() if not k.startswith(
        '_') and inspect.isfunction(getattr(f, '__func__', f))}
    assert wanted - pages[f'api/{module}.html'].ids == set()


def test_the_reference_shows_what_stands_behind_parameters_and_fields(site):
    text = re.sub(r'<[^>]+>', '', (site/'api'/'erasing.erase.html').read_text(encoding='utf-8'))
    assert 'benign prompts to erase it in' in text and 'shares all but the changed weights with' in text
    text = re.sub(r'<[^>]+>', '', (site/'api'/'study.html').read_text(encoding='utf-8'))
    assert 'of TokenChecks, one per token' in text
    assert 'coarse word at which a token starts' in re.sub(r'<[^>]+>', '',
                                                           (site/'api'/'concept.html').read_text(encoding='utf-8'))
    assert 'evaluations of the denoiser, a gradient counted as two more' in (
        site/'api'/'attack.red_team.html').read_text(encoding='utf-8')


def test_formulas_are_rendered_and_none_is_left_in_dollars(pages):
    for page, p in NOTEBOOKS.items():
        notebook = json.loads(p.read_text(encoding='utf-8'))
        cells = [''.join(c['source']) for c in notebook['cells'] if c['cell_type'] == 'markdown']
        n = sum(len(re.findall(r'\$\$.+?\$\$|\$[^$\n]+\$', re.sub(r'`[^`]*`', '', o), re.S)) for o in cells)
        assert len(pages[page].text['math']) == n, page
    assert len(pages['method.html'].text['math']) > 30
    found = [o for page in pages.values() for o in page.text['math']]
    assert all(o.strip() for o in found) and not any(re.search(r'\\|\$', o) for o in found)


def test_solutions_fold(site):
    for name, p in NOTEBOOKS.items():
        cells = json.loads(p.read_text(encoding='utf-8'))['cells']
        folded = [c for c in cells if c['metadata'].get('jupyter', {}).get('source_hidden')]
        hidden = [c for c in folded if not re.search(r'^#\|', ''.join(c['source']), re.M)]
        text = (site/name).read_text(encoding='utf-8')
        found = re.findall(r'<details class="hfi-solution">.*?</details>', text, re.S)
        assert len(found) == len(hidden), name
        assert all(o.count('<div') == o.count('</div') and 'jp-CodeCell' in o for o in found), name


def test_links_lead_somewhere(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links if name != '404.html' else ():
            url = urlsplit(link)
            if url.scheme or url.netloc: continue
            target = (site/name).parent/unquote(url.path) if url.path else site/name
            target = target/'index.html' if target.is_dir() else target
            found = target.resolve().relative_to(site.resolve()).as_posix() if target.exists() else None
            if found is None or (url.fragment and found in pages and unquote(url.fragment) not in pages[found].ids):
                broken.append(f'{name} → {link}')
    assert broken == []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass


@pytest.fixture
def address(site):
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()


@pytest.mark.skipif(not shutil.which('chromium') or not shutil.which('chromedriver'),
                    reason="needs Debian's chromium and chromium-driver")
def test_a_browser_asks_no_other_host_for_anything(address, tmp_path):
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which('chromium')
    for o in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
              '--disable-background-networking',
              '--window-size=1300,900', f'--user-data-dir={tmp_path}'): options.add_argument(o)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which('chromedriver')))
    try:
        for name in ('index.html', 'method.html', 'reference/08_distill.html', 'api/study.html'):
            browser.get(address+name)
            asked = browser.execute_script('return performance.getEntriesByType("resource").map(o => o.name)')
            assert asked and [o for o in asked if not o.startswith((address, 'data:', 'blob:'))] == [], name
            fits = 'const page = document.documentElement; return page.scrollWidth <= page.clientWidth'
            assert browser.execute_script(fits), f'{name} is wider than the window'
            assert browser.execute_script(
                'return [...document.querySelectorAll("math")].every(o => o.getBoundingClientRect().width > 4)'), name
    finally: browser.quit()
