"""Hooks of the documentation site (mkdocs.yml): notebooks and API pages become files of it, formulas become MathML,
nothing comes from another host.

The notebooks are shown as committed and never run; hidden cells and tests are left out."""
import ast
import os
import re
import tempfile
from configparser import ConfigParser
from pathlib import Path

import nbformat
from jinja2 import FileSystemBytecodeCache
from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File
from nbconvert.exporters import TemplateExporter

ROOT = Path(__file__).resolve().parent.parent
settings = ConfigParser(delimiters=['='])
settings.read(ROOT/'settings.ini', encoding='utf-8')
SOURCE = settings['DEFAULT']['git_url']+'/blob/main' # of what has no page
LESSONS = sorted((ROOT/'nbs'/'course').glob('*.ipynb'))
REFERENCE = sorted(p for p in (ROOT/'nbs').glob('*.ipynb') if p.stem != 'index')
CODE, BLOCK = r'(?P<code>^(`{3,}|~{3,}).*?^\2|(`+)(?!`).+?\3(?!`))', r'\$\$(?P<block>.+?)\$\$'
MATH = re.compile(rf'{CODE}|{BLOCK}|\$(?P<inline>[^$\s](?:[^$\n]*[^$\s])?)\$', re.S | re.M)
HOWTOS = ['model', 'images', 'annotators', 'class', 'flux', 'gpu', 'export', 'audit', 'postgresql',
          'troubleshooting']
scratch = tempfile.TemporaryDirectory()


def compile_templates_once():
    "nbconvert compiles its templates for every notebook anew, which took a fifth of the build."
    create, cache = TemplateExporter._create_environment, FileSystemBytecodeCache(scratch.name)
    def cached(exporter):
        environment = create(exporter)
        environment.bytecode_cache = cache
        return environment
    TemplateExporter._create_environment = cached


def mathml(latex:str, display:str) -> str:
    "A formula that a browser shows by itself."
    made = convert(re.sub(r'\\arg\b', r'\\mathrm{arg}', latex.strip()), display=display)
    if left := re.search(r'\\\w+', made):
        raise PluginError(f'latex2mathml does not know {left[0]} in ${latex}$: write it otherwise')
    return f'<span class="hfi-{display}">{made}</span>'


def formulas(text:str) -> str:
    "Markdown with `$…$` and `$$…$$` replaced, outside code."
    def one(m): return m['code'] or (mathml(m['block'], 'block') if m['block'] else mathml(m['inline'], 'inline'))
    return MATH.sub(one, text)


def directives(cell) -> set: return set(re.findall(r'^#\|\s*(\w+)', cell.source, re.M))


def folded(cell) -> bool:
    "Whether a cell is the solution of an exercise: JupyterLab hides its source, and it is neither exported nor a test."
    return bool(cell.metadata.get('jupyter', {}).get('source_hidden')) and not directives(cell)


def page_of(path:Path) -> str:
    "Where the site shows a notebook or a page of docs/: lessons in course/, the other notebooks in reference/."
    place = path.relative_to(ROOT)
    if place.parts[0] == 'docs': return place.relative_to('docs').with_suffix('.html').as_posix()
    return f'{"course" if path.parent.name == "course" else "reference"}/{path.stem}.html'


def notebook_page(path:Path) -> Path:
    "A notebook as the site shows it: without front matter, hidden cells, tests and directives."
    nb, kept = nbformat.read(path, 4), []
    for cell in nb.cells:
        if cell.cell_type == 'raw': continue # front matter
        if cell.cell_type == 'code' and {'hide', 'test', 'test_setup', 'default_exp'} & directives(cell): continue
        if folded(cell): cell.metadata['tags'] = ['solution'] # becomes a class of the cell's element
        if cell.cell_type == 'code': cell.source = re.sub(r'^#\|.*\n?', '', cell.source, flags=re.M).strip('\n')
        if cell.cell_type == 'markdown': cell.source = links(formulas(cell.source), path)
        if cell.source.strip(): kept.append(cell)
    nb.cells = kept
    out = (Path(scratch.name)/page_of(path)).with_suffix('.ipynb')
    out.parent.mkdir(exist_ok=True)
    nbformat.write(nb, out)
    return out


