"""Trains the built-in generator from nothing: python -m silencer_core.generators.mini.train all"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from silencer_core.generators.hallo.config import HalloConfig

from .recipes import RECIPES, Name

app = typer.Typer(add_completion=False)
Which = Annotated[Name, typer.Option("--recipe", help="Which of the generators.")]
Out = Annotated[Path, typer.Option(help="Folder for checkpoints, logs and sheets.")]
Portraits = Annotated[Path, typer.Option(help="Folder of grey portraits of one size.")]

PEOPLE = 1500  # rendered faces to train on
HELD_OUT_PEOPLE, HELD_OUT_SEED = 48, 900_000


@app.callback()
def stages() -> None:
    """Train the built-in generator; every stage goes on where it stopped."""


@app.command()
def vae(
    out: Out = Path("runs/mini"),
    portraits: Portraits = Path("../shared/data/portraits"),
    steps: int = 12000,
    batch: int = 4,
    rate: float = 1e-3,
    rendered: Annotated[float, typer.Option(help="Share of rendered faces.")] = 0.25,
    save_every: int = 200,
    name: Which = Name.MINI,
) -> None:
    """Compute the encoder, train the decoder; goes on where it stopped."""
    import torch
    from safetensors.torch import save_file

    from .drawings import Drawings
    from .mixture import Mixture
    from .naturals import Naturals
    from .photographs import Photographs
    from .vae_training import begin_vae, learn_encoder, train_decoder

    recipe, config = RECIPES[name], RECIPES[name].config
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    photographs = Photographs(portraits, out / "alignment.npz", config.size)
    drawings = Drawings(out / "people.npy", PEOPLE, recipe.first, config.size)
    mixture = Mixture(photographs, drawings, Naturals(config.size), rendered)
    log = logger(out / "vae.log")
    if not (out / "vae.safetensors").exists():
        vae = begin_vae(config, mixture, recipe.seed)
        if recipe.encoder_steps:
            vae = learn_encoder(vae, mixture, out, recipe.encoder_steps, log=log, seed=recipe.seed)
        save_file(vae.state_dict(), out / "vae.safetensors")
    vae = load_vae(out / "vae.safetensors", config)
    vae.requires_grad_(True)
    vae = train_decoder(vae, mixture, out, steps, batch, rate, save_every, log, recipe.seed)
    save_file(vae.state_dict(), out / "vae.safetensors")


@app.command()
def meter(
    out: Out = Path("runs/mini"),
    portraits: Portraits = Path("../shared/data/portraits"),
    shots: int = 4000,
    steps: int = 3000,
    name: Which = Name.MINI,
) -> None:
    """Train the mouth meter unless it is there, and say how well it reads held-out people.

    A second generator is read by the shipped one: figures of both then mean the same.
    """
    import shutil

    import torch
    from safetensors.torch import save_file

    from .drawings import Drawings
    from .meter import meter_windows, train_meter
    from .photographs import Photographs
    from .weights import METER

    recipe, config = RECIPES[name], RECIPES[name].config
    if (out / METER.name).exists():
        return
    if name is not Name.MINI:
        shutil.copy(METER, out / METER.name)
        return
    torch.set_num_threads(1)
    log = logger(out / "meter.log")
    photographs = Photographs(portraits, out / "alignment.npz", config.size)
    crowd = Drawings(out / "people.npy", PEOPLE, recipe.first, config.size)
    strangers = Drawings(out / "people_held_out.npy", HELD_OUT_PEOPLE, HELD_OUT_SEED, config.size)

    def training_shot(number: int, opening: torch.Tensor):
        if number % 2:
            return crowd.person(number // 2 % len(crowd)).shot(opening)
        people = photographs.train
        return photographs.shot(people[number // 2 % len(people)], opening, number)

    net = train_meter(meter_windows(training_shot, shots), steps, log=log)
    save_file(
        {name: value.half().contiguous() for name, value in net.state_dict().items()},
        out / "meter.safetensors",
    )
    tests = {
        "rendered": (lambda k, o: strangers.person(k).shot(o), len(strangers)),
        "photographs": (
            lambda k, o: photographs.shot(photographs.held_out[k], o, 10**6 + k),
            len(photographs.held_out),
        ),
    }
    for name, (shot, count) in tests.items():
        windows, openings = meter_windows(shot, count)
        with torch.no_grad():
            read = net(windows.float())
        r = torch.corrcoef(torch.stack([read, openings]))[0, 1].item()
        error = (read - openings).abs().mean().item()
        log(f"meter: held-out {name}: r {r:.4f}, mean error {error:.3f}, {count} people")


@app.command()
def speech(out: Out = Path("runs/mini"), utterances: int = 1200, name: Which = Name.MINI) -> None:
    """Synthesise the script, to train on and to look at; espeak-ng and flite are needed."""
    from .script import write_script
    from .voices import held_out_utterances, training_utterance

    out.mkdir(parents=True, exist_ok=True)
    if not (out / "script_held_out.npz").exists():
        write_script(held_out_utterances()).save(out / "script_held_out.npz")
    if not (out / "script.npz").exists():
        first = RECIPES[name].first
        numbers = range(first, first + utterances)
        write_script(training_utterance(k) for k in numbers).save(out / "script.npz")


@app.command()
def voices(to: Annotated[Path | None, typer.Option(help="Folder; the package's if none.")] = None):
    """Write the voices that come with the package (espeak-ng and flite are needed)."""
    import soundfile

    from silencer_core.voices import FOLDER

    from .mel import RATE
    from .voices import held_out_utterances, protect_utterances

    folder = to or FOLDER
    for group, utterances in (
        ("protect", protect_utterances()),
        ("held_out", held_out_utterances()),
    ):
        for number, one in enumerate(utterances):
            path = folder / f"{group}_{number:02d}.ogg"
            soundfile.write(path, one.waveform.numpy(), RATE, "VORBIS", format="OGG")


@app.command()
def cast(
    out: Out = Path("runs/mini"),
    portraits: Portraits = Path("../shared/data/portraits"),
    people: int = 4000,
    workers: Annotated[int, typer.Option(help="Processes that shoot.")] = 1,
    name: Which = Name.MINI,
) -> None:
    """Encode the people to train on; needs the encoder (stage vae), not the trained decoder."""
    if (out / "cast.npz").exists():
        return
    import torch

    from silencer_core.generators import default_device

    from .cast import encode_cast
    from .casting import Casting, shoot

    torch.set_num_threads(1)
    recipe = RECIPES[name]
    casting = Casting(portraits, out / "alignment.npz", recipe)
    vae = load_vae(out / "vae.safetensors", recipe.config)
    shots = shoot(casting, people, workers)
    first = next(shots)  # fork the workers before a GPU is touched
    vae.to(default_device())
    encode_cast(vae, chain([first], shots), recipe.config).save(out / "cast.npz")


@app.command()
def net(
    out: Out = Path("runs/mini"),
    portraits: Portraits = Path("../shared/data/portraits"),
    steps: int = 4000,
    frames: Annotated[int, typer.Option(help="Frames per step and process.")] = 64,
    workers: Annotated[int, typer.Option(help="Processes that share every step.")] = 2,
    save_every: int = 100,
    covered: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of clips with covered mouths, if not as many as in the cast."
        ),
    ] = None,
    name: Which = Name.MINI,
) -> None:
    """Train the networks; goes on where it stopped."""
    import torch.multiprocessing as processes

    choices = (out, portraits, steps, frames, save_every, covered, name)
    if workers == 1:
        train_networks(0, 1, *choices)
    else:
        (out / "rendezvous").unlink(missing_ok=True)
        processes.spawn(train_networks, (workers, *choices), workers)


def train_networks(
    rank: int,
    workers: int,
    out: Path,
    portraits: Path,
    steps: int,
    frames: int,
    save_every: int,
    covered: float | None,
    name: Name,
) -> None:
    """One process of the networks' training."""
    import torch

    from .cast import Cast
    from .net_training import train_net
    from .script import Script

    recipe = RECIPES[name]
    torch.set_num_threads(1)
    if workers > 1:
        store = torch.distributed.FileStore(str(out / "rendezvous"), workers)
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=workers)
    train_net(
        recipe.config,
        Cast.load(out / "cast.npz"),
        Script.load(out / "script.npz"),
        out,
        steps,
        frames_per_step=frames,
        save_every=save_every,
        covered=covered,
        look=looker(out, portraits, recipe.config) if rank == 0 else None,
        log=logger(out / "net.log") if rank == 0 else lambda line: None,
        seed=recipe.seed,
    )


