"""Writers at once and kills at random moments: how many confirmed events are lost.

    python bench/feedback_writers.py [--url postgresql://…] [--writers 8] [--events 1000] [--kills 100]

Without --url a SQLite file in a scratch folder is used. Every event is one transaction, on disk when the call returns."""
import argparse
import multiprocessing
import os
import random
import signal
import tempfile
import time
import uuid

from hfi_nb.feedback import Event, FeedbackStore


def write(url, concept, name, n, told=None):
    "n events (None: until killed), each confirmed by a dot."
    store, i = FeedbackStore(url), 0
    while n is None or i < n:
        store.append([Event('label', f'p{i}', name, concept, label=1)])
        if told: os.write(told, b'.')
        i += 1


def crowd(url, writers, n):
    "Seconds, and events lost, of several writers at once."
    concept, spawn, start = uuid.uuid4().hex, multiprocessing.get_context('fork'), time.time()
    people = [spawn.Process(target=write, args=(url, concept, f'w{i}', n)) for i in range(writers)]
    for p in people: p.start()
    for p in people: p.join()
    seconds = time.time()-start
    return seconds, writers*n - sum(len(o) for o in FeedbackStore(url).by_annotator(concept).values())


def kill(url, seed):
    "Confirmed events, and those of them lost, of a writer killed at a random moment."
    concept, (seen, told) = uuid.uuid4().hex, os.pipe()
    child = multiprocessing.get_context('fork').Process(target=write, args=(url, concept, 'w', None, told))
    child.start()
    os.read(seen, 1)
    time.sleep(random.Random(seed).uniform(0, .2))
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    os.close(told)
    confirmed = 1 + len(os.read(seen, 10**6))
    os.close(seen)
    return confirmed, max(0, confirmed - len(FeedbackStore(url).labels(concept)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--url')
    for name, default in (('writers', 8), ('events', 1000), ('kills', 100)): parser.add_argument(f'--{name}', type=int, default=default)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = args.url or f'sqlite:///{folder}/feedback.db'
        FeedbackStore(url).engine.dispose()
        seconds, lost = crowd(url, args.writers, args.events)
        print(f'{args.writers} writers x {args.events} events: {lost} lost, {args.writers*args.events/seconds:.0f} events a second', flush=True)
        found = [kill(url, seed) for seed in range(args.kills)]
        print(f'{len(found)} kills: {sum(n for _, n in found)} of {sum(n for n, _ in found)} confirmed events lost')


if __name__ == '__main__': main()
