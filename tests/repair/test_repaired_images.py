"""Repairs of collections of images: what a copy lacks, what tells of it no more, and lists without a copy."""

import csv
import importlib.util
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from doctor.case import open_case, with_contents
from doctor.engine import examine
from doctor.errors import UsageError
from doctor.model import DropFiles, Report, Safety
from doctor.repair.copying import write_lists
from doctor.repair.image_edits import left_out, tried
from doctor.repair.plan import Edit, Plan, make_plan
from doctor.repair.proving import Proof, repair
from doctor.repair.sameness import refuse_changed
from doctor.settings import Settings
from fixtures.image_files import scene

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
UNREADABLE = Settings(select=("images/unreadable",))
RARE = Settings(select=("labels/class-imbalance",))


def pictures(folder: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(seed, 60, 40).save(path)


def broken(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def shard(home: Path) -> Path:
    """A folder with an archive of three samples, one of them broken."""
    pictures(home / "made", "1.png", "2.png")
    broken(home / "made" / "3.png")
    (home / "data").mkdir()
    with tarfile.open(home / "data" / "train-0.tar", "w") as archive:
        for name in "132":
            archive.add(home / "made" / f"{name}.png", f"{name}.png")
            (home / "made" / f"{name}.cls").write_text("0")
            archive.add(home / "made" / f"{name}.cls", f"{name}.cls")
    return home / "data"


def fixed(data: Path, output: Path, settings: Settings = UNREADABLE) -> Proof:
    with open_case([data], settings) as case:
        return repair(examine(case, settings), case, settings, output)


def planned(data: Path, settings: Settings, **wishes: Any) -> Plan:
    with open_case([data], settings) as case:
        return make_plan(examine(case, settings), case, **wishes)


def files_of(folder: Path) -> set[str]:
    own = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in own if not name.startswith((".review", "plan.toml", "CHANGES.md"))}


def test_a_copy_lacks_the_images_and_the_original_keeps_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png")
    broken(data / "dog" / "e.png")
    before = files_of(data)
    proof = fixed(data, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == before - {"dog/e.png"}
    assert files_of(data) == before
    assert proof.comparison.sound
    assert [finding.check for finding in proof.comparison.gone] == ["images/unreadable"]
    assert proof.after.findings == []
    with (tmp_path / "copy" / ".review" / "01-images-unreadable.csv").open() as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["dog/e.png"]


def test_the_labels_of_yolo_go_with_their_image(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "images/a.png", "images/b.png")
    broken(data / "images" / "c.png")
    for name in "abc":
        (data / "labels").mkdir(exist_ok=True)
        (data / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    fixed(data, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == {"images/a.png", "images/b.png", "labels/a.txt", "labels/b.txt"}


def test_the_rows_of_a_table_go_with_their_image_and_the_others_stay_to_the_letter(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "photos/a.png", "photos/b.png", "photos/d, or so.png")
    broken(data / "photos" / "c.png")
    head, own = "file;label;note\r\n", '"photos/b.png";dog;"two\r\nlines"\r\n'
    last = "photos/d, or so.png;cat;\r\n"
    text = f"{head}photos/a.png;cat;\r\n{own}photos/c.png;cat;x\r\n{last}"
    (data / "labels.csv").write_bytes(text.encode())
    proof = fixed(data, tmp_path / "copy")
    assert (tmp_path / "copy" / "labels.csv").read_bytes() == f"{head}photos/a.png;cat;\r\n{own}{last}".encode()
    assert proof.comparison.sound
    assert "labels.csv" in proof.written.rewritten


def test_lines_of_json_go_with_their_image(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "a.png", "b.png")
    broken(data / "c.png")
    lines = [json.dumps({"label": "cat", "file_name": f"{name}.png"}) + "\n" for name in "acb"]
    (data / "metadata.jsonl").write_text("".join(lines))
    fixed(data, tmp_path / "copy")
    assert (tmp_path / "copy" / "metadata.jsonl").read_text() == lines[0] + lines[2]


def test_the_annotations_of_coco_go_with_their_image(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "a.png", "b.png")
    broken(data / "c.png")
    images = [
        {"id": number, "file_name": f"{name}.png", "width": 60, "height": 40} for number, name in enumerate("abc")
    ]
    told = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 9, 9]} for number in range(3)]
    content = {"info": {"year": 2020}, "images": images, "annotations": told, "categories": [{"id": 1, "name": "x"}]}
    (data / "instances.json").write_text(json.dumps(content, indent=2))
    fixed(data, tmp_path / "copy")
    written = (tmp_path / "copy" / "instances.json").read_text()
    kept = content | {"images": images[:2], "annotations": told[:2]}
    assert written == json.dumps(kept, indent=2)


def test_a_sample_of_a_tar_shard_goes_whole(tmp_path: Path) -> None:
    data = shard(tmp_path)
    proof = fixed(data, tmp_path / "copy")
    with tarfile.open(tmp_path / "copy" / "train-0.tar") as archive:
        assert archive.getnames() == ["1.png", "1.cls", "2.png", "2.cls"]
    assert proof.comparison.sound


def test_a_damaged_shard_is_copied_as_it_is(tmp_path: Path) -> None:
    data = shard(tmp_path)
    content = (data / "train-0.tar").read_bytes().rstrip(b"\0")[:-100]
    (data / "train-0.tar").write_bytes(content)
    proof = fixed(data, tmp_path / "copy")
    assert [edit.why_not for edit in proof.plan.edits] == [
        "train-0.tar is damaged and not written anew; --list-only lists what stays"
    ]
    assert (tmp_path / "copy" / "train-0.tar").read_bytes() == content


def test_no_class_and_no_split_is_left_without_an_image(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "cat/b.png")
    broken(data / "dog" / "c.png")
    (edit,) = planned(data, UNREADABLE).edits
    assert (edit.applied, edit.why_not) == (False, "no image of class dog would remain")


def test_what_lies_behind_a_link_is_only_listed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "dog/b.png")
    broken(tmp_path / "far" / "x.png")
    pictures(tmp_path / "far", "y.png")
    (data / "fox").symlink_to(tmp_path / "far")
    (edit,) = planned(data, UNREADABLE).edits
    assert "is a link" in edit.why_not
    (edit,) = planned(data, UNREADABLE, list_only=True).edits
    assert edit.applied


