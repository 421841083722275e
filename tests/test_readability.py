"""The counts of tools/readability.py, on prose whose answer is known."""
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT/'tools'))

from readability import LONG, main, markdown, measure, paragraphs, sentences


def test_only_prose_is_read():
    source = '''# A title of four words
First of two sentences. The second one names `erase(pipe)`, $x^2$ and [a page](somewhere.md).

| a | table |
|---|---|

- An item.
- Another
  on two lines.

```python
x = 1 # code. Not prose.
```
$$x = 12.$$
![an image that nobody reads](x.png)
'''
    assert paragraphs(source) == ['First of two sentences. The second one names Code, Code and a page.', 'An item.',
                                  'Another on two lines.']


def test_a_sentence_ends_at_its_stop_and_not_at_a_number_or_an_abbreviation():
    assert len(sentences('Half is 0.5 of it (Gal et al. 2022). "And two?" **Yes.** `erase` does. It ends')) == 4
    assert len(sentences('Half is 0.5 of it. Code does. It ends.')) == 3


def test_counts():
    assert measure('') == dict(sentences=0, words=0., long=0., numbers=0.)
    assert measure('word '*LONG + '.\n\n2 of 60 images, 3.5 %.') == dict(sentences=2, words=15., long=0., numbers=1.5)
    assert measure('word '*(LONG+1) + '.')['long'] == 1.


def test_a_notebook_is_its_markdown_cells(tmp_path, capsys):
    cells = [dict(cell_type='markdown', source=['One two ', 'three.']), dict(cell_type='code', source='four five')]
    (tmp_path/'x.ipynb').write_text(json.dumps(dict(cells=cells)))
    assert markdown(tmp_path/'x.ipynb') == 'One two three.'
    main([str(tmp_path/'x.ipynb')])
    assert capsys.readouterr().out.splitlines()[-1].split() == ['all', '1', '3.0', '0.0%', '0.00']
