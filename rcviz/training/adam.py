"""The optimizer of trainings."""

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """Adam of torch, without loading torch's compiler: the first training of a process would wait 1.3 s for it.

    Steps and stored state are those of ``torch.optim.Adam``. torch loads its compiler (``torch._dynamo``) in wrappers
    of these methods, which have no effect outside compiled code.
    """

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