def test_links_in_circles_are_copied_as_links_and_lead_into_the_copy(tmp_path: Path) -> None:
    data, output = tmp_path / "data", tmp_path / "copy"
    pictures(data, "cat/a.png", "dog/b.png", "dog/c.png")
    broken(data / "dog" / "d.png")
    (data / "cat" / "self").symlink_to("self")
    (data / "again").symlink_to("cat")
    fixed(data, output)
    assert (output / "cat" / "self").readlink() == Path("self")
    assert (output / "again").readlink() == Path("cat")


def test_keys_in_names_are_masked_in_the_plan(tmp_path: Path) -> None:
    key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    pictures(tmp_path, "cat/a.png", "dog/b.png", "dog/c.png")
    broken(tmp_path / "dog" / f"{key}.png")
    (edit,) = planned(tmp_path, UNREADABLE).edits
    assert edit.because
    assert not any(key in said for said in edit.because)


def test_lists_are_written_without_a_copy(tmp_path: Path) -> None:
    data, output = tmp_path / "data", tmp_path / "lists"
    pictures(data, "train/cat/a.png", "train/dog/b.png", "test/cat/c.png", "test/dog/d.png")
    broken(data / "train" / "cat" / "e.png")
    with open_case([data], UNREADABLE) as case:
        plan = make_plan(examine(case, UNREADABLE), case, list_only=True)
        names = write_lists(plan, case, output)
    assert set(names) == {"kept.csv", "left-out.csv", "plan.toml", "CHANGES.md", "01-images-unreadable.csv"}
    assert files_of(output) | {"plan.toml", "CHANGES.md"} == set(names)
    with (output / "kept.csv").open() as file:
        kept = list(csv.DictReader(file))
    assert [row["file"] for row in kept] == ["test/cat/c.png", "test/dog/d.png", "train/cat/a.png", "train/dog/b.png"]
    assert kept[0] == {"file": "test/cat/c.png", "split": "test", "class": "cat"}
    assert "train/cat/e.png,train,cat,images/unreadable" in (output / "left-out.csv").read_text()


def test_the_list_of_doubtful_images_says_which_are_looked_at_together(tmp_path: Path) -> None:
    settings = Settings(select=("labels/label-noise",))
    with open_case([FIXTURES / "labels" / "label_noise" / "sick_images"], settings) as case:
        report = examine(case, settings)
        write_lists(make_plan(report, case, list_only=True), case, tmp_path)
    (found,) = report.findings
    with (tmp_path / "01-labels-label-noise.csv").open() as file:
        listed = {row["file"]: (row["class"], row["cluster"]) for row in csv.DictReader(file)}
    assert len(listed) == len(found.evidence["files"])
    for cluster in found.review:
        given = cluster.title.partition(",")[0]
        for one in cluster.thumbnails:
            bears, number = listed[one.file]
            assert number == str(cluster.number)
            assert given in (bears, "several classes")


def test_a_report_is_refused_when_the_images_changed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "cat/b.png", "dog/c.png")
    with open_case([data], UNREADABLE) as case:
        report: Report = with_contents(examine(case, UNREADABLE), case)
        refuse_changed(report, case, "report.json")
    pictures(data, "dog/d.png")
    with open_case([data], UNREADABLE) as case, pytest.raises(UsageError, match="changed since that scan"):
        refuse_changed(report, case, "report.json")


