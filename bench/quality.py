"""How well the embedded model draws what it is asked for, by the independent judge.

    python bench/quality.py [--model emoji] [--guidance 3] [--steps 20] [--subjects 160]

Every subject in every style, '<subject> in the style of <style>', one seed each, as in nbs/21_train.ipynb; Wilson intervals."""
import argparse

from hfi_nb.core import Rate
from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.worlds.emoji.world import Prompt, caption, load_judge, load_world


def main(model, guidance, steps, subjects):
    pipe, world, judge = load_pipeline(model), load_world(), load_judge()
    prompts = [Prompt(caption(world.names[s], a), s, a) for a, s in world.pairs() if s in world.subjects[:subjects]]
    seen = judge(sample(pipe, [p.text for p in prompts], range(len(prompts)), steps=steps, guidance=guidance))
    rows = list(zip(prompts, seen, strict=True))
    print(f'guidance {guidance:g}, {steps} steps')
    for a in [*world.styles, None]:
        part = [(p, v) for p, v in rows if a in (None, p.style)]
        print(f'{a or "all":10} style {Rate.of(v[0] == p.style for p, v in part)}   subject {Rate.of(v[1] == p.subject for p, v in part)}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='emoji')
    parser.add_argument('--guidance', type=float, default=3.)
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--subjects', type=int, default=160)
    main(**vars(parser.parse_args()))
