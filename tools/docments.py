"""Lets mkdocstrings read this project's documentation: comments behind parameters and fields, and methods that are
defined outside their class.

A griffe extension; everything is read from the source, nothing is imported."""
import ast
import io
import re
import tokenize
from functools import lru_cache

from griffe import (
    Docstring,
    DocstringParameter,
    DocstringReturn,
    DocstringSectionParameters,
    DocstringSectionReturns,
    DocstringSectionText,
    Extension,
)


@lru_cache
def comments(code:str) -> dict: # line → text
    "The comments of a source, by line."
    return {t.start[0]: t.string.lstrip('# ')
            for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.type == tokenize.COMMENT}


# what is written `<so>` is no tag
def plain(text): return re.sub(r'`[^`]*`|<', lambda m: '&lt;' if m[0] == '<' else m[0], text)


def described(node, notes): # → {parameter: comment}, comment of the line that ends the signature
    "What the comments in a signature say."
    a = node.args
    params = [o for o in (*a.posonlyargs, *a.args, a.vararg, *a.kwonlyargs, a.kwarg) if o]
    ends = max([node.lineno, *(o.end_lineno for o in params), *([node.returns.end_lineno] if node.returns else [])])
    last = max(ends, node.body[0].lineno-1) # `):` may stand on a line of its own
    found = {o.lineno: o.arg for o in params if o.lineno in notes and o.lineno < last} # the last one of a line
    return {name: notes[line] for line, name in found.items()}, next(
        (notes[i] for i in range(ends, last+1) if i in notes and i not in found), None)


def sections(func, params, end, one_line):
    "A docstring's sections: its text, a table of parameters, what comes back."
    text = plain(func.docstring.value) if func.docstring else ''
    if end and one_line and not end.startswith('→'):
        text += f'\n\n{"Returns" if func.returns else "Note"}: {plain(end)}.'
    out = [DocstringSectionText(text)]
    if params:
        out.append(DocstringSectionParameters([
            DocstringParameter({'variadic positional': '*', 'variadic keyword': '**'}.get(p.kind.value, '')+p.name,
                               annotation=p.annotation, description=plain(params.get(p.name, '')),
                               value=p.default and str(p.default))
            for p in func.parameters if p.name not in ('self', 'cls')]))
    if end and (end.startswith('→') or not one_line):
        out.append(DocstringSectionReturns(
            [DocstringReturn('', description=plain(end.lstrip('→ ')), annotation=func.returns or '')]))
    return out


def assigned(tree): # → (class, method, function)
    "Methods given to a class after it was made: `C.m = f`, and `for m in (_f, …): setattr(C, m.__name__[1:], m)`."
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            pairs = (zip(node.targets[0].elts, node.value.elts, strict=True)
                     if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
                     else [(node.targets[0], node.value)])
            for target, value in pairs:
                if isinstance(target, ast.Attribute):
                    yield ast.unparse(target.value), target.attr, ast.unparse(value).removeprefix(
                        'staticmethod(').rstrip(')')
        elif isinstance(node, ast.For) and 'setattr' in ast.unparse(node.body[0]):
            yield from ((node.body[0].value.args[0].id, o.id[1:], o.id) for o in node.iter.elts)


def modules(package):
    "The modules of a package and of the packages in it."
    for module in package.modules.values():
        yield module
        yield from modules(module)


class Docments(Extension):
    "See the module."
    def on_function_instance(self, *, node, func, agent, **_):
        params, end = described(node, comments(agent.code))
        func.docstring = func.docstring or (Docstring('', parent=func) if params or end else None)
        if func.docstring:
            func.docstring.__dict__['parsed'] = sections(func, params, end, node.body[0].lineno <= node.lineno+1)

    def on_attribute_instance(self, *, node, attr, agent, **_):
        note = comments(agent.code).get(node.lineno) if node.lineno == node.end_lineno else None
        if note and not attr.docstring: attr.docstring = Docstring(plain(note), parent=attr)

    def on_package(self, *, pkg, **_):
        for module in modules(pkg):
            moves = [(str(f.parameters[0].annotation), f.name, f.name)
                     for f in module.functions.values() if any(str(d.value) == 'patch' for d in f.decorators)]
            for cls, method, name in [*moves, *assigned(ast.parse(module.filepath.read_text(encoding='utf-8')))]:
                func = module.members.get(name)
                if cls not in module.classes or func is None: continue
                del module.members[name]
                func.name = method
                module.classes[cls].set_member(method, func)