def test_images_that_change_meanwhile_stop_the_copy(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "cat/b.png", "dog/c.png")
    with open_case([data], UNREADABLE) as case:
        report = examine(case, UNREADABLE)
        (data / "cat" / "a.png").write_bytes(b"another")
        with pytest.raises(Exception, match=r"a\.png changed while it was read; nothing was written"):
            repair(report, case, UNREADABLE, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_edits_of_the_same_images_are_made_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "cat/b.png", "cat/c.png")
    one, other = DropFiles(files=("cat/a.png", "cat/b.png")), DropFiles(files=("cat/b.png",))
    facts = {"findings": (), "because": (), "safety": Safety.SAFE, "wanted": True, "applied": True}
    with open_case([data], UNREADABLE) as case:
        shown = case.images[0].shown
        edits = [Edit(repair=each, images=shown, checks=("a/b",), **facts) for each in (one, other)]
        first, second = tried(edits, case)
    assert first.effect.files == {"all": 2}
    assert (second.applied, second.why_not) == (False, "other edits leave them out, or what would stay for them")


def test_an_image_stays_when_the_one_that_stands_for_it_goes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    pictures(data, "cat/a.png", "cat/b.png", "cat/c.png")
    one = DropFiles(files=("cat/a.png",), instead=("cat/b.png",))
    other = DropFiles(files=("cat/b.png", "cat/c.png"), instead=("cat/a.png", "cat/x.png"))
    facts = {"findings": (), "because": (), "safety": Safety.SAFE, "wanted": True, "applied": True}
    with open_case([data], UNREADABLE) as case:
        (images,) = case.images
        edits = [Edit(repair=each, images=images.shown, checks=("a/b",), **facts) for each in (one, other)]
        made = tried(edits, case)
        assert [edit.effect.files for edit in made] == [{"all": 1}, {"all": 1}]
        assert set(left_out(Plan(path="", edits=tuple(made)), images)) == {"cat/a.png", "cat/c.png"}


class Coloured(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images all of one value, the number of their class."""

    def __init__(self, targets: list[int]) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.full((3, 16, 16), float(self.targets[index])), self.targets[index]


@pytest.fixture
def balanced(tmp_path: Path) -> Any:
    """The module that is written for classes of 120, 100 and 4 images."""
    data = tmp_path / "data"
    for name, count in (("cat", 120), ("dog", 100), ("emu", 4)):
        pictures(data, *(f"{name}/{number}.png" for number in range(count)))
    proof = fixed(data, tmp_path / "copy", RARE)
    assert [edit.why_not for edit in proof.plan.edits] == [
        "a plan of drawing and a module for torch that follows it are written beside"
    ]
    home = tmp_path / "copy" / ".review" / "01-balanced-classes"
    with (home / "balanced_classes.csv").open() as file:
        drawn = {row["class"]: row for row in csv.DictReader(file)}
    assert (drawn["emu"]["images"], drawn["emu"]["weight"]) == ("4", "10")
    spec = importlib.util.spec_from_file_location("balanced_classes", home / "balanced_classes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rare_classes_are_drawn_more_often_and_pasted_into_others(balanced: Any) -> None:
    targets = [0] * 120 + [1] * 100 + [2] * 4
    assert balanced.CLASSES == ["cat", "dog", "emu"]
    drawn = Counter(targets[index] for index in balanced.sampler(targets))
    assert sum(drawn.values()) == len(targets)
    # 40 of 269 by the weights, where 4 of 224 stood before
    assert 20 <= drawn[2] <= 50
    mixed = balanced.RareCutMix(Coloured(targets), targets, probability=1.0)
    pairs = [mixed[index] for index in range(len(targets))]
    for (image, answer), target in zip(pairs, targets, strict=True):
        assert torch.isclose(answer.sum(), torch.tensor(1.0))
        for number in range(3):
            share = (image == number).float().mean()
            assert torch.isclose(share, answer[number], atol=1e-6), target
    assert sum(float(answer[2]) for _, answer in pairs) > 20


def test_the_same_seed_and_epoch_mix_alike(balanced: Any) -> None:
    targets = [0] * 120 + [1] * 100 + [2] * 4
    first, second = (balanced.RareCutMix(Coloured(targets), targets, seed=3) for _ in range(2))
    assert all(torch.equal(first[index][0], second[index][0]) for index in range(30))
    second.set_epoch(1)
    assert not all(torch.equal(first[index][0], second[index][0]) for index in range(30))


def test_the_mixed_data_trains_by_the_loader_of_torch(balanced: Any) -> None:
    targets = [0] * 120 + [1] * 100 + [2] * 4
    mixed = balanced.RareCutMix(Coloured(targets), targets)
    loader = torch.utils.data.DataLoader(mixed, batch_size=32, sampler=balanced.sampler(targets))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 3))
    for images, answers in loader:
        loss = torch.nn.CrossEntropyLoss()(model(images), answers)
        loss.backward()
    assert torch.isfinite(loss)
