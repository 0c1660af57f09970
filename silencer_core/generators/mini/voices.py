"""Synthetic speech to train on: espeak-ng and flite, many voices, and sounds that are no speech."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from silencer_core.audio import read_speech
from silencer_core.errors import SilencerError

from .mel import RATE

# Sentences are written for this file. The last one of each language is held out.
SENTENCES = {
    "en": (
        "Good morning, I would like to ask you about the garden behind the old house.",
        "Every bottle on the upper shelf was open, and nobody knew for how long.",
        "Please call me back when the parcel has arrived at your office.",
        "We walked along the river until the lamps went out one after another.",
    ),
    "de": (
        "Am Abend lagen alle Boote ruhig im Hafen und niemand sprach ein Wort.",
        "Haben Sie vielleicht meinen blauen Mantel irgendwo gesehen?",
        "Der alte Uhrmacher öffnete langsam die schwere Tür zu seiner Werkstatt.",
    ),
    "fr": (
        "Il y avait beaucoup de monde au marché, malgré la pluie et le vent.",
        "Pourriez-vous me dire à quelle heure part le prochain train pour la côte ?",
        "Ma grand-mère gardait toujours une pomme dans la poche de son manteau.",
    ),
    "es": (
        "Mañana por la mañana iremos todos juntos a la montaña con los abuelos.",
        "La ventana estaba abierta y el gato saltó sin hacer ruido.",
        "Nunca había probado una naranja tan dulce como aquella.",
    ),
    "it": (
        "La barca bianca attraversava piano il lago mentre suonavano le campane.",
        "Vorrei sapere quanto costa questa lampada, per favore.",
        "Domani mattina prepariamo insieme il pane per tutta la famiglia.",
    ),
    "pt": (
        "O vento levou as folhas secas para o outro lado da rua.",
        "Amanhã vamos acordar cedo para apanhar o barco das sete.",
    ),
    "nl": (
        "De bakker op de hoek maakt iedere ochtend verse broodjes open.",
        "Gisteren hebben wij lang gewandeld langs het kanaal.",
    ),
    "sv": ("Barnen badade hela dagen i den lilla sjön.", "Kan du öppna fönstret lite grann?"),
    "pl": ("Wczoraj padało od rana do wieczora.", "Czy możesz otworzyć okno w kuchni?"),
    "ru": ("Вчера вечером мы долго гуляли по старому городу.", "Откройте, пожалуйста, окно."),
    "tr": ("Sabah erkenden pazara gidip elma aldık.", "Lütfen kapıyı açar mısınız?"),
    "el": ("Το παλιό καράβι φεύγει αύριο το πρωί.", "Άνοιξε το παράθυρο, σε παρακαλώ."),
    "fi": ("Aamulla aurinko nousi hitaasti järven takaa.", "Avaatko oven, ole hyvä?"),
    "hu": ("Tegnap este sokáig beszélgettünk a kertben.", "Kérem, nyissa ki az ablakot."),
    "id": ("Kemarin kami makan malam bersama di rumah nenek.", "Tolong buka jendela itu."),
    "sw": ("Watoto wanacheza mpira karibu na mto.", "Tafadhali fungua mlango."),
    "hi": ("कल शाम हम सब नदी के किनारे घूमने गए थे।", "कृपया खिड़की खोल दीजिए।"),
    "ro": ("Copiii alergau prin iarba înaltă din spatele casei.", "Deschide fereastra, te rog."),
}
VARIANTS = (
    "", "m1", "m2", "m3", "m4", "m6", "m7", "f1", "f2", "f3", "f4", "Alex", "Andy", "Annie",
    "Denis", "Gene", "Lee", "Michael", "Mike", "adam", "anika", "belinda", "david", "ed", "grandma",
    "klatt2", "linda", "max", "pablo", "rob", "sandro", "steph", "zac", "quincy",
)  # fmt: skip
HELD_OUT_VARIANTS = (
    "m5", "m8", "f5", "Alicia", "Andrea", "Marco", "aunty", "benjamin", "boris", "edward",
    "grandpa", "miguel", "norbert", "paul", "shelby", "travis", "victor",
)  # fmt: skip
HELD_OUT_FLITE = ("awb", "rms", "slt")


@dataclass(frozen=True)
class Utterance:
    """A waveform `[T]` at 16 kHz and what it is, in words."""

    waveform: Tensor
    name: str


def training_utterance(seed: int) -> Utterance:
    """The utterance of a seed: speech, often with noise, hum, music or pauses; sometimes none."""
    random = np.random.default_rng(seed)
    kind = random.random()
    if kind < 0.04:
        return Utterance(torch.zeros(int(RATE * random.uniform(2, 5))), "silence")
    if kind < 0.08:
        seconds = random.uniform(3, 7)
        sound = _music(random, seconds) if kind < 0.06 else _noise(random, seconds)
        return Utterance(_levelled(sound, random), "no speech")
    language = str(random.choice(list(SENTENCES)))
    text = random.choice(SENTENCES[language][:-1])
    # Numbers and counting widen the few sentences.
    digits = " ".join(str(n) for n in random.integers(2, 9999, 3))
    text = {0: text, 1: f"{text} {digits}", 2: digits}[int(random.choice(3, p=(0.5, 0.35, 0.15)))]
    variant = str(random.choice(VARIANTS))
    sound = espeak(
        text, language, variant, int(random.uniform(110, 230)), int(random.uniform(20, 85))
    )
    sound = _paused(sound, random)
    if random.random() < 0.5:
        quieter = 10 ** (-random.uniform(10, 40) / 20)
        other = _noise if random.random() < 0.7 else _music
        power = np.sqrt(np.mean(sound**2) + 1e-9)
        sound = sound + other(random, len(sound) / RATE)[: len(sound)] * power * quieter * 3
    if random.random() < 0.3:
        sound = _room(sound, random)
    return Utterance(_levelled(sound, random), f"{language}+{variant}")


def held_out_utterances() -> list[Utterance]:
    """Twenty voices that training never hears, each saying a sentence that it never hears."""
    languages = list(SENTENCES)
    spoken = []
    for number, variant in enumerate(HELD_OUT_VARIANTS):
        language = languages[number % len(languages)]
        sound = espeak(SENTENCES[language][-1], language, variant, 150 + 5 * number, 40 + number)
        spoken.append((sound, f"{language}+{variant}"))
    for voice in HELD_OUT_FLITE:
        spoken.append((flite(SENTENCES["en"][-1], voice), f"flite {voice}"))
    random = np.random.default_rng(0)
    return [Utterance(_levelled(sound, random), name) for sound, name in spoken]


def protect_utterances() -> list[Utterance]:
    """Eight voices of the training's, clean, for protections made without a recording."""
    choices = ("en", ""), ("en", "f2"), ("de", "m3"), ("fr", "f4"), ("es", "m7"), ("it", "linda")
    spoken = []
    for number, (language, variant) in enumerate((*choices, ("hi", "max"), ("ru", "anika"))):
        sound = espeak(SENTENCES[language][0], language, variant, 140 + 8 * number, 35 + 5 * number)
        spoken.append((sound, f"{language}+{variant}"))
    random = np.random.default_rng(1)
    return [Utterance(_levelled(sound, random), name) for sound, name in spoken]


