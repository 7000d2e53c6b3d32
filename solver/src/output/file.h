// Owns one NetCDF file while it is written: define phase, then data phase.
// Invariants: every variable is contiguous, without fill and with a long name; every write is
// collective; a rank whose write fails ends all ranks.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/ranges.h"

namespace ligase {

/// Part of one dimension that a rank writes.
struct Extent {
  int64_t start;
  int64_t count;
};

inline Extent extentOf(const Range& range) { return {range.lo, range.size()}; }

class File {
 public:
  /// Creates or truncates the file. Collective. @throws SolverError IO_ERROR.
  File(MPI_Comm comm, const std::string& path);
  // No destructor: closing is collective, and a rank that fails alone must not wait for the others.
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Collective, as all definitions. @param length - > 0: NetCDF takes 0 for unlimited.
  int dimension(const char* name, int64_t length);
  /// Attributes. @param variable - NC_GLOBAL for the file's own.
  void text(int variable, const char* name, const std::string& value);
  void numbers(int variable, const char* name, const std::vector<double>& values);
  void numbers(int variable, const char* name, const std::vector<int32_t>& values);
  /// @param type - NC_INT, NC_DOUBLE or NC_CHAR.
  int variable(const char* name, int type, const std::vector<int>& dimensions,
               const std::string& longName, const std::string& comment = "");
  void endDefine();

  /// Collective; a rank may write nothing. @param values - the part, row-major, of the variable's
  /// type.
  template <class T>
  void put(int variable, const std::vector<Extent>& extents, const std::vector<T>& values) {
    write(variable, extents, values.data());
  }
  template <class T>
  void put(int variable, const std::vector<Extent>& extents, const T* values) {
    write(variable, extents, values);
  }

  void close();

 private:
  void write(int variable, const std::vector<Extent>& extents, const void* values);

  int id_ = -1;
};

}  // namespace ligase