def looker(out: Path, portraits: Path, config: HalloConfig):
    """Eyes for a training: four drawn people and four photographs that it never sees."""
    import torch

    from .cast import OPENINGS
    from .drawings import Drawings
    from .looking import Looker
    from .meter import load_meter
    from .photographs import Photographs
    from .script import Script

    photographs = Photographs(portraits, out / "alignment.npz", config.size)
    strangers = Drawings(out / "people_held_out.npy", HELD_OUT_PEOPLE, HELD_OUT_SEED, config.size)
    openings = torch.tensor(OPENINGS)
    shots = [strangers.person(k).shot(openings) for k in (3, 8, 21, 30)]
    for one in photographs.held_out[4:24:5]:
        shots.append(photographs.shot(one, openings, one, plain=True))
    meter = load_meter(out / "meter.safetensors")
    script = Script.load(out / "script_held_out.npz")
    return Looker(latest_vae(out, config), meter, shots, script, out)


@app.command()
def pack(
    out: Out = Path("runs/mini"),
    to: Annotated[Path | None, typer.Option(help="Folder; the package's own if none.")] = None,
    name: Which = Name.MINI,
) -> None:
    """Write the weights to ship: networks and autoencoder in a file, its meter in another."""
    import shutil

    import torch

    from silencer_core.generators.hallo.network import HalloNet

    from .weights import METER, WEIGHTS
    from .weights import pack as write

    states = {
        stage: torch.load(out / f"{stage}.pt", weights_only=True) for stage in ("net", "decoder")
    }
    networks = HalloNet(RECIPES[name].config)
    networks.load_state_dict(states["net"]["mean"])
    folder = to or WEIGHTS.parent
    folder.mkdir(parents=True, exist_ok=True)
    steps = {stage: state["step"] for stage, state in states.items()}
    vae = latest_vae(out, RECIPES[name].config)
    write(networks, vae, folder / f"{name.value}.safetensors", steps)
    if name is Name.MINI:
        shutil.copy(out / METER.name, folder / METER.name)


