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
import sqlalchemy as sa
from test_feedback_store import check_current_answers

from hfi_nb.core import HfiError
from hfi_nb.feedback.database import ANSWERS, EVENTS, VIEW_UPTO
from hfi_nb.feedback.exchange import export_events, import_events
from hfi_nb.feedback.store import Event, FeedbackStore, group_id

BIN = (max(Path('/usr/lib/postgresql').glob('*/bin'), default=None)
       or (Path(found).parent if (found := shutil.which('initdb')) else None))
pytest.importorskip('psycopg', reason='needs psycopg')
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BIN is None, reason='needs the PostgreSQL binaries')]
WRITER = """
import sys
from hfi_nb.feedback.store import *
store = FeedbackStore(sys.argv[1])
for i in range(int(sys.argv[3])): store.append([Event('label', f'p{i}', sys.argv[2], 'many', label=i % 2)])
"""


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
        options = f'-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=20'
        run(str(BIN/'pg_ctl'), '-D', f'{folder}/db', '-w', '-l', f'{folder}/log', '-o', options, 'start')
        yield f'postgresql://hfi@127.0.0.1:{port}/postgres'
        run(str(BIN/'pg_ctl'), '-D', f'{folder}/db', '-m', 'immediate', 'stop')


def test_views_and_undo(url):
    s = FeedbackStore(url)
    say = lambda item, who, label, **more: Event('label', item, who, 'c', label=label, **more)
    s.append([say('a', 'ana', 0, time=5), say('b', 'ana', 0, batch='page', shown=['a', 'b'])])
    s.append([say('a', 'ana', 1, time=3), say('a', 'ben', 0)]) # the clock was set back: the later one in the log counts
    assert s.by_annotator('c') == {'ana': {'a': 1, 'b': 0}, 'ben': {'a': 0}} and s.soft_labels('c') == {'a': .5, 'b': 0}
    s.append([say('b', 'ana', 1, batch='page 2', shown=['a', 'b'])])
    assert s.undo('ana', 'c')[0].shown == ['a', 'b'] and s.labels('c', 'ana') == {'a': 1, 'b': 0}
    s.append([Event('rank', group_id('ab'), 'bot', 'c', value=dict(order=['a'], rest=['b']), simulated=True),
              Event('comment', 'a', '<b>\u202e"', 'c', value='x'*10_000)])
    assert s.rankings('c')[0].pairs() == [('a', 'b')] and s.simulated('c') == ['bot']
    assert s.usable('c', ['b']).aside == ('a',) and s.still_there()
    assert FeedbackStore(url).events() == s.events() and len(s.events()) == 8


def test_the_log_goes_out_and_in_again(url, tmp_path):
    s = FeedbackStore(url)
    for name in ('log.jsonl', 'log.csv', 'tasks.json'):
        assert export_events(s, tmp_path/name) == len(s.events())
        other = FeedbackStore(tmp_path/f'{name}.db')
        assert import_events(other, tmp_path/name) == len(s.events()) and import_events(s, tmp_path/name) == 0
        assert other.soft_labels('c') == s.soft_labels('c')


def test_the_current_answers_are_what_the_log_says(url):
    with FeedbackStore(url).engine.begin() as c:
        for table in (EVENTS, ANSWERS, VIEW_UPTO): c.execute(table.delete())
    check_current_answers(FeedbackStore(url))


def test_a_cell_run_again_and_again_takes_no_further_connections(url):
    stores = [FeedbackStore(url) for _ in range(30)]
    assert all(s.labels('nothing') == {} for s in stores)


def test_writers_at_once_lose_nothing_and_readers_miss_nothing(url):
    crowd = [subprocess.Popen([sys.executable, '-c', WRITER, url, f'w{i}', '100']) for i in range(4)]
    store = FeedbackStore(url)
    while any(p.poll() is None for p in crowd):
        store.labels('many')
        time.sleep(.05)
    assert [p.returncode for p in crowd] == [0]*4
    assert {name: len(labels)
            for name, labels in store.by_annotator('many').items()} == {f'w{i}': 100 for i in range(4)}


def test_an_unreachable_server_is_named():
    nowhere = 'postgresql://hfi@127.0.0.1:1/none'
    with pytest.raises(HfiError, match='cannot open the feedback database'): FeedbackStore(nowhere)


def test_a_server_that_goes_away_is_named(url):
    store = FeedbackStore(url)
    with store.engine.begin() as c: c.exec_driver_sql('ALTER TABLE current_answers RENAME TO lost')
    with pytest.raises(HfiError, match='cannot read the feedback database'): store.labels('c')
    with store.engine.begin() as c: c.exec_driver_sql('ALTER TABLE lost RENAME TO current_answers')
    run_out = FeedbackStore(url)
    run_out.engine = sa.create_engine('postgresql+psycopg://hfi@127.0.0.1:1/none') # what a stopped server looks like
    for ask in (lambda: run_out.labels('c'), lambda: run_out.append([Event('label', 'a', 'ana', 'c', label=1)])):
        with pytest.raises(HfiError, match='the feedback database'): ask()
