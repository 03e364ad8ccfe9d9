import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.face import fer2013


def picture(seed: int) -> np.ndarray:
    """A smooth picture [48, 48] uint8 that no other seed gives."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((48, 48), Image.Resampling.BICUBIC))


def jpeg(image: np.ndarray, quality: int = 95) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def write(folder: Path, part: str, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_hash_ignores_light_and_compression_and_tells_pictures_apart() -> None:
    darker = (picture(1) * 0.5 + 10).astype(np.uint8)
    squeezed = np.asarray(Image.open(io.BytesIO(jpeg(picture(1), 40))))
    hashes = fer2013.perceptual_hash(np.stack([picture(1), darker, squeezed, picture(2)]))
    similarity = hashes @ hashes.T
    assert similarity[0, 1] > fer2013.SAME_PICTURE
    assert similarity[0, 2] > fer2013.SAME_PICTURE
    assert similarity[0, 3] < fer2013.SAME_PICTURE


def test_training_part_loses_what_evaluation_parts_hold_and_merges_its_own_copies(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        "train",
        {
            "happy/own.jpg": jpeg(picture(1)),
            "sad/twice.jpg": jpeg(picture(2)),
            "angry/twice-again.jpg": jpeg(picture(2), 70),
            "fear/in-test.jpg": jpeg(picture(3), 60),
            "fear/mirrored-in-validation.jpg": jpeg(picture(4)[:, ::-1]),
            "neutral/black.jpg": jpeg(np.zeros((48, 48), np.uint8)),
        },
    )
    write(tmp_path, "validation", {"happy/v.jpg": jpeg(picture(4))})
    write(tmp_path, "test", {"surprise/t.jpg": jpeg(picture(3))})
    train, validation, test, counts = fer2013.load(tmp_path)
    assert counts == {
        "train_official": 6,
        "without_structure": 1,
        "in_evaluation_parts": 2,
        "merged_duplicates": 1,
        "conflicting_labels": 1,
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    soft = train.targets[train.targets.max(1) < 1][0]
    assert soft[fer2013.LABELS.index("sad")] == pytest.approx(0.5)
    assert soft[fer2013.LABELS.index("angry")] == pytest.approx(0.5)
    assert validation.labels.tolist() == [fer2013.LABELS.index("happy")]
    assert test.labels.tolist() == [fer2013.LABELS.index("surprise")]


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    write(tmp_path, "train", {"sad/large.jpg": jpeg(np.zeros((50, 48), np.uint8))})
    with pytest.raises(ValueError, match="sad/large.jpg"):
        fer2013.read_zip(tmp_path / "train.zip")
