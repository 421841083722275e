"""How well the embedded model draws what it is asked for, by the independent judge.

    python bench/quality.py [--model emoji] [--autocast bfloat16] [--guidance 3] [--steps 20]
                            [--sampler dpm] [--subjects 160]

Every subject in every style, '<subject> in the style of <style>', one seed each, as in nbs/21_train.ipynb; Wilson
intervals. Seconds are the processor's, for the drawing alone."""
import argparse
import time

from hfi_nb.backbones.loading import load_pipeline
from hfi_nb.backbones.sampling import sample
from hfi_nb.measure.evaluate import count_right
from hfi_nb.worlds.emoji.suite import emoji_judge
from hfi_nb.worlds.emoji.world import caption, emoji_prompt, load_world


def main(model, subjects, **drawing):
    pipe, world = load_pipeline(model), load_world()
    pairs = [(a, s) for a, s in world.pairs() if s in world.subjects[:subjects]]
    prompts = [emoji_prompt(caption(world.names[s], a), s, a) for a, s in pairs]
    begun = time.process_time()
    images = sample(pipe, [p.text for p in prompts], range(len(prompts)), **drawing)
    print(f'{drawing}, {len(images)} images in {time.process_time()-begun:.0f} s')
    for style in [*world.styles, None]:
        at = [i for i, p in enumerate(prompts) if style in (None, p.style)]
        right = count_right([images[i] for i in at], [prompts[i] for i in at], emoji_judge(style or world.styles[0]))
        print(f'{style or "all":10} style {right["style"]}   subject {right["subject"]}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='emoji')
    parser.add_argument('--autocast', help="precision of computing; default: the weights'")
    parser.add_argument('--guidance', type=float, default=3.)
    parser.add_argument('--steps', type=int, default=20)
    parser.add_argument('--sampler')
    parser.add_argument('--subjects', type=int, default=160)
    main(**vars(parser.parse_args()))
