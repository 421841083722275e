"""The structure of the lessons in nbs/course; the continuous integration executes them, this only reads."""
import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT/'nbs'/'course'
LESSONS = {p.stem: json.loads(p.read_text(encoding='utf-8')) for p in sorted(COURSE.glob('*.ipynb'))}
LINES, WIDTH, BYTES = 25, 120, 400_000 # of a code cell, of a line, of a notebook
LINK = re.compile(r'!?\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)')
LOCAL = re.compile(r'(?:/(?:tmp|home|root|Users)/|[A-Z]:\\Users\\)')
each = pytest.mark.parametrize('name', LESSONS)


def text(source): return source if isinstance(source, str) else ''.join(source)


def cells(name, kind=None):
    "The cells of a lesson, of one kind if given."
    return [c for c in LESSONS[name]['cells'] if kind in (None, c['cell_type'])]


def prose(name): return [text(c['source']) for c in cells(name, 'markdown')]


def folded(cell): return bool(cell['metadata'].get('jupyter', {}).get('source_hidden'))


def heading(cell, words):
    "Whether a Markdown cell holds a heading of these words."
    return cell['cell_type'] == 'markdown' and bool(re.search(rf'^#+ {words}\s*$', text(cell['source']), re.M))


def tasks(name):
    "The cells from the heading 'Tasks' on, without what 'Where next' opens."
    found = cells(name)
    first = next(n for n, c in enumerate(found) if heading(c, 'Tasks'))
    last = next(n for n, c in enumerate(found) if heading(c, 'Where next'))
    return found[first:last+1]


def anchor(title):
    "The anchor that GitHub and the site give a heading."
    plain = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', title).strip().lower()
    return re.sub(r'[^\w\- ]', '', plain).replace(' ', '-')


def anchors(path):
    "The anchors of a Markdown file or notebook."
    source = path.read_text(encoding='utf-8')
    if path.suffix == '.ipynb':
        found = json.loads(source)['cells']
        source = '\n'.join(text(c['source']) for c in found if c['cell_type'] == 'markdown')
    return {anchor(m[1]) for m in re.finditer(r'^#+ (.+)$', source, re.M)}


def pictures(cell):
    "Whether a cell shows an image."
    if cell['cell_type'] == 'markdown': return '![' in text(cell['source'])
    return any('image/png' in o.get('data', {}) for o in cell.get('outputs', []))


def test_each_lesson_has_a_number_of_its_own():
    assert all(re.fullmatch(r'\d\d_[a-z0-9_]+', name) for name in LESSONS)
    assert len({name[:2] for name in LESSONS}) == len(LESSONS) and min(LESSONS)[:2] == '01'


@each
def test_the_opening(name):
    first = prose(name)[0]
    assert cells(name)[0]['cell_type'] == 'markdown'
    assert re.match(r'# \S', first), 'a lesson begins with its title'
    assert re.search(r'^> \S', first, re.M), 'one sentence says what the lesson promises'
    for words in ('You will learn', 'You need', 'Minutes'): assert re.search(rf'\*\*{words}:?\*\*', first), words
    minutes = next(line for line in first.splitlines() if re.search(r'\*\*Minutes:?\*\*', line))
    assert re.search(r'\d', minutes), 'say how many minutes'


@each
def test_a_picture_comes_at_once(name): assert any(map(pictures, cells(name)[:5]))


@each
def test_tasks_have_folded_solutions_with_outputs(name):
    found = tasks(name)
    solutions = [c for c in found if c['cell_type'] == 'code']
    prose = '\n'.join(text(c['source']) for c in found if c['cell_type'] == 'markdown')
    asked = re.findall(r'^\*\*\d+\.\*\*', prose, re.M)
    assert 2 <= len(asked) <= 4
    assert solutions and all(map(folded, solutions)), 'fold every solution'
    assert all(c['outputs'] for c in solutions), 'a solution shows something'
    assert [c for c in cells(name, 'code') if folded(c) and c not in solutions] == [], 'only solutions are folded'


@each
def test_it_ends_with_where_to_go(name):
    last = cells(name)[-1]
    assert heading(last, 'Where next') and LINK.search(text(last['source']))


@each
def test_code_cells_are_short(name):
    for cell in cells(name, 'code'):
        lines = text(cell['source']).splitlines()
        assert len([line for line in lines if line.strip()]) <= LINES, lines[:3]
        assert max(map(len, lines), default=0) <= WIDTH, max(lines, key=len)
        assert not any(line.startswith(('#|', '!', '%')) for line in lines), 'no directives, no magics'
        ast.parse('\n'.join(lines))


@each
def test_a_lesson_is_small_and_was_run_from_top_to_bottom(name):
    assert (COURSE/f'{name}.ipynb').stat().st_size <= BYTES
    code = cells(name, 'code')
    assert [c['execution_count'] for c in code] == list(range(1, len(code)+1))
    outputs = [o for c in code for o in c['outputs']]
    assert [o['ename'] for o in outputs if o['output_type'] == 'error'] == []
    assert [o for o in outputs if o.get('name') == 'stderr'] == [], 'no warnings, no progress bars'
    assert not any('application/vnd.jupyter.widget-view+json' in o.get('data', {}) for o in outputs)
    assert 'widgets' not in LESSONS[name]['metadata']
    said = ''.join(text(o.get('text', '')) + text(o.get('data', {}).get('text/plain', '')) for o in outputs)
    assert not LOCAL.search(said), 'no temporary paths'


@each
def test_links_lead_somewhere(name):
    found = {target for source in prose(name) for target in LINK.findall(re.sub(r'`[^`]*`', '', source))}
    missing = []
    for target in sorted(found):
        file, _, place = target.partition('#')
        path = (COURSE/file).resolve() if file else COURSE/f'{name}.ipynb'
        if not path.is_file() or (place and place not in anchors(path)): missing.append(target)
    assert missing == []


def test_the_glossary_is_in_order_and_short():
    source = (ROOT/'docs'/'glossary.md').read_text(encoding='utf-8')
    entries = re.split(r'^## ', source, flags=re.M)[1:]
    names = [entry.split('\n', 1)[0] for entry in entries]
    assert names == sorted(names, key=str.lower) and len({anchor(n) for n in names}) == len(names)
    for entry in entries:
        meaning = entry.split('\n', 1)[1].strip()
        assert meaning and len(re.findall(r'[.?!](?=\s|$)', meaning)) <= 3, entry
        for target in LINK.findall(meaning): assert target.startswith('#') and target[1:] in map(anchor, names), target


def test_the_drawn_chain_is_small(): assert (ROOT/'nbs'/'stills'/'chain.png').stat().st_size <= 120_000
