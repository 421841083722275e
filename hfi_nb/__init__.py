"Let people, not keyword lists, decide what a text-to-image model must not produce - and remove it."
import logging
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = '0.2.0'

def _wanted(record): return 'requires torchvision' not in record.getMessage()

# what transformers says while it is imported; nothing here uses torchvision
logging.getLogger('transformers.utils.import_utils').addFilter(_wanted)

if TYPE_CHECKING:
    from .attack.red_team import red_team
    from .backbones.loading import load_pipeline
    from .backbones.sampling import sample
    from .candidates.generate import generate
    from .candidates.importing import import_images
    from .candidates.prompts import load_prompts
    from .concept import Concept
    from .core import HfiError
    from .erasing.erase import erase
    from .erasing.export import save_pipeline
    from .erasing.guards import guard
    from .feedback.store import FeedbackStore
    from .measure.evaluate import evaluate
    from .measure.suites import Suite
    from .reward.model import fit_reward
    from .study import Study
    from .tokens.inversion import check_token, invert
    from .tokens.token import SoftToken
    from .worlds.emoji.world import load_judge, load_world

FACE = dict( # the public names and the modules they are loaded from, when they are first used
    load_pipeline='backbones.loading', sample='backbones.sampling', generate='candidates.generate',
    import_images='candidates.importing', load_prompts='candidates.prompts', Study='study', Concept='concept',
    FeedbackStore='feedback.store', fit_reward='reward.model', invert='tokens.inversion',
    SoftToken='tokens.token', check_token='tokens.inversion', erase='erasing.erase',
    save_pipeline='erasing.export', guard='erasing.guards', Suite='measure.suites', evaluate='measure.evaluate',
    red_team='attack.red_team',
    load_world='worlds.emoji.world', load_judge='worlds.emoji.world', HfiError='core')
__all__ = sorted(FACE)


def __getattr__(name):
    if name in FACE: return getattr(import_module(f'{__name__}.{FACE[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__(): return [*globals(), *FACE]
