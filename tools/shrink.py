"""Make the pictures in notebooks smaller: `python tools/shrink.py NOTEBOOK …` gives each PNG output a palette of 256
colours where that saves a quarter or more, and drops the JPEG that Jupyter keeps beside it. Run it after executing a
notebook that tests/test_house.py calls too large, and look at the pictures."""
import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

COLOURS = 256
WORTH = .75 # of the size before


def smaller(png:bytes) -> bytes:
    "The same picture with a palette, or as it was where that saves little. A picture with transparent parts stays."
    with Image.open(io.BytesIO(png)) as im:
        if im.mode == 'RGBA' and im.getchannel('A').getextrema() != (255, 255): return png
        if im.mode not in ('RGB', 'RGBA'): return png
        found = im.convert('RGB').quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=8, dither=Image.Dither.NONE)
    out = io.BytesIO()
    found.save(out, 'png', optimize=True)
    return out.getvalue() if len(out.getvalue()) <= WORTH*len(png) else png


def shrink(path):
    "Write a notebook anew with smaller pictures."
    nb = json.loads(path.read_text(encoding='utf-8'))
    for cell in nb['cells']:
        for output in cell.get('outputs', []):
            data = output.get('data', {})
            if 'image/png' in data:
                png = base64.b64decode(''.join(data['image/png']))
                data['image/png'] = base64.b64encode(smaller(png)).decode()
                data.pop('image/jpeg', None)
    path.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True)+'\n', encoding='utf-8')


if __name__ == '__main__':
    for name in sys.argv[1:]:
        path = Path(name)
        before = path.stat().st_size
        shrink(path)
        print(f'{name}: {before/1e6:.2f} → {path.stat().st_size/1e6:.2f} MB')
