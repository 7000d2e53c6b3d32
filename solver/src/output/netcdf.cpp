// Owns names, descriptions and who writes what; see netcdf.h. Each rank writes the rows and nodes
// it owns, the neighbours it searched; rank 0 writes what is small.
#include "output/netcdf.h"

#include <netcdf.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "output/file.h"
#include "products/coordinates.h"

namespace ligase {

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

/// Rank and what it may write of the small variables.
struct Place {
  bool root;
  Extent whole(int64_t count) const { return {0, root ? count : 0}; }
};

void describe(File& file, const Result& result) {
  file.text(NC_GLOBAL, "Conventions", "CF-1.10, ACDD-1.3");
  file.text(NC_GLOBAL, "title", "Neighbours, heat, modes and clusters of an embedding set");
  file.text(NC_GLOBAL, "summary",
            "Exact nearest neighbours of a set of embeddings, the self-tuning graph they make, "
            "its connected components, the heat equation on it, the smallest eigenpairs of its "
            "normalised Laplacian, diffusion coordinates, clusters and outlier scores.");
  file.text(NC_GLOBAL, "keywords",
            "k nearest neighbours, graph Laplacian, diffusion maps, spectral clustering");
  file.text(NC_GLOBAL, "source", "mpi_dna_seq 2");
  file.text(NC_GLOBAL, "processing_level", "derived from embeddings, no observation");
  file.text(NC_GLOBAL, "metric", result.metric);
  file.numbers(NC_GLOBAL, "seed", std::vector<double>{(double)result.seed});
  file.text(NC_GLOBAL, "comment",
            "row: a row of the embeddings, which are the one Parquet file or the shards of the "
            "manifest in their order, each from its firstRow on; their column read_id names the "
            "read. node: a different embedding, numbered by its first row. part: a connected "
            "component with at least 16 nodes and 0.1 % of all; only parts have modes and "
            "clusters, and variables of mode, part and cluster are absent where no component is "
            "large enough or no modes were asked for. All count from 0.");
}

/// neighbours and graph, of nodes.
class GraphVariables {
 public:
  GraphVariables(File& file, const Result& result, int row, int node) {
    const int neighbor = file.dimension("neighbor", result.neighbors.k);
    const bool euclidean = result.metric == "l2";
    nodeOfRow_ = file.variable("node_of_row", NC_INT, {row}, "node of the row",
                               "rows with bit-identical embeddings share one node");
    multiplicity_ = file.variable("multiplicity", NC_INT, {node}, "rows of the node");
    index_ = file.variable("knn_index", NC_INT, {node, neighbor}, "nearest nodes",
                           "in the order of (distance, node); the node itself isn't among them");
    distance_ = file.variable(
        "knn_distance", NC_DOUBLE, {node, neighbor},
        euclidean ? "Euclidean distance to that neighbour"
                  : "Euclidean distance of the unit vectors to that neighbour",
        euclidean ? "" : "cosine distance is its square / 2");
    degree_ = file.variable(
        "degree", NC_DOUBLE, {node}, "sum of the node's edge weights",
        "w_ij = exp(-d_ij^2 / (sigma_i sigma_j)) for j among the neighbours of i, the larger of "
        "w_ij and w_ji; sigma: distance to the 7th neighbour");
    component_ = file.variable("component", NC_INT, {node}, "connected component of the graph",
                               "named by its smallest node");
    outlier_ = file.variable("outlier_score", NC_DOUBLE, {node},
                             "distance to the last neighbour / median of that of its neighbours",
                             "about 1 inside a cloud of points, larger outside");
  }

