"""Train the embedded CLIP: backbone and joint space on drawings, then the text tower.

On a GPU where there is one, else on the CPU. An interrupted run goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import finetune
import text_tower
import torch
from fetch import CACHE
from images import load_images
from joint_space import JointSpace
from model import MODEL, build, export


def main() -> None:
    """Run both stages and write the model's folder.

    The defaults are those of the shipped model, which an earlier form of these scripts made: expect its like, not its bytes.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the model (default: the shipped one)")
    parser.add_argument("--size", type=int, default=160, help="picture size in training")
    parser.add_argument("--steps", type=int, default=1400, help="steps of fine-tuning")
    parser.add_argument("--schedule", type=int, default=2300, help="steps that the learning rate is planned for")
    parser.add_argument("--blend", type=float, default=0.65, help="share of the fine-tuned backbone in the shipped one")
    parser.add_argument("--text-steps", type=int, default=900)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    checkpoint = CACHE / "runs" / options.out.name / "finetune.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, space = build().to(device), JointSpace().to(device)
    before = {name: tensor.clone() for name, tensor in model.visual.trunk.state_dict().items()}
    tuned = finetune.fit(
        model,
        space,
        load_images().to(device),
        checkpoint,
        steps=options.steps,
        schedule=options.schedule,
        size=options.size,
    )
    # Between the two sets of weights both kinds of picture are named better than at either end (Wortsman et al. 2022).
    blended = {k: before[k].lerp(v, options.blend) if v.is_floating_point() else v for k, v in tuned.items()}
    model.visual.trunk.load_state_dict(blended)
    model.visual.head.proj.weight.data.copy_(space.project.weight)
    model.logit_scale.data.copy_(space.log_scale.clamp(max=4.6052))
    text_tower.initialise(model, space)
    text_tower.fit(model, space, options.text_steps)
    export(model.state_dict(), options.out)


if __name__ == "__main__":
    main()
