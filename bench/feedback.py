"""Speed and durability of the panels and of the store they write to.

    python bench/feedback.py [append] [latency] [kills] [writers] [million] [--events 1000000] [--url postgresql://…]

Without --url each uses a SQLite file in a scratch folder. Ratios are measured side by side in one run."""
import argparse
import itertools
import multiprocessing
import os
import random
import resource
import signal
import statistics
import tempfile
import time
import uuid
from functools import partial

import sqlalchemy as sa

from hfi_nb.feedback.database import EVENTS, view_query
from hfi_nb.feedback.exchange import export_events
from hfi_nb.feedback.panels import GridPanel, SinglePanel
from hfi_nb.feedback.store import Event, FeedbackStore
from hfi_nb.worlds.emoji.world import sample_study


def study(folder:str, n:int) -> list: # n records that share 100 images
    return [row | dict(id=f'p{i:05}') for i, row in zip(range(n), sample_study(folder, 100)*(n//100), strict=True)]


def in_ms(seconds:list) -> str:
    "Median and 95th percentile."
    p50, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    return f'p50 {1000*p50:.2f} ms, p95 {1000*p95:.2f} ms (n = {len(seconds)})'


def append(url, n=2000):
    "One answer, a transaction of its own, and opening the store again."
    with tempfile.TemporaryDirectory() as d:
        store, concept, took, opened = FeedbackStore(url(d)), uuid.uuid4().hex, [], []
        for i in range(n):
            event = Event('label', f'p{i:05}', 'ana', concept, label=i % 2, shown=[f'p{i:05}']*16)
            start = time.perf_counter()
            store.append([event])
            took.append(time.perf_counter()-start)
        for _ in range(50):
            start = time.perf_counter()
            FeedbackStore(url(d))
            opened.append(time.perf_counter()-start)
    print(f'append one answer: {in_ms(took)}; open: {in_ms(opened)}', flush=True)


def latency(url, clicks=200):
    "From a click's arrival in the kernel to its answer, stored and drawn."
    for n in (100, 10_000):
        for cls, action in ((SinglePanel, 'no'), (GridPanel, 'tile')):
            with tempfile.TemporaryDirectory() as d:
                rows, store = study(d, n), FeedbackStore(url(d))
                start = time.perf_counter()
                panel = cls(rows, d, uuid.uuid4().hex, 'ana', store, repeats=0)
                opened, took = time.perf_counter()-start, []
                for i in range(min(clicks, n-1)):
                    start = time.perf_counter()
                    panel._message(dict(action=action, value=i % 16 if action == 'tile' else None))
                    took.append(time.perf_counter()-start)
                assert not panel.error
                opens = f'{cls.name:6} {n:6,} images: opens in {1000*opened:3.0f} ms'
                print(f'{opens}; click to answer {in_ms(took)}', flush=True)


def kills(url, trials=100, seed=0):
    "Kill a labelling panel at random moments; count confirmed answers that are gone."
    rng, lost, confirmed, concept = random.Random(seed), 0, 0, uuid.uuid4().hex
    with tempfile.TemporaryDirectory() as d:
        rows = study(d, 2000)
        for trial in range(trials):
            seen, told = os.pipe()
            if (child := os.fork()) == 0:
                panel = SinglePanel(rows, d, concept, f'w{trial}', FeedbackStore(url(d)), repeats=0)
                while True:
                    panel.do('yes')
                    os.write(told, b'.')
            os.read(seen, 1)
            time.sleep(rng.random()*.3)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(told)
            said = 1 + len(os.read(seen, 10**6))
            os.close(seen)
            confirmed += said
            kept = SinglePanel(rows, d, concept, f'w{trial}', FeedbackStore(url(d)), repeats=0).values()
            lost += max(0, said - len(kept))
    print(f'{trials} kills: {lost} of {confirmed} confirmed answers lost; the store opened each time', flush=True)


def write(url, concept, name, n):
    store = FeedbackStore(url)
    for i in range(n): store.append([Event('label', f'p{i}', name, concept, label=1)])


def writers(url, n=8, events=1000):
    "Several processes at once, each event a transaction of its own, on disk when it returns."
    with tempfile.TemporaryDirectory() as d:
        concept, fork, store = uuid.uuid4().hex, multiprocessing.get_context('fork'), FeedbackStore(url(d))
        store.engine.dispose()
        people = [fork.Process(target=write, args=(url(d), concept, f'w{i}', events)) for i in range(n)]
        start = time.time()
        for p in people: p.start()
        for p in people: p.join()
        seconds = time.time()-start
        kept = sum(len(labels) for labels in store.by_annotator(concept).values())
    print(f'{n} writers x {events:,} events at once: {n*events-kept} lost, '
          f'{n*events/seconds:,.0f} events a second', flush=True)


def log_of(n, rng, concept): # every hundredth click is taken back
    last, name = None, lambda: uuid.UUID(int=rng.getrandbits(128)).hex
    common = dict(concept=concept, panel='grid', duration=1., shown=[], simulated=False)
    for i in range(n):
        undo, batch = i % 100 == 99, name()
        yield common | dict(kind='undo' if undo else 'label', item=f'p{rng.randrange(10_000)}', batch=batch, uid=name(),
                            annotator=f'w{rng.randrange(10)}', label=None if undo else float(rng.random() < .2),
                            undoes=last if undo else None, time=1.7e9+i)
        last = batch


def timed(what, read, times=5):
    "Print how long a read takes, and how many rows it gives."
    took = []
    for _ in range(times):
        start = time.perf_counter()
        found = read() or ()
        took.append(time.perf_counter()-start)
    size = found if isinstance(found, int) else len(found)
    print(f'{what:46} {size:9,} rows {statistics.median(took):8.3f} s', flush=True)


def exported(store, path): # memory: the highest of this process so far
    n = export_events(store, path)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/2**10
    print(f'{"":46} {os.path.getsize(path)/2**20:6,.0f} MiB file, {memory:6,.0f} MiB memory')
    return n


def million(url, n=1_000_000):
    "Reads of a long log: 10,000 images, 10 annotators, each pair labelled ten times over."
    with tempfile.TemporaryDirectory() as d:
        store, concept = FeedbackStore(url(d)), uuid.uuid4().hex
        rows = log_of(n, random.Random(0), concept)
        while part := list(itertools.islice(rows, 20_000)):
            with store.writing() as c: c.execute(EVENTS.insert(), part)
        view = view_query().subquery()
        mine = view.c.concept == concept, view.c.slot == 'answer'
        merged = sa.select(view.c.item, sa.func.avg(view.c.label)).where(*mine).group_by(view.c.item)
        timed(f'merged labels, asked of all {n:,} events', lambda: store._rows(merged), 1)
        timed('the first read brings the view up to date', lambda: store.refresh(), 1)
        timed('labels(concept): merged', lambda: store.labels(concept))
        timed("labels(concept, 'w1')", lambda: store.labels(concept, 'w1'))
        timed('by_annotator(concept)', lambda: store.by_annotator(concept))
        one = lambda: store.append([Event('label', 'p1', 'w1', concept, label=1)]) and store.labels(concept, 'w1')
        timed("one more answer, then labels(concept, 'w1')", one)
        timed("undo('w1', concept)", lambda: store.undo('w1', concept))
        timed('usable(concept, ids)', lambda: store.usable(concept, {f'p{i}' for i in range(9_000)}).labels)
        for ending in ('jsonl', 'csv', 'json'):
            timed(f'export as .{ending}', partial(exported, store, f'{d}/log.{ending}'), 1)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ['append', 'latency', 'kills', 'writers', 'million']
    parser.add_argument('what', nargs='*', choices=[*names, []], default=[])
    parser.add_argument('--events', type=int, default=1_000_000, help='of `million`')
    parser.add_argument('--url')
    args = parser.parse_args()
    place = lambda d: args.url or f'{d}/feedback.db'
    for name in args.what or names:
        if name == 'million': million(place, args.events)
        else: globals()[name](place)
