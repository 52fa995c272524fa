"""Which file is the mask of which image, by the names of folders and files; pixels are looked at elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from isocenter.core.image import ImageFacts
from isocenter.data.naming import IMAGE_FOLDERS, IMAGE_WORDS, MASK_WORDS, has_mask_word, reader_in, splits_in, tokens

MOST_UNNAMED = 8
"""Folders whose names say nothing are compared with their neighbours only where there are so few of them."""

FEWEST_UNNAMED = 2
"""Files whose names do not say that they are masks are taken for masks only where several fit."""

_MOST_SUFFIXES = 20
_MOST_SEQUENCES = 8
_SEPARATOR = re.compile(r"[_\-. ]+")


@dataclass(frozen=True, slots=True)
class Item:
    """An image or mask by its place: the folders above it and its name without ending."""

    image: ImageFacts
    folders: tuple[str, ...]
    stem: str

    @property
    def key(self) -> str:
        """The key of the image."""
        return self.image.key


@dataclass
class Source:
    """Files that may be masks because they share a folder's name or an ending of their own name.

    Attributes:
        name: the folder or the ending, as spelled.
        kind: `folder` or `ending`.
        named: whether the name says that there are masks.
        pairs: image, mask, and the folders that tell one set of masks from another.
        strays: files of the same kind without an image.
    """

    name: str
    kind: str
    named: bool
    pairs: list[tuple[Item, Item, tuple[str, ...]]] = field(default_factory=list)
    strays: list[Item] = field(default_factory=list)

    @property
    def masks(self) -> list[ImageFacts]:
        """The supposed masks, each once."""
        return list({mask.key: mask.image for _, mask, _ in self.pairs}.values())

    @property
    def images(self) -> list[ImageFacts]:
        """The images that they would belong to, each once."""
        return list({image.key: image.image for image, _, _ in self.pairs}.values())


def by_folder(images: Sequence[Item], candidates: Sequence[Item]) -> list[Source]:
    """Masks in a folder beside the folder of their images: `images` and `labels`, `scans` and `vessels`."""
    free = {item.key for item in candidates}
    sources: dict[str, Source] = {}
    for depth, children in _siblings([*candidates, *(item for item in images if item.key not in free)]):
        for one, other, named in _trials(children):
            masks = [item for item in children[other] if item.key in free] if other in children else []
            matches = _match(children[one], masks, depth, named)
            if not matches:
                continue
            source = sources.setdefault(other, Source(other, "folder", named))
            source.pairs.extend((image, mask, _apart(image, mask, depth)) for image, mask in matches)
            if named:
                matched = {mask.key for _, mask in matches}
                source.strays.extend(mask for mask in masks if mask.key not in matched)
    for source in sources.values():
        matched = {mask.key for _, mask, _ in source.pairs}
        source.strays = [item for item in source.strays if item.key not in matched]
    found = [source for source in sources.values() if source.named or len(source.pairs) >= FEWEST_UNNAMED]
    return sorted(found, key=lambda source: not source.named)


def by_ending(images: Sequence[Item], candidates: Sequence[Item]) -> list[Source]:
    """Masks whose file name is the image's with an ending: `x_mask`, `x-label`, `x_lesion_seg`, `segmentation-3`."""
    masks = {item.key for item in candidates if _is_mask(item)}
    finder = _Finder([item for item in images if item.key not in masks], masks)
    sources: dict[str, Source] = {}
    for item in candidates:
        found, ending = finder.find(item)
        named = item.key in masks
        if not found and not (named and ending):
            continue
        label = re.sub(r"[_\-. ]?\d+$", "", ending) if not reader_in(ending)[1] else ending
        source = sources.setdefault(label.lower(), Source(label, "ending", named))
        if found:
            source.pairs.extend((image, item, ()) for image in found)
        else:
            source.strays.append(item)
    named_sources = [source for source in sources.values() if source.named and source.pairs]
    others = [source for source in sources.values() if not source.named and len(source.pairs) >= FEWEST_UNNAMED]
    others.sort(key=lambda source: -len(source.pairs))
    return named_sources + others[:_MOST_SUFFIXES]


def _is_mask(item: Item) -> bool:
    return item.image.role == "mask" or has_mask_word(item.stem) or reader_in(item.stem)[1] is not None