def links(text:str, path:Path) -> str:
    "Links to notebooks and to pages of docs/, as links between pages."
    def one(m):
        target = (path.parent/m[1]).resolve()
        if not target.exists():
            raise PluginError(f'{path.name} links to {m[1]}, which does not exist: correct the link')
        if not target.is_relative_to(ROOT/'docs') and target.suffix != '.ipynb': # it has no page
            return f']({SOURCE}/{target.relative_to(ROOT).as_posix()}{m[2]}'
        return f']({os.path.relpath(page_of(target), Path(page_of(path)).parent)}{m[2]}'
    return re.sub(r'\]\((?!https?:)([^)#\s]+\.(?:ipynb|md))([)#])', one, text)


def module_of(path:Path) -> str|None:
    "The module that a notebook exports."
    found = re.search(r'#\|\s*default_exp\s+([\w.]+)', path.read_text(encoding='utf-8'))
    return found and found[1]


MODULES = {m: p for p in REFERENCE if (m := module_of(p))}


def api_page(module:str, path:Path) -> str:
    made = f'Made from [{path.stem}](../reference/{path.name}), which explains it.'
    return f'# `{module}`\n\n{made}\n\n::: hfi_nb.{module}\n'


def definitions(file:str) -> list: return ast.parse((ROOT/'hfi_nb'/file).read_text(encoding='utf-8')).body


def public_face() -> dict: # name → module
    "`FACE` of the package, read and not imported."
    [face] = [node.value for node in definitions('__init__.py')
              if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'FACE']
    return {word.arg: ast.literal_eval(word.value) for word in face.keywords}


def face_page() -> str:
    "What `from hfi_nb import …` gives, in the order in which it is needed."
    rows = []
    for name, module in public_face().items():
        [node] = [n for n in definitions(module.replace('.', '/')+'.py') if getattr(n, 'name', '') == name]
        said = (ast.get_docstring(node) or '').split('\n')[0]
        rows.append(f'| [`{name}`][hfi_nb.{module}.{name}] | {said} |')
    return '\n'.join([
        '# The public names', '', 'Import these from `hfi_nb` itself, for example `from hfi_nb import Study, erase`.',
        'They stay as they are from one version to the next. Each name leads to the page of its module.', '',
        '| name | what it is |', '|---|---|', *rows, ''])


@event_priority(100) # before mkdocs-jupyter looks for notebooks
def on_files(files, config):
    for p in LESSONS+REFERENCE:
        page = str(notebook_page(p).relative_to(scratch.name))
        files.append(File(page, scratch.name, config.site_dir, config.use_directory_urls))
    for p in (ROOT/'nbs'/'stills').iterdir():
        files.append(File.generated(config, f'reference/stills/{p.name}', abs_src_path=str(p)))
    files.append(File.generated(config, 'api/index.md', content=face_page()))
    for m, p in MODULES.items(): files.append(File.generated(config, f'api/{m}.md', content=api_page(m, p)))
    files.append(File.generated(config, 'contributing.md',
                                content=(ROOT/'CONTRIBUTING.md').read_text(encoding='utf-8').replace('](docs/', '](')))
    return files


def on_config(config):
    compile_templates_once()
    config.nav = [
        {'Home': 'index.md'}, {'Course': [f'course/{p.name}' for p in LESSONS]},
        {'How to': [f'howto/{name}.md' for name in HOWTOS]}, 'method.md', 'results.md', 'glossary.md',
        {'Reference': [f'reference/{p.name}' for p in REFERENCE]},
        {'API': ['api/index.md', *({m: f'api/{m}.md'} for m in MODULES)]}, 'contributing.md']
    return config


def on_page_markdown(markdown, page, config, files): return formulas(markdown)


TAGGED = r'<div[^>]*\bcelltag_solution\b[^>]*>\s*'
# a cell (two elements, one in the other), up to the next one
SOLUTION = re.compile(rf'({TAGGED}(?:{TAGGED})?.*?)(?=<div[^>]*class="jp-Cell )', re.S)


def on_post_page(output, page, config):
    "Solutions fold. nbconvert's template loads MathJax and Mermaid from other hosts; neither is needed here."
    if not page.file.src_uri.endswith('.ipynb'): return output
    output = SOLUTION.sub(r'<details class="hfi-solution"><summary>A solution</summary>\1</details>', output)
    return re.sub(r'<script\b.*?</script>', lambda m: '' if 'https://' in m[0] else m[0], output, flags=re.S)
