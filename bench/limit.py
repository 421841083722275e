"""How far from the machine's limit is each stage, and how long do the obvious alternatives take?

    python bench/limit.py [--until-done 0 1 2 3] [--concept openmoji] [--repeats 2] [--out bench/results/limit.jsonl]

Limit: the floating-point operations of a stage, counted by torch, against what a product of large matrices reaches here
in float32 and, where the processor has it, in bfloat16. On a CPU the library computes in float32, but drawing takes
bfloat16 where it is asked to (`autocast`). All seconds are the processor's, so other jobs do not disturb them; run it
with OMP_NUM_THREADS=1, because threads that wait for each other count.

Beside each other, in one run: this library's update and one as the authors of ESD do it (preset 'paper': one trajectory
for one gradient); this library's inversion step and the recipe of diffusers' textual_inversion.py, as written here.
With --until-done these run until they are done instead: 0 our inversion, 1 that of diffusers, 2 our erasing, 3 that of
the authors. A token is done when it carries the concept beside other words (at least 80 % of 16 held-out prompts), an
erasure when at most 10 % of the concept is left and style and subject of everything else are right at most 5 points
less often than in the base model. Evaluating is not timed; the independent judge counts. The
published rate of ESD, 1e-5, is for Stable Diffusion: here it gets the rate that `bench/erasing.py` found."""
import argparse
import time
from copy import deepcopy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler
from methods import count, goal, questions
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hfi_nb.attack.red_team import ThreatModel, WordSearch
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.concept import Concept
from hfi_nb.core import append_jsonl, make_folder, versions
from hfi_nb.devices import computes_bfloat16
from hfi_nb.erasing.closed_form import uce
from hfi_nb.erasing.distill import Erasure, distill
from hfi_nb.erasing.erase import preset_settings
from hfi_nb.erasing.targets import make_targets
from hfi_nb.measure.evaluate import evaluate
from hfi_nb.tokens.inversion import Cluster, Inversion, check_token, invert
from hfi_nb.tokens.token import SoftToken
from hfi_nb.worlds.emoji.world import load_judge, load_world

RATE, MOST = 1e-3, 400 # of ESD on the embedded model, and its updates at most
NAMES = ('inversion, this library', 'inversion, recipe of diffusers', 'erasing, this library',
         "erasing, as ESD's authors")


def seconds(do, repeats):
    "The fastest of some calls, after one that warms up."
    do()
    def once():
        begun = time.process_time()
        do()
        return time.process_time()-begun
    return min(once() for _ in range(repeats))


def operations(do):
    "Floating-point operations of one call; attention as plain products, because only these are counted on a CPU."
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter: do()
    return counter.get_total_flops()


def product(dtype, repeats, n=2048): # → operations a second
    "What a product of large matrices reaches, plainly or as a convolution: other libraries compute the two."
    a, b = torch.randn(2, n, n).to(dtype)
    image, kernel = (x.to(memory_format=torch.channels_last) for x in (a.view(16, n, 16, -1), b.view(n, n, 1, 1)))
    ways = (lambda: a@b), (lambda: torch.nn.functional.conv2d(image, kernel))
    return 2*n**3/min(seconds(way, 3*repeats) for way in ways)


def drawn_in_half(pipe, contexts): # like `Bench.stages`
    "The same drawing in bfloat16, where the processor computes in it."
    def draw(): return sample(pipe, contexts, range(16), steps=12, autocast='bfloat16')
    return dict(sampling_bfloat16=('16 images, 12 steps', draw, 1)) if computes_bfloat16() else {}


