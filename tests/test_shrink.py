"""tools/shrink.py: pictures become smaller and stay the same to the eye."""
import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))

from shrink import shrink, smaller


def png(im):
    out = io.BytesIO()
    im.save(out, 'png')
    return out.getvalue()


def photo(mode='RGB'):
    "A soft image of thousands of colours."
    x = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(x).resize((200, 200), Image.Resampling.BICUBIC).convert(mode)


def test_a_palette_is_smaller_and_looks_the_same():
    before = photo('RGBA') # as matplotlib writes it, all of it opaque
    found = smaller(png(before))
    after = Image.open(io.BytesIO(found))
    apart = np.abs(np.asarray(before.convert('RGB'), int)-np.asarray(after.convert('RGB'), int))
    assert len(found) < .75*len(png(before)) and after.mode == 'P' and after.size == before.size and apart.mean() < 8


def test_what_saves_little_or_is_transparent_stays():
    for im in (Image.new('RGB', (2, 2), 'red'), photo().quantize(256), Image.new('RGBA', (200, 200), (9, 9, 9, 9))):
        assert smaller(png(im)) == png(im)


def test_a_notebook_keeps_all_but_the_size_of_its_pictures(tmp_path):
    def code(png): return base64.b64encode(png).decode()
    data = {'image/png': code(png(photo())), 'image/jpeg': 'x', 'text/plain': ['an image']}
    cells = [dict(cell_type='markdown', source=['words']),
             dict(cell_type='code', source=['1'], outputs=[dict(data=data), dict(text=['said'])])]
    path = tmp_path/'x.ipynb'
    path.write_text(json.dumps(dict(cells=cells)))
    shrink(path)
    found = json.loads(path.read_text())['cells']
    cells[1]['outputs'][0]['data'] = {'image/png': code(smaller(png(photo()))), 'text/plain': ['an image']}
    assert found == cells
