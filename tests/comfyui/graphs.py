"""The shipped workflows, described: columns of nodes, and links between them by name."""

from __future__ import annotations

import uuid
from typing import Any

HELD_OUT = "held_out_00"
SEED = 7
OWN_PHOTO = (
    "For your own photo put **Load Image** in place of *Example Portrait*, and **Load Audio**"
)
OWN_PHOTO += " in place of *Example Speech*."


def node(name: str, kind: str, label: str = "", size: tuple[int, int] | None = None, **widgets):
    """A node: its name here, its id in ComfyUI, its title, least size, and values."""
    return {
        "name": name,
        "type": kind,
        "label": label,
        "size": list(size) if size else None,
        "widgets": widgets,
        "muted": False,
    }


def note(text: str, size: tuple[int, int] = (340, 220)) -> dict[str, Any]:
    """A note to read, in Markdown."""
    return node("note", "MarkdownNote", "Note", size, text=text)


def column(title: str, *nodes: dict[str, Any]) -> dict[str, Any]:
    """Nodes below each other, in a frame with a title."""
    return {"title": title, "nodes": list(nodes)}


def graph(name: str, columns: list[dict[str, Any]], links: str) -> dict[str, Any]:
    """A workflow; `links` has a line for each: from.output > to.input to.input"""
    found = []
    for line in links.strip().splitlines():
        source, targets = (part.strip() for part in line.split(">"))
        start, output = source.split(".")
        found += [[start, output, *target.split(".")] for target in targets.split()]
    known = uuid.uuid5(uuid.NAMESPACE_URL, f"silencer/workflows/{name}")
    return {"id": str(known), "columns": columns, "links": found}


def generator() -> dict[str, Any]:
    return node("generator", "SilencerLoadGenerator")


def photo() -> dict[str, Any]:
    return node("photo", "SilencerExamplePortrait")


def speech(seconds: float = 2.0, voice: str = HELD_OUT, name: str = "speech") -> dict[str, Any]:
    return node(name, "SilencerExampleSpeech", voice=voice, seconds=seconds)


def protect(name: str = "protect", label: str = "", **widgets: Any) -> dict[str, Any]:
    fixed = {"control_after_generate": "fixed"}
    return node(name, "SilencerProtectPortrait", label, (400, 0), **widgets | fixed)


def attack(name: str, label: str, guidance: float = 0.0) -> dict[str, Any]:
    fixed = {"seed": SEED, "control_after_generate": "fixed", "guidance": guidance}
    return node(name, "SilencerAttack", label, (300, 460), **fixed)  # room for its preview


def score(name: str = "score", label: str = "", **widgets: Any) -> dict[str, Any]:
    fixed = {"seed": SEED, "control_after_generate": "fixed"}
    return node(name, "SilencerScoreProtection", label, (480, 0), **widgets | fixed)


def purify(name: str, label: str, sequence: str) -> dict[str, Any]:
    fixed = {"sequence": sequence, "control_after_generate": "fixed"}
    return node(name, "SilencerPurifyImage", label, **fixed)


def quick_protect() -> dict[str, Any]:
    """Photo in, protected photo, videos and scores out."""
    text = f"""## Quick protect

Press **Run**. The photo is protected, then both photos are made to say the same sentence.

1. *Protect Portrait* changes the face a little. Its panel shows how it goes.
2. *Talking-Head Attack* makes a photo talk, once unprotected, once protected.
3. *Compare Photos*, *Compare Attacks* and *Score Protection* show what it did.

{OWN_PHOTO} The protected photo is in ComfyUI's output folder, as PNG.

The preset **fast** takes a minute or two on a processor; **balanced** and **strong** hold better
and take longer. Protect only photos that you may use."""
    columns = [
        column("Photo and voice", note(text, (360, 400)), photo(), speech(), generator()),
        column(
            "Protect",
            protect(preset="fast"),
            node("save", "SaveImage", "", (300, 380), filename_prefix="silencer/protected"),
        ),
        column(
            "Attack both",
            attack("before", "Attack: unprotected"),
            attack("after", "Attack: protected"),
            node("photos", "SilencerComparePhotos"),
        ),
        column(
            "See",
            node("videos", "SilencerCompareVideos"),
            score(purify="none", guidance="default", frames=24),
        ),
    ]
    return graph(
        "quick_protect",
        columns,
        """
        photo.photo > protect.portrait before.portrait photos.before score.before
        generator.generator > protect.generator before.generator after.generator score.generator
        protect.photo > after.portrait photos.after score.after save.images
        speech.speech > before.audio after.audio videos.audio score.audio
        before.frames > videos.before
        after.frames > videos.after
        before.fps > videos.fps
        """,
    )


