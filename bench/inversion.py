"""How fast an inversion is: against the recipe of diffusers' textual-inversion example, and nine tokens at once against
one after the other.

    python bench/inversion.py [--steps 10] [--rounds 5]
    python bench/inversion.py --clusters 9 [--alone 3] [--updates 300] [--repeats 1]

The recipe encodes every image with the VAE in every step, runs the text encoder once per image with a trainable
embedding matrix, gives the whole matrix to the optimizer and writes the old rows back afterwards. Same model, images,
templates, batch and precision; rounds alternate, and the ratio of each pair is printed with its spread.

With --clusters the processor's time is counted, because other work on the machine does not change it. Every token is
then measured at the same 256 points, the same for both ways. The first few clusters (--alone) are also learned one by
one."""
import argparse
import copy
import time

import numpy as np
import torch

from hfi_nb.backbones.loading import backbone_of, load_pipeline
from hfi_nb.concept import TEMPLATES
from hfi_nb.tokens.inversion import Cluster, Inversion, invert_all
from hfi_nb.worlds.emoji.world import load_world

STYLE = TEMPLATES['style']


class Recipe:
    "The training loop of diffusers' example."
    def __init__(self, pipe, images, batch=16, lr=5e-3, seed=0):
        self.pipe, self.batch, self.generator = pipe, batch, torch.Generator().manual_seed(seed)
        self.pixels = pipe.image_processor.preprocess(images)
        self.tokenizer, self.text = copy.deepcopy(pipe.tokenizer), copy.deepcopy(pipe.text_encoder)
        self.tokenizer.add_tokens('<v>')
        self.text.resize_token_embeddings(len(self.tokenizer))
        self.text.requires_grad_(False)
        self.table = self.text.get_input_embeddings().weight
        start = self.tokenizer('style', add_special_tokens=False).input_ids[0]
        with torch.no_grad(): self.table[-1] = self.table[start]
        self.table.requires_grad_(True)
        self.kept = self.table.detach().clone()
        self.opt = torch.optim.AdamW([self.table], lr)

    def embed(self, words):
        ids = self.tokenizer(words, padding='max_length', max_length=self.tokenizer.model_max_length,
                             return_tensors='pt')
        return self.text(ids.input_ids).last_hidden_state

    def train_step(self):
        n, g, pipe = self.batch, self.generator, self.pipe
        i = torch.randint(len(self.pixels), (n,), generator=g)
        with torch.no_grad(): z = pipe.vae.encode(self.pixels[i]).latent_dist.sample(g)*pipe.vae.config.scaling_factor
        eps, t = torch.randn(z.shape, generator=g), torch.randint(1000, (n,), generator=g)
        c = self.embed([STYLE[k].format('<v>') for k in torch.randint(len(STYLE), (n,), generator=g)])
        loss = (pipe.unet(pipe.scheduler.add_noise(z, eps, t), t, c).sample-eps).square().mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        with torch.no_grad(): self.table[:-1] = self.kept[:-1]


def seconds(loop, steps):
    begun = time.perf_counter()
    for _ in range(steps): loop.train_step()
    return (time.perf_counter()-begun)/steps


def forward_seconds(pipe, z, c, steps):
    "A forward of the denoiser: what no inversion can do without."
    net, t = backbone_of(pipe), torch.full((len(z),), 500)
    with torch.no_grad():
        begun = time.perf_counter()
        for _ in range(steps): net.denoiser(z, t, c)
    return (time.perf_counter()-begun)/steps


def against_recipe(steps, rounds, batch):
    pipe, world = load_pipeline(), load_world()
    for module in backbone_of(pipe).networks: module.requires_grad_(False)
    images = [world.image('openmoji', s) for s in world.subjects[:40]]
    ours, recipe = Inversion(pipe, [Cluster(images)], batch=batch), Recipe(pipe, images, batch)
    for loop in (ours, recipe): seconds(loop, 2)
    times = np.array([[seconds(ours, steps), seconds(recipe, steps)] for _ in range(rounds)])
    z = torch.randn(batch, *ours.z.shape[1:])
    c = torch.zeros(batch, pipe.tokenizer.model_max_length, ours.rows.shape[1])
    forward, ratio = forward_seconds(pipe, z, c, steps), times[:, 1]/times[:, 0]
    mine, theirs = times.mean(0)
    print(f'batch {batch}, {rounds} rounds of {steps} steps, {torch.get_num_threads()} threads')
    print(f'ours {mine:.3f} s a step, recipe {theirs:.3f} s; ratio {np.median(ratio):.2f} '
          f'(median of {rounds}; {ratio.min():.2f} to {ratio.max():.2f})')
    print(f'floor: one forward takes {forward:.3f} s; forward and backward about two of them, {2*forward:.3f} s')


def clusters_of(world, n, images=24):
    "Clusters that differ: artists, and halves of their subjects."
    half = len(world.subjects)//2
    parts = [(a, world.subjects[at:at+images]) for at in (0, half) for a in world.styles][:n]
    return [Cluster([world.image(a, s) for s in subjects], name=f'<{k}>') for k, (a, subjects) in enumerate(parts)]


def loss_of(pipe, cluster, token):
    "The loss of a token at 256 points."
    loop = Inversion(pipe, [cluster], batch=32, seed=7)
    loop.extra['average'] = token.vectors
    loop.validate()
    return loop.extra['validation'][0, 1].item()


def start_loss(pipe, cluster): # of the coarse word
    loop = Inversion(pipe, [cluster], batch=32, seed=7)
    loop.validate()
    return loop.extra['validation'][0, 1].item()


def at_once(n, alone, updates, seed, **settings):
    "All tokens in one training, and the first few one after the other."
    pipe, clusters = load_pipeline(), clusters_of(load_world(), n)
    def timed(parts, **more):
        begun = time.process_time()
        tokens = [t for part in parts for t in invert_all(pipe, part, steps=updates, seed=seed, **more)]
        return time.process_time()-begun, [loss_of(pipe, c, t) for c, t in zip(clusters[:alone], tokens, strict=False)]
    fewer, together = timed([clusters], **settings)
    spent, losses = timed([[c] for c in clusters[:alone]])
    spent, before = spent/alone*n, np.mean([start_loss(pipe, c) for c in clusters[:alone]])
    worst = max(b/a-1 for a, b in zip(losses, together, strict=True))
    print(f'{n} tokens, at most {updates} steps, seed {seed}: one after the other {spent:.0f} s '
          f'({n} times the mean of {alone}), at once {fewer:.0f} s, {spent/fewer:.1f} times as fast; '
          f'mean loss of {alone} tokens {before:.4f} at the start, '
          f'{np.mean(losses):.4f} one by one, {np.mean(together):.4f} at once; worst token {worst:+.1%}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--clusters', type=int, default=0, help='tokens to learn at once')
    parser.add_argument('--alone', type=int, default=3, help='of these, how many are also learned one by one')
    parser.add_argument('--updates', type=int, default=300)
    parser.add_argument('--repeats', type=int, default=1)
    args = parser.parse_args()
    if args.clusters:
        for seed in range(args.repeats): at_once(args.clusters, min(args.alone, args.clusters), args.updates, seed)
    else: against_recipe(args.steps, args.rounds, args.batch)