def espeak(text: str, language: str, variant: str, speed: int, pitch: int) -> np.ndarray:
    """Speak with espeak-ng: `[T]` at 16 kHz.

    Args:
        speed: words per minute.
        pitch: 0..99.

    Raises:
        SilencerError: espeak-ng is missing or refuses.
    """
    voice = f"{language}+{variant}" if variant else language
    return _spoken(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch)], "-w", text)


def flite(text: str, voice: str) -> np.ndarray:
    """Speak English with flite: `[T]` at 16 kHz."""
    return _spoken(["flite", "-voice", voice, "-t"], "-o", text)


def _spoken(command: list[str], out_flag: str, text: str) -> np.ndarray:
    if shutil.which(command[0]) is None:
        raise SilencerError(f"{command[0]} is not installed; training needs it (apt package).")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        words = [*command, text, out_flag, str(path)]
        if command[0] == "espeak-ng":
            words = [*command, out_flag, str(path), text]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode or not path.exists():
            raise SilencerError(f"{' '.join(command)} failed: {done.stderr.strip()[:200]}")
        return read_speech(path).resampled(RATE).numpy()


def _paused(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Pauses before, after and sometimes within."""
    pauses = [np.zeros(int(RATE * random.uniform(0.0, 0.8)), np.float32) for _ in range(3)]
    cut = int(len(sound) * random.uniform(0.3, 0.7)) if random.random() < 0.4 else len(sound)
    return np.concatenate([pauses[0], sound[:cut], pauses[1], sound[cut:], pauses[2]])


def _noise(random: np.random.Generator, seconds: float) -> np.ndarray:
    """Noise with a random slope, RMS about 0.3, slowly varying."""
    count = int(seconds * RATE) + 1
    spectrum = np.fft.rfft(random.standard_normal(count))
    slope = random.uniform(0, 1.2)
    spectrum *= np.maximum(np.fft.rfftfreq(count, 1 / RATE), 60.0) ** -slope
    noise = np.fft.irfft(spectrum, count)
    swell = np.interp(np.arange(count), np.linspace(0, count, 12), random.uniform(0.4, 1, 12))
    return (0.3 * noise / noise.std() * swell).astype(np.float32)


def _music(random: np.random.Generator, seconds: float) -> np.ndarray:
    """Chords of decaying harmonic tones."""
    count = int(seconds * RATE) + 1
    out, time = np.zeros(count, np.float32), np.arange(count) / RATE
    start = 0.0
    while start < seconds:
        root = 110 * 2 ** (random.integers(0, 24) / 12)
        after = time - start
        for step in (0, 4, 7):
            for harmonic in range(1, 5):
                tone = np.sin(2 * np.pi * root * 2 ** (step / 12) * harmonic * after)
                out += (tone * np.exp(-3 * after) * (after > 0) / harmonic).astype(np.float32)
        start += random.uniform(0.2, 0.8)
    return 0.3 * out / max(1e-6, float(out.std()))


def _room(sound: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A short decaying echo."""
    length = int(RATE * random.uniform(0.08, 0.35))
    tail = random.standard_normal(length) * np.exp(-np.linspace(0, 7, length))
    tail = tail / np.sqrt((tail**2).sum()) * random.uniform(0.2, 0.7)
    size = len(sound) + length
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
    return (sound + wet).astype(np.float32)


def _levelled(sound: np.ndarray, random: np.random.Generator) -> Tensor:
    """Any level from clipping to faint."""
    peak = float(np.abs(sound).max()) or 1.0
    sound = sound / peak * 10 ** (random.uniform(-36, 0) / 20)
    return torch.from_numpy(sound.astype(np.float32))
