// Owns the eigenvectors of P = D^-1 W on the nodes: phi = D^-1/2 v.
// Invariants: the mean of phi_j^2 over a component, weighted by degree, is 1; a diffusion
// coordinate at time t is exp(-t lambda_j) phi_j, so squared distances between nodes of one
// component are squared diffusion distances, up to the modes left out.
#pragma once

#include <mpi.h>

#include <vector>

#include "compute/graph.h"
#include "spectrum/spectrum.h"

namespace ligase {

/// Place of a node's component among the parts of the spectrum, or -1: of the owned nodes.
/// Not collective.
std::vector<int32_t> partOfNodes(const Graph& graph, const Spectrum& spectrum);

/// phi of the owned nodes, [owned nodes, modes], row-major; 0 where a node has no modes.
/// Collective.
///
/// Where a degree is so small that rounding errors of v would show, phi is found from the
/// neighbours' by P phi = (1 - lambda) phi instead.
std::vector<double> walkVectors(MPI_Comm comm, const Graph& graph, const Spectrum& spectrum);

/// Diffusion coordinates of the owned nodes at a time, [owned nodes, modes]. Not collective.
/// @param phi - walkVectors.
std::vector<double> coordinatesAt(const Graph& graph, const Spectrum& spectrum,
                                  const std::vector<double>& phi, double time);

}  // namespace ligase
