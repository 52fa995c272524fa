"""COCO, Pascal VOC and YOLO."""

from __future__ import annotations

import pytest

from isocenter.core.labels import Box, Point
from isocenter.data.layouts import _shared


def boxes(draft, key):
    return next(claim.value.boxes for claim in draft.cases[key].claims if claim.name == "objects")


def coco(*images, annotations, categories=("cell", "debris")):
    return {
        "images": [{"id": number, "file_name": name, "width": 32, "height": 24} for number, name in enumerate(images)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories, 1)],
    }


def drawn(image, category=1, **more):
    return {"image_id": image, "category_id": category, "bbox": [1, 2, 3, 4], **more}


class TestCoco:
    def test_one_json_per_split(self, folder):
        folder.picture("train2017/a.jpg", "train2017/b.jpg", "val2017/a.jpg", "val2017/free.jpg")
        folder.json("annotations/instances_train2017.json", coco("a.jpg", "b.jpg", annotations=[drawn(0), drawn(0, 2)]))
        folder.json("annotations/instances_val2017.json", coco("a.jpg", annotations=[drawn(0, bbox=[5, 6, 7, 8])]))
        draft = folder.understand()
        assert boxes(draft, "train2017/a.jpg")[0] == Box(label="cell", x=1, y=2, width=3, height=4)
        assert boxes(draft, "train2017/b.jpg") == ()
        assert boxes(draft, "val2017/a.jpg")[0].x == 5
        assert {key: case.split for key, case in draft.cases.items()}["val2017/a.jpg"] == "val"
        assert not draft.cases["val2017/free.jpg"].claims
        assert [(one.name, one.value) for one in draft.labels["objects"].classes] == [("cell", 1), ("debris", 2)]

    def test_json_in_the_split_folders(self, folder):
        for split in ("train", "valid"):
            folder.picture(f"{split}/x.png")
            folder.json(f"{split}/_annotations.coco.json", coco("x.png", annotations=[drawn(0)]))
        draft = folder.understand()
        assert [draft.cases[f"{split}/x.png"].split for split in ("train", "valid")] == ["train", "val"]

    def test_outlines_points_and_crowds(self, folder):
        folder.picture("x.png")
        outline = drawn(0, bbox=None, segmentation=[[2, 2, 6, 2, 6, 9]])
        mark = drawn(0, 2, bbox=[4, 5, 0, 0])
        keys = drawn(0, 2, bbox=[1, 1, 2, 2], keypoints=[3, 4, 2, 0, 0, 0])
        crowd = drawn(0, iscrowd=1, segmentation={"counts": [1, 2], "size": [24, 32]})
        bad = [drawn(0, 9), drawn(0, bbox=[1, 2, -3, 4]), drawn(0, bbox=["a"]), "nonsense"]
        folder.json("annotations.json", coco("x.png", "gone.png", annotations=[outline, mark, keys, crowd, *bad]))
        draft = folder.understand()
        assert boxes(draft, "x.png")[0] == Box(label="cell", x=2, y=2, width=4, height=7)
        points = next(claim.value.points for claim in draft.cases["x.png"].claims if claim.name == "points")
        assert points == (Point(label="debris", x=4, y=5), Point(label="debris", x=3, y=4))
        assert any("3 annotations without a sound box" in line for line in draft.warnings)
        assert any("1 annotated image not here: gone.png" in line for line in draft.warnings)
        assert any("2 objects with an outline" in line for line in draft.evidence)

    def test_two_files_of_the_same_images_add_up_once(self, folder):
        folder.picture("x.png")
        folder.json("annotations/instances_all.json", coco("x.png", annotations=[drawn(0)]))
        folder.json("annotations/person_keypoints_all.json", coco("x.png", annotations=[drawn(0), drawn(0, 2)]))
        assert len(boxes(folder.understand(), "x.png")) == 2

    def test_another_size_is_told(self, folder):
        folder.picture("x.png", size=(16, 12))
        folder.json("annotations.json", coco("x.png", annotations=[drawn(0)]))
        assert any("another size" in line for line in folder.understand().warnings)

    @pytest.mark.parametrize("content", [{}, {"images": [], "annotations": 3}, [1], coco("z.png", annotations=[])])
    def test_without_its_images_it_is_left_alone(self, folder, content):
        folder.picture("x.png")
        folder.json("annotations.json", content)
        assert folder.understand().layouts == ["loose"]