@app.command()
def unpack(
    start: Annotated[Path, typer.Argument(help="Folder that `pack` wrote to.")],
    out: Out = Path("runs/mini"),
    name: Which = Name.MINI,
) -> None:
    """The reverse of `pack`: a state from which the stages go on, less their optimisers' memory."""
    import shutil

    import torch
    from safetensors.torch import save_file

    from .weights import METER, load_mini, trained_steps

    if (out / "net.pt").exists():
        raise typer.BadParameter(f"{out} holds a training already; choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    weights, meter = start / f"{name.value}.safetensors", start / METER.name
    packed = load_mini(weights)
    steps = trained_steps(weights)
    save_file(packed.vae.state_dict(), out / "vae.safetensors")
    decoder = torch.nn.ModuleDict(
        {"decoder": packed.vae.decoder, "post": packed.vae.post_quant_conv}
    )
    for stage, module in (("decoder", decoder), ("net", packed.net)):
        weights = module.state_dict()
        state = {"net": weights, "mean": weights, "step": steps[stage]}
        torch.save(state, out / f"{stage}.pt")
    shutil.copy(meter if meter.exists() else METER, out / METER.name)


@app.command(name="all")
def everything(
    out: Out = Path("runs/mini"),
    portraits: Portraits = Path("../shared/data/portraits"),
    vae_steps: int = 16000,
    net_steps: int = 4000,
    utterances: int = 1200,
    shots: int = 4000,
    meter_steps: int = 3000,
    people: int = 4000,
    workers: int = 2,
    to: Annotated[Path | None, typer.Option(help="Folder; the package's own if none.")] = None,
    name: Which = Name.MINI,
) -> None:
    """All stages in order, from nothing to the weights to ship."""
    vae(out, portraits, vae_steps, name=name)
    speech(out, utterances, name)
    meter(out, portraits, shots, meter_steps, name)
    cast(out, portraits, people, workers, name)
    net(out, portraits, net_steps, workers=workers, name=name)
    pack(out, to, name)


def latest_vae(out: Path, config: HalloConfig):
    """The encoder of `vae.safetensors` with the decoder as far as it is trained."""
    import torch

    autoencoder = load_vae(out / "vae.safetensors", config)
    if (out / "decoder.pt").exists():
        state = torch.load(out / "decoder.pt", weights_only=True)["mean"]
        for name, room in (("decoder", "decoder"), ("post", "post_quant_conv")):
            part = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(name)}
            getattr(autoencoder, room).load_state_dict(part)
    return autoencoder


def load_vae(path: Path, config: HalloConfig):
    """The fixed autoencoder, float32, frozen."""
    from safetensors.torch import load_file

    from silencer_core.generators.hallo.vae import build_vae

    vae = build_vae(config).eval().requires_grad_(False)
    vae.load_state_dict(load_file(path))
    return vae


def logger(path: Path):
    """A function that prints lines and appends them to a file."""

    def log(line: str) -> None:
        print(line, flush=True)
        with path.open("a") as file:
            file.write(line + "\n")

    return log


if __name__ == "__main__":
    app()