  void put(File& file, const Result& result, const Range& rows) const {
    const Extent nodes = extentOf(result.graph.range);
    const Extent searched = extentOf(result.neighbors.range);
    const Extent neighbor{0, result.neighbors.k};
    file.put(nodeOfRow_, {extentOf(rows)}, result.nodes.ofRow.data() + rows.lo);
    file.put(multiplicity_, {nodes}, result.nodes.multiplicity.data() + nodes.start);
    file.put(index_, {searched, neighbor}, result.neighbors.ids);
    file.put(distance_, {searched, neighbor}, result.neighbors.distances);
    file.put(degree_, {nodes}, result.graph.degree);
    file.put(component_, {nodes}, result.graph.component.data() + nodes.start);
    file.put(outlier_, {searched}, result.outliers);
  }

 private:
  int nodeOfRow_, multiplicity_, index_, distance_, degree_, component_, outlier_;
};

class HeatVariables {
 public:
  HeatVariables(File& file, const Result& result, int row, int time) {
    const int field = file.dimension("field", result.fields.count());
    kind_ = file.variable("field_kind", NC_INT, {field}, "what the field starts from",
                          "source: 1 on the node of an input's first row, else 0; probe: 1 or -1 "
                          "by chance on every node");
    file.numbers(kind_, "flag_values", std::vector<int32_t>{0, 1});
    file.text(kind_, "flag_meanings", "source probe");
    index_ = file.variable("field_index", NC_INT, {field}, "input of a source, number of a probe",
                           "inputs are numbered as in the manifest");
    row_ = file.variable("field_row", NC_INT, {field}, "first row of a source's input",
                         "-1 for a probe");
    file.numbers(row_, "_FillValue", std::vector<int32_t>{-1});
    start_ = file.variable("heat_start", NC_DOUBLE, {row, field}, "u(0) at the row's node");
    heat_ = file.variable("heat", NC_DOUBLE, {time, row, field},
                          "u(t) = exp(-t L_rw) u(0) at the row's node",
                          "L_rw = I - D^-1 W; stays within the range of u(0)");
    mass_ = file.variable("heat_mass", NC_DOUBLE, {time, field},
                          "sum over nodes of degree x heat / sum of degrees",
                          "constant in time");
    energy_ = file.variable("heat_energy", NC_DOUBLE, {time, field},
                            "sum over edges of weight x (difference of heat)^2 / sum of degrees",
                            "falls with time");
    error_ = file.variable("heat_error_bound", NC_DOUBLE, {time},
                           "bound of the error of heat, known before the computation",
                           "of the terms left out of the Chebyshev expansion");
  }

  void put(File& file, const Result& result, const Place& place) const {
    const int64_t count = result.fields.count();
    const auto times = (int64_t)result.times.size();
    const Extent fields{0, count};
    const Extent rows = extentOf(result.view.range);
    std::vector<int32_t> kind;
    std::vector<int32_t> index;
    std::vector<int32_t> row;
    for (const StartField& field : result.fields.list) {
      kind.push_back((int32_t)field.kind);
      index.push_back(field.index);
      row.push_back(field.row);
    }
    file.put(kind_, {place.whole(count)}, kind);
    file.put(index_, {place.whole(count)}, index);
    file.put(row_, {place.whole(count)}, row);
    file.put(start_, {rows, fields}, result.view.rows(result.fields.start, count));
    for (int64_t t = 0; t < times; t++) {
      file.put(heat_, {{t, 1}, rows, fields},
               result.view.rows(result.heat.values[(size_t)t], count));
    }
    file.put(mass_, {place.whole(times), fields}, result.heat.mass);
    file.put(energy_, {place.whole(times), fields}, result.heat.energy);
    file.put(error_, {place.whole(times)}, result.heat.errors);
  }

