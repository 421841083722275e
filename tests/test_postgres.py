"""The feedback store on a real PostgreSQL, started on loopback for these tests; skipped where its binaries are missing."""
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from hfi_nb.exchange import export_events, import_events
from hfi_nb.feedback import Event, FeedbackStore

BINARIES = [Path(p).parent for p in [shutil.which('initdb') or '', *map(str, sorted(Path('/usr/lib/postgresql').glob('*/bin/initdb')))] if p]
USER = next((u.pw_name for u in pwd.getpwall() if u.pw_name in ('postgres', 'nobody')), None) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (BINARIES and USER), reason='needs the PostgreSQL server binaries')]
pytest.importorskip('psycopg', reason='needs psycopg')


@pytest.fixture(scope='module')
def url():
    "A fresh server of an unprivileged user, durable as shipped."
    folder = Path(tempfile.mkdtemp(prefix='pg-'))
    if os.geteuid() == 0: shutil.chown(folder, USER)
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    rights = dict(user=USER) if os.geteuid() == 0 else {}
    run = lambda tool, *args: subprocess.run([BINARIES[-1]/tool, '-D', folder/'data', *args], check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=90, **rights)
    run('initdb', '-U', 'hfi', '-A', 'trust', '-E', 'UTF8')
    run('pg_ctl', '-w', '-l', folder/'log', '-o', f'-p {port} -h 127.0.0.1 -k {folder}', 'start')
    yield f'postgresql://hfi@127.0.0.1:{port}/postgres'
    run('pg_ctl', '-m', 'immediate', 'stop')
    shutil.rmtree(folder, ignore_errors=True)


def write(url, name, n):
    store = FeedbackStore(url)
    for i in range(n): store.append([Event('label', f'p{i}', name, 'crowd', label=i % 2)])


def write_until_killed(url, name, told):
    store, i = FeedbackStore(url), 0
    while True:
        store.append([Event('label', f'p{i}', name, 'killed', label=1)])
        os.write(told, b'.')
        i += 1


def test_views_undo_and_hostile_text(url):
    store, who = FeedbackStore(url), '<script>"\u202e' + 'x'*100
    store.append([Event('label', 'p1', who, 'c', label=1, shown=['p1', 'p2']), Event('label', 'p1', 'bo', 'c', label=0, simulated=True), Event('skip', 'p2', 'bo', 'c')])
    store.append([Event('rank', 'group-1', 'bo', 'c', value=dict(order=['p2', 'p1'], rest=[]))])
    store.append([Event('label', 'p1', who, 'c', label=0)])
    assert store.labels('c', who) == {'p1': 0} and store.soft_labels('c') == {'p1': 0} and store.simulated('c') == ['bo']
    store.undo(who, 'c')
    assert store.labels('c', who) == {'p1': 1} and store.soft_labels('c') == {'p1': .5} and store.rankings('c')[0].order == ('p2', 'p1')
    assert '<script>' not in store._repr_html_()


def test_the_log_moves_from_postgresql_to_a_file_and_back(url, tmp_path):
    store, other = FeedbackStore(url), FeedbackStore.open(tmp_path)
    store.append([Event('label', f'p{i}', 'ana', 'moved', label=i % 2, shown=['p1']) for i in range(20)])
    for name in ('log.csv', 'log.jsonl', 'log.json'):
        assert export_events(store, tmp_path/name, 'moved') == 20
        import_events(other, tmp_path/name)
    assert sorted(other.events('moved'), key=lambda o: o.uid) == sorted(store.events('moved'), key=lambda o: o.uid)
    assert import_events(store, tmp_path/'log.csv') == 0


def test_eight_writers_lose_nothing(url):
    FeedbackStore(url)
    crowd = [multiprocessing.get_context('spawn').Process(target=write, args=(url, f'w{i}', 100)) for i in range(8)]
    for p in crowd: p.start()
    for p in crowd: p.join(120)
    assert {name: len(labels) for name, labels in FeedbackStore(url).by_annotator('crowd').items()} == {f'w{i}': 100 for i in range(8)}


def test_a_killed_writer_loses_no_confirmed_answer(url):
    FeedbackStore(url).engine.dispose()
    for trial in range(5):
        seen, told = os.pipe()
        child = multiprocessing.get_context('fork').Process(target=write_until_killed, args=(url, f'k{trial}', told))
        child.start()
        os.read(seen, 1)  # it writes
        time.sleep(.05 + .05*trial)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        os.close(told)
        confirmed = 1 + len(os.read(seen, 10**6))
        time.sleep(.2)  # the server may still commit what the dead client sent
        assert len(FeedbackStore(url).labels('killed', f'k{trial}')) in (confirmed, confirmed+1)