class Bench:
    "One concept of the embedded model: its token, what to erase it with, and what to count on."
    def __init__(self, concept, full, n=40):
        self.pipe, self.world, self.concept = load_pipeline(), load_world(), concept
        _, [pairs], self.what = goal(self.pipe, self.world, concept, inverting=False)
        self.images = [self.world.image(*pair) for pair in pairs]
        steps = {} if full else dict(steps=20) # how good the token is changes no time
        self.tokens = [invert(self.pipe, self.images, concept=self.what['concept'], **steps)]
        self.targets = make_targets(self.pipe, self.tokens, **self.what)
        self.suite = questions(self.world, concept, n)
        self.published = preset_settings(self.pipe, 'esd-x', 'paper')
        self.paper_targets = make_targets(self.pipe, self.tokens, self.what['concept'])

    def stages(self): # name → (what one call is, the call, how many units it has)
        "One call of every stage."
        pipe, contexts = self.pipe, self.what['contexts'][:16]
        erased = uce(pipe, self.targets)
        threat = ThreatModel(erased, contexts, self.concept, self.tokens[0], self.images, self.what['concept'])
        inversion, erasing = Inversion(pipe, [Cluster(self.images)], self.what['concept']), Erasure(pipe, self.targets)
        search, few = WordSearch(erased, threat, 5, 16), questions(self.world, self.concept, 8)
        cycle = range(erasing.settings.refresh)
        return dict(
            sampling=('16 images, 12 steps', lambda: sample(pipe, contexts, range(16), steps=12), 1),
            **drawn_in_half(pipe, contexts),
            inversion=(f'step, batch of {inversion.batch}', inversion.train_step, 1),
            erasing=(f'update, batch of {erasing.settings.batch}', lambda: [erasing.train_step() for _ in cycle],
                     len(cycle)),
            evaluation=(f'{len(few.prompts)} prompts, 12 steps', lambda: evaluate(pipe, erased, few, steps=12), 1),
            red_team=('step of the word search, batch of 16', lambda: search.step(.5), 1))

    def updates(self, repeats): # name → seconds
        "One update of this library and of the alternatives."
        steps, marks, inversion = range(10), [], Inversion(self.pipe, [Cluster(self.images)], self.what['concept'])
        ours = Erasure(self.pipe, self.targets)
        theirs = Erasure(self.pipe, self.paper_targets, method='esd-x', **self.published)
        def ten(loop): return seconds(lambda: [loop.train_step() for _ in steps], repeats)/len(steps)
        def watch(step, row): marks.append(time.process_time())
        plain_inversion(self.pipe, self.images, 'style', 11, watch)
        found = seconds(inversion.train_step, 3*repeats), min(np.diff(marks)), ten(ours), ten(theirs)
        return dict(zip(NAMES, map(float, found), strict=True))

    def carries(self, token): # → bool
        "Whether a token brings the concept into other prompts."
        held = [self.world.names[s] for s in self.world.subjects if self.world.split[s] == 'heldout'][:16]
        judge = load_judge()
        found = check_token(self.pipe, token, lambda images: [a == self.concept for a, _ in judge(images)],
                            self.images, held, self.what['concept'], steps=12)
        return found.passed, dict(beside_other_words=found.modifier.to_dict())

    def removed(self, model): # → bool, rates
        "Whether the concept is gone and the rest is there."
        found = count(partial(sample, model, steps=12), self.suite)
        kept = all(found[k].value >= self.base[k].value-.05 for k in ('style', 'subject'))
        return found['left'].value <= .1 and kept, {k: rate.to_dict() for k, rate in found.items()}

    def whole(self, sides): # name → seconds, updates, whether it got there, rates
        "Some of `NAMES` until they are done."
        self.base = count(partial(sample, self.pipe, steps=12), self.suite)
        said, settings = self.what['concept'], self.published | dict(updates=MOST, lr=RATE, every=20, refresh=20)
        def inversion(look):
            invert(self.pipe, self.images, concept=said, callback=lambda loop: look(loop.step, loop.token(0, '')))
        def plain(look):
            def watch(step, row): return step % 100 == 0 and look(step, SoftToken('<plain>', row))
            plain_inversion(self.pipe, self.images, 'style', 3000, watch)
        def erasing(look): distill(self.pipe, self.targets, callback=lambda loop: look(loop.step, loop.pipeline()))
        def published(look):
            distill(self.pipe, self.paper_targets, method='esd-x', **settings,
                    callback=lambda loop: look(loop.step, loop.pipeline()))
        ways = (inversion, self.carries), (plain, self.carries), (erasing, self.removed), (published, self.removed)
        return {NAMES[k]: until(*ways[k]) for k in sides}


def until(train, done): # → dict
    "The processor's seconds of a training until what it makes is good enough, or until it ends."
    spent, begun, last = 0., time.process_time(), {}
    def look(step, made):
        nonlocal spent, begun, last
        spent += time.process_time()-begun
        reached, rates = done(made)
        last = dict(seconds=round(spent, 1), updates=step, reached=reached) | rates
        begun = time.process_time()
        return reached
    train(look)
    return last