def two_stage() -> dict[str, Any]:
    """Pixels, then the latent; verified against clean-ups, guidance and noise."""
    text = f"""## Two stages, and verified

**Stage I** changes the photo's pixels; **stage II** goes on in the latent that *Invert Latent*
found. *Nullify Audio Loss* is what is brought down, *Anti-Purify* lets it see the photo after
clean-ups, so that the protection holds there too.

*Score Protection* attacks the unprotected photo, the protected one and random noise of the same
size: as they are, after compress-and-resize, after diffusion, each at guidance 1 and 3.5.
0 = ignores the audio, 1 = as unprotected.

The voices it is made against are not the one it is judged by.

{OWN_PHOTO}"""
    clean = "jpeg:75,resize:0.5"
    diffusion = "sdedit:0.15"
    columns = [
        column(
            "Photo and voices",
            note(text, (380, 420)),
            photo(),
            node("portrait", "SilencerFindPortrait"),
            generator(),
            speech(3.0, "protect_00", "voice_1"),
            speech(3.0, "protect_03", "voice_2"),
            node("voices", "SilencerDrivingAudio"),
        ),
        column(
            "Aim",
            node("loss", "SilencerNullifyAudioLoss"),
            node("aim", "SilencerAntiPurify", share=0.3, misplaced=0.01, size=(320, 310)),
            node("invert", "SilencerInvertLatent"),
            node("rebuilt", "PreviewImage", "What the inverted latent gives back", (300, 340)),
        ),
        column(
            "Protect",
            protect(preset="balanced", steps=30, latent_steps=10),
            node("save", "SaveImage", "", (300, 380), filename_prefix="silencer/two_stage"),
            node("noise", "SilencerNoiseControl", control_after_generate="fixed"),
            speech(2.0),
        ),
        column(
            "Clean up",
            purify("small_before", "Compress and resize: unprotected", clean),
            purify("small_after", "Compress and resize: protected", clean),
            purify("denoised_before", "Diffusion: unprotected", diffusion),
            purify("denoised_after", "Diffusion: protected", diffusion),
        ),
        column(
            "Attack",
            attack("before", "Unprotected", 3.5),
            attack("after", "Protected", 3.5),
            attack("control", "Control: random noise", 3.5),
            attack("low_before", "Unprotected, guidance 1", 1.0),
            attack("low_after", "Protected, guidance 1", 1.0),
        ),
        column(
            "Attack after clean-up",
            attack("small_before_says", "Compressed: unprotected", 3.5),
            attack("small_after_says", "Compressed: protected", 3.5),
            attack("denoised_before_says", "Diffusion: unprotected", 3.5),
            attack("denoised_after_says", "Diffusion: protected", 3.5),
        ),
        column(
            "Watch",
            node("as_is", "SilencerCompareVideos", "As is, guidance 3.5"),
            node("low", "SilencerCompareVideos", "As is, guidance 1"),
            node("by_chance", "SilencerCompareVideos", "Unprotected and random noise"),
            node("small", "SilencerCompareVideos", "After compress-and-resize"),
            node("denoised", "SilencerCompareVideos", "After diffusion purification"),
        ),
        column(
            "Scores",
            node("photos", "SilencerComparePhotos"),
            score(
                purify=f"none\n{clean}\n{diffusion}", guidance="1, 3.5", frames=24, controls=True
            ),
        ),
    ]
    attacks = "before after control low_before low_after small_before_says small_after_says "
    attacks += "denoised_before_says denoised_after_says"
    hear = " ".join(f"{one}.audio" for one in attacks.split())
    use = " ".join(f"{one}.generator" for one in attacks.split())
    return graph(
        "two_stage_protect_and_verify",
        columns,
        f"""
        photo.photo > portrait.image noise.before small_before.image denoised_before.image
        photo.photo > before.portrait low_before.portrait photos.before score.before
        portrait.portrait > protect.portrait invert.portrait
        generator.generator > loss.generator invert.generator protect.generator score.generator
        generator.generator > denoised_before.generator denoised_after.generator {use}
        voice_1.speech > voices.audio
        voice_2.speech > voices.audio_2
        voices.voices > loss.voices
        loss.objective > aim.objective
        aim.objective > protect.objective
        invert.latent > protect.latent
        invert.reconstruction > rebuilt.images
        protect.photo > save.images noise.after small_after.image denoised_after.image
        protect.photo > after.portrait low_after.portrait photos.after score.after
        noise.equal_linf > control.portrait
        speech.speech > {hear} score.audio
        speech.speech > as_is.audio low.audio by_chance.audio small.audio denoised.audio
        small_before.purified > small_before_says.portrait
        small_after.purified > small_after_says.portrait
        denoised_before.purified > denoised_before_says.portrait
        denoised_after.purified > denoised_after_says.portrait
        before.frames > as_is.before by_chance.before
        after.frames > as_is.after
        control.frames > by_chance.after
        low_before.frames > low.before
        low_after.frames > low.after
        small_before_says.frames > small.before
        small_after_says.frames > small.after
        denoised_before_says.frames > denoised.before
        denoised_after_says.frames > denoised.after
        """,
    )