 private:
  int kind_, index_, row_, start_, heat_, mass_, energy_, error_;
};

/// Modes of the parts; only where there are parts.
class ModeVariables {
 public:
  ModeVariables(File& file, const Result& result, int row, int node, int time) {
    const int part = file.dimension("part", (int64_t)result.spectrum.parts.size());
    const int mode = file.dimension("mode", result.spectrum.modes);
    component_ = file.variable("part_component", NC_INT, {part}, "component of the part");
    nodes_ = file.variable("part_nodes", NC_INT, {part}, "nodes of the part");
    modes_ = file.variable("part_modes", NC_INT, {part}, "modes of the part");
    value_ = file.variable("eigenvalue", NC_DOUBLE, {part, mode},
                           "smallest non-trivial eigenvalues of L_sym on the part",
                           "L_sym = I - D^-1/2 W D^-1/2; the part's own 0 is left out; ascending "
                           "to 1e-8; missing where a part has fewer modes");
    residual_ = file.variable("eigenvalue_residual", NC_DOUBLE, {part, mode},
                              "norm of L_sym v - eigenvalue v",
                              "a mode above 1e-8 wasn't found within the solver's limits");
    for (const int variable : {value_, residual_}) {
      file.numbers(variable, "_FillValue", std::vector<double>{missing});
    }
    vector_ = file.variable("eigenvector", NC_DOUBLE, {node, mode},
                            "unit eigenvector of the node's part for that mode",
                            "0 where the node's component has no such mode; of a multiple "
                            "eigenvalue the vectors are fixed by pivot nodes, else the sign is "
                            "such that the largest entry is positive");
    coordinate_ = file.variable("diffusion_coordinate", NC_DOUBLE, {time, row, mode},
                                "exp(-t eigenvalue) phi at the row's node",
                                "phi = D^-1/2 v, scaled so that the mean of phi^2 over the part, "
                                "weighted by degree, is 1; 0 where there is no such mode");
  }

  void put(File& file, const Result& result, const Place& place) const {
    const auto& parts = result.spectrum.parts;
    const int64_t width = result.spectrum.modes;
    const auto count = (int64_t)parts.size();
    std::vector<int32_t> component;
    std::vector<int32_t> nodes;
    std::vector<int32_t> modes;
    std::vector<double> values;
    std::vector<double> residuals;
    for (const PartSpectrum& part : parts) {
      component.push_back(part.part.component);
      nodes.push_back((int32_t)part.part.nodes);
      modes.push_back((int32_t)part.values.size());
      values.insert(values.end(), part.values.begin(), part.values.end());
      residuals.insert(residuals.end(), part.residuals.begin(), part.residuals.end());
      const auto rest = (size_t)width - part.values.size();
      values.insert(values.end(), rest, missing);
      residuals.insert(residuals.end(), rest, missing);
    }
    const Extent all{0, width};
    file.put(component_, {place.whole(count)}, component);
    file.put(nodes_, {place.whole(count)}, nodes);
    file.put(modes_, {place.whole(count)}, modes);
    file.put(value_, {place.whole(count), all}, values);
    file.put(residual_, {place.whole(count), all}, residuals);
    file.put(vector_, {extentOf(result.graph.range), all}, result.spectrum.vectors);
    for (size_t t = 0; t < result.times.size(); t++) {
      const std::vector<double> at =
          coordinatesAt(result.graph, result.spectrum, result.walk, result.times[t]);
      file.put(coordinate_, {{(int64_t)t, 1}, extentOf(result.view.range), all},
               result.view.rows(at, width));
    }
  }

