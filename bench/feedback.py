"""Numbers of the panels and of the store they write to.

    python bench/feedback.py [latency] [kills] [writers] [million] [--url postgresql://…]

Without --url each uses a SQLite file in a scratch folder. Ratios are measured side by side in one run."""
import argparse
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import time
import uuid

import sqlalchemy as sa

from hfi_nb.feedback.panels import GridPanel, SinglePanel, sample_study
from hfi_nb.feedback.store import EVENTS, Event, FeedbackStore, settle, standing


def study(folder, n): # n records that share 100 pictures
    return [r | dict(id=f'p{i:05}') for i, r in zip(range(n), sample_study(folder, 100)*(n//100), strict=True)]


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
                    took.append(1000*(time.perf_counter()-start))
                assert not panel.error
                print(f'{cls.name:6} {n:6,} pictures: opens in {1000*opened:3.0f} ms; click to answer median {statistics.median(took):.1f} ms, '
                      f'p95 {statistics.quantiles(took, n=20)[-1]:.1f} ms (n = {len(took)})', flush=True)


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
            lost += max(0, said - len(SinglePanel(rows, d, concept, f'w{trial}', FeedbackStore(url(d)), repeats=0).values()))
    print(f'{trials} kills: {lost} of {confirmed} confirmed answers lost; the store opened each time', flush=True)


def write(url, concept, name, n):
    store = FeedbackStore(url)
    for i in range(n): store.append([Event('label', f'p{i}', name, concept, label=1)])


def writers(url, n=8, events=1000):
    "Several processes at once, each event a transaction of its own, on disk when it returns."
    with tempfile.TemporaryDirectory() as d:
        concept, fork, store = uuid.uuid4().hex, multiprocessing.get_context('fork'), FeedbackStore(url(d))
        store.engine.dispose()
        people, start = [fork.Process(target=write, args=(url(d), concept, f'w{i}', events)) for i in range(n)], time.time()
        for p in people: p.start()
        for p in people: p.join()
        seconds, kept = time.time()-start, sum(len(o) for o in store.by_annotator(concept).values())
    print(f'{n} writers x {events:,} events at once: {n*events-kept} lost, {n*events/seconds:,.0f} events a second', flush=True)


def log_of(n, rng, concept): # every hundredth click is taken back
    last, name = None, lambda: uuid.UUID(int=rng.getrandbits(128)).hex
    for i in range(n):
        undo, batch = i % 100 == 99, name()
        yield dict(kind='undo' if undo else 'label', item=f'p{rng.randrange(10_000)}', annotator=f'w{rng.randrange(10)}', concept=concept, panel='grid', batch=batch, uid=name(),
                   label=None if undo else float(rng.random() < .2), duration=1., shown=[], undoes=last if undo else None, simulated=False, time=1.7e9+i)
        last = batch


def million(url, n=1_000_000):
    "Reads of a long log: 10,000 pictures, 10 annotators, each pair labelled ten times over."
    def timed(what, read, times=5):
        took = []
        for _ in range(times):
            start = time.perf_counter()
            size = len(read() or ())
            took.append(time.perf_counter()-start)
        print(f'{what:46} {size:9,} rows {statistics.median(took):8.3f} s', flush=True)
    with tempfile.TemporaryDirectory() as d:
        store, concept = FeedbackStore(url(d)), uuid.uuid4().hex
        rows = list(log_of(n, random.Random(0), concept))
        for i in range(0, n, 20_000):
            with store.engine.begin() as c: c.execute(EVENTS.insert(), rows[i:i+20_000])
        view = standing().subquery()
        merged = sa.select(view.c.item, sa.func.avg(view.c.label)).where(view.c.concept == concept, view.c.slot == 'answer').group_by(view.c.item)
        timed(f'merged labels, asked of all {n:,} events', lambda: store._rows(merged), 1)
        timed('the first read brings `answers` up to date', lambda: settle(store.engine), 1)
        timed('labels(concept): merged', lambda: store.labels(concept))
        timed("labels(concept, 'w1')", lambda: store.labels(concept, 'w1'))
        timed('by_annotator(concept)', lambda: store.by_annotator(concept))
        timed("one more answer, then labels(concept, 'w1')", lambda: store.append([Event('label', 'p1', 'w1', concept, label=1)]) and store.labels(concept, 'w1'))
        timed("undo('w1', concept)", lambda: store.undo('w1', concept))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', nargs='*', choices=['latency', 'kills', 'writers', 'million', []], default=[])
    parser.add_argument('--url')
    args = parser.parse_args()
    for name in args.what or ['latency', 'kills', 'writers', 'million']: globals()[name](lambda d: args.url or f'sqlite:///{d}/feedback.db')