def compare_objectives() -> dict[str, Any]:
    """Several losses within one budget, judged alike."""
    text = f"""## Compare objectives and baselines

One photo, one budget, one number of steps; only the **objective** differs:

1. the whole attack, made to ignore the audio,
2. single predictions, as the paper has it,
3. both together (*Combine Objectives*),
4. and 5. published protections (*Baseline Loss*).

Each is judged by the same voice, seed and guidance. Compare the *mouth gain, relative*.
Add more: copy one row.

{OWN_PHOTO}"""
    rows = {
        "whole": "Whole attack",
        "single": "Single predictions",
        "both": "Both together",
        "silencer_1": "Silencer-I",
        "photoguard": "PhotoGuard",
    }
    columns = [
        column("Photo and voice", note(text, (380, 380)), photo(), generator(), speech()),
        column(
            "Objectives",
            node("loss_whole", "SilencerNullifyAudioLoss", look_at="whole attack"),
            node("loss_single", "SilencerNullifyAudioLoss", look_at="single predictions"),
            node("loss_both", "SilencerCombineObjectives"),
            node("loss_silencer_1", "SilencerBaselineLoss", method="Silencer-I as coded"),
            node("loss_photoguard", "SilencerBaselineLoss", method="PhotoGuard (encoder)"),
        ),
        column(
            "Protect",
            *(
                protect(row, title, preset="balanced", steps=15, budget=10.0)
                for row, title in rows.items()
            ),
        ),
        column(
            "Score",
            *(
                score(
                    f"score_{row}",
                    f"Score: {title}",
                    purify="none",
                    guidance="default",
                    frames=24,
                    controls=False,
                )
                for row, title in rows.items()
            ),
        ),
        column(
            "See",
            *(node(f"see_{row}", "SilencerComparePhotos", title) for row, title in rows.items()),
        ),
    ]
    links = """
        generator.generator > loss_whole.generator loss_single.generator
        generator.generator > loss_silencer_1.generator loss_photoguard.generator
        loss_whole.objective > loss_both.objective_1
        loss_single.objective > loss_both.objective_2
        """
    for row in rows:
        links += f"""
        generator.generator > {row}.generator score_{row}.generator
        loss_{row}.objective > {row}.objective
        photo.photo > {row}.portrait score_{row}.before see_{row}.before
        {row}.photo > score_{row}.after see_{row}.after
        speech.speech > score_{row}.audio
        """
    links = "\n".join(line for line in links.splitlines() if line.strip())
    return graph("compare_objectives_and_baselines", columns, links)


