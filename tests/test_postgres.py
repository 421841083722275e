"""The feedback store on a real PostgreSQL on loopback; skipped where its binaries or the driver are missing."""
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from test_feedback import check_what_stands

from hfi_nb.core import HfiError
from hfi_nb.feedback.store import ANSWERS, EVENTS, SETTLED, Event, FeedbackStore, group_id

BIN = max(Path('/usr/lib/postgresql').glob('*/bin'), default=None) or (Path(found).parent if (found := shutil.which('initdb')) else None)
pytest.importorskip('psycopg', reason='needs psycopg')
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BIN is None, reason='needs the PostgreSQL binaries')]
WRITER = "import sys; from hfi_nb.feedback.store import *; s = FeedbackStore(sys.argv[1])\nfor i in range(int(sys.argv[3])): s.append([Event('label', f'p{i}', sys.argv[2], 'many', label=i % 2)])"


@pytest.fixture(scope='module')
def url():
    user = 'postgres' if os.getuid() == 0 else getpass.getuser()  # PostgreSQL refuses to run as root
    before = ['runuser', '-u', user, '--'] if os.getuid() == 0 else []
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if before: shutil.chown(folder, user)
        run = lambda *command: subprocess.run([*before, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        run(str(BIN/'initdb'), '-D', f'{folder}/db', '-A', 'trust', '-U', 'hfi', '--encoding=UTF8', '--locale=C')
        run(str(BIN/'pg_ctl'), '-D', f'{folder}/db', '-w', '-l', f'{folder}/log', '-o', f'-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=20', 'start')
        yield f'postgresql://hfi@127.0.0.1:{port}/postgres'
        run(str(BIN/'pg_ctl'), '-D', f'{folder}/db', '-m', 'immediate', 'stop')


def test_views_and_undo(url):
    s = FeedbackStore(url)
    s.append([Event('label', 'a', 'ana', 'c', label=1, time=5), Event('label', 'b', 'ana', 'c', label=0, batch='page', shown=['a', 'b'])])
    s.append([Event('label', 'a', 'ana', 'c', label=0, time=3), Event('label', 'a', 'ben', 'c', label=0)])
    assert s.by_annotator('c') == {'ana': {'a': 1, 'b': 0}, 'ben': {'a': 0}} and s.soft_labels('c') == {'a': .5, 'b': 0}
    assert s.undo('ana', 'c')[0].shown == ['a', 'b'] and s.labels('c', 'ana') == {'a': 1}
    s.append([Event('rank', group_id('ab'), 'bot', 'c', value=dict(order=['a'], rest=['b']), simulated=True), Event('comment', 'a', '<b>\u202e"', 'c', value='x'*10_000)])
    assert s.rankings('c')[0].pairs() == [('a', 'b')] and s.simulated('c') == ['bot']
    assert FeedbackStore(url).events() == s.events() and len(s.events()) == 7


def test_what_stands_is_what_the_log_says(url):
    with FeedbackStore(url).engine.begin() as c:
        for table in (EVENTS, ANSWERS, SETTLED): c.execute(table.delete())
    check_what_stands(FeedbackStore(url))


def test_a_cell_run_again_and_again_takes_no_further_connections(url):
    stores = [FeedbackStore(url) for _ in range(30)]
    assert all(s.labels('nothing') == {} for s in stores)


def test_writers_at_once_lose_nothing_and_readers_miss_nothing(url):
    crowd, store = [subprocess.Popen([sys.executable, '-c', WRITER, url, f'w{i}', '100']) for i in range(4)], FeedbackStore(url)
    while any(p.poll() is None for p in crowd):
        store.labels('many')
        time.sleep(.05)
    assert [p.returncode for p in crowd] == [0]*4
    assert {name: len(labels) for name, labels in store.by_annotator('many').items()} == {f'w{i}': 100 for i in range(4)}


def test_an_unreachable_server_is_named():
    with pytest.raises(HfiError, match='cannot open the feedback database'): FeedbackStore('postgresql://hfi@127.0.0.1:1/none')