XML = (
    """<annotation><filename>{name}</filename><size><width>32</width><height>24</height></size>{objects}</annotation>"""
)
OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{edges[0]}</xmin>
<ymin>{edges[1]}</ymin><xmax>{edges[2]}</xmax><ymax>{edges[3]}</ymax></bndbox></object>"""


def voc(folder, name, *objects):
    drawn = "".join(OBJECT.format(name=what, difficult=hard, edges=edges) for what, hard, edges in objects)
    folder.picture(f"JPEGImages/{name}.jpg")
    folder.text(f"Annotations/{name}.xml", XML.format(name=f"{name}.jpg", objects=drawn))


class TestVoc:
    def test_boxes_count_from_one_unless_a_zero_stands_there(self, folder):
        voc(folder, "a", ("cell", 0, (1, 1, 32, 24)), ("cell", 1, (3, 4, 5, 6)))
        voc(folder, "b")
        draft = folder.understand()
        assert draft.layouts == ["voc"]
        assert boxes(draft, "JPEGImages/a.jpg")[0] == Box(label="cell", x=0, y=0, width=32, height=24)
        assert boxes(draft, "JPEGImages/b.jpg") == ()
        assert "1 object marked as difficult is kept." in draft.evidence
        voc(folder, "c", ("cell", 0, (0, 0, 32, 24)))
        assert boxes(folder.understand(), "JPEGImages/c.jpg")[0] == Box(label="cell", x=0, y=0, width=32, height=24)

    @pytest.mark.parametrize(
        ("lists", "splits"),
        [
            ({"train": "a", "val": "b", "trainval": "a\nb", "test": "c"}, ["train", "val", "test"]),
            ({"trainval": "a\nb", "test": "c"}, ["train", "train", "test"]),
            ({"cell_train": "a 1", "cell_val": "b -1", "cell_test": "c -1"}, ["train", "val", "test"]),
            ({"train": "a\nb\nc"}, [None, None, None]),
        ],
    )
    def test_lists_divide(self, folder, lists, splits):
        for name in "abc":
            voc(folder, name, ("cell", 0, (1, 1, 3, 3)))
        for name, content in lists.items():
            folder.text(f"ImageSets/Main/{name}.txt", content)
        assert [case.split for case in folder.understand().cases.values()] == splits

    def test_damage_is_told(self, folder):
        voc(folder, "a", ("cell", 0, (5, 5, 1, 1)), ("", 0, (1, 1, 2, 2)), ("cell", 0, ("x", 1, 2, 2)))
        folder.text("Annotations/b.xml", "<annotation>")
        folder.text("Annotations/c.xml", XML.format(name="gone.jpg", objects=""))
        folder.text("Annotations/d.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')
        draft = folder.understand()
        assert [one.path.rsplit("/", 1)[1] for one in draft.refused] == ["b.xml", "d.xml"]
        assert any("3 boxes without a sound rectangle" in line for line in draft.warnings)
        assert any("1 annotation without an image here: c.xml" in line for line in draft.warnings)

    def test_other_xml_is_left_alone(self, folder):
        folder.picture("a.png")
        for number in range(5):
            folder.text(f"{number}.xml", "<report/>")
        assert folder.understand().layouts == ["loose"]

    def test_two_lists_with_one_image_are_told(self, folder):
        voc(folder, "a", ("cell", 0, (1, 1, 3, 3)))
        for name in ("train", "test"):
            folder.text(f"ImageSets/Main/{name}.txt", "a")
        assert any("in more than one list" in line for line in folder.understand().warnings)


class TestYolo:
    def test_the_usual_arrangement(self, folder):
        folder.text("data.yaml", "path: ../somewhere\ntrain: images/train\nval: images/val\nnames: [cell, debris]\n")
        folder.picture("images/train/a.png", "images/train/b.png", "images/val/c.png", "images/val/d.png")
        folder.text("labels/train/a.txt", "0 0.5 0.5 0.25 0.5\n1 0.25 0.25 0.5 0.5\n")
        folder.text("labels/train/b.txt", "")
        folder.text("labels/val/c.txt", "1 0.1 0.1 0.5 0.1 0.5 0.9\n0 0.5 0.5 0.1 0.1 0.87\n9 0.5 0.5 0.1 0.1\n")
        draft = folder.understand()
        assert draft.layouts == ["yolo"]
        assert boxes(draft, "images/train/a.png")[0] == Box(label="cell", x=12, y=6, width=8, height=12)
        assert boxes(draft, "images/train/b.png") == ()
        outline, _ = boxes(draft, "images/val/c.png")
        assert (outline.label, round(outline.x, 3), round(outline.height, 3)) == ("debris", 3.2, 19.2)
        assert not draft.cases["images/val/d.png"].claims
        assert [case.split for case in draft.cases.values()] == ["train", "train", "val", "val"]
        assert any("1 image without a text file" in line for line in draft.warnings)
        assert any("1 line that are no box" in line for line in draft.warnings)

    def test_roboflow_and_a_dictionary_of_names(self, folder):
        folder.text("data.yaml", "train: ../train/images\nval: ../valid/images\nnames:\n  0: x\n  1: y\n")
        for split in ("train", "valid"):
            folder.picture(f"{split}/images/1.png")
            folder.text(f"{split}/labels/1.txt", "1 0.5 0.5 1 1\n")
        draft = folder.understand()
        assert [case.split for case in draft.cases.values()] == ["train", "val"]
        assert [(one.name, one.value) for one in draft.labels["objects"].classes] == [("x", 0), ("y", 1)]

    def test_lists_of_images_and_labels_beside_them(self, folder):
        folder.text("set.yml", "train: train.txt\ntest: test.txt\nnames: [x]\n")
        folder.picture("all/1.png", "all/2.png")
        folder.text("train.txt", "./all/1.png\n")
        folder.text("test.txt", "./all/2.png\n")
        for name in ("1", "2"):
            folder.text(f"all/{name}.txt", "0 0.5 0.5 1 1\n")
        assert [case.split for case in folder.understand().cases.values()] == ["train", "test"]

    def test_a_list_of_classes_is_enough(self, folder):
        folder.text("classes.txt", "cell\ndebris\n")
        folder.picture("1.png")
        folder.text("1.txt", "1 0.5 0.5 1 1\n")
        assert boxes(folder.understand(), "1.png")[0].label == "debris"

    def test_a_damaged_label_file_is_refused(self, folder):
        folder.text("data.yaml", "names: [x]\n")
        folder.picture("1.png", "2.png")
        folder.text("1.txt", "0 0.5 0.5 1 1\n")
        folder.text("2.txt", "x y z\n0 0.5\n")
        draft = folder.understand()
        assert [one.path.rsplit("/", 1)[1] for one in draft.refused] == ["2.txt"]
        assert not draft.cases["2.png"].claims

    def test_aliases_and_large_documents_are_refused(self, folder):
        bomb = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 12)]
        folder.text("bomb.yaml", "\n".join(["a0: &a0 [x]", *bomb, "names: {0: *a11}"]))
        folder.text("large.yaml", "names: [x]\n" + "# filled up\n" * 100_000)
        folder.text("nested.yaml", "names: {0: [x, y]}")
        folder.text("1.txt", "0 0.5 0.5 1 1")
        folder.picture("1.png")
        draft = folder.understand()
        assert "yolo" not in draft.layouts
        assert ["alias" in draft.refused[0].reason, "1.2 MB" in draft.refused[1].reason] == [True, True]

    @pytest.mark.parametrize("content", ["names: 3", "a: [", "- 1", "!!python/object/apply:os.system [ls]"])
    def test_other_yaml_is_left_alone(self, folder, content):
        folder.text("settings.yaml", content)
        folder.text("1.txt", "0 0.5 0.5 1 1")
        folder.picture("1.png")
        assert "yolo" not in folder.understand().layouts


@pytest.mark.parametrize("name", ["a.json", "a.xml", "classes.txt"])
def test_documents_too_large_to_read_are_refused(folder, name, monkeypatch):
    monkeypatch.setattr(_shared, "MOST_BYTES", 100)
    folder.picture("a.png")
    folder.text("a.txt", "0 0.5 0.5 1 1")
    folder.text(name, " " * 200)
    draft = folder.understand()
    assert [one.path.rsplit("/", 1)[1] for one in draft.refused] == [name]
    assert "documents of at most 100 B are read" in draft.refused[0].reason
