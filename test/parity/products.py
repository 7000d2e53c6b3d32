"""Independent reference of spectrum, coordinates, clusters and outlier scores: numpy and scipy.

Everything is recomputed from the graph and from a result opened without masking, so that fill
values are seen as they stand.
"""

import json
import pathlib

import numpy as np
import scipy.cluster.vq as vq
import scipy.sparse as sparse
import scipy.sparse.linalg

RESIDUAL = 1e-8
EIGENVALUE = 1e-8
# Entries of phi where D^-1/2 doesn't blow up rounding errors of v.
DEGREE_SAFE = 1e-8
COORDINATE = 1e-6
INERTIA = 1.001
DENSE = 1500


def parts_of(component):
    """Labels of the components that have modes."""
    labels, sizes = np.unique(component, return_counts=True)
    least = max(16, -(-len(component) // 1000))
    return labels[sizes >= least]


def laplacian(weights, degree, nodes):
    own = weights[nodes][:, nodes]
    root = sparse.diags(1 / np.sqrt(degree[nodes]))
    return (sparse.identity(len(nodes)) - root @ own @ root).tocsr()


def smallest(matrix, count):
    """Smallest eigenvalues, the 0 of the connected part first."""
    if matrix.shape[0] <= DENSE:
        return np.linalg.eigvalsh(matrix.toarray())[:count]
    shifted = 2 * sparse.identity(matrix.shape[0]) - matrix
    start = np.random.default_rng(1).normal(size=matrix.shape[0])
    found = scipy.sparse.linalg.eigsh(
        shifted, k=count + 4, which="LA", tol=1e-11, v0=start, return_eigenvectors=False
    )
    return np.sort(2 - found)[:count]


def modes(data, weights, degree, component):
    """Eigenvalues, vectors and coordinates of every part; returns the largest differences."""
    labels = parts_of(component)
    assert np.array_equal(data.part_component, labels)
    report = {"eigenvalue": 0.0, "residual": 0.0, "orthogonality": 0.0, "coordinate": 0.0}
    vectors, first = data.eigenvector.values, first_rows(data)
    assert not vectors[~np.isin(component, labels)].any()
    for at, label in enumerate(labels):
        nodes = np.flatnonzero(component == label)
        count = min(int(data.attrs.get("modes", data.sizes["mode"])), len(nodes) - 1)
        assert data.part_modes[at] == count and data.part_nodes[at] == len(nodes)
        values = data.eigenvalue.values[at]
        assert np.isnan(values[count:]).all() and np.isfinite(values[:count]).all()
        values = values[:count]
        matrix = laplacian(weights, degree, nodes)
        expected = smallest(matrix, count + 1)[1:]
        report["eigenvalue"] = max(report["eigenvalue"], np.abs(values - expected).max())
        own = vectors[nodes][:, :count]
        residual = np.linalg.norm(matrix @ own - own * values, axis=0)
        assert np.allclose(residual, data.eigenvalue_residual.values[at][:count], atol=1e-12)
        report["residual"] = max(report["residual"], residual.max())
        null = np.sqrt(degree[nodes] / degree[nodes].sum())
        every = np.column_stack([null, own])
        off = np.abs(every.T @ every - np.identity(count + 1)).max()
        report["orthogonality"] = max(report["orthogonality"], off)
        alone = np.diff(np.concatenate([[-1], values, [3]]))
        alone = (alone[:-1] > 1e-7) & (alone[1:] > 1e-7)
        top = own[np.abs(own).argmax(axis=0), np.arange(count)]
        tied = np.sort(np.abs(own), axis=0)[-2] > 0.999 * np.abs(top)
        assert (top[alone & ~tied] > 0).all()
        phi = own * np.sqrt(degree[nodes].sum() / degree[nodes])[:, None]
        safe = degree[nodes] > DEGREE_SAFE * degree.max()
        for t, time in enumerate(data.time.values):
            found = data.diffusion_coordinate.values[t][first[nodes]][:, :count]
            wanted = phi * np.exp(-time * values)
            off = np.abs(found - wanted)[safe].max(initial=0)
            report["coordinate"] = max(report["coordinate"], off)
            assert np.isfinite(found).all()
    assert report["eigenvalue"] <= EIGENVALUE and report["residual"] <= RESIDUAL, report
    assert report["orthogonality"] <= RESIDUAL and report["coordinate"] <= COORDINATE, report
    return {name: float(value) for name, value in report.items()}


def first_rows(data):
    return np.unique(data.node_of_row.values, return_index=True)[1]


def planned(data):
    """How many clusters each part gets by the eigengap, and whether the gap is clear."""
    parts = data.sizes["part"]
    row = [(0.0, at) for at in range(parts)]
    row += sorted(
        (value, at)
        for at in range(parts)
        for value in data.eigenvalue.values[at][: int(data.part_modes[at])]
    )
    values = np.array([value for value, _ in row])
    tried = [k for k in range(max(2, parts), data.sizes["mode"] + 1) if k < len(values)]
    gaps = np.array([values[k] - values[k - 1] for k in tried])
    count = tried[int(gaps.argmax())] if len(tried) else parts
    others = np.delete(gaps, gaps.argmax()).max(initial=0) if len(tried) else 0
    clear = len(tried) > 0 and gaps.max() >= 1.5 * others
    return np.bincount([at for _, at in row[:count]], minlength=parts), bool(clear)


def clusters(data, component, degree, wanted=None):
    """Clusters as good as scipy's best k-means, numbered by size; medoids; the sample table."""
    first = first_rows(data)
    of_row = data.cluster_of_row.values
    own = of_row[first]
    assert np.array_equal(own[data.node_of_row.values], of_row)
    sizes = np.bincount(own[own >= 0], minlength=data.sizes["cluster"])
    assert np.array_equal(sizes, data.cluster_nodes) and (np.diff(sizes) <= 0).all()
    assert ((own >= 0) == np.isin(component, data.part_component)).all()
    margin = data.cluster_margin.values
    assert margin.min() >= 0 and margin.max() <= 1
    counts, clear = planned(data)
    if wanted is None:
        said = data.cluster_of_row.attrs["eigengap"]
        assert said.startswith("a clear gap") == clear, said
        assert data.sizes["cluster"] == counts.sum()
    else:
        assert data.sizes["cluster"] == max(wanted, data.sizes["part"])
    phi = data.diffusion_coordinate.values[0][first]
    for at, label in enumerate(data.part_component.values):
        nodes = np.flatnonzero(component == label)
        found = np.unique(own[nodes])
        assert (data.cluster_component.values[found] == label).all()
        if wanted is None:
            assert len(found) == counts[at]
        decay = np.exp(-data.time.values[0] * data.eigenvalue.values[at][: len(found) - 1])
        rows = np.column_stack([np.ones(len(nodes)), phi[nodes][:, : len(found) - 1] / decay])
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        inertia = sum(
            ((rows[own[nodes] == c] - rows[own[nodes] == c].mean(axis=0)) ** 2).sum()
            for c in found
        )
        best = min(
            ((rows - centres[labels]) ** 2).sum()
            for centres, labels in (
                vq.kmeans2(rows, len(found), minit="++", seed=seed, iter=50) for seed in range(10)
            )
        )
        assert inertia <= INERTIA * best + 1e-9, (label, inertia, best)
    for c, medoid in enumerate(data.cluster_medoid.values):
        members = np.flatnonzero(own == c)
        square = ((phi[members] - phi[members].mean(axis=0)) ** 2).sum(axis=1)
        assert medoid in members
        assert square[members == medoid][0] <= square.min() * (1 + 1e-9) + 1e-15
    return {"clusters": int(data.sizes["cluster"]), "clear": clear}


def samples(data, folder):
    """The table, from the manifest beside the shards."""
    manifest = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    names = list(dict.fromkeys(item["sample"] for item in manifest["inputs"]))
    read = [name.decode() for name in data.sample_name.values]
    assert read == names, read
    of_row = np.concatenate([
        np.full(shard["rows"], names.index(manifest["inputs"][shard["input"]]["sample"]))
        for shard in manifest["shards"]
    ]).astype(int)
    table = np.zeros((data.sizes["cluster"], len(names)), dtype=int)
    known = data.cluster_of_row.values >= 0
    np.add.at(table, (data.cluster_of_row.values[known], of_row[known]), 1)
    assert np.array_equal(data.cluster_sample_rows, table)
    assert np.array_equal(data.sample_rows, np.bincount(of_row, minlength=len(names)))


def outliers(data):
    """Exact but for the rounding of one division."""
    farthest = data.knn_distance.values[:, -1]
    usual = np.median(farthest[data.knn_index.values], axis=1)
    usual = np.maximum(usual, 1e-6 * farthest.max())
    expected = np.divide(farthest, usual, out=np.ones_like(usual), where=usual > 0)
    assert np.allclose(data.outlier_score, expected, rtol=1e-14, atol=0)


def energy(data, weights, degree):
    """Energy of the heat that stands in the file; it never grows."""
    first = first_rows(data)
    edges = sparse.triu(weights).tocoo()
    for at in range(data.sizes["time"]):
        values = data.heat.values[at][first]
        step = values[edges.row] - values[edges.col]
        expected = (edges.data[:, None] * step**2).sum(axis=0) / degree.sum()
        assert np.allclose(data.heat_energy[at], expected, rtol=1e-9, atol=1e-18)
    assert (np.diff(data.heat_energy, axis=0) <= 1e-12).all()


def documented(data):
    """Every variable says what it is; nothing is masked or infinite but what is declared so."""
    for name, variable in data.variables.items():
        assert variable.attrs["long_name"], name
        if variable.dtype.kind in "SU":
            continue
        assert variable.attrs["units"] == "1", name
        values = variable.values
        if np.isnan(variable.attrs.get("_FillValue", 0)):
            values = values[~np.isnan(values)]
        assert np.isfinite(values).all(), name
    for name in ("Conventions", "title", "summary", "keywords", "source", "comment"):
        assert data.attrs[name], name
