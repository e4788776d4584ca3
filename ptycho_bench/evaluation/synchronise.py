"""Alignment of the constant phases of overlapping patches by angular synchronisation.

A far-field pattern determines the phase of its patch only up to one constant, so that every predicted patch may have
a different one. Where two patches overlap, they show the same object, and the phase of their product is the difference
of their constants. Angular synchronisation (Singer, doi:10.1016/j.acha.2010.02.001) finds the constants that fit these
differences best: they are the phases of the leading eigenvector of the matrix of the products.

In a large field that eigenvector concentrates where the patches agree best and fades below rounding elsewhere.
Therefore eigenvectors are computed for groups of neighbouring patches only; the groups are then aligned with each other
in the same way. Every level is refined by the generalised power method (Boumal, doi:10.1137/16M105808X).
"""

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from ptycho_bench.physics.scan import whole_px

NEAREST = 8  # patches with which each patch is compared, besides one at half a patch's side in each direction
DIRECTIONS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])
GROUP = 32  # patches, or groups of them, that are aligned by one eigenvector
REFINEMENTS = 100  # steps of the power method for each level of groups
CHUNK_PX = 2**21  # pixels of patches that are multiplied at once


def phase_corrections(patches: Tensor, positions_px: Tensor, weight: Tensor) -> Tensor:
    """Compute the constant that must be added to the phase of each patch so that overlapping patches agree.

    Patches that no chain of overlaps connects are aligned separately. The mean of the corrections on the circle,
    weighted by the power of the patches, is 0 in each connected part.

    Args:
        patches: complex64 (N, H, W), amplitude * exp(i phase), on the CPU.
        positions_px: (N, 2), top-left (y, x) of each patch, rounded to whole pixels.
        weight: real (H, W), weight of each pixel of a patch; not negative.

    Returns:
        Float32 (N,), radians in [-pi, pi].
    """
    corners, weight = whole_px(positions_px).numpy(), weight.float()
    matrix, power = overlap_matrix(patches, corners, weight), patch_power(patches, weight)
    phasor = np.ones(len(corners), complex)
    for part in members(connected_components(abs(matrix), directed=False)[1]):
        found = synchronised(matrix[part][:, part], corners[part].astype(float), GROUP)
        phasor[part] = found * unit(np.sum(power[part] * found)).conj()
    return torch.from_numpy(np.angle(phasor)).float()


def synchronised(matrix: csr_array, places: np.ndarray, largest: int) -> np.ndarray:
    """Return the unit vectors z, complex128 (n,), that nearly maximise the sum of conj(z_i) matrix_ij z_j.

    Args:
        matrix: complex128 (n, n), Hermitian, connected, with zeros on its diagonal.
        places: float (n, 2), positions, by which neighbours are grouped.
        largest: number of entries that are solved by one eigenvector.
    """
    if len(places) <= largest:
        return refined(matrix, leading_phasor(matrix.toarray()))
    phasor, group = np.ones(len(places), complex), np.zeros(len(places), int)
    groups = [part[piece] for part in nearby(places, largest)
              for piece in members(connected_components(abs(matrix[part][:, part]), directed=False)[1])]  # fmt: skip
    for number, inside in enumerate(groups):
        phasor[inside], group[inside] = leading_phasor(matrix[inside][:, inside].toarray()), number
    spread = csr_array((phasor, (np.arange(len(places)), group)))
    between = (spread.conj().T @ matrix @ spread).tolil()
    between.setdiag(0)
    centres = np.stack([places[inside].mean(axis=0) for inside in groups])
    enough = 2 * len(groups) <= len(places)  # if not, larger groups make sure that this ends
    return refined(matrix, phasor * synchronised(between.tocsr(), centres, largest if enough else 2 * largest)[group])


def leading_phasor(matrix: np.ndarray) -> np.ndarray:
    """Return the phases of the leading eigenvector of a Hermitian matrix, normalised by its rows, as unit vectors."""
    scale = 1 / np.sqrt(np.abs(matrix).sum(axis=1).clip(min=np.finfo(float).tiny))
    return unit(np.linalg.eigh(scale[:, None] * matrix * scale)[1][:, -1])


