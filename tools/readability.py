"""How hard the prose is: `python tools/readability.py [FILE …]`, by default every notebook and docs page.

Per file: sentences, words a sentence, share of sentences over 25 words, numbers a paragraph. Headings, tables, code
and formulas are left out; a list item is a paragraph."""
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONG = 25 # words
FENCE = re.compile(r'^\s*(```|~~~).*?^\s*\1\s*$', re.M | re.S)
FORMULA = re.compile(r'\$\$.*?\$\$', re.S)
SPANS = (
    (re.compile(r'!\[[^\]]*\]\([^)]*\)'), ''),          # images
    (re.compile(r'\[([^\]]*)\]\([^)]*\)'), r'\1'),      # links: what is read of them
    (re.compile(r'`[^`]*`|\$[^$\n]+\$'), 'Code'),       # a name or a formula counts as one word
    (re.compile(r'<[^>]+>'), ''),
)
NOT_PROSE = re.compile(r'^\s*(#|\||---|:::)')
ITEM = re.compile(r'^\s*(?:[-*+]|\d+\.|\[\^?\w+\]:|>)\s+')
END = re.compile(r'(?<=[.!?])["”)*_]*\s+(?=["“(*_]*[A-Z0-9])')
SHORT_FORMS = re.compile(r'\b(e\.g|i\.e|vs|et al|cf|Fig|Eq|No|approx)\.')
WORD = re.compile(r"\w[\w'’.,/%-]*")
NUMBER = re.compile(r'(?<![\w.])\d[\d.,]*')


def markdown(path):
    "The prose of a notebook or Markdown file as it stands."
    source = path.read_text(encoding='utf-8')
    if path.suffix != '.ipynb': return source
    cells = [c for c in json.loads(source)['cells'] if c['cell_type'] == 'markdown']
    return '\n\n'.join(''.join(c['source']) for c in cells)


def paragraphs(source):
    "Its paragraphs and list items, without what nobody reads as a sentence."
    source = FORMULA.sub('', FENCE.sub('', source))
    for pattern, instead in SPANS: source = pattern.sub(instead, source)
    found = ['']
    for line in source.splitlines():
        if not line.strip() or NOT_PROSE.match(line): found.append('')
        elif ITEM.match(line): found.append(ITEM.sub('', line))
        else: found[-1] += ' ' + line.strip()
    return [p.strip() for p in found if WORD.search(p)]


def sentences(paragraph): return [s for s in END.split(SHORT_FORMS.sub(r'\1', paragraph)) if WORD.search(s)]


def measure(source):
    "Sentences, words a sentence, share of long ones, numbers a paragraph."
    parts = paragraphs(source)
    lengths = [len(WORD.findall(s)) for p in parts for s in sentences(p)]
    if not lengths: return dict(sentences=0, words=0., long=0., numbers=0.)
    return dict(sentences=len(lengths), words=sum(lengths)/len(lengths),
                long=sum(n > LONG for n in lengths)/len(lengths),
                numbers=sum(len(NUMBER.findall(p)) for p in parts)/len(parts))


def row(name, m): return f"{name:40}{m['sentences']:10}{m['words']:8.1f}{m['long']:8.1%}{m['numbers']:10.2f}"


def main(names):
    files = [Path(n) for n in names] or [*sorted((ROOT/'nbs').rglob('*.ipynb')), *sorted(ROOT.glob('*.md')),
                                         *sorted((ROOT/'docs').rglob('*.md'))]
    files = [f for f in files if '.ipynb_checkpoints' not in f.parts]
    print(f"{'file':40}{'sentences':>10}{'words':>8}{'> ' + str(LONG):>8}{'numbers':>10}")
    for file in files: print(row('/'.join(file.parts[-2:]), measure(markdown(file))))
    print(row('all', measure('\n\n'.join(map(markdown, files)))))


if __name__ == '__main__': main(sys.argv[1:])