def plain_inversion(pipe, images, start, steps, watch, batch=4, lr=5e-4):
    "Textual inversion as in diffusers' examples/textual_inversion, without its files; `watch(step, row)` may stop it."
    pipe = deepcopy(pipe)
    tok, text, unet, vae = pipe.tokenizer, pipe.text_encoder, pipe.unet, pipe.vae
    tok.add_tokens('<plain>')
    text.resize_token_embeddings(len(tok))
    table = text.get_input_embeddings().weight
    new = tok.convert_tokens_to_ids('<plain>')
    with torch.no_grad(): table[new] = table[tok(start, add_special_tokens=False).input_ids[0]]
    for net in (text, unet, vae): net.requires_grad_(False)
    optimizer = torch.optim.AdamW([table.requires_grad_()], lr=lr, weight_decay=1e-2)
    original, scheduler = table.detach().clone(), DDPMScheduler.from_config(pipe.scheduler.config)
    pixels = torch.stack([torch.tensor(np.array(im)).permute(2, 0, 1)/127.5-1 for im in images])
    templates = Concept('plain').templates
    for step in range(1, steps+1):
        x = pixels[torch.randint(len(pixels), (batch,))]
        z = vae.encode(x).latent_dist.sample().detach()*vae.config.scaling_factor
        noise, t = torch.randn_like(z), torch.randint(scheduler.config.num_train_timesteps, (batch,))
        prompts = [templates[k].replace('{}', '<plain>') for k in torch.randint(len(templates), (batch,))]
        ids = tok(prompts, padding='max_length', max_length=tok.model_max_length, return_tensors='pt').input_ids
        output = unet(scheduler.add_noise(z, noise, t), t, text(ids)[0]).sample
        torch.nn.functional.mse_loss(output, noise).backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad(): table[:new] = original[:new] # only the new row learns
        if watch(step, table[new:new+1].detach().clone()): return


def limits(bench, repeats): # rows
    "Every stage against the products of large matrices."
    products = dict(float32=product(torch.float32, repeats))
    if computes_bfloat16(): products['bfloat16'] = product(torch.bfloat16, repeats)
    for kind, rate in products.items(): yield dict(part='product', name=kind, gflops_a_second=round(rate/1e9, 1))
    for name, (what, call, units) in bench.stages().items():
        took, flops = seconds(call, repeats), operations(call)
        shares = {f'share_of_{kind}': round(flops/took/rate, 3) for kind, rate in products.items()}
        yield dict(part='limit', name=name, one=what, seconds=round(took/units, 4), gflop=round(flops/units/1e9, 2),
                   gflops_a_second=round(flops/took/1e9, 1)) | shares


def rows(concept, sides, repeats):
    "All parts of the table, or what was trained until it was done."
    bench = Bench(concept, bool(sides))
    for name, found in bench.whole(sides).items() if sides else (): yield dict(part='until done', name=name) | found
    if sides: return
    yield from limits(bench, repeats)
    for name, took in bench.updates(repeats).items(): yield dict(part='update', name=name, seconds=round(took, 4))


def main(concept, until_done, repeats, out):
    facts = dict(concept=concept, threads=torch.get_num_threads(), torch=versions()['torch'])
    print(facts, '\n\n| part | name | numbers |\n|---|---|---|', flush=True)
    for row in rows(concept, until_done, repeats):
        plain = {k: v['value'] if isinstance(v, dict) else v for k, v in row.items() if k not in ('part', 'name')}
        cells = ', '.join(f'{k} {v}' for k, v in plain.items())
        print(f'| {row["part"]} | {row["name"]} | {cells} |', flush=True)
        append_jsonl(make_folder(out.parent)/out.name, [row | facts])


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--concept', default='openmoji', help='a style of the mini world')
    parser.add_argument('--until-done', nargs='+', type=int, choices=range(4), default=[], metavar='SIDE',
                        help='instead, run some of the four until they are done')
    parser.add_argument('--repeats', type=int, default=2)
    parser.add_argument('--out', type=Path, default=Path('bench/results/limit.jsonl'))
    main(**vars(parser.parse_args()))
