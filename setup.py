"Package metadata lives in settings.ini; this file only hands it to setuptools."
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

parser = ConfigParser(delimiters=['='])
parser.read('settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']


def words(key): return cfg.get(key, '').split()


setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0 AND CC-BY-SA-4.0',
    long_description=Path('README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    classifiers=['Development Status :: 3 - Alpha', 'Framework :: Jupyter :: JupyterLab',
                 'Intended Audience :: Education',
                 'Intended Audience :: Science/Research', 'Programming Language :: Python :: 3',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence', 'Typing :: Typed'],
    packages=[*find_packages(include=['hfi_nb', 'hfi_nb.*']), 'hfi_nb.data'], package_dir={'hfi_nb.data': 'data'},
    package_data={'hfi_nb': ['py.typed'], 'hfi_nb.data': ['**/*']},
    python_requires='>=' + cfg['min_python'], install_requires=words('requirements'),
    extras_require={extra: words(f'{extra}_requirements') for extra in ('dev', 'site', 'world', 'postgres', 'page',
                                                                        'crowd', 'nudenet')},
    entry_points={'console_scripts': words('console_scripts'), 'nbdev': ['hfi_nb=hfi_nb._modidx:d']},
)
