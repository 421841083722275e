"Package metadata lives in settings.ini; this file only hands it to setuptools."
import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

parser = ConfigParser(delimiters=['='])
parser.read('settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']


def words(key): return cfg.get(key, '').split()


def readme():
    "README.md with addresses that lead somewhere outside a clone, too: the package index shows it."
    text, home = Path('README.md').read_text(encoding='utf-8'), cfg['git_url']
    files = home.replace('github.com', 'raw.githubusercontent.com')
    text = re.sub(r'!\[([^]]*)\]\((?!https?:)', rf'![\1]({files}/main/', text)
    return re.sub(r'(?<!!)\[([^]]*)\]\((?!https?:|#)', rf'[\1]({home}/blob/main/', text)


# what those who use it may want, and those who work on it; NudeNet's licence (AGPL) keeps it out of `all`
PARTS = ('page', 'postgres', 'crowd')
EXTRAS = {extra: words(f'{extra}_requirements') for extra in (*PARTS, 'nudenet', 'world', 'site', 'dev')}
EXTRAS['all'] = sorted({word for part in PARTS for word in EXTRAS[part]})

# measurements that the course shows
SHOWN = ('clicks', 'erasing', 'frontier', 'methods', 'methods_flow', 'redteam', 'relearning')

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'],
    license='Apache-2.0 AND CC-BY-SA-4.0',
    project_urls={'Documentation': cfg['doc_host']+cfg['doc_baseurl'], 'Source': cfg['git_url'],
                  'Changelog': cfg['git_url']+'/blob/main/CHANGELOG.md'},
    long_description=readme(), long_description_content_type='text/markdown',
    classifiers=[
        'Development Status :: 3 - Alpha', 'Environment :: Console', 'Framework :: Jupyter :: JupyterLab',
        'Intended Audience :: Developers', 'Intended Audience :: Education', 'Intended Audience :: Science/Research',
        'Operating System :: MacOS', 'Operating System :: POSIX :: Linux',
        *(f'Programming Language :: Python :: {v}' for v in ('3', '3 :: Only', '3.11', '3.12', '3.13')),
        'Topic :: Multimedia :: Graphics', 'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed'],
    # the mini world, the course and its measurements lie beside the package in a clone, and inside it in a wheel
    packages=[*find_packages(include=['hfi_nb', 'hfi_nb.*']), 'hfi_nb.data', 'hfi_nb.notebooks', 'hfi_nb.results'],
    package_dir={'hfi_nb.data': 'data', 'hfi_nb.notebooks': 'nbs', 'hfi_nb.results': 'bench/results'},
    package_data={'hfi_nb': ['py.typed'], 'hfi_nb.data': ['**/*'],
                  'hfi_nb.notebooks': ['index.ipynb', 'course/*.ipynb', 'stills/*.png', 'stills/*.txt'],
                  'hfi_nb.results': [f'{name}.jsonl' for name in SHOWN]},
    python_requires='>='+cfg['min_python'], install_requires=words('requirements'), extras_require=EXTRAS,
    entry_points={'console_scripts': words('console_scripts'), 'nbdev': ['hfi_nb=hfi_nb._modidx:d']},
)
