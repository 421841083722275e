"""Steps per second of our inversion against the recipe of diffusers' textual-inversion example, in one run.

    python bench/inversion.py [--steps 10] [--rounds 5]

Same model, pictures, templates, batch and precision. The recipe encodes every picture with the VAE in every step, runs the text encoder once per picture with a trainable
embedding matrix, gives the whole matrix to the optimizer and writes the old rows back afterwards. Rounds alternate; the ratio of each pair is printed with its spread."""
import argparse
import copy
import time

import numpy as np
import torch

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.tokens.inversion import STYLE_TEMPLATES, Inversion
from hfi_nb.worlds.emoji.world import load_world


class Recipe:
    def __init__(self, pipe, images, batch=16, lr=5e-3, seed=0):
        self.pipe, self.batch, self.generator = pipe, batch, torch.Generator().manual_seed(seed)
        self.pixels = pipe.image_processor.preprocess(images)
        self.tokenizer, self.text = copy.deepcopy(pipe.tokenizer), copy.deepcopy(pipe.text_encoder)
        self.tokenizer.add_tokens('<v>')
        self.text.resize_token_embeddings(len(self.tokenizer))
        self.text.requires_grad_(False)
        self.table = self.text.get_input_embeddings().weight
        with torch.no_grad(): self.table[-1] = self.table[self.tokenizer('style', add_special_tokens=False).input_ids[0]]
        self.table.requires_grad_(True)
        self.kept = self.table.detach().clone()
        self.opt = torch.optim.AdamW([self.table], lr)

    def train_step(self):
        n, g, pipe = self.batch, self.generator, self.pipe
        i = torch.randint(len(self.pixels), (n,), generator=g)
        with torch.no_grad(): z = pipe.vae.encode(self.pixels[i]).latent_dist.sample(g)*pipe.vae.config.scaling_factor
        eps, t = torch.randn(z.shape, generator=g), torch.randint(1000, (n,), generator=g)
        words = [STYLE_TEMPLATES[k].format('<v>') for k in torch.randint(len(STYLE_TEMPLATES), (n,), generator=g)]
        c = self.text(self.tokenizer(words, padding='max_length', max_length=self.tokenizer.model_max_length, return_tensors='pt').input_ids).last_hidden_state
        loss = (pipe.unet(pipe.scheduler.add_noise(z, eps, t), t, c).sample-eps).square().mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        with torch.no_grad(): self.table[:-1] = self.kept[:-1]


def seconds(loop, steps):
    begun = time.perf_counter()
    for _ in range(steps): loop.train_step()
    return (time.perf_counter()-begun)/steps


def main(steps, rounds, batch):
    pipe, world = load_pipeline(), load_world()
    for net in (pipe.unet, pipe.vae, pipe.text_encoder): net.requires_grad_(False)
    images = [world.image('openmoji', s) for s in world.subjects[:40]]
    ours, recipe = Inversion(pipe, images, batch=batch), Recipe(pipe, images, batch)
    for loop in (ours, recipe): seconds(loop, 2)
    times = np.array([[seconds(ours, steps), seconds(recipe, steps)] for _ in range(rounds)])
    with torch.no_grad():
        z, c = torch.randn(batch, *ours.z.shape[1:]), torch.zeros(batch, pipe.tokenizer.model_max_length, ours.rows.shape[1])
        begun = time.perf_counter()
        for _ in range(steps): pipe.unet(z, torch.full((batch,), 500), c)
        forward = (time.perf_counter()-begun)/steps
    ratio = times[:, 1]/times[:, 0]
    print(f'batch {batch}, {rounds} rounds of {steps} steps, {torch.get_num_threads()} threads')
    print(f'ours {times[:, 0].mean():.3f} s a step, recipe {times[:, 1].mean():.3f} s; ratio {np.median(ratio):.2f} (median of {rounds}; {ratio.min():.2f} to {ratio.max():.2f})')
    print(f'floor: one UNet forward takes {forward:.3f} s; with frozen weights forward and backward take about two of them, {2*forward:.3f} s')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--batch', type=int, default=16)
    main(**vars(parser.parse_args()))