def hand_over() -> dict[str, Any]:
    """The protected photo and a voice to any other pack's generator."""
    text = f"""## Hand over to another generator

*Protect Portrait* gives a plain **IMAGE**, *Example Speech* (or *Load Audio*) a plain **AUDIO**.
Any pack that animates a portrait takes these two: Hallo, EchoMimic, SadTalker and others.

The two nodes in the middle **stand in** for such a generator. Put yours in their place:

- its image input: *photo* of Protect Portrait (and of Example Portrait, to compare),
- its audio input: *speech*,
- its frames (IMAGE): to *Create Video*, *Compare Attacks* and *Score Frames*.

A protection is made against one generator. How far it carries to another one is what you find out
here.

{OWN_PHOTO}"""
    columns = [
        column("Photo and voice", note(text, (380, 440)), photo(), speech()),
        column(
            "Protect",
            protect(preset="fast"),
            node("save", "SaveImage", "", (300, 380), filename_prefix="silencer/handed_over"),
        ),
        column(
            "Another pack's generator goes here",
            generator(),
            attack("before", "Stand-in: unprotected"),
            attack("after", "Stand-in: protected"),
        ),
        column(
            "Videos",
            node("video", "CreateVideo", fps=25.0),
            node("save_video", "SaveVideo", "", (300, 420), filename_prefix="silencer/handed_over"),
            node("videos", "SilencerCompareVideos"),
        ),
        column("Scores", node("score", "SilencerScoreFrames", "", (480, 0))),
    ]
    return graph(
        "hand_over_to_another_generator",
        columns,
        """
        photo.photo > protect.portrait before.portrait
        protect.photo > after.portrait save.images
        generator.generator > before.generator after.generator
        speech.speech > before.audio after.audio videos.audio video.audio
        before.frames > videos.before
        after.frames > videos.after video.images
        after.fps > video.fps
        before.frames > score.before
        after.frames > score.after
        before.fps > score.fps
        speech.speech > score.audio
        video.VIDEO > save_video.video
        """,
    )


def folder_of_photos() -> dict[str, Any]:
    """Several photos in one go."""
    text = """## A folder of photos

Every photo of a batch is protected in turn, each with its own face found anew; the panel counts
the steps of all of them. The protected photos go to ComfyUI's output folder as PNG, numbered.

Here the batch is the example portrait and its mirror image; *Batch Images* joins photos
of one size.

**For a whole folder** use the muted node *Protect Folder*: put a folder with photos of any sizes
into ComfyUI's input folder, write its name into *folder*, select the node and press Ctrl+M.
What is done is skipped when it runs again. Mute the rest.

For several machines there is `silencer batch` on the command line."""
    folder = node(
        "folder", "SilencerProtectFolder", "Protect Folder (muted: Ctrl+M)", preset="fast"
    )
    folder["widgets"] |= {"control_after_generate": "fixed"}
    folder["muted"] = True
    columns = [
        column(
            "Photos",
            note(text, (380, 400)),
            photo(),
            node("mirror", "ImageFlip", flip_method="y-axis: horizontally"),
            node("batch", "ImageBatch"),
        ),
        column(
            "Protect",
            generator(),
            node("portrait", "SilencerFindPortrait"),
            protect(preset="fast"),
            folder,
        ),
        column(
            "Keep",
            node("save", "SaveImage", "", (360, 400), filename_prefix="silencer/folder/protected"),
            node("changes", "PreviewImage", "What was changed, amplified", (360, 400)),
            node("report", "PreviewAny", "Report", (360, 300)),
        ),
    ]
    return graph(
        "folder_of_photos",
        columns,
        """
        photo.photo > mirror.image batch.image1
        mirror.IMAGE > batch.image2
        batch.IMAGE > portrait.image
        portrait.portrait > protect.portrait
        generator.generator > protect.generator
        protect.photo > save.images
        protect.change > changes.images
        protect.report > report.source
        """,
    )


GRAPHS = {
    "quick_protect": quick_protect(),
    "two_stage_protect_and_verify": two_stage(),
    "compare_objectives_and_baselines": compare_objectives(),
    "folder_of_photos": folder_of_photos(),
    "hand_over_to_another_generator": hand_over(),
}
