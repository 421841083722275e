"""One real step at full size: the networks of Stable Diffusion 1.5, SDXL or 3.5 medium with random weights, so that
memory and time are those of the real model. SD 3.5 has no T5 here, as on a small card.

    python bench/full_size.py sd1 --batches 1 2 4 --dtypes float32 bfloat16 float16
    python bench/full_size.py sdxl --dtypes bfloat16 --checkpointing yes --compile
    python bench/full_size.py sd35 --checkpointing yes --rank 32 --size 512

Every setting runs in a process of its own. `predicted` is `hfi_nb.backbones.memory.predict_memory`; `peak` is the
process's largest resident memory on a CPU (less what it took before the model), or CUDA's largest allocation. `erase`
is one gradient of SDD, `invert` one of textual inversion, `walk` one guided step of a trajectory, all after a first one
that is not timed. From these: `default`, a gradient's share of a replay buffer (12 guided steps of a batch, for 10
gradients) and the gradient itself; `reference`, the paper's own walk for every gradient (25.5 guided steps of one
trajectory on average, out of 50), measured in the same run at batch 1."""
import argparse
import itertools
import json
import platform
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from hfi_nb.backbones.loading import backbone_of
from hfi_nb.backbones.memory import predict_memory
from hfi_nb.core import data_dir
from hfi_nb.devices import default_device
from hfi_nb.erasing.distill import Erasure
from hfi_nb.erasing.targets import make_targets
from hfi_nb.tokens.inversion import Cluster, Inversion

CONFIGS = dict( # of the public models
    sd1=dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8, layers_per_block=2,
             block_out_channels=(320, 640, 1280, 1280),
             down_block_types=('CrossAttnDownBlock2D',)*3+('DownBlock2D',),
             up_block_types=('UpBlock2D',)+('CrossAttnUpBlock2D',)*3),
    sdxl=dict(sample_size=128, cross_attention_dim=2048, attention_head_dim=(5, 10, 20), layers_per_block=2,
              block_out_channels=(320, 640, 1280), use_linear_projection=True,
              down_block_types=('DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'),
              up_block_types=('CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'),
              transformer_layers_per_block=(1, 2, 10), addition_embed_type='text_time', addition_time_embed_dim=256,
              projection_class_embeddings_input_dim=2816),
    sd35=dict(sample_size=128, in_channels=16, out_channels=16, num_layers=24, num_attention_heads=24,
              qk_norm='rms_norm', caption_projection_dim=1536, pos_embed_max_size=384,
              dual_attention_layers=tuple(range(13))))
KINDS = dict(sd1=UNet2DConditionModel, sdxl=UNet2DConditionModel, sd35=SD3Transformer2DModel)