def refined(matrix: csr_array, phasor: np.ndarray) -> np.ndarray:
    """Improve unit vectors (n,) by the power method; the row sums on the diagonal keep it from oscillating."""
    diagonal = abs(matrix).sum(axis=1)
    for _ in range(REFINEMENTS):
        phasor = unit(matrix @ phasor + diagonal * phasor)
    return phasor


def unit(values: np.ndarray) -> np.ndarray:
    """Return complex values divided by their modulus; 1 where it is 0."""
    modulus = np.abs(values)
    return np.where(modulus > 0, values / np.where(modulus > 0, modulus, 1), 1)


def members(labels: np.ndarray) -> list[np.ndarray]:
    """Return the indices of the entries with each label 0, 1, ..."""
    ends = np.cumsum(np.bincount(labels))
    return np.split(np.argsort(labels, kind="stable"), ends)[: len(ends)]


def nearby(places: np.ndarray, largest: int) -> list[np.ndarray]:
    """Split places (n, 2) along the longer side of their extent until no group is too large; return their indices."""
    if len(places) <= largest:
        return [np.arange(len(places))]
    half = np.argsort(places[:, np.ptp(places, axis=0).argmax()], kind="stable")
    return [part[inside] for part in np.array_split(half, 2) for inside in nearby(places[part], largest)]


def overlap_matrix(patches: Tensor, corners: np.ndarray, weight: Tensor) -> csr_array:
    """Return the weighted sum of conj(p_i) p_j over the overlap of each pair of neighbours, complex128 (N, N).

    Args:
        patches: complex64 (N, H, W).
        corners: int64 (N, 2), top-left (y, x) of each patch.
        weight: float32 (H, W).
    """
    pairs = neighbour_pairs(corners, np.array(weight.shape))
    offsets, kind = np.unique(corners[pairs[:, 1]] - corners[pairs[:, 0]], axis=0, return_inverse=True)
    products = np.zeros(len(pairs), complex)
    for alike, offset in zip(members(kind.ravel()), offsets.tolist(), strict=True):
        first, second = window(weight.shape, offset), window(weight.shape, [-step for step in offset])
        both = (weight[first] * weight[second]).flatten().to(patches.dtype)
        for rows in np.array_split(alike, -(-len(alike) * weight.numel() // CHUNK_PX)):
            i, j = torch.from_numpy(pairs[rows]).unbind(dim=1)
            products[rows] = ((patches[(i, *first)].conj() * patches[(j, *second)]).flatten(1) @ both).numpy()
    (i, j), values = pairs[products != 0].T, products[products != 0]
    both_ways = np.concatenate((values, values.conj())), (np.concatenate((i, j)), np.concatenate((j, i)))
    return coo_array(both_ways, shape=(len(corners), len(corners))).tocsr()


def window(shape: tuple[int, int], offset: list[int]) -> tuple[slice, slice]:
    """Return the rows and columns of a patch that another patch covers, whose corner lies at an offset (y, x) to it."""
    return tuple(slice(max(step, 0), side + min(step, 0)) for step, side in zip(offset, shape, strict=True))


def neighbour_pairs(corners: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the pairs of overlapping patches that are compared, int64 (pairs, 2).

    These are the nearest patches and, so that dense scan lines are compared with each other, the patches closest to
    half a side away in each direction.

    Args:
        corners: int64 (N, 2), top-left (y, x) of each patch.
        shape: (height, width) of a patch.
    """
    tree, count = cKDTree(corners), len(corners)
    nearest = tree.query(corners, min(NEAREST + 1, count))[1].reshape(count, -1)
    distant = [tree.query(corners + direction * shape / 2)[1] for direction in DIRECTIONS]
    others = np.column_stack((nearest, *distant))
    first, second = np.repeat(np.arange(count), others.shape[1]), others.ravel()
    both = np.stack((np.minimum(first, second), np.maximum(first, second)), axis=1)
    both = np.unique(both[first != second], axis=0)
    return both[(np.abs(corners[both[:, 1]] - corners[both[:, 0]]) < shape).all(axis=1)]


def patch_power(patches: Tensor, weight: Tensor) -> np.ndarray:
    """Return the weighted power of each patch, float64 (N,)."""
    parts = patches.split(max(1, CHUNK_PX // weight.numel()))
    return torch.cat([(part.abs().square().flatten(1) @ weight.flatten()) for part in parts]).double().numpy()
