#include "console/catalogue/catalogue.h"

#include <array>

namespace shardfs {

std::span<const std::span<const CatalogueEntry>> Catalogue() {
  static const std::array<std::span<const CatalogueEntry>, 5> kParts = {
      CommonCatalogue(), DoctorCatalogue(), MindieCatalogue(), PageCatalogue(), ServerCatalogue()};
  return kParts;
}

}  // namespace shardfs