def denoiser(model, size=None):
    "The denoiser with random weights, for images of so many pixels."
    return KINDS[model](**CONFIGS[model] | (dict(sample_size=size//8) if size else {})).eval()


def text(kind, width, layers, heads, act):
    return kind(CLIPTextConfig(hidden_size=width, intermediate_size=4*width, num_hidden_layers=layers,
                               num_attention_heads=heads, projection_dim=width, hidden_act=act)).eval()


def build(model, size, dtype, device):
    """The pipeline, its weights random from the beginning in their own precision; the autoencoder is a small one,
    since no step uses it."""
    torch.set_default_dtype(dtype)
    tok = CLIPTokenizer.from_pretrained(data_dir()/'emoji'/'model'/'tokenizer', model_max_length=77)
    net = denoiser(model, size)
    small = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8, latent_channels=net.config.in_channels)
    one = text(CLIPTextModelWithProjection if model == 'sd35' else CLIPTextModel, 768, 12, 12, 'quick_gelu')
    scheduler = DDIMScheduler(beta_start=.00085, beta_end=.012, beta_schedule='scaled_linear', clip_sample=False)
    if model == 'sd1':
        pipe = StableDiffusionPipeline(small, one, tok, net, scheduler, None, None, requires_safety_checker=False)
    else:
        two = text(CLIPTextModelWithProjection, 1280, 32, 20, 'gelu')
        if model == 'sdxl': pipe = StableDiffusionXLPipeline(small, one, two, tok, tok, net, scheduler)
        else:
            flow = FlowMatchEulerDiscreteScheduler(shift=3.)
            pipe = StableDiffusion3Pipeline(net, flow, small, one, tok, two, tok, None, None)
    torch.set_default_dtype(torch.float32)
    backbone_of(pipe).freeze()
    return pipe.to(device)


def timed(step, device):
    "Seconds of the second call."
    step()
    if device.type == 'cuda': torch.cuda.synchronize()
    begun = time.perf_counter()
    step()
    if device.type == 'cuda': torch.cuda.synchronize()
    return time.perf_counter()-begun


def resident(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss*1024


def erase_step(pipe, batch, rank, checkpointing, compiled):
    "A function that takes one gradient at points already walked to."
    shape = backbone_of(pipe).latent_shape
    loop = Erasure(pipe, make_targets(pipe, ['house'], spare=8), batch=batch, rank=rank, checkpointing=checkpointing)
    loop.points = lambda loop: (torch.randn((batch, *shape), device=pipe.device),
                                torch.full((batch,), 500, device=pipe.device), torch.zeros(batch, dtype=torch.long))
    if compiled: loop.student.denoiser.compile()
    return loop.train_step


def invert_step(pipe, batch):
    "A function that takes one gradient of textual inversion."
    images = [Image.new('RGB', (64, 64))]*batch
    return Inversion(pipe, [Cluster(images, start='cat')], batch=batch).train_step


def measure(model, size, rank, batch, dtype, checkpointing, compiled, stage):
    device, kind = default_device(), getattr(torch, dtype)
    before = resident()
    pipe = build(model, size, kind, device)
    if device.type == 'cuda': torch.cuda.reset_peak_memory_stats()
    out = dict(batch=batch, dtype=dtype, checkpointing=checkpointing, compile=compiled, stage=stage)
    if stage == 'walk':
        c = backbone_of(pipe).encode(['cat']*batch)
        z = torch.randn((batch, *backbone_of(pipe).latent_shape), device=device)
        path = backbone_of(pipe).trajectory(c, z, 50, 3.)
        next(path)
        out['seconds'] = timed(lambda: next(path), device)
    else:
        step = invert_step(pipe, batch) if stage == 'invert' else erase_step(pipe, batch, rank, checkpointing, compiled)
        out['seconds'] = timed(step, device)
    out['peak'] = torch.cuda.max_memory_allocated() if device.type == 'cuda' else resident()-before
    out['text'] = sum(p.numel()*p.element_size()
                      for o in (pipe.text_encoder, getattr(pipe, 'text_encoder_2', None)) if o for p in o.parameters())
    print('RESULT', json.dumps(out))


def child(model, **setting):
    "One setting in a process of its own; None if it failed, which is said."
    done = subprocess.run([sys.executable, str(Path(__file__).resolve()), model, '--one', json.dumps(setting)],
                          capture_output=True, text=True)
    found = [o[7:] for o in done.stdout.splitlines() if o.startswith('RESULT ')]
    why = ('killed, most likely for memory' if done.returncode == -signal.SIGKILL
           else (done.stderr.strip().splitlines() or ['no reason given'])[-1][:160])
    if not found: print(f'{setting}: failed, {why} (exit code {done.returncode})', flush=True)
    return json.loads(found[0]) if found else None


def main(model, size, rank, batches, dtypes, checkpointing, compile, stages):
    device = default_device()
    name = torch.cuda.get_device_name() if device.type == 'cuda' else platform.processor() or platform.machine()
    print(f'{model} on {device.type} ({name}), {torch.get_num_threads()} threads, torch {torch.__version__}')
    with torch.device('meta'): net = denoiser(model, size)
    config = dict(net.config, _class_name=type(net).__name__)
    learn = predict_memory(config, 1, rank=rank)['learning']/20 # bytes of each number that learns
    print(f'{net.num_parameters()/1e6:.0f} million weights in the denoiser; {learn/1e6:.1f} million numbers learn\n')
    print('| batch | precision | checkpointing | compile | stage | predicted GiB | peak GiB | seconds |\n|'+'---|'*8,
          flush=True)
    walks, steps = {}, {}
    for batch, dtype, check, comp in itertools.product(
        batches, dtypes, dict(no=[False], yes=[True], both=[False, True])[checkpointing], [False, True][:1+compile]):
        plain = not comp and check == (checkpointing == 'yes')
        for stage in stages:
            if stage != 'erase' and not plain: continue # they do not depend on it
            setting = dict(size=size, rank=rank, batch=batch, dtype=dtype, checkpointing=check, compiled=comp)
            if not (got := child(model, **setting, stage=stage)): continue
            told = predict_memory(config, batch, getattr(torch, dtype), checkpointing=check, rank=rank)
            predicted = f'{(told["total"]+got["text"])/2**30:.1f}' if stage == 'erase' else ''
            flags = ' | '.join('yes' if flag else 'no' for flag in (check, comp))
            print(f'| {batch} | {dtype} | {flags} | {stage} | {predicted} '
                  f'| {got["peak"]/2**30:.1f} | {got["seconds"]:.2f} |', flush=True)
            if plain: dict(walk=walks, erase=steps).get(stage, {})[(batch, dtype)] = got['seconds']
    for batch, dtype in walks.keys() & steps.keys():
        reference = (f', reference {25.5*walks[1, dtype]+steps[1, dtype]:.1f} s for batch 1'
                     if (1, dtype) in walks.keys() & steps.keys() else '')
        seconds = 1.2*walks[batch, dtype]+steps[batch, dtype]
        print(f'\nbatch {batch}, {dtype}: a gradient with its points takes {seconds:.1f} s by default{reference}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('model', choices=CONFIGS)
    parser.add_argument('--size', type=int, help='pixels of a side; default: the model\'s own')
    parser.add_argument('--rank', type=int, default=0, help='of a LoRA that learns; 0: whole matrices')
    parser.add_argument('--batches', type=int, nargs='+', default=[1])
    parser.add_argument('--dtypes', nargs='+', default=['bfloat16'], choices=['float32', 'bfloat16', 'float16'])
    parser.add_argument('--stages', nargs='+', default=['erase', 'invert', 'walk'], choices=['erase', 'invert', 'walk'])
    parser.add_argument('--checkpointing', choices=['no', 'yes', 'both'], default='no')
    parser.add_argument('--compile', action='store_true')
    parser.add_argument('--one', type=json.loads, help=argparse.SUPPRESS)
    args = vars(parser.parse_args())
    one = args.pop('one')
    measure(args['model'], **one) if one else main(**args)
