"""Whether the pictures in nbs/stills are as old as what makes them: `python tools/made.py` lists those that are older.
`python tools/made.py NAME …` records, in nbs/stills/made.json, that pictures have just been made.

The panels and playgrounds are made by tools/stills.py, which records them by itself, the rounds by bench/rounds.py, all
others by a cell of a notebook: execute it, look at the picture, record it."""
import ast
import hashlib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STILLS = ROOT/'nbs'/'stills'
RECORD = STILLS/'made.json'
PANELS = ('grid', 'rank', 'single', 'review', 'page')
SCRIPTS = { # picture → script, names of its top level that make the picture
    **dict.fromkeys(PANELS, ('tools/stills.py', ('CONCEPT', 'OPTIONS', 'GUIDELINE', 'mark', 'panel', 'label_page'))),
    **dict.fromkeys(('dial', 'compare', 'attack'), ('tools/stills.py', ('PLAYGROUND', 'PLAY', 'playground'))),
    **dict.fromkeys(('rounds', 'rounds-chosen'), ('bench/rounds.py', ('answer', 'erased', 'draw', 'main')))}
FRONT = ('data/panel/panel.js', 'data/panel/panel.css') # what a panel looks like


def short(data:bytes): return hashlib.sha256(data).hexdigest()[:12]


def parts(path, names):
    "The statements of a script that define these names, without comments and layout."
    tree = ast.parse((ROOT/path).read_text(encoding='utf-8'))
    def defined(node):
        return [getattr(node, 'name', ''), *(getattr(target, 'id', '') for target in getattr(node, 'targets', ()))]
    return [ast.unparse(node) for node in tree.body if set(names) & set(defined(node))]


def making_cell(name):
    "(notebook, code) of the one cell that saves a picture."
    saves = re.compile(rf"save(?:fig)?\(\s*'(?:\.\./)?stills/{re.escape(name)}\.png'")
    found = [(path, code) for path in sorted((ROOT/'nbs').rglob('*.ipynb'))
             for cell in json.loads(path.read_text(encoding='utf-8'))['cells']
             if cell['cell_type'] == 'code' and saves.search(code := ''.join(cell['source']))]
    if len(found) != 1: sys.exit(f'{len(found)} cells save stills/{name}.png: exactly one must')
    return found[0]


def recipe(name) -> tuple: # where the picture is made, hash of what makes it
    "What makes a picture, as it is now."
    if name not in SCRIPTS:
        path, code = making_cell(name)
        return path.relative_to(ROOT).as_posix(), short(ast.unparse(ast.parse(code)).encode())
    path, names = SCRIPTS[name]
    made = '\n'.join(parts(path, names)).encode()
    return path, short(made+b''.join((ROOT/f).read_bytes() for f in FRONT if name in PANELS))


def state(name) -> dict: # made_by, recipe, picture
    "What `record` writes down of a picture."
    path, made = recipe(name)
    return dict(made_by=path, recipe=made, picture=short((STILLS/f'{name}.png').read_bytes()))


def recorded() -> dict: return json.loads(RECORD.read_text(encoding='utf-8')) if RECORD.exists() else {}


def stale() -> list: # names
    "Pictures that changed without their record, or whose making changed after them."
    return [path.stem for path in sorted(STILLS.glob('*.png')) if recorded().get(path.stem) != state(path.stem)]


def record(names):
    "Write down that these pictures have just been made."
    found = recorded() | {name: state(name) for name in names}
    kept = {name: found[name] for name in sorted(found) if (STILLS/f'{name}.png').exists()}
    RECORD.write_text(json.dumps(kept, indent=1)+'\n', encoding='utf-8')


if __name__ == '__main__':
    record(sys.argv[1:])
    for name in stale(): print(f'stills/{name}.png is older than what makes it: {recipe(name)[0]}')