 private:
  int component_, nodes_, modes_, value_, residual_, vector_, coordinate_;
};

/// Clusters of the rows, and what is in them; only where there are parts.
class ClusterVariables {
 public:
  ClusterVariables(File& file, const Result& result, int row) {
    const Clusters& clusters = result.clusters;
    const int cluster = file.dimension("cluster", (int64_t)clusters.list.size());
    cluster_ = file.variable("cluster_of_row", NC_INT, {row}, "cluster of the row's node",
                             "k-means of the rows of the first eigenvectors, divided by their "
                             "length; numbered by falling number of nodes; missing in components "
                             "that are no part");
    file.numbers(cluster_, "_FillValue", std::vector<int32_t>{-1});
    file.numbers(cluster_, "gap", std::vector<double>{clusters.gap});
    file.numbers(cluster_, "largest_other_gap", std::vector<double>{clusters.otherGap});
    file.text(cluster_, "eigengap",
              clusters.clearGap() ? "a clear gap: 1.5 times any other" : "no clear gap");
    margin_ = file.variable("cluster_margin", NC_DOUBLE, {row},
                            "1 - distance to the cluster's centre / to the next nearest",
                            "1 where the part is one cluster; 0 where there is none");
    component_ = file.variable("cluster_component", NC_INT, {cluster}, "component of the cluster");
    nodes_ = file.variable("cluster_nodes", NC_INT, {cluster}, "nodes of the cluster");
    medoid_ = file.variable("cluster_medoid", NC_INT, {cluster},
                            "node with the least sum of squared diffusion distances to the others",
                            "at the first time");
    if (result.samples.names.empty()) return;
    for (const std::string& name : result.samples.names) {
      length_ = std::max(length_, (int64_t)name.size());
    }
    const int sample = file.dimension("sample", (int64_t)result.samples.names.size());
    const int length = file.dimension("sample_name_length", length_);
    name_ = file.variable("sample_name", NC_CHAR, {sample, length}, "name of the sample",
                          "UTF-8, zeros behind");
    rows_ = file.variable("sample_rows", NC_INT, {sample}, "rows of the sample");
    table_ = file.variable("cluster_sample_rows", NC_INT, {cluster, sample},
                           "rows of the sample in the cluster",
                           "rows without a cluster aren't counted");
  }

  void put(File& file, const Result& result, const Place& place) const {
    const Extent rows = extentOf(result.view.range);
    const auto count = (int64_t)result.clusters.list.size();
    file.put(cluster_, {rows}, result.view.rows(result.clusters.ofNode, 1));
    file.put(margin_, {rows}, result.view.rows(result.clusters.margin, 1));
    std::vector<int32_t> component;
    std::vector<int32_t> nodes;
    std::vector<int32_t> medoid;
    for (const ClusterFacts& cluster : result.clusters.list) {
      component.push_back(cluster.component);
      nodes.push_back(cluster.nodes);
      medoid.push_back(cluster.medoid);
    }
    file.put(component_, {place.whole(count)}, component);
    file.put(nodes_, {place.whole(count)}, nodes);
    file.put(medoid_, {place.whole(count)}, medoid);
    const SampleTable& samples = result.samples;
    if (samples.names.empty()) return;
    std::string names;
    for (const std::string& name : samples.names) {
      names += name + std::string((size_t)length_ - name.size(), '\0');
    }
    const auto all = (int64_t)samples.names.size();
    file.put(name_, {place.whole(all), {0, length_}}, names.data());
    file.put(rows_, {place.whole(all)}, samples.rows);
    file.put(table_, {place.whole(count), {0, all}}, samples.counts);
  }

 private:
  int cluster_, margin_, component_, nodes_, medoid_;
  int name_ = -1, rows_ = -1, table_ = -1;
  int64_t length_ = 1;
};

}  // namespace

void writeNetcdf(MPI_Comm comm, const std::string& path, const Result& result) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  const Place place{rank == 0};
  File file(comm, path);
  const int row = file.dimension("row", (int64_t)result.nodes.ofRow.size());
  const int node = file.dimension("node", result.nodes.count());
  const auto times = (int64_t)result.times.size();
  const int time = file.dimension("time", times);
  describe(file, result);
  const int at = file.variable("time", NC_DOUBLE, {time}, "diffusion time t of exp(-t L)");
  const GraphVariables graph(file, result, row, node);
  const HeatVariables heat(file, result, row, time);
  std::optional<ModeVariables> modes;
  std::optional<ClusterVariables> clusters;
  if (!result.spectrum.parts.empty()) {
    modes.emplace(file, result, row, node, time);
    clusters.emplace(file, result, row);
  }
  file.endDefine();
  file.put(at, {place.whole(times)}, result.times);
  graph.put(file, result, result.view.range);
  heat.put(file, result, place);
  if (modes) modes->put(file, result, place);
  if (clusters) clusters->put(file, result, place);
  file.close();
}

}  // namespace ligase
