from __future__ import annotations

import pytest

from isocenter.data.layouts._shared import Lookup, in_natural_order, stem


@pytest.mark.parametrize(
    ("named", "near", "found"),
    [
        ("a.png", "/x/one/list.json", "/x/one/a.png"),
        ("two/a.png", "/x/list.json", "/x/two/a.png"),
        ("deep\\two\\A.PNG", "/x/list.json", "/x/two/a.png"),
        ("b.v2", "/x/list.json", "/x/one/b.v2.png"),
        ("b.v2.tif", "/x/list.json", "/x/one/b.v2.png"),
        ("a.png", "/x/list.json", None),
        ("z.png", "/x/list.json", None),
    ],
)
def test_annotations_find_the_image_they_name(facts, named, near, found):
    lookup = Lookup(facts(path) for path in ("/x/one/a.png", "/x/two/a.png", "/x/one/b.v2.png"))
    image = lookup.find(named, near)
    assert (image.files[0] if image else None) == found


@pytest.mark.parametrize(
    ("path", "name"),
    [("/a/b.nii.gz", "b"), ("/a/b.seg.nrrd", "b"), ("b.v2.png", "b.v2"), (".hidden", ".hidden"), ("b", "b")],
)
def test_a_name_without_its_ending(path, name):
    assert stem(path) == name


def test_two_comes_before_ten():
    assert in_natural_order(["p10", "p2"]) == ["p2", "p10"]
