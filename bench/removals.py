"""Losses of others that were tried in place of `esd-x` and are not shipped; `bench/clicks.py` counts them beside it.

Both take the library's points, retain term, scope and learning rate, so that the loss alone differs."""
import torch

from hfi_nb.erasing.losses import distance_to


def length(x:torch.Tensor) -> torch.Tensor: # (b,)
    "Of each sample."
    return x.flatten(1).norm(dim=1)


def gem_removal(loop, gamma:float=.01, eta:float=1.) -> torch.Tensor:
    """GEM (2606.00140): nearer to the prompt without the concept than to the base's answer with it, distances not
    squared. Its γ of 100 has no retain term beside it; ours makes both terms about as large."""
    z, t, row = loop.points(loop)
    c_s, c_0 = loop.targets.c_s[row], loop.targets.c_0[row]
    with torch.no_grad(): base_s, base_0 = (loop.predict(z, t, c, student=False) for c in (c_s, c_0))
    now = loop.predict(z, t, c_s)
    return gamma*(length(now-base_0)-eta*length(now-base_s)).relu().mean()


def across(d:torch.Tensor, protected:list) -> torch.Tensor: # like d (b, ch, h, w)
    "What of d is orthogonal, sample by sample, to every protected direction (Gram–Schmidt)."
    basis = []
    for p in [*protected, d]:
        p = p.flatten(1)
        for q in basis: p = p-(p*q).sum(1, keepdim=True)*q
        basis.append(p/p.norm(dim=1, keepdim=True).clamp_min(1e-6))
    return p.view_as(d)


def space_removal(loop, near:int=3) -> torch.Tensor:
    """ESD's target, moved only across what the nearest safe prompts say (after SPACE's protected directions): at each
    point the differences of their answers from the empty prompt's."""
    z, t, row = loop.points(loop)
    targets = loop.targets
    c_s, c_0 = targets.c_s[row], targets.c_0[row]
    apart = torch.cdist(c_s.tokens.flatten(1), targets.c_safe.tokens.flatten(1))
    nearest = apart.topk(min(near, apart.shape[1]), largest=False).indices
    def base(c): return loop.predict(z, t, c, student=False)
    with torch.no_grad():
        nothing, base_s, base_0 = base(targets.empty.expand(len(z))), base(c_s), base(c_0)
        protected = [base(targets.c_safe[k])-nothing for k in nearest.T]
    return distance_to(loop.predict(z, t, c_s), base_0-loop.settings.eta*across(base_s-base_0, protected))


TRIED = {'gem': (gem_removal, None), 'space': (space_removal, None)} # as `METHODS` has them
