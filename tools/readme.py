"""README.md from nbs/index.ipynb: `#| hide` cells dropped, other directives stripped, links made from the root of the
repository."""
import re
from pathlib import Path

from nbconvert import MarkdownExporter
from nbconvert.preprocessors import Preprocessor
from traitlets.config import Config


class Directives(Preprocessor):
    "Drop hidden cells; `#| echo: false` keeps only a cell's output."
    def preprocess(self, nb, resources):
        kept = []
        for cell in nb.cells:
            found = (dict(re.findall(r'^#\|\s*(\w+):?[ \t]*(.*)$', cell.source, re.M)) if cell.cell_type == 'code'
                     else {})
            if 'hide' in found: continue
            if found.get('echo') == 'false': cell.metadata['transient'] = {'remove_source': True}
            cell.source = re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M) if cell.cell_type == 'code' else cell.source
            kept.append(cell)
        nb.cells = kept
        return nb, resources


def readme(root: Path) -> str:
    "The text of README.md."
    config = Config()
    config.MarkdownExporter.preprocessors = [Directives]
    body, _ = MarkdownExporter(config=config).from_filename(str(root/'nbs'/'index.ipynb'))
    body = re.sub(r'\]\((stills|course)/', r'](nbs/\1/', body).replace('](../', '](') # the notebook lies in nbs/
    return ('<!-- generated from nbs/index.ipynb by tools/check.py -->\n' + re.sub(r'\n{3,}', '\n\n', body.strip())
            + '\n')


def export_readme(root: Path, check=False):
    "Write (or only compare) README.md; returns it if it was stale."
    target, text = root/'README.md', readme(root)
    if target.exists() and target.read_text() == text: return []
    if not check: target.write_text(text)
    return [target]