def _siblings(items: Sequence[Item]) -> Iterable[tuple[int, Mapping[str, list[Item]]]]:
    """Every folder with its sub-folders and all that lies below each; `` stands for the folder's own files."""
    tree: dict[tuple[str, ...], dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        for depth, folder in enumerate(item.folders):
            tree[item.folders[:depth]][folder].append(item)
        tree[item.folders][""].append(item)
    # The deepest first: a folder of masks is compared with its nearest neighbours.
    for folders in sorted(tree, key=lambda one: (-len(one), one)):
        if len(tree[folders]) > 1:
            yield len(folders), tree[folders]


def _trials(children: Mapping[str, list[Item]]) -> Iterable[tuple[str, str, bool]]:
    """Pairs of neighbours to compare: the images, the supposed masks, and whether their name says so."""
    masks = [name for name in children if name and _names_masks(name)]
    others = [name for name in children if name not in masks]
    images = [name for name in others if name.lower() in IMAGE_FOLDERS]
    unsaid = [name for name in others if name and name not in images and not splits_in(name)]
    for mask in masks:
        for image in images or others:
            here, there = splits_in(image), splits_in(mask)
            if not (here and there and here != there):
                yield image, mask, True
    if len(unsaid) > MOST_UNNAMED:
        return
    for mask in unsaid:
        for image in images or ([] if masks else unsaid):
            if image != mask:
                yield image, mask, False


def _names_masks(folder: str) -> bool:
    if folder.lower() in IMAGE_FOLDERS:
        return False
    return has_mask_word(folder) or reader_in(folder)[1] is not None


def _match(images: Sequence[Item], masks: Sequence[Item], depth: int, named: bool) -> list[tuple[Item, Item]]:
    """Image and mask by the strictest rule that fits nearly all masks."""
    if not images or not masks:
        return []
    own = {item.key for item in masks}
    images = [item for item in images if item.key not in own]
    rules: list[Callable[[Item], Hashable]] = [
        lambda item: (item.folders[depth + 1 :], item.stem.lower()),
        lambda item: item.stem.lower(),
    ]
    if named:
        rules += [
            lambda item: (item.folders[depth + 1 :], _bare(item.stem)),
            lambda item: _bare(item.stem),
            lambda item: _bare(item.stem, numbered=False),
        ]
    best: list[tuple[Item, Item]] = []
    for rule in rules:
        found = _by_rule(images, masks, rule)
        if len(found) > len(best):
            best = found
        if len(best) >= 0.9 * len(masks):
            return best
    if named and len(images) == 1:
        return [(images[0], mask) for mask in masks]
    leading = [] if not named else _by_rule(images, masks, lambda item: tuple(tokens(item.stem)[:1]))
    alone = len({image.key for image, _ in leading}) == len(leading)
    if alone and len(leading) >= 0.9 * len(masks):
        return leading
    return best if named and len(best) >= 0.5 * len(masks) else []


def _by_rule(
    images: Sequence[Item], masks: Sequence[Item], rule: Callable[[Item], Hashable]
) -> list[tuple[Item, Item]]:
    index = _unique(images, rule)
    return [(image, mask) for mask in masks if (image := index.get(rule(mask))) is not None]


def _unique(items: Iterable[Item], rule: Callable[[Item], Hashable]) -> dict[Hashable, Item | None]:
    """Items by key; a key that several have stands for none, and so does an empty one."""
    index: dict[Hashable, Item | None] = {}
    for item in items:
        key = rule(item)
        index[key] = None if not key or key in index else item
    return index


def _bare(name: str, *, numbered: bool = True) -> tuple[str, ...]:
    """The words of a name without those that mean image, mask or a reader; a number after such a word may go too."""
    rest: list[str] = []
    after = False
    for word in tokens(reader_in(name)[0]):
        marks = word in MASK_WORDS or word in IMAGE_WORDS
        if not marks and (numbered or not (after and word.isdigit())):
            rest.append(word)
        after = marks
    return tuple(rest)


def _apart(image: Item, mask: Item, depth: int) -> tuple[str, ...]:
    """Folders above a mask that are not above its image, the outermost left out."""
    return tuple(part for part in mask.folders[depth + 1 :] if part not in image.folders)


class _Finder:
    """Finds the image of a mask by its file name: in the same folder first, then anywhere if only one fits."""

    def __init__(self, images: Sequence[Item], masks: Set[str]) -> None:
        self._masks = masks
        self._folders: dict[tuple[str, ...], list[Item]] = defaultdict(list)
        for item in images:
            self._folders[item.folders].append(item)
        self._here = _unique(images, lambda item: (item.folders, item.stem.lower()))
        self._here_bare = _unique(images, lambda item: (item.folders, _bare(item.stem)))
        self._anywhere = _unique(images, lambda item: item.stem.lower())

    def find(self, item: Item) -> tuple[list[Item], str]:
        """The images of a mask (several where it was drawn on registered sequences), and the ending of its name."""
        for base, ending in _bases(item.stem):
            bare = tuple(tokens(base))
            beside = self._here.get((item.folders, base)) or self._here_bare.get((item.folders, bare))
            if beside is not None and beside.key != item.key:
                return [beside], ending
        if item.key not in self._masks:
            return [], ""
        for numbered in (True, False):
            beside = self._here_bare.get((item.folders, _bare(item.stem, numbered=numbered)))
            if beside is not None:
                return [beside], _mask_words(item)
        return self._farther(item)

    def _farther(self, item: Item) -> tuple[list[Item], str]:
        """Looser ties: a case's own folder, sequences of one patient, a name found once in the whole source."""
        beside = self._folders.get(item.folders, []) if item.folders else []
        rest = _bare(item.stem)
        if len(beside) == 1:
            return list(beside), _mask_words(item) if any(word.isdigit() for word in rest) else item.stem
        bases = [base for base, ending in _bases(item.stem) if has_mask_word(ending)]
        together = [one for one in self._folders.get(item.folders, []) if _begins(one, bases) or (beside and not rest)]
        if 1 < len(together) <= _MOST_SEQUENCES and all("Z" in one.image.axes for one in together):
            return together, _mask_words(item)
        found = next((one for base in bases if (one := self._anywhere.get(base)) is not None), None)
        return [found] if found is not None else [], _mask_words(item)


def _begins(item: Item, bases: Iterable[str]) -> bool:
    return any(item.stem.lower().startswith(f"{base}_") for base in bases)


def _mask_words(item: Item) -> str:
    words = [word for word in tokens(item.stem) if word in MASK_WORDS]
    reader = reader_in(item.stem)[1]
    return "_".join([*words, *([reader] if reader else [])]) or "mask"


def _bases(name: str) -> list[tuple[str, str]]:
    """Every way to part a name into a lower-case base and an ending, the longest base first."""
    cuts = [(found.start(), found.end()) for found in _SEPARATOR.finditer(name)]
    return [(name[:start].lower(), name[end:]) for start, end in reversed(cuts) if start]
