"""Numbers of the panels and of long logs: `python bench/feedback.py [latency] [kills] [million]`; writers at once: bench/feedback_writers.py."""
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from hfi_nb.feedback import EVENTS, FeedbackStore
from hfi_nb.panels import GridPanel, SinglePanel


def study(folder, n):
    "n records that share 100 pictures."
    (Path(folder)/'images').mkdir()
    for i in range(100): Image.new('RGB', (64, 64), (i, 9, 9)).save(Path(folder)/f'images/p{i}.png')
    return [dict(id=f'p{i:05}', file=f'images/p{i % 100}.png') for i in range(n)]


def latency(clicks=200):
    "From a click's arrival in the kernel to its answer, stored and drawn."
    for n in (100, 10_000):
        for cls, action in ((SinglePanel, 'no'), (GridPanel, 'tile')):
            with tempfile.TemporaryDirectory() as d:
                rows = study(d, n)
                start = time.perf_counter()
                panel = cls(rows, d, 'c', 'ana', repeats=0)
                opened, took = time.perf_counter()-start, []
                for i in range(min(clicks, n-1)):
                    start = time.perf_counter()
                    panel._message(dict(action=action, value=i % 16 if action == 'tile' else None))
                    took.append(1000*(time.perf_counter()-start))
                assert not panel.error
                print(f'{cls.name:6} {n:6} pictures: opens in {1000*opened:.0f} ms; click to answer median {statistics.median(took):.1f} ms, '
                      f'p95 {statistics.quantiles(took, n=20)[-1]:.1f} ms (n = {len(took)})', flush=True)


def kills(trials=100, seed=0):
    "Kill a labelling panel at random moments; count confirmed answers that are gone."
    rng, lost, confirmed = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as d:
        rows = study(d, 2000)
        for trial in range(trials):
            seen, told = os.pipe()
            if (child := os.fork()) == 0:
                panel = SinglePanel(rows, d, 'c', f'w{trial}', repeats=0)
                while True:
                    panel.do('yes')
                    os.write(told, b'.')
            time.sleep(.05 + rng.random()*.3)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(told)
            said = len(os.read(seen, 10**6))
            os.close(seen)
            confirmed += said
            lost += max(0, said - len(SinglePanel(rows, d, 'c', f'w{trial}', repeats=0).values()))
    print(f'{trials} kills: {confirmed} confirmed answers, {lost} lost; the store opened each time', flush=True)


def million(n=1_000_000):
    "Reads of a long log."
    with tempfile.TemporaryDirectory() as d:
        store, rng = FeedbackStore.open(d), random.Random(0)
        for start in range(0, n, 20_000):
            rows = [dict(kind='label', item=f'p{rng.randrange(10_000)}', annotator=f'w{rng.randrange(10)}', concept='c', panel='grid', batch=f'b{i}', uid=f'u{i}',
                         label=float(rng.random() < .2), duration=1., shown=[], simulated=False, time=float(i)) for i in range(start, start+20_000)]
            with store.engine.begin() as c: c.execute(EVENTS.insert(), rows)
        for what, read in dict(one_annotator=lambda: store.answers('c', 'w1'), everybody=lambda: store.soft_labels('c'), last_click=lambda: store.last('w1', 'c')).items():
            start = time.perf_counter()
            size = len(read())
            print(f'{n} events, {what}: {size} rows in {time.perf_counter()-start:.2f} s', flush=True)


if __name__ == '__main__':
    asked = sys.argv[1:] or ['latency', 'kills', 'million']
    for name in asked: dict(latency=latency, kills=kills, million=million)[name]()
